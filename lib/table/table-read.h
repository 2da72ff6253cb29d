/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the table (layout: table-format.h): answers for IDs and names out of a mapping that a writer changes
 * meanwhile and that nobody is trusted to have written well.  Links libc only; no allocation, no lock, no static
 * mutable data, no environment; any number of threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/table-format.h"

/* Outcomes. */
enum {
        TABLE_READ_E_NOT_FOUND = 1, /* no active range has that ID or name */
        TABLE_READ_E_BUSY = 2,      /* the writer kept changing it under every try, or died half-way */
        TABLE_READ_E_UNTRUSTED = 3, /* damaged, truncated, foreign-owned, writable by others, of another version */
        TABLE_READ_E_MISSING = 4,   /* there is no file */
        TABLE_READ_E_RETIRED = 5,   /* a new table stands at the path: open that one */
};

/* A mapped table that has passed table_view_check(): header fields copied out, so that no later change of the
 * mapping moves an offset.  `data` must stay mapped and may change. */
typedef struct TableView {
        const uint8_t *data;
        uint64_t file_size;
        uint64_t name_seed;
        uint32_t pool_start, n_slots, n_singles, n_registrations;
        uint32_t records_offset, index_offset, index_entries;
} TableView;

/* Check header and size, and fill *ret_view. */
int table_view_check(const void *data, size_t size, TableView *ret_view);

/* Open `path`, check owner (root), type, mode, size and header, map it read-only and close the descriptor again.  The
 * mapping is the caller's: *ret_view->data, file_size bytes. */
int table_view_open(const char *path, TableView *ret_view);

/* One named ID. */
typedef struct TableAnswer {
        uint32_t id;       /* the UID and GID */
        uint32_t offset;   /* of the ID in its range; parts count on, K * 65,536 + n */
        uint32_t record;   /* number of the range's record */
        TableRecord range; /* a consistent copy of the range's record (of a part: of its holder) */
} TableAnswer;

/* The answer for an ID of an active range. */
int table_find_id(const TableView *view, uint32_t id, TableAnswer *ret_answer);

/* The answer for "ns-NAME-OFFSET", n bytes.  NOT_FOUND without touching the table for what cannot be one. */
int table_find_name(const TableView *view, const char *user_name, size_t n, TableAnswer *ret_answer);

/* The active range after *cursor (start at 0), as the answer for its first ID; *cursor moves on.  NOT_FOUND at
 * the end.  Registrations (size 0) are passed over. */
int table_next(const TableView *view, uint32_t *cursor, TableAnswer *ret_answer);

/* names (pure) */

/* Longest name a range of `size` IDs may have: "ns-NAME-OFFSET" is at most TABLE_USER_NAME_MAX bytes for its
 * largest offset, and NAME at most TABLE_NAME_MAX. */
size_t table_name_max(uint32_t size);

/* Whether `name` may be a namespace's: 1 ... table_name_max(size) bytes of [A-Za-z0-9_-]. */
bool table_name_is_valid(const char *name, uint32_t size);

/* Write "ns-NAME-OFFSET" and its NUL. */
void table_user_name(const TableAnswer *answer, char ret_name[static TABLE_USER_NAME_MAX + 1]);

/* Split "ns-NAME-OFFSET": the name's length and the offset.  Returns whether it is one. */
bool table_user_name_parse(const char *user_name, size_t n, size_t *ret_name_size, uint32_t *ret_offset);

/* shared with the writer */

uint64_t table_name_hash(uint64_t seed, const char *name, size_t n);
uint32_t table_crc(const void *data, size_t size);
uint32_t table_record_crc(const TableRecord *record);
