/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/internal.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/limits.h"
#include "lib/table/write.h"

/* Ranges whose end is proven and that are not free yet: when each is looked at next, what for, and
 * what it counts meanwhile. */

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

void allocator_quarantine(Allocator *allocator, uint32_t record) {
        if (table_writer_state(allocator->config.table, record) == TABLE_STATE_RELEASING)
                table_writer_set_state(allocator->config.table, record, TABLE_STATE_QUARANTINED);
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
