/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the allocator's files share. */

#include "daemon/allocator.h"

struct Allocator {
        AllocatorConfig config;
        GPtrArray *jobs; /* under way: Job, owned */
};

/* Release the record if its namespace is proven dead; whether it was. */
bool allocator_release_if_dead(Allocator *allocator, uint32_t record);
