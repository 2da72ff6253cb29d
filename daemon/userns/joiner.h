/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs in a helper (daemon/userns/userns.h): it waits for a namespace, joins it, says so, and
 * stays, so that the namespace has a /proc/PID.  It is forked ahead of its use, because to fork a
 * daemon takes longer than all the rest. */

#include <sys/types.h>

/* `data` is the parent's pid_t; descriptor 0 is a SEQPACKET socket, over which it is sent the
 * namespace's owner, a uid_t, with the namespace.  Does not return. */
void userns_joiner_run(const void *data) __attribute__((noreturn));

/* The other end: 0 when it has joined, -EAGAIN: no answer yet, -ESRCH: it has died, else the -errno
 * of setns(). */
int userns_joiner_receive(int socket);
