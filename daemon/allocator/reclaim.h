/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From releasing to free: the range's namespace has ended, what the host still has of its IDs is
 * ended and removed (allocator/looks.h), what the kernel keeps by UID is tried, no control group is
 * theirs (allocator/walks.h), and then the range is unprotected and free, if the policy was in
 * force all along.  Nothing of this is remembered on disk: the record's state and the kernel's say
 * where to begin again. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/allocator/allocator.h"

typedef struct Reclaim Reclaim;

/* `config` is borrowed, and quotas in it may change. */
Reclaim *reclaim_new(const AllocatorConfig *config);

/* Records that are releasing stay so in the table. */
void reclaim_free(Reclaim *reclaim);

/* The control groups of a range are gone (or it never became one's): what else the host has of it
 * is removed, if its end is proven; then it is free, or quarantined. */
void reclaim_add(Reclaim *reclaim, uint32_t record, bool proven);

/* Whether the record was added, and is neither free nor quarantined yet. */
bool reclaim_has(const Reclaim *reclaim, uint32_t record);

/* What of an account's usage is only waiting for the next look at it: that is our own time.  What
 * was found busy counts. */
void reclaim_usage(
        const Reclaim *reclaim, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids);
