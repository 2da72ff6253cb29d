/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the allocator's files share. */

#include "daemon/allocator/allocator.h"
#include "daemon/state/details.h"
#include "lib/table/format.h"
#include "lib/util/turns.h"

typedef struct AllocatorLooks AllocatorLooks;
typedef struct NameWait NameWait;
typedef struct NameWaits NameWaits;
typedef struct UidTrial UidTrial;

struct Allocator {
        AllocatorConfig config;
        GPtrArray *jobs; /* under way: Job, owned */
        uint64_t n_jobs; /* that have ever been */
        NameWaits *name_waits;
        Turns *vetting_waits; /* requests that wait for a slot to be vetted */
        GHashTable *removals; /* record -> what is being removed of it, or waits, owned */
        Turns *removal_turns;

        /* Proven dead, and what the host has of them is to be removed: record -> Leaving, owned. */
        GHashTable *leaving;
        /* What comes next: nothing of the record's range is left that can be seen; and no directory
         * of a control group. */
        void (*swept_clean)(Allocator *allocator, uint32_t record);
        void (*looked_clean)(Allocator *allocator, uint32_t record);
        GHashTable *sweeps;  /* account, or LEFTOVERS_OF_ALL -> its look that is under way: Sweep */
        GHashTable *doubted; /* account -> until when its ranges are looked at alone */
        gint64 sweep_not_before, sweep_at; /* microseconds */
        guint sweep_source;
        uint32_t quarantine_cursor;
        AllocatorLooks *looks; /* for control groups; NULL: none yet */
};

/* A range whose end is proven. */
typedef struct Leaving {
        Allocator *allocator;
        uint32_t record;
        gint64 due_usec;
        bool is_looked_at; /* now */
        bool is_alone;     /* a joint look was not in time */
        unsigned n_tries;  /* looks after which it was not clean */
        bool is_busy;      /* something was found that could not be removed: it is charged */
        char *told;        /* of what kind that was, when it was told */
        UidTrial *trial;   /* clean, and this is under way */
} Leaving;

/* Records a range occupies: slots side by side; a single ID or a registration has one. */
static inline uint32_t allocator_n_records(uint32_t size) {
        return MAX(1u, (size + TABLE_SLOT_SIZE - 1) / TABLE_SLOT_SIZE);
}

/* 0: it lives; USERNS_E_DEAD, USERNS_E_UNKNOWN, or an error. */
int allocator_check(Allocator *allocator, uint32_t record);

/* Release the record if its namespace is proven dead; whether it was. */
bool allocator_release_if_dead(Allocator *allocator, uint32_t record);

/* The key of what is known of the range beside the table. */
DetailsKey allocator_details_key(const TableRecord *range);

/* Whether the control groups of a range that has ended are gone; else their removal is under way,
 * or will be tried when this is called again. */
bool allocator_remove_cgroups(Allocator *allocator, uint32_t record, bool proven);
void allocator_removal_free(void *removal);
void allocator_stop_removing(Allocator *allocator);

/* The control groups of a range are gone (or it never became one's): what else the host has of it
 * is removed, if its end is proven; then it is free, or quarantined. */
void allocator_leave(Allocator *allocator, uint32_t record, bool proven);

/* Tell the policy something of each record of a range; the first error. */
int allocator_for_each_record(
        Allocator *allocator, uint32_t record,
        int (*tell)(Policy *policy, uint32_t first_record, uint32_t n_records));

void allocator_leaving_free(void *leaving);
bool allocator_is_leaving(const Allocator *allocator, uint32_t record);

/* Whether the range may be lent again once it is clean: the policy was in force all along. */
bool allocator_is_reusable(const Allocator *allocator, uint32_t record);

/* Of a record that the kernel has no protection for: whether it was taken off because the range was
 * found clean.  Nothing else takes it off what has ended. */
bool allocator_was_clean(const Allocator *allocator, uint32_t record);

/* What of an account's usage is only waiting for the next look at what is leaving: that is our own
 * time.  What was found busy counts. */
void allocator_leaving_usage(
        const Allocator *allocator, uint32_t account_uid, uint32_t *ret_n_ranges,
        uint64_t *ret_n_ids);
void allocator_start_leaving(Allocator *allocator);
void allocator_stop_leaving(Allocator *allocator);

/* Add what the record's range has of IDs: its own, side by side, and each slot that is delegated to
 * it, as LeftoversRange; `ranges` may be NULL.  Returns how many IDs. */
uint64_t allocator_list_ranges(const Allocator *allocator, uint32_t record, GArray *ranges);

/* The same as CgroupRange. */
GArray *allocator_list_owners(const Allocator *allocator, uint32_t record);

/* No namespace has the range any more, and it is not to be lent yet. */
void allocator_quarantine(Allocator *allocator, uint32_t record);

/* What leaves is not clean: it is looked at again, later each time. */
void allocator_try_again(Allocator *allocator, uint32_t record);

/* The same, for a reason that is not the account's: in a moment, and not charged to it. */
void allocator_put_off(Allocator *allocator, uint32_t record);

/* Say what keeps the range; once, as long as it is of one kind. */
void allocator_tell(Allocator *allocator, uint32_t record, const char *kind, const char *why);

/* Look at what leaves: at that time or before; when the next of it is due. */
void allocator_schedule_sweep(Allocator *allocator, gint64 due_usec);
void allocator_schedule_next_sweep(Allocator *allocator);
void allocator_start_sweeping(Allocator *allocator);
void allocator_stop_sweeping(Allocator *allocator);

/* Whether a look just found that the IDs of what leaves own no directory of a control group.  Else
 * one is under way, after which looked_clean() or allocator_try_again() is called. */
bool allocator_has_no_cgroups(Allocator *allocator, uint32_t record);
void allocator_stop_looking(Allocator *allocator);

/* Requests that wait for a name, all together. */
NameWaits *name_waits_new(void);
void name_waits_free(NameWaits *waits);

/* The name is free, or there is no use in waiting for it any longer.  The NameWait is gone. */
typedef void (*NameWaitFunc)(void *userdata);

/* If the name that is asked for belongs to a namespace of the same owner which may be about to end,
 * wait for that: `done` is called later.  NULL: go on at once. */
NameWait *allocator_wait_for_name(
        Allocator *allocator, const AllocatorRequest *request, NameWaitFunc done, void *userdata);
void name_wait_free(NameWait *wait); /* `done` is not called then */
