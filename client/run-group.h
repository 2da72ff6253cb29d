/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A control group for the command of `nsresourcectl run`, below the caller's own where that is the
 * caller's to divide, and a guard: a process outside of the namespaces that kills the group when
 * `run` is gone, however that came.  The first process inside would do so too, but it is a process
 * of the namespace's root, who may give it idle priority, and then it waits for its turn among as
 * many busy ones as there are. */

#include <glib.h>

typedef struct RunGroup RunGroup;

/* NULL if there is no such control group: then the command stays in the caller's. */
RunGroup *run_group_new(void);

/* For clone3(): the group's directory, or -1. */
int run_group_fd(const RunGroup *group);

/* When everything in it has ended: dismiss the guard, remove the group. */
void run_group_free(RunGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunGroup, run_group_free)
