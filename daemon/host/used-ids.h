/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IDs that something of the host's uses at this moment.  Every name that is looked up here is made
 * by the kernel or lies in a folder of root's; of what users can put their own mounts on (folders
 * in /home), only what the kernel remembers is asked. */

#include <stdint.h>

/* The `n_ids` IDs from `start` on are in use.  Maybe more than once for an ID. */
typedef void (*UsedIdFunc)(uint32_t start, uint32_t n_ids, void *userdata);

/* Real, effective, saved and file system UIDs and GIDs and supplementary groups of processes
 * (/proc/PID/status; of those in another user namespace what it maps, see proc-userns.h),
 * /run/user/UID, /var/lib/systemd/linger files whose name is a number, control
 * groups user.slice/user-UID.slice of the host.  A pass over /proc: not for a client's call.
 * Negative errno: not all could be looked at. */
int used_ids_find(UsedIdFunc func, void *userdata);

/* The same, of the slots of a pool. */
int used_ids_find_slots(
        uint32_t pool_start, uint32_t n_slots, void (*mark)(uint32_t slot, void *userdata),
        void *userdata);

/* Owners and groups of the entries of /home.  That can be a network's: only where one may hang. */
int used_ids_find_homes(UsedIdFunc func, void *userdata);
