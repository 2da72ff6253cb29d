/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "lib/table/follow.h"
#include "tests/unit/table-fixture.h"

/* Only root's files are believed. */
static bool is_root(void) {
        if (geteuid() == 0)
                return true;
        g_test_skip("only root can make a table that readers believe");
        return false;
}

static void make_table(TableFixture *fixture, const char *name) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 64);

        table_fixture_walk_to(
                writer, table_fixture_reserve(writer, name, 65536, 4711), TABLE_STATE_ACTIVE);
}

static void assert_has(TableFollower *follower, const char *user_name, bool wanted) {
        const TableView *view;

        g_assert_cmpint(table_follower_get(follower, &view), ==, 0);
        g_assert_cmpint(
                table_find_name(view, user_name, strlen(user_name), &(TableAnswer){}), ==,
                wanted ? 0 : TABLE_READ_E_NOT_FOUND);
}

static void test_missing(TableFixture *fixture, gconstpointer data) {
        TableFollower follower = TABLE_FOLLOWER(fixture->path);
        const TableView *view;

        g_assert_cmpint(table_follower_get(&follower, &view), ==, TABLE_READ_E_MISSING);
        g_assert_null(view);
        if (!is_root())
                return;

        /* It turns up, goes, and turns up again. */
        make_table(fixture, "one");
        assert_has(&follower, "ns-one-0", true);
        g_assert_cmpint(unlink(fixture->path), ==, 0);
        g_assert_cmpint(table_follower_get(&follower, &view), ==, TABLE_READ_E_MISSING);
        make_table(fixture, "two");
        assert_has(&follower, "ns-one-0", false);
        assert_has(&follower, "ns-two-0", true);
        table_follower_clear(&follower);
        table_follower_clear(&follower);
}

/* Set aside by a rename: the old file is not marked, and still whole. */
static void test_replaced(TableFixture *fixture, gconstpointer data) {
        TableFollower follower = TABLE_FOLLOWER(fixture->path);
        g_autofree char *aside = g_strconcat(fixture->path, ".aside", NULL);
        const TableView *first, *again;

        if (!is_root())
                return;
        make_table(fixture, "one");
        g_assert_cmpint(table_follower_get(&follower, &first), ==, 0);
        g_assert_cmpint(table_follower_get(&follower, &again), ==, 0);
        g_assert_true(first->data == again->data);

        g_assert_cmpint(rename(fixture->path, aside), ==, 0);
        make_table(fixture, "two");
        assert_has(&follower, "ns-one-0", false);
        assert_has(&follower, "ns-two-0", true);
        table_follower_clear(&follower);
}

/* What is refused is refused as long as it stands there, and no longer. */
static void test_untrusted(TableFixture *fixture, gconstpointer data) {
        TableFollower follower = TABLE_FOLLOWER(fixture->path);
        const TableView *view;

        if (!is_root())
                return;
        make_table(fixture, "one");
        assert_has(&follower, "ns-one-0", true);
        g_assert_cmpint(truncate(fixture->path, 8192), ==, 0);
        g_assert_cmpint(table_follower_get(&follower, &view), ==, TABLE_READ_E_UNTRUSTED);
        g_assert_true(g_file_set_contents(fixture->path, "hello", -1, NULL));
        g_assert_cmpint(table_follower_get(&follower, &view), ==, TABLE_READ_E_UNTRUSTED);
        g_assert_cmpint(unlink(fixture->path), ==, 0);
        make_table(fixture, "two");
        assert_has(&follower, "ns-two-0", true);
        table_follower_clear(&follower);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                \
        g_test_add(                                                                        \
                "/table-follow/" name, TableFixture, NULL, table_fixture_set_up, function, \
                table_fixture_tear_down)
        ADD("missing", test_missing);
        ADD("replaced", test_replaced);
        ADD("untrusted", test_untrusted);
#undef ADD
        return g_test_run();
}
