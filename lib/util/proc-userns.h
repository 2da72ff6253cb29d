/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which IDs a process can have, told by its user namespace (/proc/PID/ns/user, uid_map, gid_map).
 * Its status would say which it has, but the kernel writes out a list of groups with it that an
 * ordinary user makes 650 KB long for each of a thousand processes, which then take minutes.
 * Allocates nothing, libc only: for children too. */

#include <stdint.h>
#include <sys/types.h>

typedef struct ProcUserns {
        unsigned depth; /* 0: our own, or it cannot be told; 1: its parent is our own; more: 2 */
        uid_t owner;    /* of the outermost one below our own; with depth 0: unset */
} ProcUserns;

/* `process` is a folder of /proc, `own` the inode number of our own namespace.  -errno: the process
 * has ended, or may not be looked at. */
int proc_userns_look(int process, ino_t own, ProcUserns *ret_userns);

typedef void (*ProcUsernsRangeFunc)(uint32_t start, uint32_t n_ids, void *userdata);

/* Call `func` for each line of its uid_map and gid_map, with IDs of our own namespace.  Whoever is
 * in a namespace of depth 1 has these, its owner's, and no others. */
int proc_userns_for_each_range(int process, ProcUsernsRangeFunc func, void *userdata);
