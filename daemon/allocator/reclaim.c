/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/reclaim.h"

#include <glib.h>

#include "daemon/allocator/looks.h"
#include "daemon/allocator/record.h"
#include "daemon/allocator/releasing.h"
#include "daemon/allocator/walks.h"
#include "daemon/policy/policy.h"
#include "daemon/leftovers/uid-trial.h"
#include "lib/table/write.h"

struct Reclaim {
        const AllocatorConfig *config;
        ReleasingSet *releasing;
        Looks *looks;
        Walks *walks;
};

static void reclaim_set_free(uint32_t record, void *userdata) {
        Reclaim *reclaim = userdata;

        if (!walks_ask(reclaim->walks, record)) {
                /* Until that is known. */
                releasing_set_get(reclaim->releasing, record)->due_usec = G_MAXINT64;
                return;
        }
        releasing_set_remove(reclaim->releasing, record);
        if (!allocator_is_reusable(reclaim->config, record) ||
            allocator_for_each_record(reclaim->config, record, policy_unprotect) != 0) {
                allocator_quarantine(reclaim->config, record);
                return;
        }
        table_writer_set_state(reclaim->config->table, record, TABLE_STATE_FREE);
}

/* trying */

static void reclaim_tried(const UidTrialFound *found, void *userdata) {
        Releasing *releasing = userdata;
        Reclaim *reclaim = releasing->reclaim;
        uint32_t record = releasing->record;

        g_clear_pointer(&releasing->trial, uid_trial_free);
        if (found->what == UID_TRIAL_CLEAN)
                reclaim_set_free(record, reclaim);
        else if (found->what == UID_TRIAL_NOT_TRIED)
                releasing_set_put_off(reclaim->releasing, record);
        else {
                g_autofree char *why = uid_trial_describe(found),
                                *kind = g_strdup_printf("trial %d", found->what);

                releasing->is_busy |= found->what != UID_TRIAL_UNKNOWN;
                releasing_set_tell(reclaim->releasing, record, kind, why);
                releasing_set_try_again(reclaim->releasing, record);
        }
        looks_schedule_next(reclaim->looks);
}

/* Those of the slot's UIDs that anybody may have become, side by side if they are. */
static void add_uids(
        const AllocatorConfig *config, uint32_t record, uint32_t start, uint32_t size,
        GArray *uids) {
        for (uint32_t offset = 0; offset < size; offset += POLICY_UIDS_PER_CHUNK) {
                UidTrialInterval chunk = { start + offset,
                                           MIN(POLICY_UIDS_PER_CHUNK, size - offset) };
                UidTrialInterval *last =
                        uids->len > 0 ? &g_array_index(uids, UidTrialInterval, uids->len - 1)
                                      : NULL;

                if (!policy_was_used(config->policy, record, offset / POLICY_UIDS_PER_CHUNK))
                        continue;
                if (last && last->start + last->n == chunk.start)
                        last->n += chunk.n;
                else
                        g_array_append_val(uids, chunk);
        }
}

/* UIDs of the range that the kernel may know, also those of slots that are delegated. */
static GArray *list_uids(const AllocatorConfig *config, uint32_t record) {
        TableWriter *table = config->table;
        const TableRecord *own = table_writer_record(table, record);
        GArray *uids = g_array_new(FALSE, FALSE, sizeof(UidTrialInterval));
        uint32_t records[TABLE_RANGE_RECORDS_MAX], n;

        n = table_writer_list_records(table, record, records);
        for (uint32_t i = 0; i < n; i++) {
                bool is_own = i < allocator_n_records(own->size);
                uint32_t first = is_own ? i * TABLE_SLOT_SIZE : 0;
                const TableRecord *range = is_own ? own : table_writer_record(table, records[i]);

                add_uids(
                        config, records[i], range->start + first,
                        MIN(TABLE_SLOT_SIZE, range->size - first), uids);
        }
        return uids;
}

static void reclaim_try_uids(uint32_t record, void *userdata) {
        Reclaim *reclaim = userdata;
        Releasing *releasing = releasing_set_get(reclaim->releasing, record);
        g_autoptr(GArray) uids = NULL;
        int r;

        /* What is never lent again needs no trial. */
        if (!reclaim->config->uid_trials || !allocator_is_reusable(reclaim->config, record)) {
                reclaim_set_free(record, reclaim);
                return;
        }
        uids = list_uids(reclaim->config, record);
        if (uids->len == 0) {
                reclaim_set_free(record, reclaim);
                return;
        }
        r = uid_trial_new(
                reclaim->config->uid_trials,
                table_writer_record(reclaim->config->table, record)->account_uid,
                (const UidTrialInterval *) (void *) uids->data, uids->len, reclaim_tried, releasing,
                &releasing->trial);
        if (r == UID_TRIAL_E_FULL) /* of the account's own */
                releasing_set_try_again(reclaim->releasing, record);
        else if (r < 0)
                releasing_set_put_off(reclaim->releasing, record);
}

/* all of it */

void reclaim_add(Reclaim *reclaim, uint32_t record, bool proven) {
        Releasing *releasing;

        if (!proven || !reclaim->config->leftovers) {
                allocator_quarantine(reclaim->config, record);
                return;
        }
        if (reclaim_has(reclaim, record))
                return;
        releasing = releasing_set_add(reclaim->releasing, reclaim, record);
        looks_schedule(reclaim->looks, releasing->due_usec);
}

bool reclaim_has(const Reclaim *reclaim, uint32_t record) {
        return releasing_set_get(reclaim->releasing, record) != NULL;
}

void reclaim_usage(
        const Reclaim *reclaim, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids) {
        releasing_set_usage(reclaim->releasing, account_uid, ret_n_ranges, ret_n_ids);
}

Reclaim *reclaim_new(const AllocatorConfig *config) {
        Reclaim *reclaim = g_new(Reclaim, 1);

        reclaim->config = config;
        reclaim->releasing = releasing_set_new(config);
        reclaim->looks = looks_new(config, reclaim->releasing, reclaim_try_uids, reclaim);
        reclaim->walks =
                walks_new(config, reclaim->releasing, reclaim->looks, reclaim_set_free, reclaim);
        return reclaim;
}

void reclaim_free(Reclaim *reclaim) {
        walks_free(reclaim->walks);
        looks_free(reclaim->looks);
        releasing_set_free(reclaim->releasing);
        g_free(reclaim);
}
