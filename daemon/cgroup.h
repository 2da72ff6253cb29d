/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups (cgroup2) that a namespace's root gets to use: what a directory is, handing it
 * over.  Descriptors are those of cgroup2 directories that a door has vetted.  Knows nothing of the
 * table, namespaces, or varlink. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct CgroupRemoval CgroupRemoval;

#define CGROUPS_PER_REMOVAL_MAX 16u

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

/* Open a mount of the whole hierarchy, as far as this process may see it. */
int cgroup_open_mount(int *ret_fd);

/* removing */

/* `gone`: none of them exists any more.  Called once, from the main loop; the removal is freed. */
typedef void (*CgroupRemovedFunc)(bool gone, void *userdata);

/* Have a child kill every process in the control groups `ids` (cgroup.kill) and remove them and
 * what is below them, never anything beside them.  It tries for LIMIT_CGROUP_REMOVAL_MSEC.  Needs
 * CAP_DAC_READ_SEARCH to open them by id, and CAP_DAC_OVERRIDE. */
int cgroup_remove(
        const uint64_t *ids, uint32_t n, CgroupRemovedFunc removed, void *userdata,
        CgroupRemoval **ret_removal);

/* Kill the child and forget it.  Accepts NULL. */
void cgroup_removal_free(CgroupRemoval *removal);
