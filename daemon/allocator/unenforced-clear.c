/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/unenforced-clear.h"

#include <stdbool.h>

#include <glib.h>

#include "daemon/policy/policy.h"
#include "daemon/host/used-ids.h"

static void note_used(uint32_t slot, void *userdata) {
        g_hash_table_add(userdata, GUINT_TO_POINTER(slot));
}

/* Whether the namespace that held these IDs is gone for certain.  A slot that was found marked when
 * the table was made has no namespace on record: then nothing but its processes can tell. */
static bool holder_is_gone(UsernsProbe *probe, const TableRecord *record) {
        UsernsIdentity identity = { .inode = record->userns_inode, .id = record->userns_id };

        return identity.inode == 0 || userns_probe_check(probe, &identity) == USERNS_E_DEAD;
}

static bool slots_are_used(const TableWriter *table, GHashTable *used, uint32_t record) {
        uint32_t pool_start = table_writer_header(table)->pool_start;
        uint32_t records[TABLE_RANGE_RECORDS_MAX];
        uint32_t n = table_writer_list_records(table, record, records);

        for (uint32_t i = 0; i < n; i++) {
                uint32_t start = table_writer_record(table, records[i])->start;

                if (g_hash_table_contains(
                            used, GUINT_TO_POINTER((start - pool_start) / TABLE_SLOT_SIZE)))
                        return true;
        }
        return false;
}

/* What the kernel still refuses its IDs for would be refused the next holder too. */
static void free_record(TableWriter *table, Policy *policy, uint32_t record) {
        uint32_t records[TABLE_RANGE_RECORDS_MAX];
        uint32_t n = table_writer_list_records(table, record, records);

        for (uint32_t i = 0; i < n; i++)
                if (policy_unprotect(policy, records[i], 1) != 0)
                        return;
        table_writer_set_state(table, record, TABLE_STATE_FREE);
}

static void free_unused_records(
        const Unenforced *unenforced, TableWriter *table, Policy *policy, UsernsProbe *probe,
        GHashTable *used) {
        uint32_t cursor = 0, record;

        while ((record = table_writer_next_quarantined(table, &cursor)) != TABLE_NONE) {
                const TableRecord *r = table_writer_record(table, record);

                if (((r->flags & TABLE_FLAG_UNENFORCED) ||
                     unenforced_is_marked(unenforced, r->start)) &&
                    holder_is_gone(probe, r) && !slots_are_used(table, used, record))
                        free_record(table, policy, record);
        }
}

/* Whether no ID of the slot is lent or quarantined; of a slot
 * that is split, none of its singles. */
static bool slot_is_unheld(const TableWriter *table, uint32_t slot) {
        const TableHeader *header = table_writer_header(table);
        const TableRecord *record = table_writer_record(table, slot);

        if (table_writer_state(table, slot) == TABLE_STATE_FREE)
                return true;
        if (record->kind != TABLE_KIND_SPLIT)
                return false;
        for (uint32_t i = 0; i < TABLE_SINGLES_PER_SPLIT; i++)
                if (table_writer_state(table, header->n_slots + record->first_single + i) !=
                    TABLE_STATE_FREE)
                        return false;
        return true;
}

int unenforced_clear_unused(
        Unenforced *unenforced, TableWriter *table, Policy *policy, UsernsProbe *probe,
        UnenforcedCleared *ret_cleared) {
        g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
        const TableHeader *header = table_writer_header(table);
        UnenforcedCleared cleared = {};
        int r;

        r = used_ids_find_slots(header->pool_start, header->n_slots, note_used, used);
        if (r < 0)
                return r;
        free_unused_records(unenforced, table, policy, probe, used);

        for (uint32_t slot = 0; slot < header->n_slots; slot++) {
                uint32_t start = header->pool_start + slot * TABLE_SLOT_SIZE;

                if (!unenforced_is_marked(unenforced, start) || !slot_is_unheld(table, slot))
                        continue;
                r = unenforced_clear(unenforced, start);
                if (r < 0)
                        return r;
                cleared.n_cleared++;
        }
        cleared.n_kept = unenforced_count(unenforced);
        *ret_cleared = cleared;
        return 0;
}
