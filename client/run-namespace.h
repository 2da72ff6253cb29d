/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of `nsresourcectl run`: a process that is born into new namespaces, waits there for
 * its IDs, becomes their root, and is the first process (PID 1) of the command's.  Knows nothing of
 * the daemon. */

#include <sys/types.h>

#define RUN_DESCRIPTOR_FIRST 3u

/* What to run, and what it keeps of its caller's. */
typedef struct RunCommand {
        char *const *arguments; /* NULL-terminated */
        unsigned n_preserved;   /* descriptors from 3 on; all of them are open */
} RunCommand;

/* Make the namespaces and their first process, which will run `command`, in the control group
 * `group` unless that is negative.  *ret_control is our end of the socket to it; when that is
 * closed, it ends, and everything in its namespaces with it. */
int run_namespace_spawn(const RunCommand *command, int group, pid_t *ret_pid, int *ret_control);

/* In the first process, as root of its namespaces: start the command, pass signals on, reap, and
 * exit with the command's status.  Does not return. */
void run_init(int control, const RunCommand *command) __attribute__((noreturn));
