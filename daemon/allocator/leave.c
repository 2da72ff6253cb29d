/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "daemon/allocator/internal.h"
#include "daemon/leftovers/leftovers.h"
#include "daemon/limits.h"
#include "daemon/policy/policy.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/state/unenforced.h"
#include "lib/table/write.h"

/* The last stretch of a range's way back: its namespace is proven dead, what the host still has of
 * its IDs is ended and removed (allocator/sweep.c), what the kernel keeps by UID is tried, no
 * control group is theirs (allocator/cgroups.c), and then it is free, if the policy was in force
 * all along.  Nothing of this is remembered on disk: the record's state and the kernel's say where
 * to begin again. */

static void allocator_give_back(Allocator *allocator, uint32_t record) {
        Leaving *leaving = g_hash_table_lookup(allocator->leaving, GUINT_TO_POINTER(record));

        if (!allocator_has_no_cgroups(allocator, record)) {
                leaving->due_usec = G_MAXINT64; /* until that is known */
                return;
        }
        (void) g_hash_table_remove(allocator->leaving, GUINT_TO_POINTER(record));
        if (!allocator_is_reusable(allocator, record) ||
            allocator_for_each_record(allocator, record, policy_unprotect) != 0) {
                allocator_quarantine(allocator, record);
                return;
        }
        table_writer_set_state(allocator->config.table, record, TABLE_STATE_FREE);
}

/* trying */

static void allocator_tried(const UidTrialFound *found, void *userdata) {
        Leaving *leaving = userdata;
        Allocator *allocator = leaving->allocator;
        uint32_t record = leaving->record;

        g_clear_pointer(&leaving->trial, uid_trial_free);
        if (found->what == UID_TRIAL_CLEAN)
                allocator_give_back(allocator, record);
        else {
                g_autofree char *why = uid_trial_describe(found),
                                *kind = g_strdup_printf("trial %d", found->what);

                leaving->is_busy |= found->what != UID_TRIAL_UNKNOWN;
                allocator_tell(allocator, record, kind, why);
                allocator_try_again(allocator, record);
        }
        allocator_schedule_next_sweep(allocator);
}

/* Those of the slot's UIDs that anybody may have become, side by side if they are. */
static void allocator_add_uids(
        const Allocator *allocator, uint32_t record, uint32_t start, uint32_t size, GArray *uids) {
        for (uint32_t offset = 0; offset < size; offset += POLICY_UIDS_PER_BLOCK) {
                UidTrialInterval block = { start + offset,
                                           MIN(POLICY_UIDS_PER_BLOCK, size - offset) };
                UidTrialInterval *last =
                        uids->len > 0 ? &g_array_index(uids, UidTrialInterval, uids->len - 1)
                                      : NULL;

                if (!policy_was_used(
                            allocator->config.policy, record, offset / POLICY_UIDS_PER_BLOCK))
                        continue;
                if (last && last->start + last->n == block.start)
                        last->n += block.n;
                else
                        g_array_append_val(uids, block);
        }
}

/* UIDs of the range that the kernel may know, also those of slots that are delegated. */
static GArray *allocator_list_uids(const Allocator *allocator, uint32_t record) {
        TableWriter *table = allocator->config.table;
        const TableRecord *own = table_writer_record(table, record);
        GArray *uids = g_array_new(FALSE, FALSE, sizeof(UidTrialInterval));
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;

        n = table_writer_list_records(table, record, records);
        for (uint32_t i = 0; i < n; i++) {
                bool is_own = i < allocator_n_records(own->size);
                uint32_t first = is_own ? i * TABLE_SLOT_SIZE : 0;
                const TableRecord *range = is_own ? own : table_writer_record(table, records[i]);

                allocator_add_uids(
                        allocator, records[i], range->start + first,
                        MIN(TABLE_SLOT_SIZE, range->size - first), uids);
        }
        return uids;
}

static void allocator_try_uids(Allocator *allocator, uint32_t record) {
        Leaving *leaving = g_hash_table_lookup(allocator->leaving, GUINT_TO_POINTER(record));
        g_autoptr(GArray) uids = NULL;

        /* What is never lent again needs no trial. */
        if (!allocator->config.uid_trials || !allocator_is_reusable(allocator, record)) {
                allocator_give_back(allocator, record);
                return;
        }
        uids = allocator_list_uids(allocator, record);
        if (uids->len == 0)
                allocator_give_back(allocator, record);
        else if (
                uid_trial_new(
                        allocator->config.uid_trials,
                        table_writer_record(allocator->config.table, record)->account_uid,
                        (const UidTrialInterval *) (void *) uids->data, uids->len, allocator_tried,
                        leaving, &leaving->trial) != 0)
                allocator_try_again(allocator, record);
}

/* all of it */

void allocator_leave(Allocator *allocator, uint32_t record, bool proven) {
        Leaving *leaving;

        if (!proven || !allocator->config.leftovers) {
                allocator_quarantine(allocator, record);
                return;
        }
        if (allocator_is_leaving(allocator, record))
                return;
        leaving = g_new(Leaving, 1);
        *leaving = (Leaving){
                .allocator = allocator,
                .record = record,
                .due_usec = g_get_monotonic_time(),
        };
        g_hash_table_insert(allocator->leaving, GUINT_TO_POINTER(record), leaving);
        allocator_schedule_sweep(allocator, leaving->due_usec);
}

void allocator_start_leaving(Allocator *allocator) {
        allocator->leaving = g_hash_table_new_full(NULL, NULL, NULL, allocator_leaving_free);
        allocator->swept_clean = allocator_try_uids;
        allocator->looked_clean = allocator_give_back;
        allocator_start_sweeping(allocator);
}

void allocator_stop_leaving(Allocator *allocator) {
        allocator_stop_looking(allocator);
        allocator_stop_sweeping(allocator);
        g_hash_table_unref(allocator->leaving);
}
