/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whom a peer of the daemon's is charged to.  Knows nothing of limits and of what is counted. */

#include <stdint.h>

#include "daemon/userns/userns.h"
#include "lib/varlink/types.h"

typedef struct HostIds HostIds;
typedef struct TableWriter TableWriter;

/* All borrowed. */
typedef struct AccountSources {
        const TableWriter *table; /* NULL: nothing is lent now */
        const HostIds *host_ids;
        const UsernsIdentity *own_userns; /* userns_self() */
} AccountSources;

/* A peer whose UID lies in one of our slots counts as whoever that slot is charged to; else
 * /etc/subuid decides.  The UIDs of a container whose range is in neither count as its first one,
 * or it would have 65,536 accounts. */
uint32_t account_of_peer(const AccountSources *sources, const VarlinkPeer *peer);
