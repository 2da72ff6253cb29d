/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When looks for leftovers (leftovers/leftovers.h) are made, for which releasing records, and what
 * becomes of these.  Only a look that begins after the end of the namespace is proven counts for a
 * record, and a range that somebody else claims by then is not touched. */

#include <stdint.h>

#include <glib.h>

#include "daemon/allocator/allocator.h"
#include "daemon/allocator/releasing.h"

typedef struct Looks Looks;

/* Called when a look has found nothing of the record's range, or has removed it all. */
typedef void (*LooksCleanFunc)(uint32_t record, void *userdata);

/* `config` and `releasing` are borrowed; leftovers_free() comes before looks_free(). */
Looks *looks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, LooksCleanFunc clean,
        void *userdata);
void looks_free(Looks *looks);

/* Have the next look begin at that time or before; or when the next record is due. */
void looks_schedule(Looks *looks, gint64 due_usec);
void looks_schedule_next(Looks *looks);
