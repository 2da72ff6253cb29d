/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/allocator.h"

#include <glib/gstdio.h>

#include "daemon/host/host-ids.h"
#include "daemon/host/slot-locks.h"
#include "daemon/host/vetter.h"
#include "daemon/limits.h"
#include "lib/table/write.h"
#include "tests/unit/fake-policy.h"
#include "tests/unit/unit.h"

/* Requests that wait for slots to be vetted, with a vetter that knows what the test says. */

#define POOL_START 0x10000000u
#define N_SLOTS 4u
#define USER 4711u
#define OTHER 4712u
#define WAIT_MSEC 60000

static VetterAnswer answer;
static bool is_late; /* the deadline comes at once */

VetterAnswer __wrap_vetter_check(const Vetter *vetter, uint32_t start, uint32_t n_ids);
void __wrap_vetter_want(Vetter *vetter, uint32_t start, uint32_t n_ids);
void __wrap_vetter_forget_wanted(Vetter *vetter);
void __wrap_vetter_go_on(Vetter *vetter);
GSource *__real_g_timeout_source_new(guint interval);
GSource *__wrap_g_timeout_source_new(guint interval);

VetterAnswer __wrap_vetter_check(const Vetter *vetter, uint32_t start, uint32_t n_ids) {
        return answer;
}

void __wrap_vetter_want(Vetter *vetter, uint32_t start, uint32_t n_ids) {
}

void __wrap_vetter_forget_wanted(Vetter *vetter) {
}

void __wrap_vetter_go_on(Vetter *vetter) {
}

GSource *__wrap_g_timeout_source_new(guint interval) {
        return __real_g_timeout_source_new(
                is_late && interval == LIMIT_VETTING_MSEC ? 1 : interval);
}

typedef struct Fixture {
        char *folder, *locks;
        TableWriter *table;
        Policy *policy;
        HostIds *host_ids;
        UsernsProbe *probe;
        SlotLocks *slot_locks;
        Allocator *allocator;
        UnitUserns userns, other;
} Fixture;

static char *path_of(const Fixture *f, const char *name) {
        return g_build_filename(f->folder, name, NULL);
}

static void set_up(Fixture *f, gconstpointer unused) {
        g_autofree char *table = NULL;
        TableWriterConfig table_config = { .pool_start = POOL_START, .n_slots = N_SLOTS };
        PolicyConfig policy_config = {};
        TableOpenReport report = {};
        AllocatorConfig config = {
                .vetter = (Vetter *) (void *) f, /* never looked into */
                .enforced = true,
                .namespaces_per_user = 1000,
                .ids_per_user = UINT64_C(1) << 32,
                .quarantined_per_user = 1000,
        };

        f->folder = g_dir_make_tmp("test-allocator-waits-XXXXXX", NULL);
        f->locks = path_of(f, "locks");
        table_config.path = table = path_of(f, "table");
        g_assert_cmpint(table_writer_open(&table_config, &f->table, &report), ==, 0);
        g_assert_cmpint(policy_open(&policy_config, &f->policy), ==, 0);
        g_assert_cmpint(host_ids_new(f->folder, &f->host_ids), ==, 0);
        g_assert_cmpint(userns_probe_new(&f->probe), ==, 0);
        g_assert_cmpint(slot_locks_open(f->locks, -1, &f->slot_locks), ==, 0);
        config.table = f->table;
        config.policy = f->policy;
        config.host_ids = f->host_ids;
        config.probe = f->probe;
        config.lock_folder = f->locks;
        config.slot_locks = f->slot_locks;
        g_assert_cmpint(allocator_new(&config, &f->allocator), ==, 0);
        f->userns = unit_userns_new(USER);
        f->other = unit_userns_new(OTHER);
        answer = VETTER_UNKNOWN;
        is_late = false;
}

static void empty_folder(const char *path) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(folder))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                g_assert_cmpint(g_remove(file), ==, 0);
        }
}

static gboolean has_children(gconstpointer unused) {
        return userns_helper_count() > 0;
}

static void wait_for_no_children(void) {
        g_assert_true(unit_run_while(has_children, NULL, WAIT_MSEC));
}

static void tear_down(Fixture *f, gconstpointer unused) {
        unit_userns_clear(&f->userns);
        unit_userns_clear(&f->other);
        allocator_free(f->allocator);
        wait_for_no_children();
        slot_locks_free(f->slot_locks);
        table_writer_free(f->table);
        policy_free(f->policy);
        host_ids_free(f->host_ids);
        userns_probe_free(f->probe);
        empty_folder(f->locks);
        empty_folder(f->folder);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->locks);
}

