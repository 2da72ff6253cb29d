/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/record.h"

#include <string.h>

#include "daemon/cgroup/cgroup.h"
#include "daemon/leftovers/leftovers.h"
#include "daemon/policy/policy.h"
#include "daemon/state/details.h"
#include "daemon/state/unenforced.h"
#include "lib/table/write.h"

DetailsKey allocator_details_key(const TableRecord *range) {
        return (DetailsKey){
                .userns_inode = range->userns_inode,
                .userns_id = range->userns_id,
                .birth_usec = range->birth_usec,
        };
}

int allocator_for_each_record(
        const AllocatorConfig *config, uint32_t record,
        int (*tell)(Policy *policy, uint32_t first_record, uint32_t n_records)) {
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;
        int r = 0;

        n = table_writer_list_records(config->table, record, records);
        for (uint32_t i = 0; i < n && r == 0; i++)
                r = tell(config->policy, records[i], 1);
        return r;
}

bool allocator_is_reusable(const AllocatorConfig *config, uint32_t record) {
        TableWriter *table = config->table;
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;

        if (!config->enforced ||
            (table_writer_record(table, record)->flags & TABLE_FLAG_UNENFORCED))
                return false;
        n = table_writer_list_records(table, record, records);
        for (uint32_t i = 0; i < n; i++)
                if (unenforced_is_marked(
                            config->unenforced, table_writer_record(table, records[i])->start))
                        return false;
        return true;
}

bool allocator_was_clean(const AllocatorConfig *config, uint32_t record) {
        return table_writer_state(config->table, record) >= TABLE_STATE_RELEASING &&
               allocator_is_reusable(config, record) && policy_was_adopted(config->policy);
}

uint64_t allocator_list_ranges(const AllocatorConfig *config, uint32_t record, GArray *ranges) {
        TableWriter *table = config->table;
        const TableRecord *own = table_writer_record(table, record);
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;
        LeftoversRange range = { .start = own->start, .size = own->size };
        uint64_t n_ids = own->size;

        memcpy(range.name, own->name, sizeof(range.name) - 1);
        if (ranges)
                g_array_append_val(ranges, range);
        n = table_writer_list_records(table, record, records);
        for (uint32_t i = allocator_n_records(own->size); i < n; i++) {
                const TableRecord *part = table_writer_record(table, records[i]);

                range.start = part->start;
                range.size = part->size;
                range.first_offset = part->part * TABLE_SLOT_SIZE;
                n_ids += part->size;
                if (ranges)
                        g_array_append_val(ranges, range);
        }
        return n_ids;
}

GArray *allocator_list_owners(const AllocatorConfig *config, uint32_t record) {
        GArray *owners = g_array_new(FALSE, FALSE, sizeof(CgroupRange));
        g_autoptr(GArray) ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange));

        (void) allocator_list_ranges(config, record, ranges);
        for (guint i = 0; i < ranges->len; i++) {
                const LeftoversRange *range = &g_array_index(ranges, LeftoversRange, i);
                CgroupRange owner = { range->start, range->size };

                g_array_append_val(owners, owner);
        }
        return owners;
}

void allocator_quarantine(const AllocatorConfig *config, uint32_t record) {
        if (table_writer_state(config->table, record) == TABLE_STATE_RELEASING)
                table_writer_set_state(config->table, record, TABLE_STATE_QUARANTINED);
}
