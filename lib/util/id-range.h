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

/* Numbers by their first and how many they are. */
typedef struct IdInterval {
        uint32_t start, size;
} IdInterval;

/* The first of the `n` intervals that has any of the `n_ids` IDs from `start` on, or SIZE_MAX. They
 * are sorted by their start and none overlaps another; each is the beginning of a struct of
 * `struct_size` bytes.  Allocates nothing: for children too. */
size_t id_intervals_meet(
        const void *intervals, size_t n, size_t struct_size, uint32_t start, uint32_t n_ids);

/* The same for one ID: which interval it is in. */
static inline size_t id_intervals_find(
        const void *intervals, size_t n, size_t struct_size, uint32_t id) {
        return id_intervals_meet(intervals, n, struct_size, id, 1);
}

/* The places of `n` intervals, which are in any order, in that of their starts.  g_free() it. */
uint32_t *id_intervals_order(const void *intervals, size_t n, size_t struct_size);
