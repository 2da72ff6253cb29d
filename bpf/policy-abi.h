/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel policy (policy.bpf.c) and the daemon (daemon/policy/policy.c) share: the maps,
 * their layout, and the bits that name rules.  Both sides see the same numbers for records: those
 * of the table (lib/table/format.h), with one more at the end for the canary.
 *
 *      records   array, written by the daemon through mmap: record -> struct policy_record
 *      holders   hash: inode number of a user namespace -> struct policy_holder
 *      control   array of one, mmap: struct policy_control
 *      events    ring buffer: struct policy_event
 *      setters   hash that forgets what was used least: address of an open file that was not opened
 *                in the holder -> cookie of the holder that told it whom to signal; 0: not a
 *                holder's.  The programs' own
 *      uses      array, mmap: slot -> struct policy_uses.  Written by the programs, cleared by the
 *                daemon before the slot is lent
 *
 * An ID finds its record by arithmetic: slot = (id - pool_start) / 65536 is the record, unless that
 * record is split: then it is n_slots + first_single + id % 65536.  The first IDs behind
 * the pool are the canary's, and lent only while it tries the rules.
 *
 * A record is lent to the namespace `holder` while that namespace's entry in `holders` has the same
 * cookie. Death is one store: the entry's cookie becomes 0, and all the namespace's records are
 * orphaned at once, however many and wherever they are.  A later namespace with the same inode
 * number has another cookie and inherits nothing.  Only the daemon removes entries. */

#include <linux/types.h>

#define POLICY_ABI_VERSION 3u
#define POLICY_ABI_MAGIC 0x6e737265u /* "nsre" */

#define POLICY_SLOT_SIZE 65536u
#define POLICY_CANARY_IDS 2u           /* the first ones behind the pool */
#define POLICY_SINGLES_PER_SPLIT 2048u /* IDs of a split slot beyond these are nobody's */
#define POLICY_UIDS_PER_CHUNK 256u
#define POLICY_CHUNKS (POLICY_SLOT_SIZE / POLICY_UIDS_PER_CHUNK)
#define POLICY_EVENTS_SIZE                                                    \
        (512u * 1024u) /* bytes; 32,768 reports: a whole pool may die at once \
                        */

/* Files from outside that holders asked to be signalled by, all holders together: one holder can
 * have the others' forgotten.  What is forgotten sends no signal.  Files that were opened in the
 * holder itself take no room here. */
#define POLICY_SETTERS 4096u

/* Rules, as in daemon/policy/policy.c's list. */
enum {
        POLICY_RULE_MAKE = 1u << 0,
        POLICY_RULE_TMPFILE = 1u << 1,
        POLICY_RULE_RESURRECT = 1u << 2,
        POLICY_RULE_CHOWN = 1u << 3,
        POLICY_RULE_MODE = 1u << 4,
        POLICY_RULE_WHITEOUT = 1u << 5,
        POLICY_RULE_OVERLAY = 1u << 6,
        POLICY_RULE_SUBVOLUME = 1u << 7,
        POLICY_RULE_ACL = 1u << 8,
        POLICY_RULE_IPC = 1u << 9,
        POLICY_RULE_LAST_LINE = 1u << 10,
        POLICY_RULE_KEYS = 1u << 11,
        POLICY_RULE_SIGNAL = 1u << 12,
        POLICY_RULE_UIDS = 1u << 13,
};
#define POLICY_RULES_ALL ((1u << 14) - 1u)

enum {
        POLICY_RECORD_FREE = 0,
        POLICY_RECORD_LENT = 1, /* to `holder`, while `cookie` is that of its entry in `holders` */
        POLICY_RECORD_ORPHANED = 2, /* lent, and nobody holds it */
        POLICY_RECORD_SPLIT = 3,    /* a slot of single IDs, see first_single */
};

/* Written in this order: everything else, then `state`.  A reader that sees half of it finds a
 * cookie that does not fit and takes the record for orphaned: refused. */
struct policy_record {
        __u64 cookie;
        __u32 holder;       /* inode number of the user namespace */
        __u32 state;        /* POLICY_RECORD_* */
        __u32 first_single; /* split: record of its ID 0 is n_slots + first_single */
        __u32 skip_rules;   /* rules that do not judge this record: the canary tries one at a time;
                               else 0 */
};

/* holder.flags */
#define POLICY_HOLDER_LENT 1u /* holds IDs of the pool; without it, only its end is of interest */

struct policy_holder {
        __u64 cookie; /* 0: the namespace is dead */
        __u32 flags;
        __u32 reserved;
};

/* Which UIDs of a slot anybody has become.  One byte for each chunk of 256 UIDs, and only ever set
 * by the programs: a store needs no lock to be seen.  That is 7.6 MB for the default pool. */
struct policy_uses {
        __u8 chunks[POLICY_CHUNKS]; /* 1: used */
        __u32 noted;                /* 1: all there was since the slot was lent is in `chunks` */
        __u32 reserved;
};

struct policy_control {
        __u32 magic, version;
        __u32 pool_start, n_slots, n_records; /* n_records without the canary's */
        __u32 last_line; /* 1: the canary saw inode_init_security refuse; without path hooks, others
                            rely on it */
        __u64 next_cookie;
        __u64 lost_events; /* reports that found the ring buffer full */
};

struct policy_event {
        __u32 userns_inode;
        __u32 reserved;
};

_Static_assert(sizeof(struct policy_record) == 24, "both sides see one layout");
_Static_assert(sizeof(struct policy_holder) == 16, "both sides see one layout");
_Static_assert(sizeof(struct policy_uses) == 264, "both sides see one layout");
_Static_assert(sizeof(struct policy_control) == 40, "both sides see one layout");
_Static_assert(sizeof(struct policy_event) == 8, "both sides see one layout");
