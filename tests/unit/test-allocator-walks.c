/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/walks.h"

#include <errno.h>
#include <string.h>

#include "daemon/allocator/record.h"
#include "daemon/cgroup/walk.h"
#include "tests/unit/unit.h"

/* What becomes of ranges after a walk through control groups, with walks that end as the test says.
 */

#define N_RECORDS 3u
#define MSEC 60000u

/* What the next walk finds. */
static int walk_result;
static unsigned n_walks;
static bool walk_clean[N_RECORDS];
static GString *text;

int __wrap_cgroup_walk(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupWalkedFunc walked,
        void *userdata, CgroupWalk **ret_walk);
void __wrap_cgroup_walk_free(CgroupWalk *walk);
GArray *__wrap_allocator_list_owners(const AllocatorConfig *config, uint32_t record);
void __wrap_releasing_set_try_again(ReleasingSet *set, uint32_t record);
void __wrap_looks_schedule_next(Looks *looks);

typedef struct Ended {
        CgroupWalkedFunc walked;
        void *userdata;
        size_t n;
} Ended;

static gboolean on_ended(gpointer userdata) {
        const Ended *ended = userdata;

        ended->walked(walk_clean, ended->n, ended->userdata);
        return G_SOURCE_REMOVE;
}

int __wrap_cgroup_walk(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupWalkedFunc walked,
        void *userdata, CgroupWalk **ret_walk) {
        static Ended ended;

        n_walks++;
        if (walk_result != 0)
                return walk_result;
        g_assert_cmpuint(n, <=, N_RECORDS);
        ended = (Ended){ walked, userdata, n };
        *ret_walk = (CgroupWalk *) (void *) &ended; /* never looked into */
        (void) g_idle_add(on_ended, &ended);
        return 0;
}

void __wrap_cgroup_walk_free(CgroupWalk *walk) {
        g_assert_null(walk);
}

GArray *__wrap_allocator_list_owners(const AllocatorConfig *config, uint32_t record) {
        GArray *owners = g_array_new(FALSE, FALSE, sizeof(CgroupRange));
        CgroupRange range = { .start = record * 65536, .size = 65536 };

        g_array_append_val(owners, range);
        return owners;
}

void __wrap_releasing_set_try_again(ReleasingSet *set, uint32_t record) {
        g_string_append(text, "again ");
}

void __wrap_looks_schedule_next(Looks *looks) {
        g_string_append(text, "next ");
}

static void on_clean(uint32_t record, void *userdata) {
        Walks *const *walks = userdata;

        g_assert_true(walks_ask(*walks, record));
        g_string_append(text, "clean ");
}

static gboolean is_under_way(gconstpointer data) {
        return strstr(text->str, "next") == NULL;
}

static gboolean is_not_tried(gconstpointer data) {
        return n_walks == 0;
}

static void expect(Walks *walks, const char *wanted) {
        g_string_truncate(text, 0);
        g_assert_false(walks_ask(walks, 1));
        g_assert_false(walks_ask(walks, 2));
        g_assert_true(unit_run_while(is_under_way, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, wanted);
}

/* What keeps the daemon from walking is nothing that a range's account has done: all that is tried
 * again is the walk, after a pause. */
static void expect_later(Walks *walks, int result) {
        walk_result = result;
        n_walks = 0;
        g_string_truncate(text, 0);
        g_assert_false(walks_ask(walks, 1));
        g_assert_false(walks_ask(walks, 2));
        g_assert_true(unit_run_while(is_not_tried, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, "");
        walk_result = 0;
        g_assert_true(unit_run_while(is_under_way, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, "clean clean next ");
        g_assert_cmpuint(n_walks, ==, 2);
}

static void test_ends(void) {
        AllocatorConfig config = { .cgroups = (CgroupTree *) (void *) &walk_result };
        Walks *walks = NULL;

        text = g_string_new(NULL);
        walks = walks_new(&config, NULL, NULL, on_clean, &walks);
        walk_clean[0] = walk_clean[1] = true;
        expect(walks, "clean clean next ");
        walk_clean[0] = walk_clean[1] = false;
        expect(walks, "again again next ");
        walk_clean[0] = walk_clean[1] = true;
        expect_later(walks, CGROUP_E_BUSY);
        expect_later(walks, -EAGAIN);
        walks_free(walks);
        (void) g_string_free(text, TRUE);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/allocator-walks/ends", test_ends);
        return g_test_run();
}
