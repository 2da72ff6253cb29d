/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who runs as whom, from /proc. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* UIDs (GIDs) of a process: real, effective, saved, file system. */
typedef struct ProcessIds {
        uint32_t uids[4];
        uint32_t gids[4];
} ProcessIds;

/* The IDs of a process.  -ESRCH: there is none, or it is hidden from us. */
int process_ids(uint32_t pid, ProcessIds *ret_ids);

/* The processes that have one of the `n_ids` UIDs from `start` on, in order of their PIDs: an array
 * of uint32_t, which the caller unrefs. */
GArray *processes_with_uids(uint32_t start, uint32_t n_ids);

/* The processes that are in the user namespace with this inode number, not in one below it; those
 * that we may look at (ptrace(2)).  As above. */
GArray *processes_in_userns(uint64_t inode);
