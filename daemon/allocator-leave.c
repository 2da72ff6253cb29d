/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "daemon/allocator-internal.h"
#include "daemon/host-ids.h"
#include "daemon/leftovers.h"
#include "daemon/limits.h"
#include "daemon/policy.h"
#include "daemon/slot-locks.h"
#include "daemon/uid-trial.h"
#include "daemon/unenforced.h"
#include "lib/table/table-write.h"

/* The last stretch of a range's way back: its namespace is proven dead, what the host still has of
 * its IDs is ended and removed, what the kernel keeps by UID is tried, and then it is free, if the
 * policy was in force all along.  Whatever of the range is claimed by somebody else by now is not
 * touched.
 *
 * Only looks that begin after the proof count, and one look serves all ranges that wait for it.
 * Nothing of this is remembered on disk: the record's state and the kernel's say where to begin
 * again. */

/* Ends come in crowds; the first waits for the others. */
#define SWEEP_DELAY_USEC 20000
/* Looks take at most a part of one processor's time. */
#define SWEEP_PAUSE_FACTOR 4
#define RETRY_USEC_FIRST G_USEC_PER_SEC
#define RETRY_DOUBLINGS_MAX 6u
/* A range that is never lent again is not worth more. */
#define UNENFORCED_TRIES_MAX 3u

typedef struct Leaving {
        Allocator *allocator;
        uint32_t record;
        gint64 due_usec;
        unsigned n_busy; /* looks that found something which could not be removed */
        char *told;      /* of what kind that was, when it was told */
        UidTrial *trial; /* clean, and this is under way */
} Leaving;

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

                if (((Leaving *) leaving)->n_busy > 0 ||
                    table_writer_record(table, number)->account_uid != account_uid ||
                    table_writer_state(table, number) != TABLE_STATE_RELEASING)
                        continue;
                (*ret_n_ranges)++;
                *ret_n_ids += allocator_list_ranges(allocator, number, NULL);
        }
}

/* Nobody's any more. */
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
        unsigned doublings = MIN(leaving->n_busy, RETRY_DOUBLINGS_MAX);

        leaving->n_busy++;
        leaving->due_usec = g_get_monotonic_time() + ((gint64) RETRY_USEC_FIRST << doublings);
        if (leaving->n_busy < UNENFORCED_TRIES_MAX || allocator_is_reusable(allocator, record))
                return;
        (void) g_hash_table_remove(allocator->leaving, GUINT_TO_POINTER(record));
        allocator_quarantine(allocator, record);
}

/* Say what keeps the range; once, as long as it is of one kind. */
static void allocator_tell(
        Allocator *allocator, uint32_t record, const char *kind, const char *why) {
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

                allocator_tell(allocator, record, kind, why);
                allocator_try_again(allocator, record);
        }
        allocator_schedule_next_sweep(allocator);
}

/* All UIDs of the range. */
static GArray *allocator_list_uids(const Allocator *allocator, uint32_t record) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange));
        GArray *uids = g_array_new(FALSE, FALSE, sizeof(UidTrialInterval));

        (void) allocator_list_ranges(allocator, record, ranges);
        for (guint i = 0; i < ranges->len; i++) {
                const LeftoversRange *range = &g_array_index(ranges, LeftoversRange, i);
                UidTrialInterval interval = { range->start, range->size };

                g_array_append_val(uids, interval);
        }
        return uids;
}

/* Nothing of the range is left that can be seen. */
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

/* looking */

/* Several pieces of one record's range: whether all are clean; else the weightiest find is told. */
static bool allocator_judge(
        Allocator *allocator, uint32_t record, const LeftoversFound *found, guint n) {
        const LeftoversFound *worst = &found[0];
        g_autofree char *why = NULL, *kind = NULL;

        for (guint i = 1; i < n; i++)
                if (found[i].what > worst->what)
                        worst = &found[i];
        if (worst->what == LEFTOVERS_NOTHING)
                return true;
        why = leftovers_describe(worst);
        kind = g_strdup_printf("found %d", worst->what);
        allocator_tell(allocator, record, kind, why);
        return false;
}

static void allocator_swept(const LeftoversFound *found, size_t n, void *userdata) {
        Allocator *allocator = userdata;
        g_autoptr(GArray) swept = g_steal_pointer(&allocator->swept);
        gint64 now = g_get_monotonic_time();

        g_assert(swept && swept->len == n);
        allocator->sweep_not_before = now + SWEEP_PAUSE_FACTOR * (now - allocator->sweep_began);
        for (guint i = 0, next; i < swept->len; i = next) {
                uint32_t record = g_array_index(swept, uint32_t, i);

                for (next = i; next < swept->len; next++)
                        if (g_array_index(swept, uint32_t, next) != record)
                                break;
                if (found && allocator_judge(allocator, record, found + i, next - i))
                        allocator_try_uids(allocator, record);
                else
                        allocator_try_again(allocator, record);
        }
        allocator_schedule_next_sweep(allocator);
}

/* Whether somebody else has nspawn's lock of one of the slots: it is held from the choice of a slot
 * until it is free, unless it was taken while no daemon ran. */
