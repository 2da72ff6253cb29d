/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of `nsresourcectl run`: a process that is born into new namespaces, waits there for
 * its IDs, becomes their root, and is the first process (PID 1) of the command's.  Knows nothing of
 * the daemon. */

#include <stdint.h>
#include <sys/types.h>

/* Exit status of `run`, beside the command's own: what env(1), timeout(1) and others use. */
enum {
        RUN_EXIT_FAILURE = 125, /* the command was not started, by our own or the daemon's fault */
        RUN_EXIT_CANNOT_RUN = 126, /* it is there but cannot be executed */
        RUN_EXIT_NOT_FOUND = 127,
        RUN_EXIT_SIGNAL = 128, /* + the signal that ended it */
};

/* Messages between `run` and the first process, one in a packet. */
typedef enum RunMessageType {
        RUN_MESSAGE_GO,      /* to the first process: the IDs are there */
        RUN_MESSAGE_SIGNAL,  /* to the first process: pass `value` on to the command */
        RUN_MESSAGE_STOPPED, /* from it: the command was stopped by signal `value` */
} RunMessageType;

typedef struct RunMessage {
        RunMessageType type;
        int32_t value;
} RunMessage;

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

/* One packet.  Returns 1 if there was one, 0 at the end, -EAGAIN if `flags` say not to wait. */
int run_message_receive(int control, int flags, RunMessage *ret_message);
int run_message_send(int control, RunMessageType type, int32_t value);

/* In the first process, as root of its namespaces: start the command, pass signals on, reap, and
 * exit with the command's status.  Does not return. */
void run_init(int control, const RunCommand *command) __attribute__((noreturn));
