/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "client/message.h"
#include "client/verb.h"
#include "lib/table/format.h"

static const Verb *const verbs[] = {
        &verb_run,    &verb_list,  &verb_show, &verb_whose,
        &verb_status, &verb_check, &verb_nss,  &verb_unenforced,
};

static void print_help(void) {
        puts("Usage: nsresourcectl [OPTION]... VERB [ARGUMENT]...\n"
             "Run programs in user namespaces with IDs of their own, and see whose an ID is.\n"
             "\n"
             "Verbs:");
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                printf("  %-10s %-36s %s\n", verbs[i]->name, verbs[i]->arguments,
                       verbs[i]->summary);
        puts("\n"
             "Options, in front of the verb or behind it:\n"
             "  --json            print JSON, for programs\n"
             "  --socket PATH     nsresourced's socket (" VERB_DEFAULT_SOCKET ")\n"
             "  --provider PATH   nsresource-userdbd's socket\n"
             "                    (" VERB_DEFAULT_PROVIDER ")\n"
             "  --table PATH      the table of IDs (" TABLE_PATH ")\n"
             "  --help            this text, or the verb's\n"
             "  --version");
}

static void print_verb_help(const Verb *verb) {
        printf("Usage: nsresourcectl %s%s%s\n%s.\n", verb->name, *verb->arguments ? " " : "",
               verb->arguments, verb->summary);
        if (verb->help)
                printf("\n%s\n", verb->help);
        puts("\nOptions of all verbs: nsresourcectl --help");
}

/* Take one of the common options.  Returns whether it is one. */
static bool take_option(VerbContext *context, int option) {
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
                if (!take_option(context, option))
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

static int run_verb(VerbContext *context, int argc, char **argv) {
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (g_str_equal(verbs[i]->name, argv[0])) {
                        g_autofree char *name = g_strdup_printf("nsresourcectl %s", argv[0]);

                        /* getopt_long() starts its messages with this. */
                        argv[0] = name;
                        optind = 0; /* glibc: start anew */
                        return verbs[i]->run(context, argc, argv);
                }
        message_error("nsresourcectl --help lists them", "there is no verb \"%s\"", argv[0]);
        return VERB_EXIT_USAGE;
}

/* Who called us may have closed some: what we open next would take their place, and what we print
 * would go there, into the file that `nss enable` writes, say. */
static bool open_standard_descriptors(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv) {
        enum { OPTION_VERSION = VERB_OPTION_OWN };
        static const struct option options[] = {
                { "version", no_argument, NULL, OPTION_VERSION },
                VERB_COMMON_OPTIONS,
        };
        VerbContext context = {
                .socket = VERB_DEFAULT_SOCKET,
                .provider = VERB_DEFAULT_PROVIDER,
                .table = TABLE_PATH,
        };
        int option;

        if (!open_standard_descriptors())
                return VERB_EXIT_FAILURE;
        setlocale(LC_ALL, "");
        while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                if (option == VERB_OPTION_HELP) {
                        print_help();
                        return VERB_EXIT_OK;
                } else if (option == OPTION_VERSION) {
                        puts("nsresourcectl " PACKAGE_VERSION);
                        return VERB_EXIT_OK;
                } else if (!take_option(&context, option)) {
                        return VERB_EXIT_USAGE;
                }

        if (optind >= argc) {
                message_error("nsresourcectl --help lists them", "a verb is missing");
                return VERB_EXIT_USAGE;
        }
        return run_verb(&context, argc - optind, argv + optind);
}
