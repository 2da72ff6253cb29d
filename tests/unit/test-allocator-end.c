/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "daemon/allocator/allocator.h"
#include "daemon/cgroup/remove.h"
#include "daemon/state/details.h"
#include "daemon/limits.h"
#include "lib/table/write.h"
#include "lib/util/worker-pool.h"
#include "tests/unit/fake-policy.h"

/* Whose control groups are removed when, with children that end when the test says so. */

#define POOL_START 0x10000000u
#define N_SLOTS 64u
#define GREEDY 1000u
#define OTHER 1001u

struct Child {
        uint64_t id; /* of its control group: account * 1000 + number */
        bool succeeded;
        ChildExitedFunc exited;
        void *userdata;
};

/* Children, in the order in which they began. */
static GQueue under_way = G_QUEUE_INIT;
static int child_result;
static WorkerPool *removals;

int __wrap_child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child);
bool __wrap_child_succeeded(const Child *child);
void __wrap_child_kill(Child *child);
void __wrap_child_forget(Child *child);
int __wrap_cgroup_tree_fd(const CgroupTree *tree);
WorkerPool *__wrap_cgroup_tree_removals(const CgroupTree *tree);

int __wrap_child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child) {
        const CgroupRemovalTask *task = data;

        g_assert_cmpuint(task->n, ==, 1);
        g_assert_cmpuint(task->n_ranges, ==, 1);
        if (child_result < 0)
                return child_result;
        *ret_child = g_new(Child, 1);
        **ret_child = (Child){ .id = task->ids[0], .exited = exited, .userdata = userdata };
        g_queue_push_tail(&under_way, *ret_child);
        return 0;
}

bool __wrap_child_succeeded(const Child *child) {
        return child->succeeded;
}

void __wrap_child_kill(Child *child) {
        (void) g_queue_remove(&under_way, child);
}

void __wrap_child_forget(Child *child) {
        (void) g_queue_remove(&under_way, child);
        g_free(child);
}

int __wrap_cgroup_tree_fd(const CgroupTree *tree) {
        return -1;
}

WorkerPool *__wrap_cgroup_tree_removals(const CgroupTree *tree) {
        return removals;
}

static void end(Child *child, bool gone) {
        g_assert_true(g_queue_remove(&under_way, child));
        child->succeeded = gone;
        child->exited(child, child->userdata);
        g_free(child);
}

static Child *find(uint32_t account) {
        for (GList *l = under_way.head; l; l = l->next)
                if (((Child *) l->data)->id / 1000 == account)
                        return l->data;
        return NULL;
}

static unsigned count(uint32_t account) {
        unsigned n = 0;

        for (GList *l = under_way.head; l; l = l->next)
                n += ((Child *) l->data)->id / 1000 == account;
        return n;
}

typedef struct Fixture {
        char *folder;
        TableWriter *table;
        Policy *policy;
        Details *details;
        UsernsProbe *probe;
        Allocator *allocator;
        unsigned n_ranges;
} Fixture;

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        g_autofree char *table = NULL, *details = NULL;
        TableWriterConfig table_config = { .pool_start = POOL_START, .n_slots = N_SLOTS };
        PolicyConfig policy_config = {};
        TableOpenReport report = {};
        AllocatorConfig config = { .enforced = true };

        f->folder = g_dir_make_tmp("test-allocator-end-XXXXXX", NULL);
        table_config.path = table = g_build_filename(f->folder, "table", NULL);
        details = g_build_filename(f->folder, "details", NULL);
        g_assert_cmpint(table_writer_open(&table_config, &f->table, &report), ==, 0);
        g_assert_cmpint(policy_open(&policy_config, &f->policy), ==, 0);
        fake_policy(f->policy)->slot = POLICY_SLOT_ORPHANED;
        g_assert_cmpint(
                details_open(details, table_writer_n_records(f->table), &f->details), ==, 0);
        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &f->probe), ==, 0);
        config.table = f->table;
        config.policy = f->policy;
        config.details = f->details;
        config.cgroups = (CgroupTree *) (void *) f; /* never looked into */
        config.probe = f->probe;
        removals = cgroup_removals_new();
        g_assert_cmpint(allocator_new(&config, &f->allocator), ==, 0);
        child_result = 0;
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        g_autoptr(GDir) folder = g_dir_open(f->folder, 0, NULL);
        const char *name;

        allocator_free(f->allocator);
        g_assert_cmpuint(under_way.length, ==, 0);
        worker_pool_free(removals);
        details_free(f->details);
        table_writer_free(f->table);
        policy_free(f->policy);
        userns_probe_free(f->probe);
        while ((name = g_dir_read_name(folder))) {
                g_autofree char *path = g_build_filename(f->folder, name, NULL);

                g_assert_cmpint(g_remove(path), ==, 0);
        }
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
}

