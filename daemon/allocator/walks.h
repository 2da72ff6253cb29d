/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Directories of control groups that lent IDs made where they were not given any: looked for when
 * nothing else is left of a range, for no process of it makes another then.  One look serves all
 * ranges that wait. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/allocator/allocator.h"
#include "daemon/allocator/releasing.h"
#include "daemon/allocator/sweep.h"

typedef struct AllocatorLooks AllocatorLooks;

/* No such directory is left of the record's range: what is done next.  In here
 * allocator_looks_ask() is true. */
typedef void (*AllocatorLookedFunc)(uint32_t record, void *userdata);

/* All borrowed; what is not clean is tried again by another of the `sweeps`. */
AllocatorLooks *allocator_looks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, Sweeps *sweeps,
        AllocatorLookedFunc clean, void *userdata);
void allocator_looks_free(AllocatorLooks *looks);

/* Whether a look just found that the IDs of what leaves own no such directory.  Else one is under
 * way, or will be. */
bool allocator_looks_ask(AllocatorLooks *looks, uint32_t record);
