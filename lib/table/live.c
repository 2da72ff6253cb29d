/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/live.h"

#include <string.h>

#define BITS 64

typedef struct Account {
        uint32_t n_ranges;
        uint64_t n_ids;
        uint32_t n_kept;
} Account;

struct TableLive {
        uint32_t n_records;
        uint64_t *live, *quarantined; /* one bit a record */
        GHashTable *by_inode;    /* of those in reserved ... active: inode -> record number + 1, the
                                    first of a chain ... */
        uint32_t *next_of_inode; /* ... because an inode number may come back: record number + 1, or
                                    0 */
        GHashTable *accounts;    /* UID -> Account */
        uint32_t n[TABLE_STATE_COUNT];
};

static size_t n_words(uint32_t n_records) {
        return (n_records + BITS - 1) / BITS;
}

TableLive *table_live_new(uint32_t n_records) {
        TableLive *live = g_new0(TableLive, 1);

        live->n_records = n_records;
        live->live = g_new0(uint64_t, n_words(n_records));
        live->quarantined = g_new0(uint64_t, n_words(n_records));
        live->next_of_inode = g_new0(uint32_t, n_records);
        live->by_inode = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        live->accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        return live;
}

void table_live_free(TableLive *live) {
        if (!live)
                return;
        g_free(live->live);
        g_free(live->quarantined);
        g_free(live->next_of_inode);
        g_hash_table_unref(live->by_inode);
        g_hash_table_unref(live->accounts);
        g_free(live);
}

static bool state_is_live(uint32_t state) {
        return state >= TABLE_STATE_RESERVED && state <= TABLE_STATE_RELEASING;
}

/* A namespace that is on its way out is proven or taken to be dead, and its inode number may be
 * another's. */
static bool state_has_userns(uint32_t state) {
        return state >= TABLE_STATE_RESERVED && state <= TABLE_STATE_ACTIVE;
}

static void set_bit(uint64_t *bits, uint32_t number, bool value) {
        uint64_t bit = UINT64_C(1) << number % BITS;

        bits[number / BITS] = value ? bits[number / BITS] | bit : bits[number / BITS] & ~bit;
}

/* namespaces */

static uint32_t chain_head(const TableLive *live, uint64_t inode) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(live->by_inode, &inode));
}

static void set_chain_head(TableLive *live, uint64_t inode, uint32_t head) {
        if (head == 0)
                g_hash_table_remove(live->by_inode, &inode);
        else
                g_hash_table_replace(
                        live->by_inode, g_memdup2(&inode, sizeof(inode)), GUINT_TO_POINTER(head));
}

static void remove_from_chain(TableLive *live, uint64_t inode, uint32_t number) {
        uint32_t head = chain_head(live, inode), after = live->next_of_inode[number];

        live->next_of_inode[number] = 0;
        if (head == number + 1) {
                set_chain_head(live, inode, after);
                return;
        }
        for (uint32_t at = head; at != 0; at = live->next_of_inode[at - 1])
                if (live->next_of_inode[at - 1] == number + 1)
                        live->next_of_inode[at - 1] = after;
}

uint32_t table_live_find_userns(
        const TableLive *live, const TableRecord *records, uint64_t userns_inode,
        uint64_t userns_id) {
        for (uint32_t at = chain_head(live, userns_inode); at != 0;
             at = live->next_of_inode[at - 1]) {
                const TableRecord *record = &records[at - 1];

                if (userns_id == 0 || record->userns_id == 0 || record->userns_id == userns_id)
                        return at - 1;
        }
        return TABLE_NONE;
}

/* accounts */

static bool state_is_kept(uint32_t state, uint32_t flags) {
        return state == TABLE_STATE_QUARANTINED ||
               (state != TABLE_STATE_FREE && (flags & TABLE_FLAG_UNENFORCED));
}

/* What is delegated comes in whole slots. */
static uint32_t kept_of(const TableRecord *record, uint64_t n_ids) {
        return table_range_kept(
                record->size, (uint32_t) ((n_ids - record->size) / TABLE_SLOT_SIZE));
}

/* Add what the range has in this state to its account, or take it off again. */
static void charge(
        TableLive *live, const TableRecord *record, uint64_t n_ids, uint32_t state, bool add) {
        gpointer key = GUINT_TO_POINTER(record->account_uid);
        Account *account = g_hash_table_lookup(live->accounts, key);

        if (state == TABLE_STATE_FREE)
                return;
        if (!account) {
                account = g_new0(Account, 1);
                g_hash_table_insert(live->accounts, key, account);
        }
        if (state_is_live(state)) {
                account->n_ranges += add ? 1 : -1u;
                account->n_ids += add ? n_ids : -n_ids;
        }
        if (state_is_kept(state, record->flags))
                account->n_kept += add ? kept_of(record, n_ids) : -kept_of(record, n_ids);
        if (account->n_ranges == 0 && account->n_kept == 0)
                g_hash_table_remove(live->accounts, key);
}

uint32_t table_live_kept(const TableLive *live, uint32_t account_uid) {
        const Account *account = g_hash_table_lookup(live->accounts, GUINT_TO_POINTER(account_uid));

        return account ? account->n_kept : 0;
}

void table_live_usage(
        const TableLive *live, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids) {
        const Account *account = g_hash_table_lookup(live->accounts, GUINT_TO_POINTER(account_uid));

        *ret_n_ranges = account ? account->n_ranges : 0;
        *ret_n_ids = account ? account->n_ids : 0;
}

/* states */

void table_live_move(
        TableLive *live, uint32_t number, const TableRecord *record, uint64_t n_ids, uint32_t from,
        uint32_t to) {
        if (from != TABLE_STATE_FREE)
                live->n[from]--;
        if (to != TABLE_STATE_FREE)
                live->n[to]++;
        set_bit(live->live, number, state_is_live(to));
        set_bit(live->quarantined, number, to == TABLE_STATE_QUARANTINED);

        if (!state_has_userns(from) && state_has_userns(to)) {
                live->next_of_inode[number] = chain_head(live, record->userns_inode);
                set_chain_head(live, record->userns_inode, number + 1);
        } else if (state_has_userns(from) && !state_has_userns(to))
                remove_from_chain(live, record->userns_inode, number);

        charge(live, record, n_ids, to, true);
        charge(live, record, n_ids, from, false);
}

static uint32_t next_bit(const uint64_t *bits, uint32_t n, uint32_t *cursor) {
        while (*cursor < n) {
                uint32_t word = *cursor / BITS, number;
                uint64_t rest = bits[word] & UINT64_MAX << *cursor % BITS;

                if (rest == 0) {
                        *cursor = (word + 1) * BITS;
                        continue;
                }
                number = word * BITS + (uint32_t) __builtin_ctzll(rest);
                *cursor = number + 1;
                return number;
        }
        return TABLE_NONE;
}

uint32_t table_live_next(const TableLive *live, uint32_t *cursor) {
        return next_bit(live->live, live->n_records, cursor);
}

uint32_t table_live_next_quarantined(const TableLive *live, uint32_t *cursor) {
        return next_bit(live->quarantined, live->n_records, cursor);
}

void table_live_count(const TableLive *live, TableCounts *ret_counts) {
        memcpy(ret_counts->n, live->n, sizeof(live->n));
}