/* A range with one control group. */
static uint32_t add_range(Fixture *f, uint32_t account) {
        g_autofree char *name = g_strdup_printf("n%u", f->n_ranges);
        TableRange range = {
                .name = name,
                .owner_uid = account,
                .account_uid = account,
                .userns_inode = 1000 + f->n_ranges,
                .size = TABLE_SLOT_SIZE,
        };
        const TableRecord *r;
        DetailsKey key;
        uint32_t record;

        g_assert_cmpint(table_writer_reserve(f->table, &range, NULL, NULL, &record), ==, 0);
        table_writer_set_state(f->table, record, TABLE_STATE_MAPPING);
        table_writer_set_state(f->table, record, TABLE_STATE_ACTIVE);
        r = table_writer_record(f->table, record);
        key = (DetailsKey){ r->userns_inode, r->userns_id, r->birth_usec };
        g_assert_cmpint(
                details_add_cgroup(
                        f->details, record, &key, (uint64_t) account * 1000 + f->n_ranges++),
                ==, 0);
        return record;
}

/* An account at its limit, with many that wait and come again, and another one is served. */
static void test_accounts_take_turns(Fixture *f, gconstpointer unused) {
        uint32_t greedy[20], other;

        for (size_t i = 0; i < G_N_ELEMENTS(greedy); i++)
                greedy[i] = add_range(f, GREEDY);
        other = add_range(f, OTHER);
        for (size_t i = 0; i < G_N_ELEMENTS(greedy); i++)
                allocator_release(f->allocator, greedy[i], false);
        g_assert_cmpuint(count(GREEDY), ==, LIMIT_CGROUP_REMOVALS_PER_ACCOUNT);
        allocator_release(f->allocator, other, false);
        g_assert_cmpuint(count(OTHER), ==, 1);
        end(find(OTHER), true);
        g_assert_cmpuint(table_writer_state(f->table, other), ==, TABLE_STATE_QUARANTINED);
        g_assert_cmpuint(table_writer_state(f->table, greedy[0]), ==, TABLE_STATE_RELEASING);
}

/* At the limit of all, the account that comes last is next. */
static void test_next_in_turn(Fixture *f, gconstpointer unused) {
        uint32_t other;

        for (uint32_t k = 0; k < LIMIT_CGROUP_REMOVALS / LIMIT_CGROUP_REMOVALS_PER_ACCOUNT; k++)
                for (unsigned i = 0; i < 5; i++)
                        allocator_release(f->allocator, add_range(f, 2000 + k), false);
        g_assert_cmpuint(under_way.length, ==, LIMIT_CGROUP_REMOVALS);
        other = add_range(f, OTHER);
        allocator_release(f->allocator, other, false);
        g_assert_cmpuint(count(OTHER), ==, 0);
        /* Each of those that were there before has one at the most. */
        for (uint32_t k = 0;
             k <= LIMIT_CGROUP_REMOVALS / LIMIT_CGROUP_REMOVALS_PER_ACCOUNT && !find(OTHER); k++)
                end(g_queue_peek_head(&under_way), false);
        g_assert_nonnull(find(OTHER));
}

/* What is busy, lowest record or not, goes behind what its account has waiting. */
static void test_busy_goes_last(Fixture *f, gconstpointer unused) {
        uint32_t records[5], cursor = 0;
        Child *first;
        uint64_t id;

        for (size_t i = 0; i < G_N_ELEMENTS(records); i++)
                records[i] = add_range(f, GREEDY);
        for (size_t i = 0; i < G_N_ELEMENTS(records); i++)
                allocator_release(f->allocator, records[i], false);
        first = g_queue_peek_head(&under_way);
        id = first->id;
        end(first, false);
        for (unsigned i = 0; i < G_N_ELEMENTS(records) - 1; i++) {
                cursor = 0;
                (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
                first = g_queue_peek_head(&under_way);
                g_assert_cmpuint(first->id, !=, id);
                end(first, true);
        }
        first = g_queue_peek_head(&under_way);
        g_assert_cmpuint(first->id, ==, id);
        end(first, true);
        for (size_t i = 0; i < G_N_ELEMENTS(records); i++)
                g_assert_cmpuint(
                        table_writer_state(f->table, records[i]), ==, TABLE_STATE_QUARANTINED);
}

/* A child that cannot be had is tried again, and takes no place until then. */
static void test_no_child(Fixture *f, gconstpointer unused) {
        uint32_t record = add_range(f, GREEDY), cursor = 0;

        child_result = -EAGAIN;
        for (unsigned i = 0; i < 20; i++)
                allocator_release(f->allocator, record, false);
        child_result = 0;
        g_assert_cmpuint(under_way.length, ==, 0);
        while (g_main_context_iteration(NULL, FALSE))
                ;
        (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
        g_assert_cmpuint(under_way.length, ==, 1);
        end(find(GREEDY), true);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_QUARANTINED);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define TEST(name, function)                                                     \
        g_test_add(                                                              \
                "/allocator-end/" name, Fixture, NULL, fixture_set_up, function, \
                fixture_tear_down)
        TEST("accounts-take-turns", test_accounts_take_turns);
        TEST("next-in-turn", test_next_in_turn);
        TEST("busy-goes-last", test_busy_goes_last);
        TEST("no-child", test_no_child);
        return g_test_run();
}
