/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The pin folder: what to trust in it, how it is replaced.  Private to daemon/policy. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/policy/load.h"
#include "daemon/policy/policy.h"

typedef struct PolicyPins PolicyPins;

/* Look at the pin folder; make it if there is none.  -EPERM, -ENOTDIR, -EMEDIUMTYPE: it cannot be
 * trusted or is not on a bpf file system. */
int policy_pins_open(const PolicyConfig *config, uint32_t n_records, PolicyPins **ret_pins);
void policy_pins_free(PolicyPins *pins);
/* Descriptors of the maps an earlier daemon pinned, all or none (-1); borrowed. */
const int *policy_pins_maps(const PolicyPins *pins);
/* Ranges of another pool are protected by what is pinned. */
bool policy_pins_hold_other_pool(const PolicyPins *pins);
/* Whether there is anything that policy_pins_commit() would take away. */
bool policy_pins_have_old(const PolicyPins *pins);
/* Pin all but the last map beside what is there; commit adds that, which makes the set valid, and
 * takes the old away. */
int policy_pins_write(PolicyPins *pins, const PolicyObject *object);
int policy_pins_commit(PolicyPins *pins, const PolicyObject *object);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolicyPins, policy_pins_free)
