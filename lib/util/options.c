/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/options.h"

#include <getopt.h>
#include <glib.h>
#include <string.h>

#define FIRST_VALUE 256 /* beyond all characters, which getopt_long() takes for short options */

static size_t count(const Option *options) {
        size_t n = 0;

        while (options[n].name)
                n++;
        return n;
}

static char *describe(const Option *options, int result, char **argv) {
        /* What getopt_long() could not take is behind it already, but for one of several letters
         * behind one dash. */
        if (result == ':')
                return g_strdup_printf(
                        "--%s must be followed by %s", options[optopt - FIRST_VALUE].name,
                        options[optopt - FIRST_VALUE].value);
        if (optopt >= FIRST_VALUE)
                return g_strdup_printf(
                        "nothing may follow --%s", options[optopt - FIRST_VALUE].name);
        if (optopt != 0)
                return g_strdup_printf("there is no option -%c", optopt);
        return g_strdup_printf("there is no option %s", argv[optind - 1]);
}

int options_parse(
        const Option *options, OptionsOrder order, int argc, char **argv, int *ret_first,
        char **ret_message) {
        size_t n = count(options);
        g_autofree struct option *known = g_new0(struct option, n + 1);
        int result;

        for (size_t i = 0; i < n; i++)
                known[i] = (struct option){
                        .name = options[i].name,
                        .has_arg = options[i].value ? required_argument : no_argument,
                        .val = FIRST_VALUE + (int) i,
                };
        optind = 0; /* glibc: start anew */
        opterr = 0; /* it would write bytes of the command line as they are */
        while ((result = getopt_long(
                        argc, argv, order == OPTIONS_IN_FRONT ? "+:" : ":", known, NULL)) >= 0) {
                const Option *option;

                if (result < FIRST_VALUE) {
                        *ret_message = describe(options, result, argv);
                        return OPTIONS_E_USAGE;
                }
                option = options + (result - FIRST_VALUE);
                if (option->text)
                        *option->text = optarg;
                if (option->flag)
                        *option->flag = true;
                if (option->ends)
                        break;
        }
        *ret_first = optind;
        return 0;
}

static char *shown_name(const Option *option) {
        return g_strconcat("--", option->name, option->value ? " " : "", option->value ?: "", NULL);
}

void options_print(const Option *options, FILE *file) {
        int width = 0;

        for (const Option *option = options; option->name; option++) {
                g_autofree char *name = shown_name(option);

                width = MAX(width, (int) strlen(name));
        }
        for (const Option *option = options; option->name; option++) {
                g_autofree char *name = shown_name(option);
                g_auto(GStrv) lines = g_strsplit(option->help, "\n", -1);

                for (size_t i = 0; lines[i]; i++)
                        fprintf(file, "  %-*s   %s\n", width, i == 0 ? name : "", lines[i]);
        }
}
