/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the user database provider's socket says of itself: extended attributes that tell clients
 * (systemd 262, Linux with attributes on sockets) which IDs it is worth asking it for.  They are
 * set by whoever is root and knows: the provider at its start, before it gives root up, and the
 * daemon whenever it begins with a table, for that may be one of another pool, and the provider
 * could not change them then.  libc only. */

#include <stdbool.h>
#include <stdint.h>

/* The provider's, also for the daemon. */
#define TABLE_SOCKET_PATH "/run/systemd/userdb/io.systemd.NamespaceResource"

/* UIDs and GIDs of a pool.  Links are not followed.  Returns whether the socket took both: false
 * where there is none, or the kernel has no attributes on sockets. */
bool table_socket_tag(const char *path, uint32_t pool_start, uint32_t n_slots);
