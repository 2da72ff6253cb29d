/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups (cgroup2) that a namespace's root gets to use: what a directory is, handing it
 * over.  Descriptors are those of cgroup2 directories that a door has vetted.  Knows nothing of the
 * table, namespaces, or varlink. */

#include <stdint.h>
#include <sys/types.h>

/* Outcomes. */
enum {
        CGROUP_E_ROOT = 1, /* the root of the hierarchy: the whole host */
        CGROUP_E_OURS = 2, /* this process is in it, or below */
};

/* Its id, which is not used again in one boot, and who owns its directory. */
int cgroup_inspect(int fd, uint64_t *ret_id, uid_t *ret_owner);

/* Give `uid` and `gid` what delegation needs: the directory (mode 0755) and in it cgroup.procs,
 * cgroup.subtree_control and cgroup.threads (0644), no other file.  On an error the directory is
 * its owner's again. */
int cgroup_hand_over(int fd, uid_t uid, gid_t gid);
