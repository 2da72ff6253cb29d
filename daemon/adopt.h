/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an earlier daemon left: its table and the details beside it, and what the kernel, the record
 * of what was unenforced and systemd-nspawn's locks have to say of each slot by now.  For the
 * start, before anybody is served.  Errors have been logged. */

#include <stdbool.h>
#include <stdint.h>

typedef struct Details Details;
typedef struct Policy Policy;
typedef struct SlotLocks SlotLocks;
typedef struct TableWriter TableWriter;
typedef struct TableWriterConfig TableWriterConfig;
typedef struct Unenforced Unenforced;
typedef struct UsernsProbe UsernsProbe;

/* Open the table, or a new one in the place of one that is not to be believed.  With
 * `waits_if_lost` there is no new one as long as a table that was set aside, now or earlier, has
 * not been seen to by an administrator: for when nothing but the table remembers who holds what.
 * Then *ret_table is NULL, and *ret_refusal says what to do about it, in a line for people; else
 * that is NULL. */
int adopt_table(
        const TableWriterConfig *config, bool waits_if_lost, TableWriter **ret_table,
        char **ret_refusal);

/* Open what is known of ranges beside the table, of `n_records`; empty if it cannot be believed. */
int adopt_details(const char *path, uint32_t n_records, Details **ret_details);

typedef struct AdoptContext {
        TableWriter *table; /* all borrowed */
        Policy *policy;
        UsernsProbe *probe;
        Unenforced *unenforced;
        SlotLocks *slot_locks;
        const char *nspawn_folder; /* of the locks, for the log */
        uint32_t pool_start, n_slots;
} AdoptContext;

/* Bring together what the table and all others say of its records: what is taken is protected again
 * in a kernel that does not know of it, what is free in the table only is taken out of service, and
 * what is not free is locked. */
int adopt_records(const AdoptContext *context);
