/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Control groups (cgroup2) that a namespace's root gets to use: what a directory is, and handing it
 * over.  cgroup/remove.h removes it, and cgroup/walk.h what was not handed over.  Knows nothing of
 * the table, namespaces, or varlink.
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
typedef struct CgroupTree CgroupTree;
typedef struct WorkerPool WorkerPool;

/* Outcomes. */
enum {
        CGROUP_E_ROOT = 1,    /* the root of the hierarchy: the whole host */
        CGROUP_E_OURS = 2,    /* this process is in it, or below */
        CGROUP_E_GONE = 3,    /* there is none of this number (any more) */
        CGROUP_E_NO_TREE = 4, /* no cgroup2 file system is mounted on /sys/fs/cgroup or below */
        CGROUP_E_BUSY = 5,    /* too many wait already */
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

/* The children that remove, and walk: LIMIT_CGROUP_REMOVALS, LIMIT_CGROUP_WALKS. */
WorkerPool *cgroup_tree_removals(const CgroupTree *tree);
WorkerPool *cgroup_tree_walks(const CgroupTree *tree);

/* A pool of that kind, for worker_pool_free(): the tree's is one. */
WorkerPool *cgroup_removals_new(void);

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

/* IDs that nobody may hold. */
typedef struct CgroupRange {
        uint32_t start, size;
} CgroupRange;

#define CGROUP_RANGES_MAX TABLE_RANGE_RECORDS_MAX

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cgroup, cgroup_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupTree, cgroup_tree_free)
