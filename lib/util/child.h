/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children without exec, for work that a client may stop or hang: forked with nothing but the
 * descriptors named, and reaped on the main loop through a pidfd, never waited for.  Knows nothing
 * of what they do.
 *
 * To kill a child that has changed its UID the caller needs CAP_KILL, and so does the kernel to
 * carry out a child's PR_SET_PDEATHSIG in the caller's name. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

typedef struct Child Child;

#define CHILD_FDS_MAX 4u

/* What runs in the child.  Its descriptors are 0 ... n - 1 as given, signals are as after exec and
 * none is blocked.  It is a copy of a process with a main loop: system calls only, no GLib, and it
 * must not return. */
typedef void (*ChildFunc)(const void *data);

/* The child has been reaped; called once, from the main loop.  The Child is freed afterwards. */
typedef void (*ChildExitedFunc)(Child *child, void *userdata);

/* Fork `run(data)` with the descriptors `fds` (borrowed, CHILD_FDS_MAX at most).  The Child belongs
 * to itself: it lives until it is reaped, then `exited` is called.  The default main context
 * watches it. */
int child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child);

/* Fork a child that does nothing but have these descriptors (borrowed, as many as there are), until
 * it is killed.  It has them from the fork on, without a system call that could fail. */
int child_new_holding(
        const int *fds, size_t n_fds, ChildExitedFunc exited, void *userdata, Child **ret_child);

/* A pipe for what a child has to tell: *ret_ours to read without waiting, *ret_theirs for the
 * child. The caller closes both. */
int child_pipe(int *ret_ours, int *ret_theirs);

/* Memory for what children have to tell: `size` bytes, all zero, that those forked from now on
 * share with this process.  For munmap(2). */
int child_share(size_t size, void **ret_memory);

/* Its process ID, which stays its own until `exited` is called. */
pid_t child_pid(const Child *child);

/* Inside of `exited`: whether it ended by itself, by _exit(0). */
bool child_succeeded(const Child *child);

/* Send SIGKILL.  `exited` will be called when the kernel lets go of it, which can be never. */
void child_kill(Child *child);

/* Kill it, and never call `exited`: the pointer is not valid any more. */
void child_forget(Child *child);

/* The kernel's own call, which changes this thread alone.  32-bit systems number the calls with
 * UIDs of 16 bits first. */
#ifdef SYS_setresuid32
#define CHILD_SETRESUID SYS_setresuid32
#else
#define CHILD_SETRESUID SYS_setresuid
#endif

/* For a child: be killed when the thread that forked it (`parent` is its process ID, read before
 * the fork) ends, or end now if it has.  The kernel forgets this when the child's credentials
 * change. */
void child_die_with(pid_t parent);

/* For a child: become `uid` and `gid` with no other group, no capability and no way to gain one,
 * untraceable by anybody without CAP_SYS_PTRACE outside of every namespace, and killed with its
 * parent.  Ends the child where any of this fails. */
void child_drop_privileges(uid_t uid, gid_t gid, pid_t parent);
