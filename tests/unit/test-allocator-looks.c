/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/walks.h"

#include <errno.h>
#include <string.h>

#include "daemon/allocator/record.h"
#include "daemon/cgroup/look.h"
#include "tests/unit/unit.h"

/* What becomes of ranges after a look at control groups, with looks that end as the test says. */

#define N_RECORDS 3u
#define MSEC 60000u

/* What the next look finds. */
static int look_result;
static unsigned n_looks;
static bool look_clean[N_RECORDS];
static GString *text;

int __wrap_cgroup_look(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupLookedFunc looked,
        void *userdata, CgroupLook **ret_look);
void __wrap_cgroup_look_free(CgroupLook *look);
GArray *__wrap_allocator_list_owners(const AllocatorConfig *config, uint32_t record);
void __wrap_releasing_set_try_again(ReleasingSet *set, uint32_t record);
void __wrap_sweeps_schedule_next(Sweeps *sweeps);

typedef struct Ended {
        CgroupLookedFunc looked;
        void *userdata;
        size_t n;
} Ended;

static gboolean on_ended(gpointer userdata) {
        const Ended *ended = userdata;

        ended->looked(look_clean, ended->n, ended->userdata);
        return G_SOURCE_REMOVE;
}

int __wrap_cgroup_look(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupLookedFunc looked,
        void *userdata, CgroupLook **ret_look) {
        static Ended ended;

        n_looks++;
        if (look_result != 0)
                return look_result;
        g_assert_cmpuint(n, <=, N_RECORDS);
        ended = (Ended){ looked, userdata, n };
        *ret_look = (CgroupLook *) (void *) &ended; /* never looked into */
        (void) g_idle_add(on_ended, &ended);
        return 0;
}

void __wrap_cgroup_look_free(CgroupLook *look) {
        g_assert_null(look);
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

void __wrap_sweeps_schedule_next(Sweeps *sweeps) {
        g_string_append(text, "next ");
}

static void on_clean(uint32_t record, void *userdata) {
        AllocatorLooks *const *looks = userdata;

        g_assert_true(allocator_looks_ask(*looks, record));
        g_string_append(text, "clean ");
}

static gboolean is_under_way(gconstpointer data) {
        return strstr(text->str, "next") == NULL;
}

static gboolean is_not_tried(gconstpointer data) {
        return n_looks == 0;
}

static void expect(AllocatorLooks *looks, const char *wanted) {
        g_string_truncate(text, 0);
        g_assert_false(allocator_looks_ask(looks, 1));
        g_assert_false(allocator_looks_ask(looks, 2));
        g_assert_true(unit_run_while(is_under_way, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, wanted);
}

/* What keeps the daemon from looking is nothing that a range's account has done: all that is tried
 * again is the look, after a pause. */
static void expect_later(AllocatorLooks *looks, int result) {
        look_result = result;
        n_looks = 0;
        g_string_truncate(text, 0);
        g_assert_false(allocator_looks_ask(looks, 1));
        g_assert_false(allocator_looks_ask(looks, 2));
        g_assert_true(unit_run_while(is_not_tried, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, "");
        look_result = 0;
        g_assert_true(unit_run_while(is_under_way, NULL, MSEC));
        g_assert_cmpstr(text->str, ==, "clean clean next ");
        g_assert_cmpuint(n_looks, ==, 2);
}

static void test_ends(void) {
        AllocatorConfig config = { .cgroups = (CgroupTree *) (void *) &look_result };
        AllocatorLooks *looks = NULL;

        text = g_string_new(NULL);
        looks = allocator_looks_new(&config, NULL, NULL, on_clean, &looks);
        look_clean[0] = look_clean[1] = true;
        expect(looks, "clean clean next ");
        look_clean[0] = look_clean[1] = false;
        expect(looks, "again again next ");
        look_clean[0] = look_clean[1] = true;
        expect_later(looks, CGROUP_E_BUSY);
        expect_later(looks, -EAGAIN);
        allocator_looks_free(looks);
        (void) g_string_free(text, TRUE);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/allocator-looks/ends", test_ends);
        return g_test_run();
}
