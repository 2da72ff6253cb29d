/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What only the daemon needs to know of a record of the table: the control groups its namespace was
 * given.  One file in the runtime folder, root's alone, indexed by record number; it shares no
 * field with the table.  An entry is written by one system call, so a daemon that is killed leaves
 * it as it was or as it is to be.  Each carries the key of the range it was written for: what an
 * earlier range of the record left is not this one's.  Knows nothing of the table, control groups
 * or requests. */

#include <stdint.h>

#include <glib.h>

#define DETAILS_CGROUPS_MAX 16u /* control groups of one range: protocol */

typedef struct Details Details;

/* Outcomes. */
enum {
        DETAILS_E_EXISTS = 1, /* it is in the list already */
        DETAILS_E_FULL = 2,   /* DETAILS_CGROUPS_MAX */
};

/* Which range the entry is about: what the table says of it. */
typedef struct DetailsKey {
        uint64_t userns_inode, userns_id, birth_usec;
} DetailsKey;

/* Open or create `path` for records 0 ... n_records - 1.  -EBADMSG: something stands there that is
 * not such a file of this process's user. */
int details_open(const char *path, uint32_t n_records, Details **ret_details);
void details_free(Details *details);

/* The control groups that were added, oldest first; none if the entry is another range's. */
int details_cgroups(
        Details *details, uint32_t record, const DetailsKey *key,
        uint64_t ret_ids[DETAILS_CGROUPS_MAX], uint32_t *ret_n);

/* Add one (not 0).  In the file before this returns.  DETAILS_E_EXISTS before DETAILS_E_FULL. */
int details_add_cgroup(Details *details, uint32_t record, const DetailsKey *key, uint64_t id);

/* Remove one; none there is fine. */
int details_remove_cgroup(Details *details, uint32_t record, const DetailsKey *key, uint64_t id);

/* Remove all. */
int details_clear(Details *details, uint32_t record, const DetailsKey *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Details, details_free)
