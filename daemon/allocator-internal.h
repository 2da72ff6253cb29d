/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the allocator's files share. */

#include "daemon/allocator.h"
#include "daemon/details.h"
#include "lib/table/table-format.h"

struct Allocator {
        AllocatorConfig config;
        GPtrArray *jobs;      /* under way: Job, owned */
        GHashTable *removals; /* record -> what is being removed of it, owned */
};

/* Release the record if its namespace is proven dead; whether it was. */
bool allocator_release_if_dead(Allocator *allocator, uint32_t record);

/* The key of what is known of the range beside the table. */
DetailsKey allocator_details_key(const TableRecord *range);

/* Whether the control groups of a range that has ended are gone; else their removal is under way,
 * or will be tried when this is called again. */
bool allocator_remove_cgroups(Allocator *allocator, uint32_t record);
void allocator_removal_free(void *removal);
