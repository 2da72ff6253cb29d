/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers of users and groups from one to another, both included. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct IdRange {
        uint32_t first, last;
} IdRange;

/* Parse the `n` bytes at `text`: FIRST-LAST or one number, decimal or with 0x.  Returns whether
 * that is what they are. */
bool id_range_parse(const char *text, size_t n, IdRange *ret_range);

/* Whether any of the `n_ids` numbers from `start` on is one of the range's. */
static inline bool id_range_meets(const IdRange *range, uint32_t start, uint32_t n_ids) {
        return range->first < (uint64_t) start + n_ids && range->last >= start && n_ids > 0;
}
