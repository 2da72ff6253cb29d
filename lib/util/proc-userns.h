/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which IDs a process can have, told by its user namespace (/proc/PID/ns/user, uid_map, gid_map).
 * Its status would say which it has, but the kernel writes out a list of groups with it that an
 * ordinary user makes 650 KB long for each of a thousand processes, which then take minutes.
 * Allocates nothing, libc only: for children too. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ProcUserns {
        unsigned depth; /* 0: it is `own`, or not below it; 1: its parent is `own`; more: 2 */
        uid_t owner;    /* of itself, or of the one above it that is a child of `own` */
} ProcUserns;

/* Where the user namespace `fd` (borrowed) is below the one with inode number `own`, which is this
 * process's.  -errno. */
int proc_userns_place(int fd, ino_t own, ProcUserns *ret_userns);

typedef void (*ProcUsernsRangeFunc)(uint32_t start, uint32_t n_ids, void *userdata);

/* Call `func` for the IDs that a process (`process` is its folder in /proc) can have because of the
 * user namespace it is in: what that maps, who owns the outermost one below `own`, and the
 * effective UID and GID, which the folder has.  All are IDs of `own`.
 *
 * Not *ret_told, and `func` is not called: it is in `own` itself, or root, who maps what it likes,
 * made a namespace around it or maps more than any container has.  Only its status can tell then.
 * Not seen are real and saved IDs and groups from before it made its namespace: of a
 * user's, they are that user's.  -errno: -ESRCH or -ENOENT if it has ended. */
int proc_userns_for_each_range(
        int process, ino_t own, ProcUsernsRangeFunc func, void *userdata, bool *ret_told);
