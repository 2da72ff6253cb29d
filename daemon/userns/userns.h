/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* User namespaces as the kernel shows them: identity, owner, maps, liveness.
 * Knows nothing of the table, the policy or varlink.  Whatever joins a client's
 * namespace does so in a child that the client can stop or kill, so it is
 * watched on the main loop with a deadline and never waited for. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct WorkerPool WorkerPool;

/* Outcomes. */
enum {
        USERNS_E_NOT_USERNS = 1, /* the descriptor is no user namespace */
        USERNS_E_NOT_EMPTY = 2,  /* a map of it has been written */
        USERNS_E_DEAD = 3,       /* proven: the namespace is gone */
        USERNS_E_UNKNOWN = 4,    /* cannot be proven either way on this kernel */
        USERNS_E_BUSY = 5,       /* too many wait already */
};

/* Who a namespace is.  Inode numbers come back within milliseconds; ids (Linux 6.18) never in one
 * boot. */
typedef struct UsernsIdentity {
        uint64_t inode;
        uint64_t id; /* NS_GET_ID; 0 where the kernel has none */
} UsernsIdentity;

/* Identity of this process's own user namespace, which it never leaves. */
int userns_self(UsernsIdentity *ret_own);

/* Whether a process of this UID is a user's of `own`: in that namespace itself, or in one below it
 * that this user made (a sandbox), not in a container of somebody else's.  False if it is gone.  A
 * process ID comes back: this is for accounts, and decides nothing else. */
bool userns_is_own_user(const UsernsIdentity *own, pid_t pid, uid_t uid);

/* Identity, owner (as this process sees UIDs) and whether the namespace's parent is `own`, which is
 * userns_self().  `fd` is an nsfs descriptor that a door has vetted.  USERNS_E_NOT_USERNS. */
int userns_inspect(
        int fd, const UsernsIdentity *own, UsernsIdentity *ret_identity, uid_t *ret_owner,
        bool *ret_parent_is_own);

/* Who has all capabilities in the namespace from outside: the owner of the one above it (or of
 * itself) that is a child of `own`.  For a namespace that is not below ours this is somebody whom
 * setns() will refuse. */
int userns_outer_owner(int fd, const UsernsIdentity *own, uid_t *ret_owner);

/* liveness */

typedef struct UsernsProbe UsernsProbe;

/* Find out by trying what this kernel can prove.  Handles of namespaces exist from Linux 6.18,
 * where ESTALE means dead; from 6.19 ESTALE is also answered for a namespace that lives but is used
 * by no process.  Makes a user namespace and waits for a child of its own: for the start. */
int userns_probe_new(UsernsProbe **ret_probe);
void userns_probe_free(UsernsProbe *probe);

/* What can be proven, for userns_probe_new_with(), which does not try (tests). */
typedef enum UsernsProof {
        USERNS_PROOF_HANDLES, /* life and death */
        USERNS_PROOF_HINTS,   /* life by handle, death not */
        USERNS_PROOF_SWEEP,   /* life by looking, death not */
} UsernsProof;
int userns_probe_new_with(UsernsProof proof, UsernsProbe **ret_probe);

/* "file handles", "file handles, end not provable", "sweep of /proc": for status. */
const char *userns_probe_describe(const UsernsProbe *probe);

/* Whether this kernel leaves nothing but the sweep: see userns_probe_refresh(). */
bool userns_probe_sweeps(const UsernsProbe *probe);

/* Whether the namespace lives: 0 it does, USERNS_E_DEAD, USERNS_E_UNKNOWN (not seen, but not proven
 * dead either).  Makes at most one system call where handles work; else looks the inode up in the
 * last sweep. */
int userns_probe_check(UsernsProbe *probe, const UsernsIdentity *identity);

/* Kernels without handles: have a child sweep /proc again (daemon/userns/sweep.h).  0: `done`
 * will be called once, from the main loop, with the result; what is checked until then is the
 * sweep before.  USERNS_E_BUSY: one is under way, or hangs.  Only if userns_probe_sweeps(). */
typedef void (*UsernsRefreshedFunc)(int result, void *userdata);
int userns_probe_start_refresh(UsernsProbe *probe, UsernsRefreshedFunc done, void *userdata);

/* The same, waiting for it: for the start.  Nothing to do where handles work. */
int userns_probe_refresh(UsernsProbe *probe);

