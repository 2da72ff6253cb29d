/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a namespace, as far as the allocator's other files ask for it; the rest of it is in
 * allocator.h: allocator_release(), allocator_reconcile(). */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/allocator/allocator.h"

/* Release the record if its namespace is proven dead; whether it was. */
bool allocator_release_if_dead(Allocator *allocator, uint32_t record);

/* Control groups of ranges that have ended are removed, in turns; stopped, they stay. */
void allocator_start_removing(Allocator *allocator);
void allocator_stop_removing(Allocator *allocator);
