/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/options.h"

typedef struct Given {
        const char *path, *number;
        bool json, help;
        int first;
        char *message;
} Given;

/* Parse words that blanks separate; "''" is an empty one.  The words are those of `words`. */
static int parse(char **words, OptionsOrder order, Given *given) {
        const Option options[] = {
                { .name = "path", .value = "PATH", .help = "", .text = &given->path },
                { .name = "number", .value = "N", .help = "", .text = &given->number },
                { .name = "json", .help = "", .flag = &given->json },
                { .name = "help", .help = "", .flag = &given->help, .ends = true },
                {},
        };

        *given = (Given){ .first = -1 };
        for (char **word = words; *word; word++)
                if (g_str_equal(*word, "''"))
                        **word = '\0';
        return options_parse(
                options, order, (int) g_strv_length(words), words, &given->first, &given->message);
}

static void test_values(void) {
        g_auto(GStrv) words =
                g_strsplit("p a --path x --json --number=-1 --path -y b -- --json", " ", -1);
        g_auto(GStrv) empty = g_strsplit("p --path '' --number=", " ", -1);
        g_autofree char **sorted = g_memdup2(words, (g_strv_length(words) + 1) * sizeof(char *));
        Given given;

        g_assert_cmpint(parse(sorted, OPTIONS_ANYWHERE, &given), ==, 0);
        g_assert_cmpstr(given.path, ==, "-y");
        g_assert_cmpstr(given.number, ==, "-1");
        g_assert_true(given.json);
        g_assert_false(given.help);
        g_assert_cmpint(given.first, ==, 8);
        g_assert_cmpstr(sorted[8], ==, "a");
        g_assert_cmpstr(sorted[9], ==, "b");
        g_assert_cmpstr(sorted[10], ==, "--json");

        g_assert_cmpint(parse(empty, OPTIONS_ANYWHERE, &given), ==, 0);
        g_assert_cmpstr(given.path, ==, "");
        g_assert_cmpstr(given.number, ==, "");
        g_assert_cmpint(given.first, ==, 4);
}

/* What stands behind the first argument is another program's. */
static void test_in_front(void) {
        g_auto(GStrv) words = g_strsplit("p --json run --path --frobnicate -- x", " ", -1);
        g_auto(GStrv) dashes = g_strsplit("p -- --json -- --help", " ", -1);
        Given given;

        g_assert_cmpint(parse(words, OPTIONS_IN_FRONT, &given), ==, 0);
        g_assert_true(given.json);
        g_assert_null(given.path);
        g_assert_cmpint(given.first, ==, 2);
        g_assert_cmpstr(words[3], ==, "--path");
        g_assert_cmpint(parse(dashes, OPTIONS_IN_FRONT, &given), ==, 0);
        g_assert_false(given.json);
        g_assert_cmpint(given.first, ==, 2);
        g_assert_cmpstr(dashes[3], ==, "--");
}

static void test_ends(void) {
        g_auto(GStrv) words = g_strsplit("p --help --frobnicate", " ", -1);
        Given given;

        g_assert_cmpint(parse(words, OPTIONS_ANYWHERE, &given), ==, 0);
        g_assert_true(given.help);
}

static void assert_refused(const char *line, const char *message) {
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        Given given;

        g_assert_cmpint(parse(words, OPTIONS_ANYWHERE, &given), ==, OPTIONS_E_USAGE);
        g_assert_cmpstr(given.message, ==, message);
        g_assert_cmpint(given.first, ==, -1);
        g_free(given.message);
}

/* Nothing is on standard error, which may be a terminal: the message is, escaped, or nothing. */
static void test_refused(void) {
        if (g_test_subprocess()) {
                assert_refused("p --frobnicate", "there is no option --frobnicate");
                assert_refused("p --frob\033=x --json", "there is no option --frob\033=x");
                assert_refused("p a --path", "--path must be followed by PATH");
                assert_refused("p --json=yes", "nothing may follow --json");
                assert_refused("p -j", "there is no option -j");
                assert_refused("p a b -xyz c", "there is no option -x");
                assert_refused("p a b --x c", "there is no option --x");
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("");
}

static void test_print(void) {
        const Option options[] = {
                { .name = "path", .value = "PATH", .help = "where it is\n(/run/x)" },
                { .name = "json", .help = "for programs" },
                {},
        };
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        options_print(options, file);
        g_assert_cmpint(fclose(file), ==, 0);
        g_assert_cmpstr(
                text, ==,
                "  --path PATH   where it is\n"
                "                (/run/x)\n"
                "  --json        for programs\n");
        free(text);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/options/values", test_values);
        g_test_add_func("/options/in-front", test_in_front);
        g_test_add_func("/options/ends", test_ends);
        g_test_add_func("/options/refused", test_refused);
        g_test_add_func("/options/print", test_print);
        return g_test_run();
}
