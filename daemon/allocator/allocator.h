/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lending ranges and releasing them: the order of steps that keeps every promise.
 *
 *      empty?  ->  quota  ->  reserve in the table  ->  protect in the kernel
 *             ->  mapping  ->  write both maps  ->  active
 *
 * What fails before `mapping` is undone; after it nothing is, because the client can write one of
 * its maps itself at any moment: the slot then stays taken, nameless, until the namespace is proven
 * dead.  allocator_release() is called by whoever has proof (reconcile).  Knows
 * nothing of sockets, JSON, varlink. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/userns/userns.h"

typedef struct Allocator Allocator;
typedef struct Cgroup Cgroup;
typedef struct CgroupTree CgroupTree;
typedef struct Details Details;
typedef struct HostIds HostIds;
typedef struct Leftovers Leftovers;
typedef struct Policy Policy;
typedef struct SlotLocks SlotLocks;
typedef struct TableWriter TableWriter;
typedef struct UidTrials UidTrials;
typedef struct Unenforced Unenforced;
typedef struct Vetter Vetter;

/* Outcomes. */
enum {
        ALLOCATOR_E_NOT_EMPTY = 1,     /* the namespace has a map already */
        ALLOCATOR_E_USERNS_EXISTS = 2, /* it is in the table already */
        ALLOCATOR_E_NAME_EXISTS = 3,   /* in the table, or as ns-NAME-0 in /etc */
        ALLOCATOR_E_EXHAUSTED = 4,     /* nothing is free */
        ALLOCATOR_E_QUOTA = 5,         /* the account's namespaces or IDs are used up */
        ALLOCATOR_E_BUSY = 6,          /* too many requests of this account, or of all, under way */
        ALLOCATOR_E_NOT_OWN_IDS = 7,   /* registration: the maps are not the peer's own IDs */
        ALLOCATOR_E_NESTED = 8,        /* its parent is not ours: no range was lent to hand on */
        ALLOCATOR_E_NOT_REGISTERED = 9, /* no live record has the namespace */
        ALLOCATOR_E_WITHOUT_RANGE = 10, /* a registration: it has no IDs of the pool */
        ALLOCATOR_E_CGROUP_EXISTS = 11, /* the namespace was given this control group already */
        ALLOCATOR_E_CGROUPS_MAX = 12,   /* DETAILS_CGROUPS_MAX */
        ALLOCATOR_E_QUARANTINED = 14,   /* too much is out of use because of the account */
        ALLOCATOR_E_NOT_OWNER = 13,     /* the namespace, or what is to be added, is another's */
};

/* A range that does not become free yet: somebody else claims some of its IDs, or something of it
 * cannot be removed. */
typedef struct AllocatorKept {
        uint32_t start, size, account_uid;
        const char *why; /* printable ASCII */
} AllocatorKept;

typedef struct AllocatorConfig {
        TableWriter *table; /* all borrowed for the allocator's life */
        Policy *policy;
        HostIds *host_ids;
        UsernsProbe *probe;
        Unenforced *unenforced;
        Details *details;     /* NULL: nothing can be added to a namespace (tests) */
        CgroupTree *cgroups;  /* NULL: there are no control groups */
        Leftovers *leftovers; /* freed first; NULL: no range becomes free (tests) */
        Vetter *vetter;       /* NULL: nobody is asked (tests) */
        UidTrials
                *uid_trials; /* freed after; NULL: what the kernel keeps by UID is not tried (tests)
                              */
        void (*kept)(const AllocatorKept *kept, void *userdata); /* once for each reason; or NULL */
        void *kept_userdata;
        const char *lock_folder; /* systemd-nspawn's: see host/vetting.h */
        SlotLocks *slot_locks;   /* of that folder; holds what is not free */
        bool enforced;           /* the policy is in force; else what is lent is marked */
        uint32_t namespaces_per_user;
        uint64_t ids_per_user;
        uint32_t quarantined_per_user;
} AllocatorConfig;

