/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <glib.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/columns.h"
#include "client/message.h"
#include "client/processes.h"
#include "client/run-filter.h"
#include "client/run-name.h"
#include "lib/table/name.h"

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

static const ColumnTitle column_titles[] = {
        { .text = "NAME", .shrink = true },
        { .text = "N", .right = true },
        { .text = "LAST" },
};

static void add_row(Columns *columns, const char *name, const char *n, const char *last) {
        columns_add(columns, (char *[]){ g_strdup(name), g_strdup(n), g_strdup(last) });
}

static char *printed(const ColumnsStyle *style) {
        g_autoptr(Columns) columns = columns_new(column_titles, G_N_ELEMENTS(column_titles), style);
        g_autofree char *text = NULL;
        size_t size = 0;
        char *buffer = NULL;
        FILE *file = open_memstream(&buffer, &size);

        add_row(columns, "a", "100", "x");
        columns_paint(columns, 2, COLUMNS_GOOD);
        add_row(columns, "a-long-name", "7", NULL);
        columns_paint(columns, 2, COLUMNS_PLAIN);
        add_row(columns, "\033[m", "", "y z");
        columns_paint(columns, 2, COLUMNS_BAD);
        columns_print(columns, file);
        g_assert_cmpint(fclose(file), ==, 0);
        text = g_strdup(buffer);
        free(buffer);
        return g_steal_pointer(&text);
}

static void assert_printed(const ColumnsStyle *style, const char *wanted) {
        g_autofree char *text = printed(style);

        g_assert_cmpstr(text, ==, wanted);
}

/* Which of the characters go is libsmartcols's affair: that every line fits is ours. */
static void assert_fits(unsigned width) {
        g_autofree char *text = printed(&(ColumnsStyle){ .width = width });
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        g_assert_cmpuint(g_strv_length(lines), ==, 5);
        for (size_t i = 0; i < 4; i++)
                g_assert_cmpuint(strlen(lines[i]), <=, width);
        g_assert_true(g_str_has_prefix(lines[0], "NAME "));
        g_assert_true(g_str_has_suffix(lines[0], " N LAST"));
        g_assert_true(g_str_has_prefix(lines[2], "a-lo"));
        g_assert_true(g_str_has_suffix(lines[2], " 7 -"));
}

static void test_columns(void) {
        static const char whole[] = "NAME          N LAST\n"
                                    "a           100 x\n"
                                    "a-long-name   7 -\n"
                                    "\\x1b[m          y z\n";

        assert_printed(&(ColumnsStyle){}, whole);
        assert_printed(&(ColumnsStyle){ .width = 20 }, whole);
        for (unsigned width = 13; width < 20; width++)
                assert_fits(width);
        /* Too narrow for what may not be cut: the terminal breaks the lines, and nothing is lost.
         */
        for (unsigned width = 1; width < 13; width++)
                assert_printed(&(ColumnsStyle){ .width = width }, whole);
        assert_printed(
                &(ColumnsStyle){ .colours = true }, "NAME          N LAST\n"
                                                    "a           100 \033[32mx\033[0m\n"
                                                    "a-long-name   7 -\n"
                                                    "\\x1b[m          \033[31my z\033[0m\n");
}

static void test_columns_for_scripts(void) {
        g_autofree char *unknown = NULL, *none = NULL;
        g_autoptr(GArray) chosen =
                columns_choose(column_titles, G_N_ELEMENTS(column_titles), "last,NAME", &unknown);

        g_assert_nonnull(chosen);
        assert_printed(
                &(ColumnsStyle){ .chosen = chosen },
                "LAST NAME\nx    a\n-    a-long-name\ny z  \\x1b[m\n");
        assert_printed(
                &(ColumnsStyle){ .no_headings = true },
                "a           100 x\na-long-name   7 -\n\\x1b[m          y z\n");
        assert_printed(
                &(ColumnsStyle){ .raw = true, .colours = true, .width = 14, .chosen = chosen },
                "LAST NAME\nx a\n- a-long-name\ny\\x20z \\x1b[m\n");

        g_assert_null(
                columns_choose(column_titles, G_N_ELEMENTS(column_titles), "NAME,,N", &unknown));
        g_assert_cmpstr(unknown, ==, "");
        g_assert_null(columns_choose(column_titles, G_N_ELEMENTS(column_titles), "", &none));
        g_assert_cmpstr(none, ==, "");
}

/* Whatever bytes are in a cell, and however narrow the terminal is: it ends, and what could drive
 * the terminal is text. */
