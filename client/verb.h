/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the verbs of nsresourcectl have in common: options, exit status, and the list of them.  Each
 * verb is one file and one Verb. */

#include <getopt.h>
#include <stdbool.h>

#include "lib/varlink/json.h"

/* Exit status; `run` has its own (RUN_EXIT_*). */
enum {
        VERB_EXIT_OK = 0,
        VERB_EXIT_FAILURE = 1, /* it did not work, or the answer is "none", or a check failed */
        VERB_EXIT_USAGE = 2,   /* the command line makes no sense */
};

/* What the options in front of, and behind, a verb say. */
typedef struct VerbContext {
        const char *socket;   /* nsresourced's */
        const char *provider; /* nsresource-userdbd's */
        const char *table;
        bool json;
        bool done; /* --help was given and answered */
} VerbContext;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;   /* one line of `nsresourcectl --help` */
        const char *help;      /* its own options; NULL: only those that all verbs have */
        /* argv[0] is the verb's name, for messages.  Returns the exit status. */
        int (*run)(VerbContext *context, int argc, char **argv);
} Verb;

extern const Verb verb_run, verb_list, verb_show, verb_whose, verb_status, verb_check, verb_nss,
        verb_unenforced;

#define VERB_DEFAULT_SOCKET "/run/systemd/io.systemd.NamespaceResource"
#define VERB_DEFAULT_PROVIDER "/run/systemd/userdb/io.systemd.NamespaceResource"

/* Options that every verb has; values of a verb's own start at VERB_OPTION_OWN.  A verb's table
 * ends with VERB_COMMON_OPTIONS. */
enum {
        VERB_OPTION_JSON = 256,
        VERB_OPTION_SOCKET,
        VERB_OPTION_PROVIDER,
        VERB_OPTION_TABLE,
        VERB_OPTION_HELP,
        VERB_OPTION_OWN,
};
#define VERB_COMMON_OPTIONS                                                    \
        { "json", no_argument, NULL, VERB_OPTION_JSON },                       \
                { "socket", required_argument, NULL, VERB_OPTION_SOCKET },     \
                { "provider", required_argument, NULL, VERB_OPTION_PROVIDER }, \
                { "table", required_argument, NULL, VERB_OPTION_TABLE },       \
                { "help", no_argument, NULL, VERB_OPTION_HELP }, {             \
        }

/* Take one of the common options.  Returns whether it is one. */
bool verb_take_option(VerbContext *context, int option);

/* getopt_long() that takes the common options itself.  Returns the next option of the verb's own,
 * '?' for a bad one (said on standard error already), -1 at the end, and -1 with context->done for
 * --help.  `shorts` is "" or, to stop at the first argument, "+". */
int verb_next_option(
        VerbContext *context, const Verb *verb, int argc, char **argv, const char *shorts,
        const struct option *options);

/* For a verb without options of its own: parse, and check that between `n_min` and `n_max`
 * arguments follow, which start at *ret_arguments.  Returns whether to go on; if not, *ret_status
 * is the exit status. */
bool verb_parse(
        VerbContext *context, const Verb *verb, int argc, char **argv, int n_min, int n_max,
        char ***ret_arguments, int *ret_status);

/* As verb_parse() from where getopt_long() has stopped. */
bool verb_arguments(
        VerbContext *context, const Verb *verb, int argc, char **argv, int n_min, int n_max,
        char ***ret_arguments, int *ret_status);

/* Write a JSON value to standard output, for programs: ASCII only, so that nothing in it can drive
 * a terminal. */
void verb_print_json(const json_t *value);
