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
 * its IDs is ended and removed (allocator/sweep.c), what the kernel keeps by UID is tried, and then
 * it is free, if the policy was in force all along.  Nothing of this is remembered on disk: the
 * record's state and the kernel's say where to begin again. */

#define RETRY_USEC_FIRST G_USEC_PER_SEC
#define RETRY_DOUBLINGS_MAX 6u
/* A range that is never lent again is not worth more. */
#define UNENFORCED_TRIES_MAX 3u

void allocator_leaving_free(void *data) {
        Leaving *leaving = data;

        uid_trial_free(leaving->trial);
        g_free(leaving->told);
        g_free(leaving);
}

bool allocator_is_leaving(const Allocator *allocator, uint32_t record) {
        return g_hash_table_contains(allocator->leaving, GUINT_TO_POINTER(record));
}

int allocator_for_each_record(
        Allocator *allocator, uint32_t record,
        int (*tell)(Policy *policy, uint32_t first_record, uint32_t n_records)) {
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;
        int r = 0;

        n = table_writer_list_records(allocator->config.table, record, records);
        for (uint32_t i = 0; i < n && r == 0; i++)
                r = tell(allocator->config.policy, records[i], 1);
        return r;
}

bool allocator_is_reusable(const Allocator *allocator, uint32_t record) {
        TableWriter *table = allocator->config.table;
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;

        if (!allocator->config.enforced ||
            (table_writer_record(table, record)->flags & TABLE_FLAG_UNENFORCED))
                return false;
        n = table_writer_list_records(table, record, records);
        for (uint32_t i = 0; i < n; i++)
                if (unenforced_is_marked(
                            allocator->config.unenforced,
                            table_writer_record(table, records[i])->start))
                        return false;
        return true;
}

bool allocator_was_clean(const Allocator *allocator, uint32_t record) {
        return table_writer_state(allocator->config.table, record) >= TABLE_STATE_RELEASING &&
               allocator_is_reusable(allocator, record) &&
               policy_was_adopted(allocator->config.policy);
}

uint64_t allocator_list_ranges(const Allocator *allocator, uint32_t record, GArray *ranges) {
        TableWriter *table = allocator->config.table;
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

void allocator_leaving_usage(
        const Allocator *allocator, uint32_t account_uid, uint32_t *ret_n_ranges,
        uint64_t *ret_n_ids) {
        TableWriter *table = allocator->config.table;
        GHashTableIter i;
        gpointer record, leaving;

        *ret_n_ranges = 0;
        *ret_n_ids = 0;
        g_hash_table_iter_init(&i, allocator->leaving);
        while (*ret_n_ranges < LIMIT_LEAVING_UNCHARGED_RANGES &&
               *ret_n_ids < LIMIT_LEAVING_UNCHARGED_IDS &&
               g_hash_table_iter_next(&i, &record, &leaving)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                if (((Leaving *) leaving)->is_busy ||
                    table_writer_record(table, number)->account_uid != account_uid ||
                    table_writer_state(table, number) != TABLE_STATE_RELEASING)
                        continue;
                (*ret_n_ranges)++;
                *ret_n_ids += allocator_list_ranges(allocator, number, NULL);
        }
}

/* No namespace has the range any more, and it is not to be lent yet. */
static void allocator_quarantine(Allocator *allocator, uint32_t record) {
        if (table_writer_state(allocator->config.table, record) == TABLE_STATE_RELEASING)
                table_writer_set_state(allocator->config.table, record, TABLE_STATE_QUARANTINED);
}

void allocator_give_back(Allocator *allocator, uint32_t record) {
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

void allocator_try_again(Allocator *allocator, uint32_t record) {
        Leaving *leaving = g_hash_table_lookup(allocator->leaving, GUINT_TO_POINTER(record));
        unsigned doublings = MIN(leaving->n_tries, RETRY_DOUBLINGS_MAX);

        leaving->n_tries++;
        leaving->due_usec = g_get_monotonic_time() + ((gint64) RETRY_USEC_FIRST << doublings);
        if (leaving->n_tries < UNENFORCED_TRIES_MAX || allocator_is_reusable(allocator, record))
                return;
        (void) g_hash_table_remove(allocator->leaving, GUINT_TO_POINTER(record));
        allocator_quarantine(allocator, record);
}

void allocator_put_off(Allocator *allocator, uint32_t record) {
        Leaving *leaving = g_hash_table_lookup(allocator->leaving, GUINT_TO_POINTER(record));

        leaving->due_usec = g_get_monotonic_time() + RETRY_USEC_FIRST;
}

void allocator_tell(Allocator *allocator, uint32_t record, const char *kind, const char *why) {
        Leaving *leaving = g_hash_table_lookup(allocator->leaving, GUINT_TO_POINTER(record));
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        AllocatorKept kept = {
                .start = range->start,
                .size = range->size,
                .account_uid = range->account_uid,
                .why = why,
        };

        if (g_strcmp0(leaving->told, kind) == 0)
                return;
        g_free(leaving->told);
        leaving->told = g_strdup(kind);
        if (allocator->config.kept)
                allocator->config.kept(&kept, allocator->config.kept_userdata);
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

void allocator_try_uids(Allocator *allocator, uint32_t record) {
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

void allocator_stop_leaving(Allocator *allocator) {
        allocator_stop_looking(allocator);
        allocator_stop_sweeping(allocator);
        g_hash_table_unref(allocator->leaving);
}
