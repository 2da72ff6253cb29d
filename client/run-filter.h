/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A seccomp filter for the command of `nsresourcectl run`: it shares its caller's terminal, and
 * must not type there.  Knows nothing of namespaces. */

#include <linux/filter.h>
#include <stddef.h>

/* Refuse TIOCSTI and TIOCLINUX with EPERM, in every way that this kernel takes system calls, to
 * this process and all that it starts.  Needs CAP_SYS_ADMIN in the user namespace, and leaves
 * programs that gain privilege alone. */
int run_filter_install(void);

/* The filter itself, for tests.  The caller frees it. */
struct sock_filter *run_filter_make(size_t *ret_n);
