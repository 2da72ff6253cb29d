/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the verbs of nsresourcectl have in common: options, exit status, and the list of them.  Each
 * verb is one file and one Verb. */

#include <stdbool.h>

#include "lib/util/options.h"
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
        bool help;
} VerbContext;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the usage line */
        const char *summary;   /* one line of `nsresourcectl --help` */
        const char *help;      /* more about it; may be NULL */
        int n_min, n_max;      /* arguments */
        OptionsOrder order;
        /* argv[0] is the verb's name.  Returns the exit status. */
        int (*run)(VerbContext *context, int argc, char **argv);
} Verb;

extern const Verb verb_run, verb_list, verb_show, verb_whose, verb_status, verb_check, verb_nss,
        verb_unenforced;

#define VERB_DEFAULT_SOCKET "/run/systemd/io.systemd.NamespaceResource"
#define VERB_DEFAULT_PROVIDER "/run/systemd/userdb/io.systemd.NamespaceResource"

/* The options that every verb has, which go into `context`, and those of `own`; NULL: none.  The
 * caller frees it. */
Option *verb_options(VerbContext *context, const Option *own);

/* Parse what follows the verb; its arguments, as many as it takes, start at *ret_arguments, and
 * NULL is behind them.  Returns whether to go on; if not, *ret_status is the exit status, and why
 * has been said. */
bool verb_parse(
        VerbContext *context, const Verb *verb, const Option *own, int argc, char **argv,
        char ***ret_arguments, int *ret_status);

/* Write a JSON value to standard output, for programs: ASCII only, so that nothing in it can drive
 * a terminal. */
void verb_print_json(const json_t *value);
