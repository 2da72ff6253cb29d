/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a namespace has its maker's own IDs only, however its maps were cut into lines. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/userns/userns.h"

/* Protocol, RegisterUserNamespace: the same IDs as UIDs and GIDs, beginning with the peer's own;
 * with more than one, the first must be root inside.  (A peer whose UID is not its GID cannot pass:
 * a rule of the reference that clients know.) */
bool maps_are_own(const UsernsMaps *maps, uint32_t peer_uid, uint32_t peer_gid);
