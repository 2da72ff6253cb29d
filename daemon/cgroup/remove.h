/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Removing control groups that were handed over, with all processes in them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/cgroup/cgroup.h"

typedef struct CgroupRemoval CgroupRemoval;

#define CGROUPS_PER_REMOVAL_MAX 16u

/* `gone`: none of them exists any more.  Called once, from the main loop; the removal is freed. */
typedef void (*CgroupRemovedFunc)(bool gone, void *userdata);

/* Have a child kill every process in the control groups `ids` (cgroup.kill) and remove them and
 * what is below them, never anything beside them.  One whose directory is not owned by any of the
 * `ranges` (CGROUP_RANGES_MAX at most) has never become, or is no longer, the namespace's: it is
 * left alone and counts as gone.  A threaded one, which cgroup.kill refuses, holds threads of
 * processes that may be elsewhere with others: of these only such are killed of which every thread
 * has no UIDs but the ranges', and any other keeps it.  The child tries for
 * LIMIT_CGROUP_REMOVAL_MSEC, in `account`'s turn.  CGROUP_E_BUSY: too many of the account's wait.
 * Needs CAP_DAC_READ_SEARCH to open them by id, and CAP_DAC_OVERRIDE. */
int cgroup_remove(
        const CgroupTree *tree, uint32_t account, const uint64_t *ids, uint32_t n,
        const CgroupRange *ranges, size_t n_ranges, CgroupRemovedFunc removed, void *userdata,
        CgroupRemoval **ret_removal);

/* Kill the child and forget it.  Accepts NULL. */
void cgroup_removal_free(CgroupRemoval *removal);

/* for children: system calls only */

/* What a child that removes works on. */
typedef struct CgroupRemovalTask {
        pid_t parent;
        uint32_t n;
        uint64_t ids[CGROUPS_PER_REMOVAL_MAX];
        size_t n_ranges;
        CgroupRange ranges[CGROUP_RANGES_MAX];
} CgroupRemovalTask;

/* Remove all directories below `take_directory`, leaves first, with two descriptors however deep
 * they are.  With `may`, only those of which it is true; `busy` is called for one that has
 * processes or threads in it.  False: something in there is busy, or may not be removed. */
typedef bool (*CgroupMayRemoveFunc)(const struct stat *st, const void *userdata);
typedef void (*CgroupBusyFunc)(int directory, const void *userdata);
bool cgroup_remove_below(
        int take_directory, CgroupMayRemoveFunc may, CgroupBusyFunc busy, const void *userdata);
