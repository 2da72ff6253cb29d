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

static void allocator_schedule_next_sweep(Allocator *allocator);

bool allocator_is_leaving(const Allocator *allocator, uint32_t record) {
        return g_hash_table_contains(allocator->leaving, GUINT_TO_POINTER(record));
}

bool allocator_is_reusable(const Allocator *allocator, uint32_t record) {
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        uint32_t n_records = allocator_n_records(range->size);

        if (!allocator->config.enforced || (range->flags & TABLE_FLAG_UNENFORCED))
                return false;
        for (uint32_t i = 0; i < n_records; i++)
                if (unenforced_is_marked(
                            allocator->config.unenforced, range->start + i * TABLE_SLOT_SIZE))
                        return false;
        return true;
}

bool allocator_was_clean(const Allocator *allocator, uint32_t record) {
        return table_writer_state(allocator->config.table, record) >= TABLE_STATE_RELEASING &&
               allocator_is_reusable(allocator, record) &&
               policy_was_adopted(allocator->config.policy);
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
                const TableRecord *range = table_writer_record(table, GPOINTER_TO_UINT(record));

                if (((Leaving *) leaving)->n_busy > 0 || range->account_uid != account_uid ||
                    table_writer_state(table, GPOINTER_TO_UINT(record)) != TABLE_STATE_RELEASING)
                        continue;
                (*ret_n_ranges)++;
                *ret_n_ids += range->size;
        }
}

/* Nobody's any more. */
static void allocator_quarantine(Allocator *allocator, uint32_t record) {
        if (table_writer_state(allocator->config.table, record) == TABLE_STATE_RELEASING)
                table_writer_set_state(allocator->config.table, record, TABLE_STATE_QUARANTINED);
}

static void allocator_give_back(Allocator *allocator, uint32_t record) {
        const TableRecord *range = table_writer_record(allocator->config.table, record);

        (void) g_hash_table_remove(allocator->leaving, GUINT_TO_POINTER(record));
        if (!allocator_is_reusable(allocator, record) ||
            policy_unprotect(allocator->config.policy, record, allocator_n_records(range->size)) <
                    0) {
                allocator_quarantine(allocator, record);
                return;
        }
        table_writer_set_state(allocator->config.table, record, TABLE_STATE_FREE);
}

static void allocator_try_again(Allocator *allocator, uint32_t record) {
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
        for (guint i = 0; i < swept->len; i++) {
                uint32_t record = g_array_index(swept, uint32_t, i);

                if (clean && clean[i])
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
                const TableRecord *from = table_writer_record(allocator->config.table, number);
                LeftoversRange range = { .start = from->start, .size = from->size };

                if (((Leaving *) leaving)->due_usec > allocator->sweep_began)
                        continue;
                memcpy(range.name, from->name, sizeof(range.name) - 1);
                g_array_append_val(ranges, range);
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

static void allocator_schedule_next_sweep(Allocator *allocator) {
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
        if (allocator->sweep_source != 0)
                g_source_remove(allocator->sweep_source);
        g_clear_pointer(&allocator->swept, g_array_unref);
        g_hash_table_unref(allocator->leaving);
}