typedef struct Answer {
        gboolean is_there;
        int result;
} Answer;

static void on_done(int result, void *userdata) {
        Answer *a = userdata;

        g_assert_false(a->is_there);
        a->is_there = TRUE;
        a->result = result;
}

static void ask(Fixture *f, const UnitUserns *userns, uint32_t account, Answer *a) {
        static unsigned n;
        g_autofree char *name = g_strdup_printf("n%u", n++);
        AllocatorRequest r = {
                .userns_fd = userns->fd,
                .name = name,
                .size = TABLE_SLOT_SIZE,
                .account_uid = account,
        };
        UsernsIdentity own;
        bool parent_is_own;

        *a = (Answer){ FALSE };
        g_assert_cmpint(userns_self(&own), ==, 0);
        g_assert_cmpint(
                userns_inspect(userns->fd, &own, &r.identity, &r.owner_uid, &parent_is_own), ==, 0);
        g_assert_cmpint(userns_outer_owner(userns->fd, &own, &r.outer_owner_uid), ==, 0);
        r.nested = !parent_is_own;
        g_assert_cmpint(allocator_allocate(f->allocator, &r, on_done, a), ==, 0);
}

static int wait_for(const Answer *a) {
        g_assert_true(unit_run_until(&a->is_there, WAIT_MSEC));
        return a->result;
}

static void answered(Fixture *f, VetterAnswer new_answer) {
        answer = new_answer;
        allocator_try_waiting(f->allocator);
}

static void assert_map(pid_t pid, const char *name, const char *expected) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, name), *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, expected);
}

/* A range of one slot, and whose it is. */
static void assert_lent(const Fixture *f, const UnitUserns *userns, uint32_t account) {
        uint32_t cursor = 0, record;

        while ((record = table_writer_next_live(f->table, &cursor)) != TABLE_NONE) {
                const TableRecord *range = table_writer_record(f->table, record);
                g_autofree char *map =
                        g_strdup_printf("%10u %10u %10u\n", 0u, range->start, TABLE_SLOT_SIZE);

                if (range->account_uid != account)
                        continue;
                g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);
                assert_map(userns->pid, "uid_map", map);
                assert_map(userns->pid, "gid_map", map);
                return;
        }
        g_assert_not_reached();
}

/* As many as may wait, and one more. */
static void test_limit(Fixture *f, gconstpointer unused) {
        Answer waiting[LIMIT_VETTING_WAITS_PER_ACCOUNT], more, other, again;
        UnitUserns another;

        for (unsigned i = 0; i < LIMIT_VETTING_WAITS_PER_ACCOUNT; i++)
                ask(f, &f->userns, USER, &waiting[i]);
        wait_for_no_children();
        for (unsigned i = 0; i < LIMIT_VETTING_WAITS_PER_ACCOUNT; i++)
                g_assert_false(waiting[i].is_there);
        ask(f, &f->userns, USER, &more);
        g_assert_cmpint(wait_for(&more), ==, ALLOCATOR_E_BUSY);
        ask(f, &f->other, OTHER, &other);
        wait_for_no_children();
        g_assert_false(other.is_there);

        /* Before it returns: nothing more has to be started. */
        answered(f, VETTER_FREE);
        g_assert_true(other.is_there);
        g_assert_cmpint(other.result, ==, 0);
        assert_lent(f, &f->other, OTHER);
        assert_lent(f, &f->userns, USER);
        g_assert_cmpint(waiting[0].result, ==, 0);
        for (unsigned i = 1; i < LIMIT_VETTING_WAITS_PER_ACCOUNT; i++) {
                g_assert_true(waiting[i].is_there);
                g_assert_cmpint(waiting[i].result, ==, ALLOCATOR_E_NOT_EMPTY);
        }

        /* There is room again. */
        another = unit_userns_new(USER);
        answer = VETTER_UNKNOWN;
        ask(f, &another, USER, &again);
        wait_for_no_children();
        g_assert_false(again.is_there);
        answered(f, VETTER_FREE);
        g_assert_true(again.is_there);
        g_assert_cmpint(again.result, ==, 0);
        unit_userns_clear(&another);
}

/* The answer to a request that waits again changes nothing of that. */
static void test_waits_twice(Fixture *f, gconstpointer unused) {
        Answer waiting;
        UnitUserns another = unit_userns_new(USER);
        Answer first;

        ask(f, &f->userns, USER, &waiting);
        wait_for_no_children();
        for (unsigned i = 0; i < 3; i++) {
                answered(f, VETTER_UNKNOWN);
                g_assert_false(waiting.is_there);
        }
        ask(f, &another, USER, &first);
        answered(f, VETTER_FREE);
        g_assert_true(waiting.is_there);
        g_assert_cmpint(waiting.result, ==, 0);
        /* It met the answer while it joined. */
        g_assert_cmpint(wait_for(&first), ==, 0);
        unit_userns_clear(&another);
}

