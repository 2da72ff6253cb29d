/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/end.h"

#include "daemon/allocator/reclaim.h"
#include "daemon/allocator/record.h"
#include "daemon/allocator/state.h"
#include "daemon/cgroup/remove.h"
#include "daemon/limits.h"
#include "daemon/state/details.h"
#include "daemon/policy/policy.h"
#include "lib/table/write.h"

/* control groups */

/* A namespace's control groups on their way out. */
typedef struct Removal {
        Allocator *allocator;
        uint32_t record;
        DetailsKey key; /* whose list of control groups it was */
        bool proven;    /* the namespace's end */
        CgroupRemoval *cgroups;
} Removal;

static void removal_free(void *data) {
        Removal *removal = data;

        cgroup_removal_free(removal->cgroups);
        g_free(removal);
}

static void on_removed(bool gone, void *userdata) {
        Removal *removal = userdata;
        Allocator *allocator = removal->allocator;
        uint32_t record = removal->record;
        DetailsKey key = removal->key;
        bool proven = removal->proven;

        removal->cgroups = NULL;
        g_hash_table_remove(allocator->removals, GUINT_TO_POINTER(record));
        /* What is busy is tried again by the next pass over what is releasing. */
        if (!gone || details_clear(allocator->config.details, record, &key) < 0)
                return;
        if (table_writer_state(allocator->config.table, record) == TABLE_STATE_RELEASING)
                reclaim_add(allocator->reclaim, record, proven);
}

/* Whether the control groups of a range that has ended are gone; else their removal is under way,
 * or will be tried when this is called again. */
static bool allocator_remove_cgroups(Allocator *allocator, uint32_t record, bool proven) {
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        DetailsKey key = allocator_details_key(range);
        g_autoptr(GArray) owners = NULL;
        uint64_t ids[DETAILS_CGROUPS_MAX];
        Removal *removal;
        uint32_t n;

        if (!allocator->config.details)
                return true;
        removal = g_hash_table_lookup(allocator->removals, GUINT_TO_POINTER(record));
        if (removal) {
                removal->proven = removal->proven || proven;
                return false;
        }
        if (details_cgroups(allocator->config.details, record, &key, ids, &n) < 0)
                return false;
        if (n == 0)
                return true;
        if (!allocator->config.cgroups)
                return false;

        owners = allocator_list_owners(&allocator->config, record);
        removal = g_new(Removal, 1);
        *removal =
                (Removal){ .allocator = allocator, .record = record, .key = key, .proven = proven };
        /* Where that fails it is tried again by the next pass. */
        if (cgroup_remove(
                    allocator->config.cgroups, range->account_uid, ids, n,
                    (const CgroupRange *) (void *) owners->data, owners->len, on_removed, removal,
                    &removal->cgroups) == 0)
                g_hash_table_insert(allocator->removals, GUINT_TO_POINTER(record), removal);
        else
                g_free(removal);
        return false;
}

void allocator_start_removing(Allocator *allocator) {
        allocator->removals = g_hash_table_new_full(NULL, NULL, NULL, removal_free);
}

void allocator_stop_removing(Allocator *allocator) {
        g_hash_table_unref(allocator->removals);
}

/* whether it has ended */

/* 0: it lives; USERNS_E_DEAD, USERNS_E_UNKNOWN, or an error.  The kernel's own record of an end is
 * proof, and its record of a life keeps the record of a namespace that was just not seen from being
 * released. */
static int allocator_check(Allocator *allocator, uint32_t record) {
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        UsernsIdentity identity = { .inode = range->userns_inode, .id = range->userns_id };
        uint64_t inode;
        int r;

        switch (policy_slot(allocator->config.policy, record, &inode)) {
        case POLICY_SLOT_ORPHANED:
                return USERNS_E_DEAD;
        case POLICY_SLOT_LENT:
                r = userns_probe_check(allocator->config.probe, &identity);
                return r == USERNS_E_UNKNOWN && policy_sees_ends(allocator->config.policy) ? 0 : r;
        case POLICY_SLOT_FREE:
                /* A daemon was killed after it unprotected the slot and before it set it free. */
                if (range->userns_inode != 0 && allocator_was_clean(&allocator->config, record))
                        return USERNS_E_DEAD;
                return userns_probe_check(allocator->config.probe, &identity);
        default:
                return userns_probe_check(allocator->config.probe, &identity);
        }
}