int allocator_new(const AllocatorConfig *config, Allocator **ret_allocator);

/* Requests under way are given up: their `done` is called with -ECANCELED. */
void allocator_free(Allocator *allocator);

/* Change the quotas; ranges that are lent stay lent. */
void allocator_set_quotas(
        Allocator *allocator, uint32_t namespaces_per_user, uint64_t ids_per_user,
        uint32_t quarantined_per_user);

typedef struct AllocatorRequest {
        int userns_fd;           /* borrowed during the call only */
        UsernsIdentity identity; /* of userns_fd */
        bool nested;             /* its parent is not this process's own user namespace */
        const char *name;        /* valid for `size`; copied */
        uint32_t owner_uid, account_uid;
        uint32_t outer_owner_uid; /* userns_outer_owner(): has all capabilities in it */
        uint32_t size;            /* allocate: 1 ... TABLE_RANGE_SIZE_MAX */
        uint32_t target;
        uint32_t peer_uid, peer_gid; /* register: whose IDs the maps must be */
} AllocatorRequest;

/* `result`: 0, an outcome, or negative errno.  Called once, later, from the main loop. */
typedef void (*AllocatorDoneFunc)(int result, void *userdata);

/* Give the namespace a range of its own and write its maps. */
int allocator_allocate(
        Allocator *allocator, const AllocatorRequest *request, AllocatorDoneFunc done,
        void *userdata);

/* More is known of slots than before: for the vetter's `answered`. */
void allocator_try_waiting(Allocator *allocator);

/* Take a namespace that mapped the peer's own IDs itself into
 * the table: it gets a name, no range. */
int allocator_register(
        Allocator *allocator, const AllocatorRequest *request, AllocatorDoneFunc done,
        void *userdata);

/* Who has a name that was refused (ALLOCATOR_E_NAME_EXISTS), in words for the log, which only
 * administrators read: a namespace, with its account and state, or an account of the host.  To be
 * freed. */
char *allocator_describe_holder(const Allocator *allocator, const char *name);

/* The record of a namespace that lives: ALLOCATOR_E_NOT_REGISTERED. */
int allocator_find(Allocator *allocator, const UsernsIdentity *userns, uint32_t *ret_record);

/* Hand a control group over to the namespace's root, on behalf of `peer_uid` (0 may do it with
 * anybody's, others with what is theirs as a whole).  It is recorded first, so that it is removed
 * with the namespace whatever happens in between. */
int allocator_add_cgroup(
        Allocator *allocator, const UsernsIdentity *userns, const Cgroup *cgroup,
        uint32_t peer_uid);

/* The namespace of this record (mapping, active or releasing) is gone, or may be: `proven`
 * says which.  Retires its name at once; then its control groups are removed, which takes
 * turns of the main loop, and what is busy is tried again when this is called again; then,
 * proven and clean and enforced all along, the slot is free again, else quarantined. */
void allocator_release(Allocator *allocator, uint32_t record, bool proven);

/* The kernel says that the namespace with this inode number has ended (0: it does not say which).
 * Whether its record was released; if not, somebody has to look at all of them. */
bool allocator_release_ended(Allocator *allocator, uint64_t userns_inode);

/* Whether of some live record only userns_probe_refresh() can tell if its namespace lives: the
 * kernel policy does not note ends, or does not know of the record (it was lent without
 * enforcement). */
bool allocator_needs_sweep(const Allocator *allocator);

/* Probe the namespaces of up to `max` records from *cursor on (start at 0; 0 again after the last)
 * and release those that are proven dead, and with `unknown_too` those of which nothing is seen any
 * more: only in the pass after a sweep has come to its end, for a later pass would not make an
 * older sweep truer (namespaces that are younger than the sweep were noted to the probe).  Returns
 * how many it released.  Between two calls states may change as they like. */
unsigned allocator_reconcile(
        Allocator *allocator, bool unknown_too, uint32_t *cursor, unsigned max);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Allocator, allocator_free)
