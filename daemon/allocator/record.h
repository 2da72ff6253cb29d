/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a record of the table means to the daemon's other modules. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "daemon/state/details.h"
#include "lib/table/format.h"

/* Records a range occupies: slots side by side; a single ID or a registration has one. */
static inline uint32_t allocator_n_records(uint32_t size) {
        return MAX(1u, (size + TABLE_SLOT_SIZE - 1) / TABLE_SLOT_SIZE);
}

/* The key of what is known of the range beside the table. */
DetailsKey allocator_details_key(const TableRecord *range);

/* Tell the policy something of each record of a range; the first error. */
int allocator_for_each_record(
        const AllocatorConfig *config, uint32_t record,
        int (*tell)(Policy *policy, uint32_t first_record, uint32_t n_records));

/* Whether the range may be lent again once it is clean: the policy was in force all along. */
bool allocator_is_reusable(const AllocatorConfig *config, uint32_t record);

/* Of a record that is not protected: whether it was unprotected because the range was found clean.
 * Nothing else unprotects what has ended. */
bool allocator_was_clean(const AllocatorConfig *config, uint32_t record);

/* Add what the record's range has of IDs: its own, side by side, and each slot that is delegated to
 * it, as LeftoversRange; `ranges` may be NULL.  Returns how many IDs. */
uint64_t allocator_list_ranges(const AllocatorConfig *config, uint32_t record, GArray *ranges);

/* The same as CgroupRange. */
GArray *allocator_list_owners(const AllocatorConfig *config, uint32_t record);

/* No namespace has the range any more, and it is not to be lent yet. */
void allocator_quarantine(const AllocatorConfig *config, uint32_t record);
