/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the writer keeps in memory about ranges that are not free, to answer without a search: who
 * has how much, which record a namespace has, how many there are.  Only ranges (and registrations),
 * never parts and split slots. */

#include <stdint.h>

#include <glib.h>

#include "lib/table/format.h"
#include "lib/table/types.h"

typedef struct TableLive TableLive;

TableLive *table_live_new(uint32_t n_records);
void table_live_free(TableLive *live);

/* Range `number`, of `n_ids` IDs altogether, goes from state `from` to state `to` (TABLE_STATE_*);
 * its data is in `record`. */
void table_live_move(
        TableLive *live, uint32_t number, const TableRecord *record, uint64_t n_ids, uint32_t from,
        uint32_t to);

/* The record in reserved ... active of this namespace; TABLE_NONE. */
uint32_t table_live_find_userns(
        const TableLive *live, const TableRecord *records, uint64_t userns_inode,
        uint64_t userns_id);

/* The next record from *cursor on that is in reserved ... releasing; TABLE_NONE. */
uint32_t table_live_next(const TableLive *live, uint32_t *cursor);

/* The next one in quarantined. */
uint32_t table_live_next_quarantined(const TableLive *live, uint32_t *cursor);

void table_live_usage(
        const TableLive *live, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids);

/* See table_writer_kept(). */
uint32_t table_live_kept(const TableLive *live, uint32_t account_uid);

/* Fills `n` only. */
void table_live_count(const TableLive *live, TableCounts *ret_counts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TableLive, table_live_free)
