/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the host still has of IDs whose holder is dead: processes, System V and POSIX IPC objects,
 * /run/user/UID, linger files.  All of it is ended or removed by a child with a deadline, for many
 * ranges in one pass over /proc, because a pass costs the same for one range and for a thousand.
 * Files need no removal: the policy keeps them from being made.  Knows nothing of the table,
 * namespaces or the policy. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "lib/table/table-format.h"

typedef struct Leftovers Leftovers;

/* Outcomes. */
enum {
        LEFTOVERS_E_BUSY = 1, /* LIMIT_LEFTOVERS_CHILDREN are under way, or hang */
};

/* Where to look.  IPC objects are those of this process's IPC namespace. */
typedef struct LeftoversConfig {
        /* The mount namespace that the folders are in, e.g. /proc/1/ns/mnt: a service has one of
         * its own, from which the host's mounts cannot be undone.  NULL: this process's. */
        const char *mount_namespace;
        const char *proc_folder;     /* /proc, of this process's PID namespace */
        const char *run_user_folder; /* /run/user; may be missing, as the next */
        const char *linger_folder;   /* /var/lib/systemd/linger */
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

/* clean[i]: a pass that began after the call found nothing of ranges[i], or removed it all.  What
 * is not clean is busy, or could not be looked at.  Called once, from the main loop. */
typedef void (*LeftoversDoneFunc)(const bool *clean, size_t n, void *userdata);

/* Kill every process that has one of the IDs as real, effective, saved or file system UID or GID or
 * as a supplementary group, in any thread, and remove what else is left of them.  No range may
 * overlap another, and the holder of each must be proven dead: what is found is ended unasked.
 *
 * Needs CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_CHROOT (the mount namespace),
 * CAP_DAC_OVERRIDE and CAP_FOWNER. */
int leftovers_remove(
        Leftovers *leftovers, const LeftoversRange *ranges, size_t n, LeftoversDoneFunc done,
        void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Leftovers, leftovers_free)
