/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/message.h"
#include "client/verb.h"
#include "lib/table/format.h"

static const Verb *const verbs[] = {
        &verb_run,    &verb_list,  &verb_show, &verb_whose,
        &verb_status, &verb_check, &verb_nss,  &verb_unenforced,
};

#define ARGUMENTS_WIDTH 32

static void print_help(const Option *options) {
        puts("Usage: nsresourcectl [OPTION]... VERB [ARGUMENT]...\n"
             "Run programs in user namespaces with IDs of their own, and see whose an ID is.\n"
             "\n"
             "Verbs:");
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
                const char *arguments = verbs[i]->arguments;

                printf("  %-10s %-*s", verbs[i]->name, ARGUMENTS_WIDTH, arguments);
                if (strlen(arguments) > ARGUMENTS_WIDTH)
                        printf("\n  %-10s %-*s", "", ARGUMENTS_WIDTH, "");
                printf(" %s\n", verbs[i]->summary);
        }
        puts("\nOptions, in front of the verb or behind it:");
        options_print(options, stdout);
}

static int run_verb(VerbContext *context, int argc, char **argv) {
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (g_str_equal(verbs[i]->name, argv[0]))
                        return verbs[i]->run(context, argc, argv);
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
        VerbContext context = {
                .socket = VERB_DEFAULT_SOCKET,
                .provider = VERB_DEFAULT_PROVIDER,
                .table = TABLE_PATH,
        };
        bool version = false;
        const Option own[] = {
                { "version", .help = "the version", .flag = &version, .ends = true },
                {},
        };
        g_autofree Option *options = verb_options(&context, own);
        g_autofree char *message = NULL;
        int first;

        if (!open_standard_descriptors())
                return VERB_EXIT_FAILURE;
        setlocale(LC_ALL, "");
        if (options_parse(options, OPTIONS_IN_FRONT, argc, argv, &first, &message) != 0) {
                message_error("nsresourcectl --help", "%s", message);
                return VERB_EXIT_USAGE;
        }
        if (context.help)
                print_help(options);
        if (version)
                puts("nsresourcectl " PACKAGE_VERSION);
        if (context.help || version)
                return VERB_EXIT_OK;
        if (first >= argc) {
                message_error("nsresourcectl --help lists them", "a verb is missing");
                return VERB_EXIT_USAGE;
        }
        return run_verb(&context, argc - first, argv + first);
}
