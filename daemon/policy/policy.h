/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel policy as the daemon sees it: loading, pinning, adopting, telling the kernel which
 * slots are lent and to whom, and hearing of the end of namespaces.  policy/policy.c (libbpf) and
 * policy/none.c (builds without it) have this one header; only this folder knows libbpf.  Knows
 * nothing of the table, requests, /proc. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Policy Policy;

/* Outcomes. */
enum {
        POLICY_E_UNSUPPORTED =
                1, /* not all rules can be enforced here: policy_rules() says which and why */
        POLICY_E_FULL = 2, /* no room in the kernel's maps */
};

/* One rule of the policy (see the head of bpf/policy.bpf.c), for `check` and `status`. */
typedef struct PolicyRule {
        const char *name; /* "make", "tmpfile", ... */
        bool active;
        bool needed;      /* Enforcement = required does not go without it */
        const char *hook; /* what enforces it, e.g. "path_mknod, path_mkdir, path_symlink"; NULL if
                             nothing does */
        const char *reason; /* inactive: why; active: what is not as good as it could be, or NULL */
        const char *
                remedy; /* inactive: what to change: a boot parameter, a kernel option, a package */
} PolicyRule;

/* A namespace's end, or the first sign of it; hints that make a reconcile pass fast. */
typedef struct PolicyEvent {
        uint64_t userns_inode; /* 0: events were lost, look at everything */
} PolicyEvent;
typedef void (*PolicyEventFunc)(const PolicyEvent *event, void *userdata);

typedef struct PolicyConfig {
        uint32_t pool_start, n_slots;
        bool enforce; /* false: Enforcement = none; load nothing, every rule is inactive by choice
                       */
        const char *pin_folder; /* below a bpf file system; NULL = do not pin (tests) */
        PolicyEventFunc event;
        void (*notice)(
                const char *text,
                void *userdata); /* something worth a line in the log; may be NULL */
        void *userdata;
} PolicyConfig;

/* Load, attach and pin the policy, or adopt what an earlier daemon pinned.  Always returns an
 * object in *ret_policy for 0 and POLICY_E_UNSUPPORTED, so that its rules can be shown. */
int policy_open(const PolicyConfig *config, Policy **ret_policy);

/* Whether the kernel's records are those of an earlier daemon.  If not, they are empty: protect
 * again everything that is taken, then call policy_settle(). */
bool policy_was_adopted(const Policy *policy);

/* Whether what an earlier daemon pinned goes on protecting until policy_settle().  If not, and
 * nothing was adopted, nothing protected what was lent until now. */
bool policy_has_predecessor(const Policy *policy);

/* Everything that is lent is protected now: what an earlier daemon pinned and could not be adopted
 * (another version, a stranger's) is let go.  Until then it goes on protecting. */
int policy_settle(Policy *policy);

/* Forget it; what is pinned stays in force.  Accepts NULL. */
void policy_free(Policy *policy);

/* Whether every needed rule is attached and was seen to refuse (the canary). */
bool policy_is_enforcing(const Policy *policy);

const PolicyRule *policy_rules(const Policy *policy, size_t *ret_n_rules);

/* Slots are named by record numbers of the table (lib/table/format.h), so that single IDs
 * have one too. */

/* The slot is split into single IDs: ID n of it has the record n_slots + first_single + n.  Before
 * any of these is protected; a slot that was split stays split, again is fine.  -EBUSY: the slot is
 * lent. */
int policy_split(Policy *policy, uint32_t slot, uint32_t first_single);

/* Lend the records first ... first + n - 1 to the user namespace `userns_inode`, which the caller
 * keeps alive: from now on no inode with their IDs may come to exist outside it.  All or nothing;
 * again, for the same namespace, is fine. -EBUSY: one of them is lent to another, POLICY_E_FULL.  A
 * registration's record (the table's third kind) lends nothing, but makes the namespace's end an
 * event.  Does nothing (0) when nothing is loaded.  What an earlier namespace with the same inode
 * number held must have been orphaned before. */
int policy_protect(
        Policy *policy, uint32_t first_record, uint32_t n_records, uint64_t userns_inode);

/* The holder is proven dead, the slots are not free yet: their IDs stay refused, to everybody. */
int policy_orphan(Policy *policy, uint32_t first_record, uint32_t n_records);

/* The slots are free again. */
int policy_unprotect(Policy *policy, uint32_t first_record, uint32_t n_records);

/* The kernel's record of a slot. */
enum {
        POLICY_SLOT_FREE = 0,
        POLICY_SLOT_LENT = 1, /* *ret_userns_inode is the holder */
        POLICY_SLOT_ORPHANED =
                2, /* the kernel saw the holder's end, or policy_orphan() was called */
        POLICY_SLOT_SPLIT =
                3, /* policy_split() was called: its single IDs have records of their own */
};
/* Whether the kernel itself notes the end of a holder (rule "death"): then POLICY_SLOT_ORPHANED
 * proves an end, and POLICY_SLOT_LENT means that none was seen. */
bool policy_sees_ends(const Policy *policy);

int policy_slot(Policy *policy, uint32_t record, uint64_t *ret_userns_inode);

/* What the kernel keeps by UID (rules "uids" and "keys").  UIDs that anybody has become, or has
 * made keys for, are noted, one note for a chunk of so many UIDs. */
#define POLICY_UIDS_PER_CHUNK 256u

/* Forget what was noted of those of these slots that are not lent: before policy_protect() for the
 * next holder.  Records of other kinds have no notes. */
void policy_forget_uses(Policy *policy, uint32_t first_record, uint32_t n_records);

/* Whether anybody did that with a UID of the chunk since then; also if nobody has noted it, all
 * along. */
bool policy_was_used(const Policy *policy, uint32_t record, uint32_t chunk);

/* An effective UID, nobody else's.  Who has it, in this process's own user namespace, can take a
 * lent UID as its real one only if nothing in the kernel refers to that UID's account: EUSERS.  It
 * gets no key as a lent UID: EDQUOT if that is charged for keys, else ENOKEY.  0: nobody is
 * refused. */
uint32_t policy_trial_uid(const Policy *policy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Policy, policy_free)
