/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one writer of the table: opening it (exclusive lock, recovery), choosing free slots, and
 * moving records from state to state so that a writer killed between any two stores leaves each
 * record whole.  Layout and states: table/format.h.  Knows nothing of namespaces beyond the numbers
 * it stores, nor of policy, processes or /etc. One thread, one writer a process (table/file.h says
 * why).  Programs link libtable-write.la. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "lib/table/format.h"
#include "lib/table/types.h"

typedef struct TableWriter TableWriter;

/* Open or create the table at config->path and recover what a killed writer left: `reserved` is
 * rolled back, a name index that was being rearranged is rebuilt, everything else stays.  A file
 * that is damaged, truncated, of another version, pool or owner, or no regular file, is renamed to
 * PATH.set-aside (a number is added if that exists), and not changed but for its `retired` word,
 * which tells those who have it mapped: then TABLE_E_UNTRUSTED, no writer, report filled, and the
 * next open creates a new file.  TABLE_E_LOCKED if another process holds it, -EINVAL for a pool
 * that cannot be.  *ret_report is filled for 0 and TABLE_E_UNTRUSTED. */
int table_writer_open(
        const TableWriterConfig *config, TableWriter **ret_writer, TableOpenReport *ret_report);

/* Change what enumerations list: config->all_entries. */
void table_writer_set_entries(TableWriter *writer, bool all);

/* Unmap and unlock; the file stays as it is.  Accepts NULL. */
void table_writer_free(TableWriter *writer);

/* choosing and reserving */

/* What is lent: becomes a record's data. */
typedef struct TableRange {
        const char *name; /* valid for this size and what is delegated: table_range_n_offsets() */
        uint32_t owner_uid;
        uint32_t account_uid;
        uint64_t userns_inode;
        uint64_t userns_id; /* 0 = none */
        uint32_t size;      /* 1 ... TABLE_RANGE_SIZE_MAX; 0 = a registration */
        uint32_t target;
        uint32_t flags; /* TABLE_FLAG_* */
        /* Slots of 65,536 IDs delegated to it, mapped one to one: all parts together
         * TABLE_PARTS_MAX at most, 0 for a registration. */
        uint32_t n_delegated;
} TableRange;

/* The size that the name of such a range has to be valid for (table_name_is_valid()): offsets of
 * delegated IDs count on. */
static inline uint32_t table_range_n_offsets(uint32_t size, uint32_t n_delegated) {
        return n_delegated == 0
                       ? size
                       : ((size - 1) / TABLE_SLOT_SIZE + 1 + n_delegated) * TABLE_SLOT_SIZE;
}

/* Asked about each candidate before it is taken: may the IDs from `start` on, `n_ids` of them, be
 * lent?  Always about whole slots, but for a size of 1: then about all of a slot when it is
 * to be split, and about each single ID. What is accepted for the range itself is taken.  Must not
 * call the writer.  If the free slots run out before all that is delegated is chosen, nothing is
 * taken, whatever was accepted. */
typedef bool (*TableAcceptFunc)(uint32_t start, uint32_t n_ids, void *userdata);

/* Choose records for `range` and move them to `reserved`: whole slots, side by side, for a size
 * above 1; a single ID of a split slot for 1 (a slot is split when needed, TABLE_SPLITS_MAX at
 * most); a registration for 0; and a slot from anywhere for each that is delegated.  First of what
 * begins at config->first_start or above, what was never used, in random order, then what was
 * free for longest; then of the rest, what was never used, from the top downwards, then what
 * was free for longest.  As long as nothing is taken, `accept` is asked about the same in the
 * same order: it may refuse what it must ask somebody about first.  It may be NULL. *ret_record is
 * the range's record number. TABLE_E_NAME_EXISTS, TABLE_E_USERNS_EXISTS (inode and, where both have
 * one, id are equal), TABLE_E_EXHAUSTED. */
int table_writer_reserve(
        TableWriter *writer, const TableRange *range, TableAcceptFunc accept, void *userdata,
        uint32_t *ret_record);

/* Walk over the slots that are free in the order in which they will be lent, until `accept`
 * returns true. */
