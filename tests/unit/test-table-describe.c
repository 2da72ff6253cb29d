/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <string.h>
#include <time.h>

#include "lib/table/describe.h"

static void test_dates(void) {
        static const struct {
                uint64_t seconds;
                const char *date;
        } cases[] = {
                { 0, "1970-01-01" },
                { 86399, "1970-01-01" },
                { 86400, "1970-01-02" },
                { 951782400, "2000-02-29" },
                { 951868800, "2000-03-01" },
                { 1735689599, "2024-12-31" },
                { 1735689600, "2025-01-01" },
                { 4107542399, "2100-02-28" },
                { 4107542400, "2100-03-01" },
                { 253402300799, "9999-12-31" },
                { 253402300800, "9999-12-31" },
                { UINT64_MAX / 1000000, "9999-12-31" },
        };
        char date[TABLE_DATE_SIZE];

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                table_date(cases[i].seconds * 1000000, date);
                g_assert_cmpstr(date, ==, cases[i].date);
        }
        table_date(UINT64_MAX, date);
        g_assert_cmpstr(date, ==, "9999-12-31");
}

/* Every day of two 400-year cycles, beside libc. */
static void test_dates_beside_libc(void) {
        for (uint64_t day = 0; day < 2 * 146097; day++) {
                time_t seconds = (time_t) (day * 86400 + 12345);
                char date[TABLE_DATE_SIZE], expected[TABLE_DATE_SIZE];
                struct tm tm;

                g_assert_nonnull(gmtime_r(&seconds, &tm));
                g_assert_cmpuint(strftime(expected, sizeof(expected), "%Y-%m-%d", &tm), ==, 10);
                table_date((uint64_t) seconds * 1000000, date);
                g_assert_cmpstr(date, ==, expected);
        }
}

static void test_texts(void) {
        TableAnswer answer = {
                .id = 0x80005,
                .offset = 5,
                .range = { .owner_uid = 1000,
                           .birth_usec = UINT64_C(1795305600000000),
                           .name = "1000-web" },
        };
        char text[TABLE_DESCRIPTION_MAX + 1];

        table_describe_user(&answer, text);
        g_assert_cmpstr(text, ==, "User 5 of namespace 1000-web of UID 1000 since 2026-11-22");
        table_describe_group(&answer, text);
        g_assert_cmpstr(text, ==, "Group 5 of namespace 1000-web of UID 1000 since 2026-11-22");

        answer = (TableAnswer){ .id = 0xfffe0000, .is_slot = true };
        g_assert_cmpuint(table_describe_user(&answer, text), ==, strlen(text));
        g_assert_cmpstr(
                text, ==, "First of the IDs up to 4294901759 that nsresourced does not have free");
}

/* The longest text of any record fits, whole. */
static void test_longest(void) {
        TableAnswer answer = {
                .offset = UINT32_MAX,
                .range = { .owner_uid = UINT32_MAX, .birth_usec = UINT64_MAX },
        };
        char text[TABLE_DESCRIPTION_MAX + 1];

        memset(answer.range.name, 'n', sizeof(answer.range.name));
        table_describe_group(&answer, text);
        g_assert_true(g_str_has_suffix(text, "nn of UID 4294967295 since 9999-12-31"));
        g_assert_null(strpbrk(text, ",:\n"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/table-describe/dates", test_dates);
        g_test_add_func("/table-describe/dates-beside-libc", test_dates_beside_libc);
        g_test_add_func("/table-describe/texts", test_texts);
        g_test_add_func("/table-describe/longest", test_longest);
        return g_test_run();
}
