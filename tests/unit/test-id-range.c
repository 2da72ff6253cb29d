/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/id-range.h"

#include <string.h>

#include <glib.h>

#include "lib/util/login-defs.h"

static void test_parse(void) {
        static const struct {
                const char *text;
                bool valid;
                uint32_t first, last;
        } cases[] = {
                { "0", true, 0, 0 },
                { "5-9", true, 5, 9 },
                { "0x10-0xffffffff", true, 16, UINT32_MAX },
                { "4294967295", true, UINT32_MAX, UINT32_MAX },
                { .text = "" },
                { .text = "-" },
                { .text = "5-" },
                { .text = "-5" },
                { .text = "9-5" },
                { .text = "5-9-" },
                { .text = " 5" },
                { .text = "5 " },
                { .text = "4294967296" },
                { .text = "00000000000000000001" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                IdRange range = { 1, 2 };

                g_test_message("\"%s\"", cases[i].text);
                g_assert_cmpint(
                        id_range_parse(cases[i].text, strlen(cases[i].text), &range), ==,
                        cases[i].valid);
                g_assert_cmpuint(range.first, ==, cases[i].valid ? cases[i].first : 1);
                g_assert_cmpuint(range.last, ==, cases[i].valid ? cases[i].last : 2);
        }
        g_assert_false(id_range_parse(
                "5\0"
                "6",
                3, &(IdRange){ 0 }));
}

static void test_meets(void) {
        const IdRange range = { 100, 199 }, all = { 0, UINT32_MAX };

        g_assert_false(id_range_meets(&range, 0, 100));
        g_assert_true(id_range_meets(&range, 0, 101));
        g_assert_true(id_range_meets(&range, 199, 1));
        g_assert_false(id_range_meets(&range, 200, UINT32_MAX));
        g_assert_false(id_range_meets(&range, 150, 0));
        g_assert_true(id_range_meets(&all, UINT32_MAX, 1));
}

static void test_order(void) {
        static const struct {
                IdInterval interval;
                char rest;
        } intervals[] = { { { 300, 5 } }, { { UINT32_MAX, 1 } }, { { 0, 100 } }, { { 100, 1 } } };
        static const uint32_t expected[] = { 2, 3, 0, 1 };
        g_autofree uint32_t *places =
                id_intervals_order(intervals, G_N_ELEMENTS(intervals), sizeof(intervals[0]));

        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
                g_assert_cmpuint(places[i], ==, expected[i]);
}

static void test_login_defs(void) {
        static const char text[] = "# SUB_UID_MAX 1\n"
                                   "SUB_UID_MAX_OTHER 2\n"
                                   "\n  SUB_UID_MAX\t 600200000 \r\n"
                                   "SUB_UID_MIN \"100000\"\n"
                                   "UID_MAX\n"
                                   "UID_MIN abc\n"
                                   "SUB_GID_MAX 5\nSUB_GID_MAX 0x10\nSUB_GID_MAX -1\n"
                                   "GID_MIN";
        uint32_t number = 7;

        g_assert_true(login_defs_number(text, "SUB_UID_MAX", &number));
        g_assert_cmpuint(number, ==, 600200000);
        g_assert_true(login_defs_number(text, "SUB_UID_MIN", &number));
        g_assert_cmpuint(number, ==, 100000);
        g_assert_true(login_defs_number(text, "SUB_GID_MAX", &number));
        g_assert_cmpuint(number, ==, 16);
        g_assert_false(login_defs_number(text, "UID_MAX", &number));
        g_assert_false(login_defs_number(text, "UID_MIN", &number));
        g_assert_false(login_defs_number(text, "GID_MIN", &number));
        g_assert_false(login_defs_number(text, "GID_MAX", &number));
        g_assert_false(login_defs_number("", "GID_MAX", &number));
        g_assert_cmpuint(number, ==, 16);
}

static void test_find(void) {
        static const struct {
                uint32_t start, size;
                char other[12];
        } sorted[] = { { 0, 1, "" }, { 10, 5, "" }, { 15, 1, "" }, { UINT32_MAX - 1, 2, "" } };

        g_assert_cmpuint(id_intervals_find(sorted, 0, sizeof(*sorted), 0), ==, SIZE_MAX);
        for (uint32_t id = 0; id < 20; id++) {
                size_t expected = id == 0 ? 0 : id == 15 ? 2 : id >= 10 && id < 15 ? 1 : SIZE_MAX;

                g_assert_cmpuint(id_intervals_find(sorted, 4, sizeof(*sorted), id), ==, expected);
        }
        g_assert_cmpuint(id_intervals_find(sorted, 4, sizeof(*sorted), UINT32_MAX), ==, 3);
        g_assert_cmpuint(
                id_intervals_find(sorted, 4, sizeof(*sorted), UINT32_MAX - 2), ==, SIZE_MAX);
}

static void test_meet(void) {
        static const IdInterval sorted[] = {
                { 0, 1 }, { 10, 5 }, { 15, 1 }, { UINT32_MAX - 1, 2 }
        };
        static const struct {
                uint32_t start, n_ids;
                size_t first;
        } cases[] = {
                { 0, 0, SIZE_MAX },
                { 0, UINT32_MAX, 0 },
                { 1, 9, SIZE_MAX },
                { 1, 10, 1 },
                { 14, 2, 1 },
                { 15, 1, 2 },
                { 16, UINT32_MAX - 17, SIZE_MAX },
                { 16, UINT32_MAX - 16, 3 },
                { UINT32_MAX, 1, 3 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpuint(
                        id_intervals_meet(
                                sorted, G_N_ELEMENTS(sorted), sizeof(*sorted), cases[i].start,
                                cases[i].n_ids),
                        ==, cases[i].first);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/id-range/parse", test_parse);
        g_test_add_func("/id-range/meets", test_meets);
        g_test_add_func("/login-defs/numbers", test_login_defs);
        g_test_add_func("/id-range/find", test_find);
        g_test_add_func("/id-range/meet", test_meet);
        g_test_add_func("/id-range/order", test_order);
        return g_test_run();
}
