/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of every program: one table says what may be given, where it goes, and how
 * --help tells it.
 *
 * getopt_long() takes the line apart, for it does what `nsresourcectl run` needs, to stop where
 * another program's line begins, and what a verb needs, options behind its arguments.  GOption
 * writes its part of --help itself, half of it in the user's language, and copies every value. */

#include <stdbool.h>
#include <stdio.h>

typedef struct Option {
        const char *name;  /* without its two dashes; NULL ends a table */
        const char *value; /* what --help calls that which must follow; NULL: nothing may */
        const char *help;  /* lines */
        const char **text; /* gets what followed: the last time, a string of argv */
        bool *flag;        /* gets true when it was given */
        bool ends;         /* what follows does not matter any more: --help, --version */
} Option;

typedef enum OptionsOrder {
        OPTIONS_ANYWHERE, /* options and arguments in any order; argv is sorted */
        OPTIONS_IN_FRONT, /* the first argument ends the options */
} OptionsOrder;

enum {
        OPTIONS_E_USAGE = 1, /* unknown, ambiguous, without its value, or with one too many */
};

/* Take the options out of argv[1] and on.  *ret_first is where the arguments start.  With
 * OPTIONS_E_USAGE, *ret_first is not written, and *ret_message says in words what is wrong, with
 * bytes of the command line as they are: it must be escaped.  The caller frees it. */
int options_parse(
        const Option *options, OptionsOrder order, int argc, char **argv, int *ret_first,
        char **ret_message);

/* Write the part of --help that lists them. */
void options_print(const Option *options, FILE *file);
