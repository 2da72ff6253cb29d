/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/parse.h"

#include <glib.h>
#include <string.h>

static void test_accepts(void) {
        static const struct {
                const char *text;
                uint32_t value;
        } cases[] = {
                { "0", 0 },
                { "7", 7 },
                { "65535", 65535 },
                { "4294967295", UINT32_MAX },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint32_t value = 1;

                g_assert_true(parse_u32(cases[i].text, &value));
                g_assert_cmpuint(value, ==, cases[i].value);
        }
}

static void test_refuses(void) {
        static const char *const cases[] = {
                "",    "-1",  "+1",         "01", " 1", "1 ", "1x",
                "0x1", "1.0", "4294967296", "१",  "--", "\n", "99999999999999999999999999"
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint32_t value = 42;

                g_assert_false(parse_u32(cases[i], &value));
                g_assert_cmpuint(value, ==, 42);
        }
}

static void test_maximum(void) {
        uint64_t value = 0;

        g_assert_true(parse_decimal("100", 3, 100, &value));
        g_assert_false(parse_decimal("101", 3, 100, &value));
        g_assert_true(parse_decimal("18446744073709551615", 20, UINT64_MAX, &value));
        g_assert_true(value == UINT64_MAX);
        g_assert_false(parse_decimal("18446744073709551616", 20, UINT64_MAX, &value));
}

static void test_any_base(void) {
        uint32_t value = 0;

        g_assert_true(parse_u32_any_base("0x80000", &value));
        g_assert_cmpuint(value, ==, 0x80000);
        g_assert_true(parse_u32_any_base("0xFfFfFfFf", &value));
        g_assert_cmpuint(value, ==, UINT32_MAX);
        g_assert_true(parse_u32_any_base("12", &value));
        g_assert_cmpuint(value, ==, 12);
        g_assert_false(parse_u32_any_base("0x", &value));
        g_assert_false(parse_u32_any_base("0x100000000", &value));
        g_assert_false(parse_u32_any_base("0xg", &value));
        g_assert_false(parse_u32_any_base("ff", &value));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/parse/accepts", test_accepts);
        g_test_add_func("/parse/refuses", test_refuses);
        g_test_add_func("/parse/maximum", test_maximum);
        g_test_add_func("/parse/any-base", test_any_base);
        return g_test_run();
}
