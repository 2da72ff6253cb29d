/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One walk through all control groups, for those of IDs that nobody may hold, and that were not
 * handed over to them. */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/cgroup/cgroup.h"

typedef struct CgroupWalk CgroupWalk;

/* clean[i]: a walk that began after the call met no directory that is owned by ranges[i], or
 * removed them all.  Called once, from the main loop; the walk is freed. */
typedef void (*CgroupWalkedFunc)(const bool *clean, size_t n, void *userdata);

/* Have a child walk through the whole hierarchy for directories that are owned by one of the IDs: a
 * process that has one can make such where a user lets everybody.  They are removed with what is
 * below them, if that is owned so too and nothing is in it.  No process is killed: those of the IDs
 * have been, and who else may be in there is not known.  What has such a process, something of
 * another owner, or one of the IDs for its group only, stays, and its range is not clean.  The walk
 * goes from number to number, so nobody makes it lose its way, and how deep it goes does not
 * matter.
 *
 * No range may overlap another, and no process may have one of the IDs.  CGROUP_E_BUSY:
 * LIMIT_CGROUP_WALKS are under way, or hang.  Needs CAP_DAC_READ_SEARCH and CAP_DAC_OVERRIDE. */
int cgroup_walk(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupWalkedFunc walked,
        void *userdata, CgroupWalk **ret_walk);

/* Kill the child and forget it.  Accepts NULL. */
void cgroup_walk_free(CgroupWalk *walk);
