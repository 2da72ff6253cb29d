/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* nsswitch.conf(5) as text: is the module asked, and a text in which it is, or is not.  Pure.
 * Everything that is not changed stays byte by byte, so that what was enabled and disabled is what
 * it was. */

#include <stdbool.h>

/* Outcomes. */
enum {
        NSSWITCH_E_SYNTAX =
                1, /* the file is not understood: *ret_message says which line, and why */
};

#define NSSWITCH_SERVICE "nsresource"

/* The databases the module answers. */
typedef enum NsswitchDatabase {
        NSSWITCH_PASSWD,
        NSSWITCH_GROUP,
        NSSWITCH_SHADOW,
        NSSWITCH_N_DATABASES
} NsswitchDatabase;

extern const char *const nsswitch_database_names[NSSWITCH_N_DATABASES];

typedef enum NsswitchState {
        NSSWITCH_DISABLED,
        NSSWITCH_ENABLED,
        NSSWITCH_LATE, /* asked after systemd, which may wait for other services */
} NsswitchState;

int nsswitch_state(
        const char *text, NsswitchState ret_states[static NSSWITCH_N_DATABASES],
        char **ret_message);

/* The text in which the module is (not) asked for each of its databases.  Where it goes: right
 * after `files` (or `compat`); in front of it if an action list stands between, for that is about
 * what `files` answered ("files [SUCCESS=merge] systemd": whoever comes in between ends the
 * merging); in front of `systemd` in any case.  A database without a line gets one. */
int nsswitch_edit(const char *text, bool enable, char **ret_text, char **ret_message);