void table_writer_foresee(TableWriter *writer, TableAcceptFunc accept, void *userdata);

/* Move a range's record and all its parts one step on.  Allowed: reserved -> mapping, mapping ->
 * active, mapping -> releasing, active -> releasing, releasing -> quarantined, quarantined -> free,
 * releasing -> free (a registration, or a range proven clean), reserved -> free (roll-back); any
 * other step is a programming error.  A range's name leaves the index when its record leaves
 * `active` or `mapping` for `releasing`, and may be used again then. */
void table_writer_set_state(TableWriter *writer, uint32_t record, uint32_t state);

/* Take a free slot out of service without a name: something of the host's uses it (a process,
 * /run/user/UID), or its last holder's files may still lie about.  Goes to `quarantined`; `flags`
 * are stored, and `account_uid` is charged with it, if it is not TABLE_NONE.  No-op unless free. */
void table_writer_quarantine_slot(
        TableWriter *writer, uint32_t slot, uint32_t flags, uint32_t account_uid);

/* Have `func` called with the first ID of each slot that becomes free, and of each that is taken
 * out of service by table_writer_quarantine_slot().  What was accepted is known already.
 * Must not call the writer. */
typedef void (*TableSlotFunc)(uint32_t start, bool is_free, void *userdata);
void table_writer_watch_slots(TableWriter *writer, TableSlotFunc func, void *userdata);

/* Have `func` called when names may have come or gone: at each change of state. */
typedef void (*TableNamesFunc)(void *userdata);
void table_writer_watch_names(TableWriter *writer, TableNamesFunc func, void *userdata);

/* looking */

/* The record, in the mapping: valid until the writer is freed; NULL beyond the last one. */
const TableRecord *table_writer_record(const TableWriter *writer, uint32_t record);

/* The numbers of all records of a range, itself first, then those that follow it, then the
 * delegated ones.  Returns how many; 1 for a single ID or a registration. */
uint32_t table_writer_list_records(
        const TableWriter *writer, uint32_t record,
        uint32_t ret_records[static TABLE_RANGE_RECORDS_MAX]);
uint32_t table_writer_state(const TableWriter *writer, uint32_t record);
uint32_t table_writer_n_records(const TableWriter *writer);
const TableHeader *table_writer_header(const TableWriter *writer);

/* The record that `id` belongs to (of a part: its holder), in whatever state but free; TABLE_NONE.
 */
uint32_t table_writer_find_id(const TableWriter *writer, uint32_t id);

/* The record in reserved ... active with this name; TABLE_NONE. */
uint32_t table_writer_find_name(const TableWriter *writer, const char *name);

/* The record in reserved ... active of this namespace; TABLE_NONE.  With both ids known
 * (non-zero) they must be equal: an inode number comes back, an id does not. */
uint32_t table_writer_find_userns(
        const TableWriter *writer, uint64_t userns_inode, uint64_t userns_id);

/* Walk the ranges and registrations (neither parts nor split slots) that are in `reserved` ...
 * `releasing`, in no order: *cursor starts at 0.  Returns the next record number, TABLE_NONE at the
 * end.  Cost is by ranges there are, and a bit for each record.  States may be changed between
 * calls. */
uint32_t table_writer_next_live(const TableWriter *writer, uint32_t *cursor);

/* As table_writer_next_live(), for those in `quarantined`, slots taken out of service among them.
 */
uint32_t table_writer_next_quarantined(const TableWriter *writer, uint32_t *cursor);

void table_writer_count(const TableWriter *writer, TableCounts *ret_counts);

/* What `account_uid` holds in reserved ... releasing: ranges and registrations, and how many IDs,
 * delegated ones included. */
void table_writer_usage(
        const TableWriter *writer, uint32_t account_uid, uint32_t *ret_n_ranges,
        uint64_t *ret_n_ids);

/* What is kept out of use because of `account_uid`, or will be: all that is quarantined, and what
 * was lent without enforcement in any state but free.  In slots; a single ID counts for
 * TABLE_KEPT_PER_SINGLE. */
uint32_t table_writer_kept(const TableWriter *writer, uint32_t account_uid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TableWriter, table_writer_free)
