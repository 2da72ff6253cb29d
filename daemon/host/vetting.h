/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a slot may be lent as far as files tell: nobody else claims its IDs.  Who uses them is
 * found by used-ids, and who knows them by vetter.  Knows nothing of the table. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/host/host-ids.h"

/* A claim on the IDs of some slots against `systemd-nspawn -U`, which takes a lock file named after
 * the first UID of what it picks (/run/systemd/nspawn-uid/UID) for as long as its container runs.
 * Held from the choice of a slot until host/slot-locks.h has taken it over, or the slot is not
 * lent. */
typedef struct VettingClaim VettingClaim;

/* Outcomes. */
enum {
        VETTING_E_TAKEN = 1, /* claimed by /etc or locked by nspawn */
};

/* Vet the IDs start ... start + n_ids - 1 and, for whole slots, take
 * nspawn's lock file of each, without blocking. `lock_folder` is
 * /run/systemd/nspawn-uid but for tests; it is made if missing. */
int vetting_claim(
        const HostIds *ids, const char *lock_folder, uint32_t start, uint32_t n_ids,
        VettingClaim **ret_claim);
void vetting_claim_free(VettingClaim *claim);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VettingClaim, vetting_claim_free)
