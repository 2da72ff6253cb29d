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

static void test_uids(void) {
        uint32_t uids[4];

        g_assert_true(proc_status_uids("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n", uids));
        for (uint32_t i = 0; i < 4; i++)
                g_assert_cmpuint(uids[i], ==, i + 1);
        g_assert_false(proc_status_uids("Name:\tx\nUid:\t1\t2\t3\n", uids));
        g_assert_false(proc_status_uids("Name:\tx\nUid:\t1\t2\t3\t4\t5\n", uids));
        g_assert_false(proc_status_uids("Name:\tx\n", uids));
}

static void test_capabilities(void) {
        g_assert_false(
                proc_status_has_capabilities("Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t1\n"));
        g_assert_true(proc_status_has_capabilities("Name:\tx\nCapPrm:\t0000000000000080\n"));
        g_assert_true(proc_status_has_capabilities("Name:\tx\n"));
}

static void test_state(void) {
        g_assert_true(proc_status_has_ended("Name:\tx\nState:\tZ (zombie)\n"));
        g_assert_true(proc_status_has_ended("Name:\tx\nState:\tX (dead)\n"));
        g_assert_false(proc_status_has_ended("Name:\tState:\tZ\nState:\tS (sleeping)\n"));
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
        g_test_add_func("/proc-status/uids", test_uids);
        g_test_add_func("/proc-status/capabilities", test_capabilities);
        g_test_add_func("/proc-status/state", test_state);
        g_test_add_func("/proc-status/threads", test_threads);
        g_test_add_func("/proc-status/ended", test_ended);
        return g_test_run();
}
