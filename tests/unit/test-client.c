/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/columns.h"
#include "client/message.h"
#include "client/processes.h"
#include "client/run-name.h"
#include "lib/table/table-name.h"

static void assert_escaped(const char *text, const char *wanted) {
        g_autofree char *escaped = message_escape(text);

        g_assert_cmpstr(escaped, ==, wanted);
}

static void test_escape(void) {
        assert_escaped("", "");
        assert_escaped("a b~", "a b~");
        assert_escaped("a\\b", "a\\\\b");
        assert_escaped("\033]0;x\007\n\t\x7f", "\\x1b]0;x\\x07\\x0a\\x09\\x7f");
        assert_escaped("\xff\xc3", "\\xff\\xc3");
        if (g_get_charset(NULL)) {
                assert_escaped("\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac");
                /* C1 control codes, and marks that turn the direction of text round */
                assert_escaped(
                        "\xc2\x9b"
                        "5m",
                        "\\xc2\\x9b5m");
                assert_escaped("\xe2\x80\xae", "\\xe2\\x80\\xae");
                assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");
        } else {
                assert_escaped("\xc3\xa4", "\\xc3\\xa4");
        }
}

static void assert_printed(const Columns *columns, unsigned width, const char *wanted) {
        g_autofree char *text = NULL;
        size_t size = 0;
        char *buffer = NULL;
        FILE *file = open_memstream(&buffer, &size);

        columns_print(columns, file, width);
        g_assert_cmpint(fclose(file), ==, 0);
        text = g_strdup(buffer);
        free(buffer);
        g_assert_cmpstr(text, ==, wanted);
}

static void test_columns(void) {
        static const ColumnTitle titles[] = {
                { "NAME", false, true },
                { "N", true, false },
                { "LAST", false, false },
        };
        g_autoptr(Columns) columns = columns_new(titles, G_N_ELEMENTS(titles));

        assert_printed(columns, 0, "NAME  N  LAST\n");
        columns_add(columns, (char *[]){ g_strdup("a"), g_strdup("100"), g_strdup("x") });
        columns_add(columns, (char *[]){ g_strdup("a-long-name"), g_strdup("7"), NULL });
        columns_add(columns, (char *[]){ g_strdup("\033[m"), g_strdup(""), g_strdup("y") });
        g_assert_cmpuint(columns_n_rows(columns), ==, 3);
        assert_printed(
                columns, 0,
                "NAME           N  LAST\na            100  x\na-long-name    7  -\n\\x1b[m"
                "            y\n");
        /* cut, but not without end */
        assert_printed(
                columns, 20,
                "NAME         N  LAST\na          100  x\na-long-n~    7  -\n\\x1b[m          y\n");
        assert_printed(
                columns, 10,
                "NAME        N  LAST\na         100  x\na-long-~    7  -\n\\x1b[m         y\n");
}

static void assert_name(
        const char *command, uint32_t uid, uint32_t size, unsigned attempt, const char *wanted) {
        g_autofree char *name = run_name(command, uid, size, attempt);
        g_autofree char *full = uid == 0 ? g_strdup(name) : g_strdup_printf("%u-%s", uid, name);

        g_assert_cmpstr(name, ==, wanted);
        g_assert_true(table_name_is_valid(full, size));
}

static void test_run_name(void) {
        assert_name("bash", 1000, 65536, 0, "bash");
        assert_name("/usr/bin/python3.11", 1000, 65536, 0, "python3-11");
        assert_name("bash", 1000, 65536, 1, "bash-2");
        assert_name("a/", 1000, 65536, 0, "run");
        assert_name("", 0, 65536, 98, "run-99");
        assert_name("\xc3\xa4\n", 0, 65536, 0, "---");
        /* as long as may be, and not longer: 22 bytes with the UID, 20 for sizes of seven digits */
        assert_name("abcdefghijklmnopqrstuvwxyz", 0, 65536, 0, "abcdefghijklmnopqrstuv");
        assert_name("abcdefghijklmnopqrstuvwxyz", 1000, 65536, 0, "abcdefghijklmnopq");
        assert_name("abcdefghijklmnopqrstuvwxyz", 1000, 65536, 98, "abcdefghijklmn-99");
        assert_name("abcdefghijklmnopqrstuvwxyz", UINT32_MAX - 1, 1048576, 98, "abcdef-99");
        assert_name("abcdefghijklmnopqrstuvwxyz", UINT32_MAX - 1, 65536, 0, "abcdefghijk");
}

static void test_processes(void) {
        g_autoptr(GArray) pids = NULL;
        bool found = false;
        ProcessIds ids;

        g_assert_cmpint(process_ids((uint32_t) getpid(), &ids), ==, 0);
        g_assert_cmpuint(ids.uids[0], ==, getuid());
        g_assert_cmpuint(ids.uids[1], ==, geteuid());
        g_assert_cmpuint(ids.gids[0], ==, getgid());
        g_assert_cmpint(process_ids(UINT32_MAX, &ids), ==, -ESRCH);

        pids = processes_with_uids(getuid(), 1);
        for (guint i = 0; i < pids->len; i++)
                found = found || g_array_index(pids, uint32_t, i) == (uint32_t) getpid();
        g_assert_true(found);
        g_array_unref(pids);
        pids = processes_with_uids(4000000000u, 5);
        g_assert_cmpuint(pids->len, ==, 0);
}

int main(int argc, char **argv) {
        setlocale(LC_ALL, "C.UTF-8");
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/message/escape", test_escape);
        g_test_add_func("/columns/print", test_columns);
        g_test_add_func("/run-name/names", test_run_name);
        g_test_add_func("/processes/ids", test_processes);
        return g_test_run();
}
