/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/api/namespace-name.h"

#include <glib.h>
#include <string.h>

#include "lib/table/read.h"

#define SLOT TABLE_SLOT_SIZE

static void test_plain(void) {
        char name[TABLE_NAME_MAX + 1];

        g_assert_true(namespace_name_make(0, "web", false, SLOT, 0, name));
        g_assert_cmpstr(name, ==, "web");
        g_assert_true(namespace_name_make(1000, "web", false, SLOT, 0, name));
        g_assert_cmpstr(name, ==, "1000-web");
        /* An empty name is fine where the UID fills it. */
        g_assert_true(namespace_name_make(1000, "", false, SLOT, 0, name));
        g_assert_cmpstr(name, ==, "1000-");
        g_assert_false(namespace_name_make(0, "", false, SLOT, 0, name));
}

static void test_length(void) {
        char name[TABLE_NAME_MAX + 1];

        /* 22 bytes for 65,536 IDs, 20 for a million. */
        g_assert_true(namespace_name_make(0, "1234567890123456789012", false, SLOT, 0, name));
        g_assert_false(namespace_name_make(0, "12345678901234567890123", false, SLOT, 0, name));
        g_assert_true(namespace_name_make(
                0, "12345678901234567890", false, TABLE_RANGE_SIZE_MAX, 0, name));
        g_assert_false(namespace_name_make(
                0, "123456789012345678901", false, TABLE_RANGE_SIZE_MAX, 0, name));

        g_assert_true(
                namespace_name_make(1000, "nspawn-4711-a-long-machine-name", true, SLOT, 0, name));
        g_assert_cmpstr(name, ==, "1000-nspawn-4711-a-lon");
}

static void test_hash(void) {
        static const char *const bad[] = { "a b", "a/b", "ä", "a\n", "..", "a\x7f" };
        char name[TABLE_NAME_MAX + 1], other[TABLE_NAME_MAX + 1];

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_false(namespace_name_make(1000, bad[i], false, SLOT, 0, name));
                g_assert_true(namespace_name_make(1000, bad[i], true, SLOT, 0, name));
                g_assert_true(g_str_has_prefix(name, "1000-"));
                g_assert_cmpuint(strlen(name), ==, 5 + 16);
                g_assert_true(namespace_name_make(1000, bad[i], true, SLOT, 1, other));
                g_assert_cmpstr(name, !=, other);
        }

        g_assert_true(namespace_name_make(0, "a b", true, SLOT, 0, name));
        g_assert_cmpuint(strlen(name), ==, 16);
        /* The longest UID there is still leaves room for some digits, in the smallest name. */
        g_assert_true(namespace_name_make(4294967294u, "a b", true, TABLE_RANGE_SIZE_MAX, 0, name));
        g_assert_true(table_name_is_valid(name, TABLE_RANGE_SIZE_MAX));
        g_assert_cmpuint(strlen(name), ==, 20);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/namespace-name/plain", test_plain);
        g_test_add_func("/namespace-name/length", test_length);
        g_test_add_func("/namespace-name/hash", test_hash);
        return g_test_run();
}
