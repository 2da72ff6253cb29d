/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "daemon/allocator-internal.h"
#include "daemon/leftovers.h"
#include "daemon/policy.h"
#include "daemon/unenforced.h"
#include "lib/table/table-write.h"

/* The last stretch of a range's way back: its namespace is proven dead, what the host still has of
 * its IDs is ended and removed, and then it is free, if the policy was in force all along.
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
        gint64 due_usec;
        unsigned n_busy; /* looks that found something which could not be removed */
} Leaving;

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
        while (g_hash_table_iter_next(&i, &record, &leaving)) {
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

static void allocator_swept(const bool *clean, size_t n, void *userdata) {
        Allocator *allocator = userdata;
        g_autoptr(GArray) swept = g_steal_pointer(&allocator->swept);
        gint64 now = g_get_monotonic_time();

        g_assert(swept && swept->len == n);
        allocator->sweep_not_before = now + SWEEP_PAUSE_FACTOR * (now - allocator->sweep_began);
        for (guint i = 0; i < swept->len;) {
                uint32_t record = g_array_index(swept, uint32_t, i);
                bool all_clean = clean != NULL;

                for (; i < swept->len && g_array_index(swept, uint32_t, i) == record; i++)
                        all_clean = all_clean && clean[i];
                if (all_clean)
                        allocator_give_back(allocator, record);
                else
                        allocator_try_again(allocator, record);
        }
        allocator_schedule_next_sweep(allocator);
}

static void allocator_sweep(Allocator *allocator) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange));
        GHashTableIter i;
        gpointer record, leaving;

        allocator->sweep_began = g_get_monotonic_time();
        allocator->swept = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_hash_table_iter_init(&i, allocator->leaving);
        while (g_hash_table_iter_next(&i, &record, &leaving)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                if (((Leaving *) leaving)->due_usec > allocator->sweep_began)
                        continue;
                (void) allocator_list_ranges(allocator, number, ranges);
                while (allocator->swept->len < ranges->len)
                        g_array_append_val(allocator->swept, number);
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
        *leaving = (Leaving){ .due_usec = g_get_monotonic_time() };
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
