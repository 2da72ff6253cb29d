/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups (cgroup2) that a namespace's root gets to use: what a directory is, handing it
 * over, removing it.  Knows nothing of the table, namespaces, or varlink.
 *
 * Why it is safe: nothing is ever looked up below a descriptor of a client's.  Such a descriptor
 * carries its client's mounts: a file of the host, or one whose file system never answers, can lie
 * over any name in it.  So a client only says which control group it means, by the number that the
 * kernel gives it, and every name is looked up in a mount that this process made for itself: a copy
 * of the hierarchy's own that is in no mount namespace, so nobody can mount anything over or below
 * it.  A lookup there crosses no mount, follows no link and leads down only; what it finds is
 * looked at, changed and changed back through one and the same descriptor. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "lib/table/format.h"

typedef struct Cgroup Cgroup;
typedef struct CgroupLook CgroupLook;
typedef struct CgroupRemoval CgroupRemoval;
typedef struct CgroupTree CgroupTree;

#define CGROUPS_PER_REMOVAL_MAX 16u

/* Outcomes. */
enum {
        CGROUP_E_ROOT = 1,   /* the root of the hierarchy: the whole host */
        CGROUP_E_OURS = 2,   /* this process is in it, or below */
        CGROUP_E_GONE = 3,   /* there is none of this number (any more) */
        CGROUP_E_NO_TREE = 4 /* no cgroup2 file system is mounted on /sys/fs/cgroup or below */
};

/* the hierarchy */

/* Make a mount of the whole hierarchy, as far as this process may see it, that is this process's
 * own, from the one on /sys/fs/cgroup or below: only root makes anything there, and no user's file
 * system is met on the way.  CGROUP_E_NO_TREE.  Needs CAP_SYS_ADMIN. */
int cgroup_tree_new(CgroupTree **ret_tree);
void cgroup_tree_free(CgroupTree *tree);

/* The root of the mount, and the number of its file system: there is only one of cgroup2, however
 * often it is mounted. */
int cgroup_tree_fd(const CgroupTree *tree);
dev_t cgroup_tree_device(const CgroupTree *tree);

/* one control group */

/* Open control group number `id` (what stat() says of its directory, from whatever mount; not used
 * again in one boot), and in it the files that delegation is about: cgroup.procs,
 * cgroup.subtree_control and cgroup.threads.  CGROUP_E_GONE, CGROUP_E_ROOT, CGROUP_E_OURS.  Needs
 * CAP_DAC_READ_SEARCH, to open it by its number, and CAP_DAC_OVERRIDE. */
int cgroup_open(const CgroupTree *tree, uint64_t id, Cgroup **ret_cgroup);
void cgroup_free(Cgroup *cgroup);

uint64_t cgroup_id(const Cgroup *cgroup);

/* Whether the directory and the three files all were `uid`'s when they were opened.  Who has them
 * can move, and so kill, every process in it; who has only some cannot, and may not have it done.
 */
bool cgroup_belongs_to(const Cgroup *cgroup, uid_t uid);

/* Give `uid` and `gid` the directory (mode 0755) and the three files (0644), no other.  On an error
 * what was changed has the owner and the mode again that it had. */
int cgroup_hand_over(const Cgroup *cgroup, uid_t uid, gid_t gid);

/* removing */

/* IDs that nobody may hold. */
typedef struct CgroupRange {
        uint32_t start, size;
} CgroupRange;

#define CGROUP_RANGES_MAX TABLE_RANGE_RECORDS_MAX

/* `gone`: none of them exists any more.  Called once, from the main loop; the removal is freed. */
typedef void (*CgroupRemovedFunc)(bool gone, void *userdata);

/* Have a child kill every process in the control groups `ids` (cgroup.kill) and remove them and
 * what is below them, never anything beside them.  One whose directory is not owned by any of the
 * `ranges` (CGROUP_RANGES_MAX at most) has never become, or is no longer, the namespace's: it is
 * left alone and counts as gone.  A threaded one, which cgroup.kill refuses, holds threads of
 * processes that may be elsewhere with others: of these only such are killed of which every thread
 * has no UIDs but the ranges', and any other keeps it.  The child tries for
 * LIMIT_CGROUP_REMOVAL_MSEC.  Needs CAP_DAC_READ_SEARCH to open them by id, and CAP_DAC_OVERRIDE.
 */
int cgroup_remove(
        const CgroupTree *tree, const uint64_t *ids, uint32_t n, const CgroupRange *ranges,
        size_t n_ranges, CgroupRemovedFunc removed, void *userdata, CgroupRemoval **ret_removal);

/* Kill the child and forget it.  Accepts NULL. */
void cgroup_removal_free(CgroupRemoval *removal);

/* what was not handed over */

/* clean[i]: a walk that began after the call met no directory that is owned by ranges[i], or
 * removed them all.  Called once, from the main loop; the look is freed. */
typedef void (*CgroupLookedFunc)(const bool *clean, size_t n, void *userdata);

/* Have a child walk through the whole hierarchy for directories that are owned by one of the IDs: a
 * process that has one can make such where a user lets everybody.  They are removed with what is
 * below them, if that is owned so too and nothing is in it.  No process is killed: those of the IDs
 * have been, and who else may be in there is not known.  What has such a process, something of
 * another owner, or one of the IDs for its group only, stays, and its range is not clean.  The walk
 * goes from number to number, so nobody makes it lose its way, and how deep it goes does not
 * matter.
 *
 * No range may overlap another, and no process may have one of the IDs.  Needs CAP_DAC_READ_SEARCH
 * and CAP_DAC_OVERRIDE. */
int cgroup_look(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupLookedFunc looked,
        void *userdata, CgroupLook **ret_look);

/* Kill the child and forget it.  Accepts NULL. */
void cgroup_look_free(CgroupLook *look);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cgroup, cgroup_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupTree, cgroup_tree_free)
