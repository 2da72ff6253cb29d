/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ranges whose end is proven and that are not free yet: when each is looked at next, what for, and
 * what it counts meanwhile.  Knows nothing of how they are looked at. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"

typedef struct LeavingSet LeavingSet;
typedef struct Reclaim Reclaim;
typedef struct UidTrial UidTrial;

typedef struct Leaving {
        Reclaim *reclaim; /* whose it is */
        uint32_t record;
        gint64 due_usec;
        bool is_looked_at; /* now */
        bool is_alone;     /* a joint look was not in time */
        unsigned n_tries;  /* looks after which it was not clean */
        bool is_busy;      /* something was found that could not be removed: it is charged */
        char *told;        /* of what kind that was, when it was told */
        UidTrial *trial;   /* clean, and this is under way */
} Leaving;

/* `config` is borrowed. */
LeavingSet *leaving_set_new(const AllocatorConfig *config);
void leaving_set_free(LeavingSet *set);

/* The set's, until it is removed; NULL if there is none. */
Leaving *leaving_set_get(const LeavingSet *set, uint32_t record);

/* It is not there, and due at once. */
Leaving *leaving_set_add(LeavingSet *set, Reclaim *reclaim, uint32_t record);
void leaving_set_remove(LeavingSet *set, uint32_t record);

/* Begin to go through all; the iterator's values are Leaving. */
void leaving_set_iterate(const LeavingSet *set, GHashTableIter *ret_i);

/* What of an account's usage is only waiting for the next look at what is leaving: that is our own
 * time.  What was found busy counts. */
void leaving_set_usage(
        const LeavingSet *set, uint32_t account_uid, uint32_t *ret_n_ranges, uint64_t *ret_n_ids);

/* It is not clean: it is looked at again, later each time; or, if it is not worth that, quarantined
 * and gone. */
void leaving_set_try_again(LeavingSet *set, uint32_t record);

/* It could not be found out, for a reason that is not the account's: it is looked at in a moment,
 * and that counts as no try. */
void leaving_set_put_off(LeavingSet *set, uint32_t record);

/* Say what keeps the range; once, as long as it is of one kind. */
void leaving_set_tell(const LeavingSet *set, uint32_t record, const char *kind, const char *why);
