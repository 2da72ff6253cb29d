/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The administrator's word that no file of the IDs lent without enforcement is left: what is
 * proven unused otherwise is free again.  Joins table, marks and liveness; knows nothing of
 * requests. */

#include <stdint.h>

#include "daemon/state/unenforced.h"
#include "daemon/userns/userns.h"
#include "lib/table/write.h"

typedef struct Policy Policy;

typedef struct UnenforcedCleared {
        uint32_t n_cleared; /* slots whose mark is gone */
        uint32_t n_kept;    /* slots that stay marked: lent now, in use, or their namespace is not
                             * proven dead */
} UnenforcedCleared;

/* Free each quarantined record that was lent without enforcement, whose namespace is proven dead
 * (or was never known to this table) and whose IDs no process uses, then clear the marks of all
 * slots that nothing holds any more. */
int unenforced_clear_unused(
        Unenforced *unenforced, TableWriter *table, Policy *policy, UsernsProbe *probe,
        UnenforcedCleared *ret_cleared);
