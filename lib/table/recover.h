/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a writer that was killed left in a table: first believed or not, without a change, then put
 * right.  Itself it can be killed at any store, and the next one goes on from there. */

#include "lib/table/image.h"
#include "lib/table/types.h"

/* Why these records are none that a writer of ours left, static text; NULL if they are. */
const char *table_recover_distrust(const TableImage *image);

/* Roll back what is `reserved`, finish what was being freed, let parts follow their holders, put
 * the name index right.  Fills n_rolled_back and n_adopted. */
void table_recover(TableImage *image, TableOpenReport *report);