static bool allocator_is_locked(
        Allocator *allocator, uint32_t record, const LeftoversRange *range) {
        uint64_t slot = range->start - range->start % TABLE_SLOT_SIZE;

        for (; slot < (uint64_t) range->start + range->size; slot += TABLE_SLOT_SIZE) {
                g_autofree char *why = NULL;

                if (slot_locks_hold(allocator->config.slot_locks, (uint32_t) slot, false) == 0)
                        continue;
                why = g_strdup_printf("systemd-nspawn's lock of %u is held", (uint32_t) slot);
                allocator_tell(allocator, record, why, why);
                return true;
        }
        return false;
}

/* Whether somebody else claims any of these IDs by now, or nobody knows. */
static bool allocator_is_claimed(
        Allocator *allocator, uint32_t record, const LeftoversRange *ranges, guint n) {
        for (guint i = 0; i < n; i++) {
                g_autofree char *claimant = NULL, *why = NULL;
                int r;

                if (allocator_is_locked(allocator, record, &ranges[i]))
                        return true;
                r = host_ids_claimant(
                        allocator->config.host_ids, ranges[i].start, ranges[i].size, &claimant);
                if (r == 0 && !claimant)
                        continue;
                why = r < 0 ? g_strdup("it cannot be found out who claims its IDs")
                            : g_strdup_printf("its IDs are claimed by %s", claimant);
                allocator_tell(allocator, record, why, why);
                return true;
        }
        return false;
}

/* Add the range's pieces to what is looked at next, unless somebody else has any of them.  Returns
 * how many slots they are. */
static uint64_t allocator_plan(Allocator *allocator, uint32_t record, GArray *ranges) {
        guint first = ranges->len;
        uint64_t n_ids = allocator_list_ranges(allocator, record, ranges);

        if (allocator_is_claimed(
                    allocator, record, &g_array_index(ranges, LeftoversRange, first),
                    ranges->len - first)) {
                g_array_set_size(ranges, first);
                allocator_try_again(allocator, record);
                return 0;
        }
        while (allocator->swept->len < ranges->len)
                g_array_append_val(allocator->swept, record);
        return MAX(n_ids / TABLE_SLOT_SIZE, 1u);
}

static gint compare_due(gconstpointer a, gconstpointer b) {
        const Leaving *x = *(const Leaving *const *) a, *y = *(const Leaving *const *) b;

        return (x->due_usec > y->due_usec) - (x->due_usec < y->due_usec);
}

/* What is due, the oldest first. */
static GPtrArray *allocator_list_due(const Allocator *allocator) {
        GPtrArray *due = g_ptr_array_new();
        GHashTableIter i;
        gpointer value;

        g_hash_table_iter_init(&i, allocator->leaving);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
                const Leaving *leaving = value;

                if (!leaving->trial && leaving->due_usec <= allocator->sweep_began)
                        g_ptr_array_add(due, value);
        }
        g_ptr_array_sort(due, compare_due);
        return due;
}

static void allocator_sweep(Allocator *allocator) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange));
        g_autoptr(GPtrArray) due = NULL;
        uint64_t n_slots = 0;
        int r;

        allocator->sweep_began = g_get_monotonic_time();
        allocator->swept = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        due = allocator_list_due(allocator);
        r = due->len > 0 ? leftovers_prepare(allocator->config.leftovers) : 0;
        for (guint i = 0; i < due->len && n_slots < LIMIT_LEFTOVERS_SLOTS; i++) {
                uint32_t record = ((Leaving *) due->pdata[i])->record;

                if (r == 0)
                        n_slots += allocator_plan(allocator, record, ranges);
                else
                        allocator_try_again(allocator, record);
        }
        if (ranges->len == 0) {
                g_clear_pointer(&allocator->swept, g_array_unref);
                allocator_schedule_next_sweep(allocator);
        } else if (
                leftovers_remove(
                        allocator->config.leftovers, (const LeftoversRange *) (void *) ranges->data,
                        ranges->len, allocator_swept, allocator) != 0)
                allocator_swept(NULL, ranges->len, allocator);
}

static gboolean allocator_on_sweep(gpointer userdata) {
        Allocator *allocator = userdata;

        allocator->sweep_source = 0;
        allocator_sweep(allocator);
        return G_SOURCE_REMOVE;
}

/* At `due_usec` or before; one that is under way schedules the next. */
static void allocator_schedule_sweep(Allocator *allocator, gint64 due_usec) {
        gint64 now = g_get_monotonic_time(),
               at = MAX(MAX(due_usec, allocator->sweep_not_before), now + SWEEP_DELAY_USEC);

        if (allocator->swept || (allocator->sweep_source != 0 && allocator->sweep_at <= at))
                return;
        if (allocator->sweep_source != 0)
                g_source_remove(allocator->sweep_source);
        allocator->sweep_at = at;
        allocator->sweep_source =
                g_timeout_add((guint) ((at - now) / 1000) + 1, allocator_on_sweep, allocator);
}

void allocator_schedule_next_sweep(Allocator *allocator) {
        gint64 due = G_MAXINT64;
        GHashTableIter i;
        gpointer leaving;

        g_hash_table_iter_init(&i, allocator->leaving);
        while (g_hash_table_iter_next(&i, NULL, &leaving))
                if (!((Leaving *) leaving)->trial)
                        due = MIN(due, ((Leaving *) leaving)->due_usec);
        if (due != G_MAXINT64)
                allocator_schedule_sweep(allocator, due);
}

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
        if (allocator->sweep_source != 0)
                g_source_remove(allocator->sweep_source);
        g_clear_pointer(&allocator->swept, g_array_unref);
        g_hash_table_unref(allocator->leaving);
}
