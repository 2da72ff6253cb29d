/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between `nsresourcectl run` and the first process in its namespaces: packets over a socket, and
 * the exit status that both of them use. */

#include <stdint.h>

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

/* One packet.  Returns 1 if there was one, 0 at the end, -EAGAIN if `flags` say not to wait. */
int run_message_receive(int control, int flags, RunMessage *ret_message);
int run_message_send(int control, RunMessageType type, int32_t value);
