/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When walks through all control groups (cgroup/walk.h) are made, for directories that lent IDs
 * made where they were not given any; for which records, and what becomes of these.  A range is
 * asked about when nothing else is left of it, for no process of it makes another directory then.
 * One walk serves all ranges that wait. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/allocator/allocator.h"
#include "daemon/allocator/looks.h"
#include "daemon/allocator/releasing.h"

typedef struct Walks Walks;

/* Called when no such directory is left of the record's range.  Inside, walks_ask() is true for the
 * record. */
typedef void (*WalksCleanFunc)(uint32_t record, void *userdata);

/* All borrowed; a record that is not clean is tried again by another of the `looks`. */
Walks *walks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, Looks *looks, WalksCleanFunc clean,
        void *userdata);
void walks_free(Walks *walks);

/* Whether a walk just found that the record's IDs own no such directory.  Else a walk is under way,
 * or will be. */
bool walks_ask(Walks *walks, uint32_t record);
