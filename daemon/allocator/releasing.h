/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Releasing records whose namespace's end is proven: when each is looked at next, what for, and
 * what it counts meanwhile.  Knows nothing of how they are looked at. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"

typedef struct ReleasingSet ReleasingSet;
typedef struct Reclaim Reclaim;
typedef struct UidTrial UidTrial;

typedef struct Releasing {
        Reclaim *reclaim; /* whose set this is in */
        uint32_t record;
        gint64 due_usec;
        bool is_looked_at; /* now */
        bool is_alone;     /* a joint look was not in time */
        unsigned n_tries;  /* looks after which it was not clean */
        bool is_busy;      /* something was found that could not be removed: it is charged */
        char *told;        /* of what kind that was, when it was told */
        UidTrial *trial;   /* clean, and this is under way */
} Releasing;

/* `config` is borrowed. */
ReleasingSet *releasing_set_new(const AllocatorConfig *config);
void releasing_set_free(ReleasingSet *set);

/* The record's entry, which the set owns until it is removed; NULL if there is none. */
Releasing *releasing_set_get(const ReleasingSet *set, uint32_t record);

/* The record has no entry yet.  The new one is due at once. */
Releasing *releasing_set_add(ReleasingSet *set, Reclaim *reclaim, uint32_t record);
void releasing_set_remove(ReleasingSet *set, uint32_t record);

/* Begin to go through all; the iterator's values are Releasing. */
void releasing_set_iterate(const ReleasingSet *set, GHashTableIter *ret_i);

/* What of an account's usage only waits for the next look at releasing records: that wait is our
 * own time.  Records that were found busy are not in these numbers. */
void releasing_set_usage(
        const ReleasingSet *set, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids);

/* The range is not clean: its record is looked at again, later each time.  One that will never be
 * lent again is quarantined instead after a few looks, and its entry removed. */
void releasing_set_try_again(ReleasingSet *set, uint32_t record);

/* Whether the range is clean could not be found out, for a reason that is not the account's: its
 * record is looked at again in a moment, and this counts as no try. */
void releasing_set_put_off(ReleasingSet *set, uint32_t record);

/* Say what keeps the range; once, as long as it is of one kind. */
void releasing_set_tell(
        const ReleasingSet *set, uint32_t record, const char *kind, const char *why);