static void test_columns_hostile(void) {
        static const char *const cells[] = {
                "\033]0;x\007\n",
                "\xff\xc3",
                "\xc2\x9b"
                "5m",
                "\xe2\x80\xae"
                "txt",
                "\\x41\\",
                "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
        };

        for (unsigned width = 0; width < 60; width++)
                for (unsigned raw = 0; raw < 2; raw++) {
                        const ColumnsStyle style = { .width = width, .raw = raw };
                        g_autoptr(Columns) columns =
                                columns_new(column_titles, G_N_ELEMENTS(column_titles), &style);
                        char *text = NULL;
                        size_t size = 0;
                        FILE *file = open_memstream(&text, &size);

                        for (size_t i = 0; i < G_N_ELEMENTS(cells); i++)
                                add_row(columns, cells[i], cells[i], cells[i]);
                        columns_print(columns, file);
                        g_assert_cmpint(fclose(file), ==, 0);
                        for (const char *byte = text; *byte; byte++)
                                g_assert_false(g_ascii_iscntrl(*byte) && *byte != '\n');
                        g_assert_null(strstr(text, "\xc2\x9b"));
                        g_assert_null(strstr(text, "\xe2\x80\xae"));
                        g_assert_nonnull(strstr(text, "\\x1b]0;x\\x07\\x0a"));
                        free(text);
                }
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

static void assert_valid_name(
        const char *name, uint32_t uid, uint32_t size, size_t max, bool valid) {
        size_t found;

        g_assert_cmpint(run_name_is_valid(name, uid, size, &found), ==, valid);
        g_assert_cmpuint(found, ==, max);
}

static void test_run_name_given(void) {
        assert_valid_name("web", 1000, 65536, 17, true);
        assert_valid_name("abcdefghijklmnopq", 1000, 65536, 17, true);
        assert_valid_name("abcdefghijklmnopqr", 1000, 65536, 17, false);
        assert_valid_name("abcdefghijklmnopqrstuv", 0, 65536, 22, true);
        assert_valid_name("abcdefghijklmnopqrstuvw", 0, 65536, 22, false);
        assert_valid_name("abcdefghijk", UINT32_MAX - 1, 65536, 11, true);
        assert_valid_name("abcdefghijkl", UINT32_MAX - 1, 65536, 11, false);
        assert_valid_name("", 1000, 65536, 17, false);
        assert_valid_name("", 0, 65536, 22, false);
        assert_valid_name("a b", 1000, 65536, 17, false);
        assert_valid_name("b\xc3\xb6se", 1000, 65536, 17, false);
        assert_valid_name("a/b", 0, 65536, 22, false);
        assert_valid_name("a\n", 0, 65536, 22, false);
}

/* What the kernel would do with a call: run the filter. */
static uint32_t filter(uint32_t arch, uint32_t number, uint64_t command) {
        const struct seccomp_data data = { .arch = arch,
                                           .nr = (int) number,
                                           .args = { 0, command } };
        size_t n, steps = 0;
        g_autofree struct sock_filter *program = run_filter_make(&n);
        uint32_t value = 0;

        for (size_t i = 0; i < n && steps < 4096; i++, steps++) {
                const struct sock_filter *step = &program[i];

                switch (step->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        g_assert_cmpuint(step->k, <=, sizeof(data) - 4);
                        memcpy(&value, (const char *) &data + step->k, 4);
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        value &= step->k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        i += value == step->k ? step->jt : step->jf;
                        break;
                case BPF_RET | BPF_K:
                        return step->k;
                default:
                        g_assert_not_reached();
                }
        }
        g_assert_not_reached();
}

static void test_run_filter(void) {
        static const struct {
                uint32_t arch, ioctl, other;
        } abis[] = {
                { AUDIT_ARCH_X86_64, 16, 54 },
                { AUDIT_ARCH_X86_64, 514 | 0x40000000u, 54 | 0x40000000u },
                { AUDIT_ARCH_X86_64, 16 | 0x40000000u, 29 },
                { AUDIT_ARCH_X86_64, 514, 513 },
                { AUDIT_ARCH_I386, 54, 16 },
                { AUDIT_ARCH_AARCH64, 29, 54 },
                { AUDIT_ARCH_ARM, 54, 29 },
                { AUDIT_ARCH_RISCV64, 29, 16 },
                { AUDIT_ARCH_PPC64LE, 54, 29 },
                { AUDIT_ARCH_S390X, 54, 29 },
                { AUDIT_ARCH_S390, 54, 29 },
        };
        static const uint64_t bits[] = { 0, 1ull << 32, 1ull << 63, 0xffffffffull << 32 };
        const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

        for (size_t i = 0; i < G_N_ELEMENTS(abis); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(bits); j++) {
                        uint32_t arch = abis[i].arch, ioctl = abis[i].ioctl;

                        g_assert_cmphex(filter(arch, ioctl, TIOCSTI | bits[j]), ==, refused);
                        g_assert_cmphex(filter(arch, ioctl, TIOCLINUX | bits[j]), ==, refused);
                        g_assert_cmphex(
                                filter(arch, ioctl, TIOCSPGRP | bits[j]), ==, SECCOMP_RET_ALLOW);
                        g_assert_cmphex(
                                filter(arch, abis[i].other, TIOCSTI | bits[j]), ==,
                                SECCOMP_RET_ALLOW);
                }
        /* a way that is in no table of ours */
        g_assert_cmphex(filter(AUDIT_ARCH_ALPHA, 54, 0), ==, SECCOMP_RET_ERRNO | ENOSYS);
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
        g_test_add_func("/columns/for-scripts", test_columns_for_scripts);
        g_test_add_func("/columns/hostile", test_columns_hostile);
        g_test_add_func("/run-name/names", test_run_name);
        g_test_add_func("/run-name/given", test_run_name_given);
        g_test_add_func("/run-filter/every-way", test_run_filter);
        g_test_add_func("/processes/ids", test_processes);
        return g_test_run();
}
