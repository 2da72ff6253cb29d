/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator-internal.h"
#include "daemon/cgroup.h"
#include "daemon/details.h"
#include "daemon/limits.h"
#include "lib/table/table-write.h"

/* A namespace's control groups on their way out. */
typedef struct Removal {
        Allocator *allocator;
        uint32_t record;
        CgroupRemoval *cgroups;
} Removal;

void allocator_removal_free(void *removal) {
        cgroup_removal_free(((Removal *) removal)->cgroups);
        g_free(removal);
}

static void on_removed(bool gone, void *userdata) {
        Removal *removal = userdata;
        Allocator *allocator = removal->allocator;
        uint32_t record = removal->record;
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        DetailsKey key = allocator_details_key(range);

        removal->cgroups = NULL;
        g_hash_table_remove(allocator->removals, GUINT_TO_POINTER(record));
        /* What is busy is tried again by the next pass over what is releasing. */
        if (!gone || details_clear(allocator->config.details, record, &key) < 0)
                return;
        if (table_writer_state(allocator->config.table, record) == TABLE_STATE_RELEASING)
                table_writer_set_state(allocator->config.table, record, TABLE_STATE_QUARANTINED);
}

bool allocator_remove_cgroups(Allocator *allocator, uint32_t record) {
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        DetailsKey key = allocator_details_key(range);
        uint64_t ids[DETAILS_CGROUPS_MAX];
        Removal *removal;
        uint32_t n;

        if (!allocator->config.details)
                return true;
        if (g_hash_table_contains(allocator->removals, GUINT_TO_POINTER(record)))
                return false;
        if (details_cgroups(allocator->config.details, record, &key, ids, &n) < 0)
                return false;
        if (n == 0)
                return true;
        if (g_hash_table_size(allocator->removals) >= LIMIT_CGROUP_REMOVALS)
                return false;

        removal = g_new(Removal, 1);
        *removal = (Removal){ .allocator = allocator, .record = record };
        if (cgroup_remove(ids, n, on_removed, removal, &removal->cgroups) < 0) {
                g_free(removal);
                return false;
        }
        g_hash_table_insert(allocator->removals, GUINT_TO_POINTER(record), removal);
        return false;
}
