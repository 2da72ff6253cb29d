/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the host still has of IDs whose holder is dead: processes, System V and POSIX IPC objects,
 * /run/user/UID, linger files.  All of it is ended or removed, by a child with
 * a deadline, for many ranges in one pass over /proc, because a pass costs the same for one range
 * and for a thousand.  Files need no removal: the policy keeps them from being made.  Knows nothing
 * of the table, namespaces or the policy.
 *
 * A number alone is no reason to end or remove anything: between two looks it can have become
 * somebody else's.  What is done is what holds whoever may shape it.
 *
 * Claims: the caller asks who claims the IDs (/etc, systemd-nspawn's locks) after
 * leftovers_prepare(), and gives none that anybody does.  The child reads logind's records of users
 * and sessions: a UID that is logged in under a name that is not the range's is another's.  If
 * passwd, group, subuid or subgid change before it is done it stops, before the next step.
 *
 * Processes are looked at through their folder in /proc, which stands for one process as a pidfd
 * does and never for a later one of its number.  Ended are those of which each thread has real,
 * effective, saved and file system UID in the ranges, twice in a row, and no privilege on the host.
 * Any other that has an ID anywhere stays: a server with one thread that acts for the ID, a host
 * user's with a group of the range.
 *
 * IPC objects go by the owner's UID; see leftovers/ipc.c.
 *
 * /run/user and linger are root's, so that nobody replaces the entries that are looked up in them.
 * In /run/user/UID everything is its user's: it is unmounted lazily, together with what is mounted
 * below, then what is under the mount is removed with calls that neither follow symbolic links nor
 * cross into another mount (openat2), and that no file system but that of /run answers.
 *
 * As long as a range has something of another's, nothing of it is removed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "lib/table/format.h"

typedef struct Leftovers Leftovers;

/* Outcomes. */
enum {
        LEFTOVERS_E_BUSY = 1, /* as many looks of the kind as there may be are under way, or hang */
        LEFTOVERS_E_HANGS = 2, /* the account has one that is under way, or hangs */
};

/* Instead of an account: a joint look for the ranges of many. */
#define LEFTOVERS_OF_ALL UINT32_MAX

/* Where to look.  IPC objects are those of this process's IPC namespace. */
typedef struct LeftoversConfig {
        /* The mount namespace that the folders are in, e.g. /proc/1/ns/mnt: a service has one of
         * its own, from which the host's mounts cannot be undone.  NULL: this process's. */
        const char *mount_namespace;
        const char *proc_folder;     /* /proc, of this process's PID namespace */
        const char *run_user_folder; /* /run/user; may be missing, as the next */
        const char *linger_folder;   /* /var/lib/systemd/linger */
        /* Who else may have the IDs.  NULL, each: that is not asked (tests). */
        const char *etc_folder;    /* with passwd, group, subuid, subgid */
        const char *logind_folder; /* /run/systemd, with users and sessions, which may be missing */
} LeftoversConfig;

int leftovers_new(const LeftoversConfig *config, Leftovers **ret_leftovers);

/* Children are killed, and what waits for them is not told. */
void leftovers_free(Leftovers *leftovers);

/* IDs that nobody may hold. */
typedef struct LeftoversRange {
        uint32_t start, size;
        /* Of the namespace, or empty: the host may have known ID number N as ns-NAME-OFFSET, with
         * the offset first_offset + N. */
        char name[TABLE_NAME_MAX + 1];
        uint32_t first_offset;
} LeftoversRange;

/* What was found of a range, the weightiest of it. */
typedef enum LeftoversWhat {
        LEFTOVERS_NOTHING, /* by a pass that began after the call: nothing, or it was all removed */
        LEFTOVERS_LINGER,
        LEFTOVERS_RUN_USER,
        LEFTOVERS_IPC,
        LEFTOVERS_ENDING, /* a process that was killed but is still there, or has successors */
        LEFTOVERS_PROCESS_OF_OTHERS, /* nothing but processes that are all the range's is ended */
        LEFTOVERS_USER_OF_OTHERS,    /* from here on: nothing is ended, and nothing removed */
        LEFTOVERS_UNKNOWN,           /* it could not be looked at, or not to the end */
} LeftoversWhat;

typedef struct LeftoversFound {
        LeftoversWhat what;
        uint32_t id;     /* one of the range's that has it */
        uint32_t number; /* of the process */
} LeftoversFound;

/* For people, printable ASCII. */
char *leftovers_describe(const LeftoversFound *found);

/* found[i] is of ranges[i].  Called once, from the main loop.  Not `in_time`: the look did not come
 * to its end before its deadline, and this is what was known by then. */
typedef void (*LeftoversDoneFunc)(
        const LeftoversFound *found, size_t n, bool in_time, void *userdata);

/* Note how the files of /etc stand.  Then ask who claims the IDs, then call leftovers_remove() for
 * those of nobody. */
int leftovers_prepare(Leftovers *leftovers);

/* End and remove what is left of the ranges.  None may overlap another, and the holder of each must
 * be proven dead: what is found is ended unasked.
 *
 * All are `account`'s, or it is LEFTOVERS_OF_ALL.  The kernel may keep a child for good, by what
 * somebody did to a folder that it empties, for one.  That keeps a place of its kind, and of its
 * account the only one: who must not wait for whom looks for each account alone once a joint look
 * was not in time.
 *
 * Needs CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_CHROOT (the mount namespace),
 * CAP_DAC_OVERRIDE and CAP_FOWNER. */
int leftovers_remove(
        Leftovers *leftovers, uint32_t account, const LeftoversRange *ranges, size_t n,
        LeftoversDoneFunc done, void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Leftovers, leftovers_free)
