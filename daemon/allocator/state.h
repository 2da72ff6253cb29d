/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an allocator is made of, for the allocator's own files: each has the functions that change
 * its part. */

#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "lib/util/turns.h"

typedef struct NameWaits NameWaits;
typedef struct Reclaim Reclaim;

struct Allocator {
        AllocatorConfig config;
        GPtrArray *jobs; /* under way: Job, owned */
        uint64_t n_jobs; /* that have ever been */
        NameWaits *name_waits;
        Turns *vetting_waits; /* requests that wait for a slot to be vetted */
        GHashTable *removals; /* record -> what is being removed of it, owned */
        Reclaim *reclaim;     /* what is proven dead and not free yet */
        uint32_t quarantine_cursor;
};
