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
                } else if (!verb_take_option(&context, option)) {
                        return VERB_EXIT_USAGE;
                }

        if (optind >= argc) {
                message_error("nsresourcectl --help lists them", "a verb is missing");
                return VERB_EXIT_USAGE;
        }
        return run_verb(&context, argc - optind, argv + optind);
}