/* A name, an inode number or a slot may still be held by a namespace that has just died: look at
 * that one record before saying no. */
bool allocator_release_if_dead(Allocator *allocator, uint32_t record) {
        if (!table_writer_record(allocator->config.table, record) ||
            allocator_check(allocator, record) != USERNS_E_DEAD)
                return false;
        allocator_release(allocator, record, true);
        return true;
}

/* releasing */

void allocator_release(Allocator *allocator, uint32_t record, bool proven) {
        TableWriter *table = allocator->config.table;

        if (reclaim_has(allocator->reclaim, record))
                return;
        /* First, for a daemon that is killed after it finds the proof there. */
        if (proven)
                (void) allocator_for_each_record(&allocator->config, record, policy_orphan);
        if (table_writer_state(table, record) != TABLE_STATE_RELEASING)
                table_writer_set_state(table, record, TABLE_STATE_RELEASING);
        if (table_writer_record(table, record)->size == 0) {
                (void) policy_unprotect(allocator->config.policy, record, 1);
                table_writer_set_state(table, record, TABLE_STATE_FREE);
                return;
        }
        if (allocator_remove_cgroups(allocator, record, proven))
                reclaim_add(allocator->reclaim, record, proven);
}

bool allocator_release_ended(Allocator *allocator, uint64_t userns_inode) {
        TableWriter *table = allocator->config.table;
        uint32_t record =
                userns_inode == 0 ? TABLE_NONE : table_writer_find_userns(table, userns_inode, 0);

        /* What is reserved belongs to a request, which keeps the namespace. */
        return record != TABLE_NONE && table_writer_state(table, record) >= TABLE_STATE_MAPPING &&
               allocator_release_if_dead(allocator, record);
}

/* Release quarantined ranges of which the proof came late, or whose release was interrupted. */
static void allocator_reconcile_quarantined(Allocator *allocator, unsigned max) {
        TableWriter *table = allocator->config.table;

        if (!allocator->config.leftovers)
                return;
        for (unsigned i = 0; i < max; i++) {
                uint32_t record =
                        table_writer_next_quarantined(table, &allocator->quarantine_cursor);

                if (record == TABLE_NONE) {
                        allocator->quarantine_cursor = 0;
                        return;
                }
                if (allocator_is_reusable(&allocator->config, record) &&
                    !reclaim_has(allocator->reclaim, record) &&
                    allocator_check(allocator, record) == USERNS_E_DEAD) {
                        (void) allocator_for_each_record(&allocator->config, record, policy_orphan);
                        reclaim_add(allocator->reclaim, record, true);
                }
        }
}

bool allocator_needs_sweep(const Allocator *allocator) {
        bool sees_ends = policy_sees_ends(allocator->config.policy);
        uint32_t cursor = 0, record;
        uint64_t inode;

        while ((record = table_writer_next_live(allocator->config.table, &cursor)) != TABLE_NONE)
                if (!sees_ends ||
                    policy_slot(allocator->config.policy, record, &inode) == POLICY_SLOT_FREE)
                        return true;
        return false;
}

unsigned allocator_reconcile(
        Allocator *allocator, bool unknown_too, uint32_t *cursor, unsigned max) {
        TableWriter *table = allocator->config.table;
        unsigned n_released = 0;

        for (unsigned i = 0; i < max; i++) {
                uint32_t record = table_writer_next_live(table, cursor);
                uint32_t state;
                int r;

                if (record == TABLE_NONE) {
                        *cursor = 0;
                        allocator_reconcile_quarantined(allocator, max);
                        break;
                }
                state = table_writer_state(table, record);
                if (state < TABLE_STATE_MAPPING || state > TABLE_STATE_RELEASING ||
                    reclaim_has(allocator->reclaim, record))
                        continue;

                r = allocator_check(allocator, record);
                if (r != USERNS_E_DEAD && (r != USERNS_E_UNKNOWN || !unknown_too))
                        continue;
                allocator_release(allocator, record, r == USERNS_E_DEAD);
                n_released++;
        }
        return n_released;
}
