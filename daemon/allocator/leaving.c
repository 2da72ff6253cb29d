/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/leaving.h"

#include "daemon/allocator/record.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/limits.h"
#include "lib/table/write.h"

#define RETRY_USEC_FIRST G_USEC_PER_SEC
#define RETRY_DOUBLINGS_MAX 6u
/* A range that is never lent again is not worth more. */
#define UNENFORCED_TRIES_MAX 3u

struct LeavingSet {
        const AllocatorConfig *config;
        GHashTable *by_record; /* record -> Leaving, owned */
};

static void leaving_free(void *data) {
        Leaving *leaving = data;

        uid_trial_free(leaving->trial);
        g_free(leaving->told);
        g_free(leaving);
}

LeavingSet *leaving_set_new(const AllocatorConfig *config) {
        LeavingSet *set = g_new(LeavingSet, 1);

        *set = (LeavingSet){
                .config = config,
                .by_record = g_hash_table_new_full(NULL, NULL, NULL, leaving_free),
        };
        return set;
}

void leaving_set_free(LeavingSet *set) {
        g_hash_table_unref(set->by_record);
        g_free(set);
}

Leaving *leaving_set_get(const LeavingSet *set, uint32_t record) {
        return g_hash_table_lookup(set->by_record, GUINT_TO_POINTER(record));
}

Leaving *leaving_set_add(LeavingSet *set, Reclaim *reclaim, uint32_t record) {
        Leaving *leaving = g_new(Leaving, 1);

        *leaving = (Leaving){
                .reclaim = reclaim,
                .record = record,
                .due_usec = g_get_monotonic_time(),
        };
        g_hash_table_insert(set->by_record, GUINT_TO_POINTER(record), leaving);
        return leaving;
}

void leaving_set_remove(LeavingSet *set, uint32_t record) {
        (void) g_hash_table_remove(set->by_record, GUINT_TO_POINTER(record));
}

void leaving_set_iterate(const LeavingSet *set, GHashTableIter *ret_i) {
        g_hash_table_iter_init(ret_i, set->by_record);
}

void leaving_set_usage(
        const LeavingSet *set, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids) {
        TableWriter *table = set->config->table;
        GHashTableIter i;
        gpointer record, leaving;

        *ret_n_ranges = 0;
        *ret_n_ids = 0;
        g_hash_table_iter_init(&i, set->by_record);
        while (*ret_n_ranges < LIMIT_LEAVING_UNCHARGED_RANGES &&
               *ret_n_ids < LIMIT_LEAVING_UNCHARGED_IDS &&
               g_hash_table_iter_next(&i, &record, &leaving)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                if (((Leaving *) leaving)->is_busy ||
                    table_writer_record(table, number)->account_uid != account_uid ||
                    table_writer_state(table, number) != TABLE_STATE_RELEASING)
                        continue;
                (*ret_n_ranges)++;
                *ret_n_ids += allocator_list_ranges(set->config, number, NULL);
        }
}

void leaving_set_try_again(LeavingSet *set, uint32_t record) {
        Leaving *leaving = leaving_set_get(set, record);
        unsigned doublings = MIN(leaving->n_tries, RETRY_DOUBLINGS_MAX);

        leaving->n_tries++;
        leaving->due_usec = g_get_monotonic_time() + ((gint64) RETRY_USEC_FIRST << doublings);
        if (leaving->n_tries < UNENFORCED_TRIES_MAX || allocator_is_reusable(set->config, record))
                return;
        leaving_set_remove(set, record);
        allocator_quarantine(set->config, record);
}

void leaving_set_put_off(LeavingSet *set, uint32_t record) {
        Leaving *leaving = leaving_set_get(set, record);

        leaving->due_usec = g_get_monotonic_time() + RETRY_USEC_FIRST;
}

void leaving_set_tell(const LeavingSet *set, uint32_t record, const char *kind, const char *why) {
        Leaving *leaving = leaving_set_get(set, record);
        const TableRecord *range = table_writer_record(set->config->table, record);
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
        if (set->config->kept)
                set->config->kept(&kept, set->config->kept_userdata);
}
