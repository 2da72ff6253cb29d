/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the table (layout: table/format.h): answers for IDs and names out of a mapping that a
 * writer changes meanwhile and that nobody is trusted to have written well.  Links libc only (and
 * lib/util/parse, which needs no more); no allocation, no lock, no static mutable data, no
 * environment; any number of threads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/crc.h"
#include "lib/table/format.h"
#include "lib/table/name.h"

/* Outcomes. */
enum {
        TABLE_READ_E_NOT_FOUND = 1, /* no active range has that ID or name */
        TABLE_READ_E_BUSY = 2,      /* the writer kept changing it under every try */
        TABLE_READ_E_UNTRUSTED =
                3, /* damaged, truncated, foreign-owned, writable by others, of another version */
        TABLE_READ_E_MISSING = 4, /* there is no file */
        TABLE_READ_E_RETIRED = 5, /* a new table stands at the path, or soon will: open that one */
        TABLE_READ_E_PAUSED = 6,  /* as much has been looked at as was asked for: go on later */
        /* Its owner has no ID in this process's user namespace, which is not the host's.  It may be
         * the host's table; nobody inside can tell, and its IDs mean nothing there. */
        TABLE_READ_E_FOREIGN = 7,
};

/* A table that has passed table_view_check(): header fields copied out, so that no later change of
 * the file moves an offset.  `data` must stay mapped and may change. */
typedef struct TableView {
        const uint8_t *data; /* the mapping; NULL: read from `fd` instead */
        int fd; /* of table_view_open_unmapped(); not looked at if there is a mapping */
        uint64_t file_size;
        uint64_t name_seed;
        uint32_t pool_start, n_slots, n_singles, n_registrations;
        uint32_t records_offset, index_offset, index_entries;
} TableView;

/* Check header and size, and fill *ret_view.  `data` is aligned to 8 bytes at least.
 * TABLE_READ_E_UNTRUSTED. */
int table_view_check(const void *data, size_t size, TableView *ret_view);

/* Open `path`, check owner (root), type, mode, size and header, map it read-only and close the
 * descriptor again. The mapping is the caller's, see table_view_close().  TABLE_READ_E_MISSING,
 * _UNTRUSTED, _FOREIGN, _RETIRED; -errno where opening it or mapping it fails. */
int table_view_open(const char *path, TableView *ret_view);

/* As table_view_open(), without a mapping: the view keeps a descriptor, and each look-up reads the
 * few bytes it needs.  For one look-up at a time, where no mapping can be made: a security policy
 * forbids it (EACCES, EPERM), or a limit of the process (EAGAIN, ENOMEM). */
int table_view_open_unmapped(const char *path, TableView *ret_view);

/* Unmap, or close the descriptor. */
void table_view_close(TableView *view);

/* One named ID. */
typedef struct TableAnswer {
        uint32_t id;       /* the UID and GID */
        uint32_t offset;   /* of the ID in its range; parts count on, K * 65,536 + n */
        uint32_t record;   /* number of the range's record */
        bool is_slot;      /* of table_look_up_...(): the slot itself, which is not free */
        TableRecord range; /* a consistent copy of the range's record (of a part: of its holder),
                              its name valid */
} TableAnswer;

/* The answer for an ID of an active range.  TABLE_READ_E_NOT_FOUND (for an ID outside the pool
 * without touching the table), _BUSY, _UNTRUSTED, _RETIRED; without a mapping also what read(2)
 * reports. */
int table_find_id(const TableView *view, uint32_t id, TableAnswer *ret_answer);

/* Whom an ID is charged to, while its slot is anything but free.  TABLE_READ_E_NOT_FOUND: nobody.
 */
int table_find_account(const TableView *view, uint32_t id, uint32_t *ret_account);

/* The answer for "ns-NAME-OFFSET", n bytes.  NOT_FOUND without touching the table for what cannot
 * be one. */
int table_find_name(
        const TableView *view, const char *user_name, size_t n, TableAnswer *ret_answer);

/* What looking a user or group up answers: as table_find_id(), and for the first ID of a slot that
 * is not free but has no such answer, the slot itself (`is_slot`; record and range are the slot's,
 * id is its first one).  Whoever picks ranges by asking whether their first ID has a name finds
 * every slot taken that is not free; those excepted that are out of service because the host uses
 * them. */
int table_look_up_id(const TableView *view, uint32_t id, TableAnswer *ret_answer);

/* The same for a name: as table_find_name(), and "nsresource-FIRSTID" of a slot that
 * table_look_up_id() answers for in this way. */
int table_look_up_name(
        const TableView *view, const char *user_name, size_t n, TableAnswer *ret_answer);

/* The active range or registration called `name` (n bytes), as the answer for its first ID.  A
 * registration has none: id and offset are TABLE_NONE then. */
int table_find_range(const TableView *view, const char *name, size_t n, TableAnswer *ret_answer);

/* The active range after *cursor (start at 0), as the answer for its first ID, in the order of
 * their IDs; *cursor moves on with every outcome but _RETIRED.  NOT_FOUND at the end.
 * Registrations (size 0) are passed over. */
int table_next(const TableView *view, uint32_t *cursor, TableAnswer *ret_answer);

/* The same for what getpwent() and its like list: first IDs too or, if the table's header says so
 * (nsresourced.conf: SetEntries=all), every ID of every range, delegated ones included.  Cursors
 * of the two are alike: if the header changes, an enumeration goes on from where it is. */
int table_next_entry(const TableView *view, uint32_t *cursor, TableAnswer *ret_answer);

/* The same, and no more than *n_left places of the pool are looked at: it counts down.
 * TABLE_READ_E_PAUSED: none is left. */
int table_next_entry_within(
        const TableView *view, uint32_t *cursor, unsigned *n_left, TableAnswer *ret_answer);

/* Write "ns-NAME-OFFSET", or of a slot "nsresource-FIRSTID", and its NUL.  Returns its length. */
size_t table_user_name(const TableAnswer *answer, char ret_name[static TABLE_USER_NAME_MAX + 1]);

/* shared with the writer */

uint32_t table_record_crc(const TableRecord *record);

/* Whether a record that has passed its CRC is a range (neither a part nor a split slot) that can
 * stand at this number: start, size and name fit the pool and each other. */
bool table_range_is_sound(const TableView *view, uint32_t number, const TableRecord *record);

/* Whether the record `part` (kind PART, of this number) belongs to `holder`, a sound range of
 * number part->holder. *ret_offset is the offset of the part's first ID. */
bool table_part_is_sound(
        const TableView *view, uint32_t number, const TableRecord *part, const TableRecord *holder,
        uint32_t *ret_offset);
