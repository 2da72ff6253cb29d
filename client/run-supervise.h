/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `nsresourcectl run` while the command runs: to the shell that called it, it is the command.  It
 * passes on the signals it is sent, stops and goes on when the command does, gives the terminal
 * back, and ends with its status. */

#include <sys/types.h>

/* Supervise until the first process `pid` has ended; returns what to exit with.  `control` is its
 * socket.  All signals are blocked from now on. */
int run_supervise(pid_t pid, int control);