/* Say that the namespace lives: it counts as seen until the end of a sweep that begins later. */
void userns_probe_note(UsernsProbe *probe, const UsernsIdentity *identity);

/* maps */

/* One line of a map: `size` IDs from `inside` in the namespace are `outside` in this process's
 * namespace. */
typedef struct UsernsExtent {
        uint32_t inside, outside, size;
} UsernsExtent;

typedef struct UsernsMaps {
        UsernsExtent *uid, *gid;
        size_t n_uid, n_gid;
} UsernsMaps;
void userns_maps_clear(UsernsMaps *maps);

/* A child of ours in the namespace, through whose /proc/PID the maps are read and written. */
typedef struct UsernsHelper UsernsHelper;

/* Called once, from the main loop, when the helper has joined (result 0), or has not by the
 * deadline or has died (-ETIMEDOUT, -ESRCH, or the errno of setns()).  The helper may be freed
 * inside. */
typedef void (*UsernsJoinedFunc)(UsernsHelper *helper, int result, void *userdata);

/* Have a helper join the namespace `fd` (borrowed), of which userns_outer_owner() is told, charged
 * to `account`.  Beyond LIMIT_HELPERS, or LIMIT_HELPERS_PER_ACCOUNT of one account, it waits for
 * its turn, which the deadline of those before it bounds.  USERNS_E_BUSY.  The child runs as the
 * namespace's owner without any capability, holds none of our descriptors and cannot be traced.
 *
 * Needs CAP_SETUID and CAP_SETGID (to become the owner, and for the maps), CAP_SYS_ADMIN (maps),
 * CAP_SYS_PTRACE (to see that it is in the right namespace), CAP_KILL; /proc without hidepid. */
int userns_helper_new(
        int fd, uid_t outer_owner, uint32_t account, UsernsJoinedFunc joined, void *userdata,
        UsernsHelper **ret_helper);

/* Have the child killed, in the next turn of the loop, and forget it; it is reaped on the loop.
 * Accepts NULL. */
void userns_helper_free(UsernsHelper *helper);

/* Of a helper that has joined: the same, but keep the maps, which can be read and written as
 * before.  The kernel judges by who opened a map and who writes, both of which are this process,
 * and a map that is open keeps its namespace, so that this cannot be another by then. */
void userns_helper_end_child(UsernsHelper *helper);

/* Read both maps of the joined namespace. */
int userns_helper_read_maps(UsernsHelper *helper, UsernsMaps *ret_maps);

/* 0 if neither map has been written, else USERNS_E_NOT_EMPTY. */
int userns_helper_check_empty(UsernsHelper *helper);

/* Write "inside outside size" as uid_map, then as gid_map: one write each (user_namespaces(7)).  On
 * any error one map may have been written; USERNS_E_NOT_EMPTY if the client wrote one of them in
 * between. */
int userns_helper_write_maps(UsernsHelper *helper, const UsernsExtent *extent);

/* Children of helpers that are not reaped yet, for tests and the clean stop. */
unsigned userns_helper_count(void);

/* Fork children ahead of their use, at the start; from the first helper on this happens by itself.
 * Idle ones hold no descriptor but their socket, run as we do and are reachable by nobody. */
void userns_helper_prepare(void);

/* Kill the idle ones. */
void userns_helper_stop(void);

/* Looking whether a process is in a namespace.  No such process does not mean that it has ended: a
 * mount, a descriptor or the kernel's own delay may keep it, or a namespace below it. */
typedef struct UsernsProcessLook UsernsProcessLook;

/* Called once, later, from the main loop, unless the look is freed before.  `found` is true, too,
 * where that could not be found out before LIMIT_PROCESS_LOOK_MSEC, and false where nobody could be
 * made to look. */
typedef void (*UsernsProcessLookFunc)(bool found, void *userdata);

/* The children for it, for worker_pool_free(): LIMIT_PROCESS_LOOKS. */
WorkerPool *userns_process_looks_new(void);

/* Have one read whose namespaces all processes are in, in `account`'s turn.  USERNS_E_BUSY: too
 * many of the account's wait. */
int userns_process_look_new(
        WorkerPool *looks, uint32_t account, uint64_t inode, UsernsProcessLookFunc done,
        void *userdata, UsernsProcessLook **ret_look);
void userns_process_look_free(UsernsProcessLook *look);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(UsernsProbe, userns_probe_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UsernsHelper, userns_helper_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UsernsMaps, userns_maps_clear)
