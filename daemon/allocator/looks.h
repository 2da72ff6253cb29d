/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looks for what the host still has of ranges whose end is proven.  Only one that begins after the
 * proof counts, and whatever of a range is claimed by somebody else by then is not touched. */

#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "daemon/allocator/releasing.h"

typedef struct Sweeps Sweeps;

/* Nothing of the record's range is left that can be seen: what is done next. */
typedef void (*SweepsCleanFunc)(uint32_t record, void *userdata);

/* `config` and `releasing` are borrowed; leftovers_free() comes before sweeps_free(). */
Sweeps *sweeps_new(
        const AllocatorConfig *config, ReleasingSet *releasing, SweepsCleanFunc clean,
        void *userdata);
void sweeps_free(Sweeps *sweeps);

/* Look at what leaves: at that time or before; when the next of it is due. */
void sweeps_schedule(Sweeps *sweeps, gint64 due_usec);
void sweeps_schedule_next(Sweeps *sweeps);
