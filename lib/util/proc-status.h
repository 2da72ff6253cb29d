/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of /proc/PID/status, as proc_pid_status(5) has it.  A name in it cannot fake a line: the
 * kernel escapes newlines.  Allocates nothing, libc only: for children too. */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

typedef void (*ProcStatusIdFunc)(uint32_t id, void *userdata);

/* Call `func` for each real, effective, saved and file system UID and GID and each supplementary
 * group. */
void proc_status_for_each_id(const char *status, ProcStatusIdFunc func, void *userdata);

/* The real, effective, saved and file system UID; whether they are there. */
bool proc_status_uids(const char *status, uint32_t ret_uids[static 4]);

/* Whether it may have any capability, in its own user namespace. */
bool proc_status_has_capabilities(const char *status);

/* A zombie, or one that is about to be none any more: it does nothing with its IDs. */
bool proc_status_has_ended(const char *status);

/* Whether the process has more threads than the one: credentials are each thread's own. */
bool proc_status_has_threads(const char *status);

/* Call `func` for the status of each thread of a process (its folder in /proc): that file is called
 * `name` below `threads`.  Stops at the first negative result, and returns it; a thread's end is
 * none.  -errno. */
typedef int (*ProcThreadFunc)(int threads, const char *name, void *userdata);
int proc_status_for_each_thread(int process, ProcThreadFunc func, void *userdata);

/* The result of a look at a task: 0 instead of the errors that say that it has ended meanwhile, for
 * then it has nothing any more. */
static inline int proc_status_pass_over_ended(int r) {
        return r == -ENOENT || r == -ESRCH ? 0 : r;
}
