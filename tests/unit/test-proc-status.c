/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/proc-status.h"

#include <glib.h>

static void note(uint32_t id, void *userdata) {
        g_string_append_printf(userdata, "%u ", id);
}

static void check(const char *status, const char *wanted) {
        g_autoptr(GString) ids = g_string_new(NULL);

        proc_status_for_each_id(status, note, ids);
        g_assert_cmpstr(ids->str, ==, wanted);
}

static void test_ids(void) {
        check("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t9 10 \n"
              "NStgid:\t11\n",
              "1 2 3 4 5 6 7 8 9 10 ");
        /* None, the last ID there is, and what is no ID. */
        check("Name:\tx\nUid:\t4294967295\t4294967296\t-1\tx\nGroups:\t\n", "4294967295 ");
        check("Name:\tUid:\t1\n", "");
        check("", "");
}

static void test_threads(void) {
        g_assert_false(proc_status_has_threads("Name:\tx\nThreads:\t1\nSigQ:\t0/1\n"));
        g_assert_true(proc_status_has_threads("Name:\tx\nThreads:\t10\nSigQ:\t0/1\n"));
}

static void test_ended(void) {
        g_assert_cmpint(proc_status_pass_over_ended(-ENOENT), ==, 0);
        g_assert_cmpint(proc_status_pass_over_ended(-ESRCH), ==, 0);
        g_assert_cmpint(proc_status_pass_over_ended(-EACCES), ==, -EACCES);
        g_assert_cmpint(proc_status_pass_over_ended(1), ==, 1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/proc-status/ids", test_ids);
        g_test_add_func("/proc-status/threads", test_threads);
        g_test_add_func("/proc-status/ended", test_ended);
        return g_test_run();
}
