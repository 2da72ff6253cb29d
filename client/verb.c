/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/verb.h"

#include <stdio.h>

#include <glib.h>

#include "client/message.h"

static void print_verb_help(const Verb *verb) {
        printf("Usage: nsresourcectl %s%s%s\n%s.\n", verb->name, *verb->arguments ? " " : "",
               verb->arguments, verb->summary);
        if (verb->help)
                printf("\n%s\n", verb->help);
        puts("\nOptions of all verbs: nsresourcectl --help");
}

bool verb_take_option(VerbContext *context, int option) {
        switch (option) {
        case VERB_OPTION_JSON:
                context->json = true;
                return true;
        case VERB_OPTION_SOCKET:
                context->socket = optarg;
                return true;
        case VERB_OPTION_PROVIDER:
                context->provider = optarg;
                return true;
        case VERB_OPTION_TABLE:
                context->table = optarg;
                return true;
        default:
                return false;
        }
}

int verb_next_option(
        VerbContext *context, const Verb *verb, int argc, char **argv, const char *shorts,
        const struct option *options) {
        int option;

        while ((option = getopt_long(argc, argv, shorts, options, NULL)) >= 0) {
                if (option == VERB_OPTION_HELP) {
                        print_verb_help(verb);
                        context->done = true;
                        return -1;
                }
                if (!verb_take_option(context, option))
                        return option;
        }
        return -1;
}

bool verb_arguments(
        VerbContext *context, const Verb *verb, int argc, char **argv, int n_min, int n_max,
        char ***ret_arguments, int *ret_status) {
        int n = argc - optind;

        *ret_status = context->done ? VERB_EXIT_OK : VERB_EXIT_USAGE;
        if (context->done)
                return false;
        if (n < n_min || n > n_max) {
                message_error(
                        "nsresourcectl VERB --help shows how it is used", "%s: %s", verb->name,
                        n < n_min ? "an argument is missing" : "too many arguments");
                return false;
        }
        *ret_arguments = argv + optind;
        return true;
}

bool verb_parse(
        VerbContext *context, const Verb *verb, int argc, char **argv, int n_min, int n_max,
        char ***ret_arguments, int *ret_status) {
        static const struct option options[] = { VERB_COMMON_OPTIONS };

        *ret_status = VERB_EXIT_USAGE;
        if (verb_next_option(context, verb, argc, argv, "", options) >= 0)
                return false;
        return verb_arguments(context, verb, argc, argv, n_min, n_max, ret_arguments, ret_status);
}

void verb_print_json(const json_t *value) {
        (void) json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
}
