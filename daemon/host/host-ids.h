/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Accountable UIDs: to whom a peer is charged.  A UID in a block of /etc/subuid counts as that
 * block's owner, else as itself; otherwise one block of 65,536 would be 65,536 fresh quotas.  UIDs
 * of our own slots are resolved by the manager, which knows the table.  Also the answer to "does
 * the host claim this ID or name": passwd, group, subuid and subgid.  Files are parsed directly,
 * never through NSS: an NSS module may wait for us.  Read again when they change. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "lib/util/id-range.h"

typedef struct HostIds HostIds;

/* Read the four files below `etc` ("/etc" but for tests).  A missing file is empty; lines that do
 * not parse are passed over (they claim nothing), as their own readers do. */
int host_ids_new(const char *etc, HostIds **ret_ids);
void host_ids_free(HostIds *ids);

/* stat() the files and read those again that changed (inode, size, mtime, ctime).  Cheap; call
 * before a use. */
int host_ids_refresh(HostIds *ids);

/* Another number whenever the files have been read again. */
uint64_t host_ids_generation(const HostIds *ids);

/* The owner of the subuid block `uid` lies in, else `uid`.  Blocks of unknown owners, and overlaps
 * (first wins), count as the block's start, so that a whole block is one account. */
uint32_t host_ids_account(const HostIds *ids, uint32_t uid);

/* What the administrator keeps for others counts as claimed; replaces what was said before. */
void host_ids_set_reserved(HostIds *ids, const IdRange *ranges, size_t n);

/* Whether any passwd, group, subuid or subgid entry claims any of the `n_ids` IDs from `start` on,
 * or one of them is reserved. */
bool host_ids_claims(const HostIds *ids, uint32_t start, uint32_t n_ids);

/* Who claims any of these IDs: NULL, or a text for people ("user alice in /etc/passwd", "subuid
 * block of bob in /etc/subuid") to be freed, of printable ASCII only; one of them, where there are
 * several.  What is claimed is somebody else's: not to be lent, and nothing of it killed or
 * removed. If the last host_ids_refresh() failed nobody knows: then all have to pass for claimed.
 */
char *host_ids_claimant(const HostIds *ids, uint32_t start, uint32_t n_ids);

/* The first ID that useradd and its like never assign as part of a subuid or subgid block:
 * login.defs' SUB_UID_MAX and SUB_GID_MAX, as they are now.  They ask nobody. */
int host_ids_first_untouched(const HostIds *ids, uint32_t *ret_first);

/* Whether a passwd or group entry has this name. */
bool host_ids_has_name(const HostIds *ids, const char *name);

/* UID and GID of a user by name, from passwd only.  Returns whether there is one. */
bool host_ids_find_user(const HostIds *ids, const char *name, uint32_t *ret_uid, uint32_t *ret_gid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostIds, host_ids_free)
