/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/releasing.h"

#include "daemon/allocator/record.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/limits.h"
#include "lib/table/write.h"

#define RETRY_USEC_FIRST G_USEC_PER_SEC
#define RETRY_DOUBLINGS_MAX 6u
/* A range that is never lent again is not worth more. */
#define UNENFORCED_TRIES_MAX 3u

struct ReleasingSet {
        const AllocatorConfig *config;
        GHashTable *by_record; /* record -> Releasing, owned */
};

static void releasing_free(void *data) {
        Releasing *releasing = data;

        uid_trial_free(releasing->trial);
        g_free(releasing->told);
        g_free(releasing);
}

ReleasingSet *releasing_set_new(const AllocatorConfig *config) {
        ReleasingSet *set = g_new(ReleasingSet, 1);

        *set = (ReleasingSet){
                .config = config,
                .by_record = g_hash_table_new_full(NULL, NULL, NULL, releasing_free),
        };
        return set;
}

void releasing_set_free(ReleasingSet *set) {
        g_hash_table_unref(set->by_record);
        g_free(set);
}

Releasing *releasing_set_get(const ReleasingSet *set, uint32_t record) {
        return g_hash_table_lookup(set->by_record, GUINT_TO_POINTER(record));
}

Releasing *releasing_set_add(ReleasingSet *set, Reclaim *reclaim, uint32_t record) {
        Releasing *releasing = g_new(Releasing, 1);

        *releasing = (Releasing){
                .reclaim = reclaim,
                .record = record,
                .due_usec = g_get_monotonic_time(),
        };
        g_hash_table_insert(set->by_record, GUINT_TO_POINTER(record), releasing);
        return releasing;
}

void releasing_set_remove(ReleasingSet *set, uint32_t record) {
        (void) g_hash_table_remove(set->by_record, GUINT_TO_POINTER(record));
}

void releasing_set_iterate(const ReleasingSet *set, GHashTableIter *ret_i) {
        g_hash_table_iter_init(ret_i, set->by_record);
}

void releasing_set_usage(
        const ReleasingSet *set, uint32_t account_uid, uint32_t *ret_n_ranges,
        uint64_t *ret_n_ids) {
        TableWriter *table = set->config->table;
        GHashTableIter i;
        gpointer record, releasing;

        *ret_n_ranges = 0;
        *ret_n_ids = 0;
        g_hash_table_iter_init(&i, set->by_record);
        while (*ret_n_ranges < LIMIT_RELEASING_UNCHARGED_RANGES &&
               *ret_n_ids < LIMIT_RELEASING_UNCHARGED_IDS &&
               g_hash_table_iter_next(&i, &record, &releasing)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                if (((Releasing *) releasing)->is_busy ||
                    table_writer_record(table, number)->account_uid != account_uid ||
                    table_writer_state(table, number) != TABLE_STATE_RELEASING)
                        continue;
                (*ret_n_ranges)++;
                *ret_n_ids += allocator_list_ranges(set->config, number, NULL);
        }
}

void releasing_set_try_again(ReleasingSet *set, uint32_t record) {
        Releasing *releasing = releasing_set_get(set, record);
        unsigned doublings = MIN(releasing->n_tries, RETRY_DOUBLINGS_MAX);

        releasing->n_tries++;
        releasing->due_usec = g_get_monotonic_time() + ((gint64) RETRY_USEC_FIRST << doublings);
        if (releasing->n_tries < UNENFORCED_TRIES_MAX || allocator_is_reusable(set->config, record))
                return;
        releasing_set_remove(set, record);
        allocator_quarantine(set->config, record);
}

void releasing_set_put_off(ReleasingSet *set, uint32_t record) {
        Releasing *releasing = releasing_set_get(set, record);

        releasing->due_usec = g_get_monotonic_time() + RETRY_USEC_FIRST;
}

void releasing_set_tell(
        const ReleasingSet *set, uint32_t record, const char *kind, const char *why) {
        Releasing *releasing = releasing_set_get(set, record);
        const TableRecord *range = table_writer_record(set->config->table, record);
        AllocatorKept kept = {
                .start = range->start,
                .size = range->size,
                .account_uid = range->account_uid,
                .why = why,
        };

        if (g_strcmp0(releasing->told, kind) == 0)
                return;
        g_free(releasing->told);
        releasing->told = g_strdup(kind);
        if (set->config->kept)
                set->config->kept(&kept, set->config->kept_userdata);
}
