/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon put together: every part is made here, in order, and meets the others only here. */

#include <stdbool.h>

#include <glib.h>

#include "daemon/leftovers/leftovers.h"
#include "daemon/state/settings.h"

typedef struct Manager Manager;

/* Where things are; the defaults of the command line but for tests. */
typedef struct ManagerPaths {
        const char *config_file;    /* /etc/nsresource/nsresourced.conf */
        const char *socket;         /* /run/systemd/io.systemd.NamespaceResource */
        const char *runtime_folder; /* /run/nsresource: the table, details */
        const char *state_folder;   /* /var/lib/nsresource: unenforced */
        const char *etc;            /* /etc: passwd, group, subuid, subgid */
        const char *nspawn_folder;  /* /run/systemd/nspawn-uid */
        const char *pin_folder;     /* /sys/fs/bpf/nsresource */
        const char *ask_program;    /* nsresource-ask */
        const char *userdb_socket;  /* /run/systemd/userdb/io.systemd.NamespaceResource */
        const char *nscd_socket;    /* /run/nscd/socket */
        LeftoversConfig leftovers;
} ManagerPaths;

/* Make everything and start to listen: on `take_listen_fd` (socket activation) or, at -1, on
 * paths->socket.  `take_slot_locks_fd`: what manager_slot_locks_fd() gave an earlier process, or
 * -1. Errors have been logged. */
int manager_new(
        const ManagerPaths *paths, int take_listen_fd, int take_slot_locks_fd,
        Manager **ret_manager);

/* Stop at once: what is under way is given up, and its callers told so (ECANCELED). */
void manager_free(Manager *manager);

/* Read the configuration again: quotas change at once; what cannot change while running is refused
 * with a line in the log that says so.  Also looks again whether a table that was set aside has
 * been seen to. */
int manager_reload(Manager *manager);

/* A descriptor that somebody should keep while this process is away, lent; *ret_is_new: it is not
 * the one that was given to manager_new(). */
int manager_slot_locks_fd(const Manager *manager, bool *ret_is_new);

/* One line for the service manager's status. */
char *manager_status_line(const Manager *manager);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manager, manager_free)