static int map_self(void *data) {
        g_autofree char *path = g_strdup_printf("/proc/%d/uid_map", *(pid_t *) data);
        g_autofree char *line = g_strdup_printf("0 %u 1", USER);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, line, strlen(line)) == (ssize_t) strlen(line) ? 0 : 1;
}

static void test_mapped_meanwhile(Fixture *f, gconstpointer unused) {
        g_autofree char *map = g_strdup_printf("%10u %10u %10u\n", 0u, USER, 1u);
        Answer waiting;

        ask(f, &f->userns, USER, &waiting);
        wait_for_no_children();
        g_assert_cmpint(unit_in_userns(f->userns.fd, USER, map_self, &f->userns.pid), ==, 0);
        answered(f, VETTER_FREE);
        g_assert_cmpint(waiting.result, ==, ALLOCATOR_E_NOT_EMPTY);
        assert_map(f->userns.pid, "uid_map", map);
        assert_map(f->userns.pid, "gid_map", "");
        for (uint32_t slot = 0; slot < N_SLOTS; slot++)
                g_assert_cmpuint(table_writer_state(f->table, slot), ==, TABLE_STATE_FREE);
}

static gboolean lives(gconstpointer data) {
        const Fixture *f = data;
        uint32_t cursor = 0;

        g_assert_cmpint(userns_probe_refresh(f->probe), ==, 0);
        (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
        for (uint32_t slot = 0; slot < N_SLOTS; slot++)
                if (table_writer_state(f->table, slot) == TABLE_STATE_ACTIVE)
                        return TRUE;
        return FALSE;
}

static unsigned count_maps(void) {
        g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
        const char *name;
        unsigned n = 0;

        while ((name = g_dir_read_name(folder))) {
                g_autofree char *link = g_build_filename("/proc/self/fd", name, NULL);
                g_autofree char *path = g_file_read_link(link, NULL);

                n += path && strstr(path, "id_map");
        }
        return n;
}

/* What only its request keeps cannot be another namespace by then, and ends with it. */
static void test_dies_meanwhile(Fixture *f, gconstpointer unused) {
        Answer waiting;

        ask(f, &f->other, OTHER, &waiting);
        wait_for_no_children();
        g_assert_cmpuint(count_maps(), ==, 2);
        unit_userns_clear(&f->other);
        answered(f, VETTER_FREE);
        g_assert_true(waiting.is_there);
        g_assert_cmpint(waiting.result, ==, 0);
        g_assert_cmpuint(count_maps(), ==, 0);
        g_assert_true(unit_run_while(lives, f, WAIT_MSEC));
}

static void test_deadline(Fixture *f, gconstpointer unused) {
        Answer waiting, later;

        is_late = true;
        ask(f, &f->userns, USER, &waiting);
        g_assert_cmpint(wait_for(&waiting), ==, ALLOCATOR_E_EXHAUSTED);
        wait_for_no_children();
        g_assert_cmpuint(count_maps(), ==, 0);
        answered(f, VETTER_FREE);
        assert_map(f->userns.pid, "uid_map", "");
        ask(f, &f->userns, USER, &later);
        g_assert_cmpint(wait_for(&later), ==, 0);
}

static void test_end(Fixture *f, gconstpointer unused) {
        Answer waiting[3];

        for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++)
                ask(f, i == 0 ? &f->other : &f->userns, i == 0 ? OTHER : USER, &waiting[i]);
        wait_for_no_children();
        g_clear_pointer(&f->allocator, allocator_free);
        for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++) {
                g_assert_true(waiting[i].is_there);
                g_assert_cmpint(waiting[i].result, ==, -ECANCELED);
        }
        g_assert_cmpuint(count_maps(), ==, 0);
        assert_map(f->userns.pid, "uid_map", "");
        assert_map(f->other.pid, "uid_map", "");
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/allocator/waits/limit", test_limit },
                { "/allocator/waits/twice", test_waits_twice },
                { "/allocator/waits/mapped-meanwhile", test_mapped_meanwhile },
                { "/allocator/waits/dies-meanwhile", test_dies_meanwhile },
                { "/allocator/waits/deadline", test_deadline },
                { "/allocator/waits/end", test_end },
        };

        g_test_init(&argc, &argv, NULL);
        if (geteuid() != 0) {
                g_printerr("Bail out! needs root: maps of ranges are written\n");
                return 77;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
