/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/verb.h"

#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "client/message.h"
#include "lib/table/format.h"

static void print_verb_help(const Verb *verb, const Option *own) {
        printf("Usage: nsresourcectl %s%s%s\n%s.\n", verb->name, *verb->arguments ? " " : "",
               verb->arguments, verb->summary);
        if (verb->help)
                printf("\n%s\n", verb->help);
        if (own) {
                putchar('\n');
                options_print(own, stdout);
        }
        puts("\nOptions of all verbs: nsresourcectl --help");
}

Option *verb_options(VerbContext *context, const Option *own) {
        const Option common[] = {
                { "json", .help = "print JSON, for programs", .flag = &context->json },
                { "socket", "PATH", "nsresourced's socket\n(" VERB_DEFAULT_SOCKET ")",
                  &context->socket },
                { "provider", "PATH", "nsresource-userdbd's socket\n(" VERB_DEFAULT_PROVIDER ")",
                  &context->provider },
                { "table", "PATH", "the table of IDs (" TABLE_PATH ")", &context->table },
                { "help", .help = "this text, or the verb's", .flag = &context->help,
                  .ends = true },
        };
        size_t n = G_N_ELEMENTS(common), n_own = 0;
        Option *options;

        while (own && own[n_own].name)
                n_own++;
        options = g_new0(Option, n + n_own + 1);
        memcpy(options, common, sizeof(common));
        if (own)
                memcpy(options + n, own, n_own * sizeof(Option));
        return options;
}

bool verb_parse(
        VerbContext *context, const Verb *verb, const Option *own, int argc, char **argv,
        char ***ret_arguments, int *ret_status) {
        g_autofree Option *options = verb_options(context, own);
        g_autofree char *message = NULL;
        g_autofree char *next = g_strdup_printf("nsresourcectl %s --help", verb->name);
        int first;

        *ret_status = VERB_EXIT_USAGE;
        if (options_parse(options, verb->order, argc, argv, &first, &message) != 0) {
                message_error(next, "%s: %s", verb->name, message);
                return false;
        }
        if (context->help) {
                print_verb_help(verb, own);
                *ret_status = VERB_EXIT_OK;
                return false;
        }
        if (argc - first < verb->n_min || argc - first > verb->n_max) {
                message_error(
                        next, "%s: %s", verb->name,
                        argc - first < verb->n_min ? "an argument is missing"
                                                   : "too many arguments");
                return false;
        }
        *ret_arguments = argv + first;
        return true;
}

void verb_print_json(const json_t *value) {
        (void) json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
}
