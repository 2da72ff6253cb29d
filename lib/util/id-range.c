/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/id-range.h"

#include <string.h>

#include "lib/util/parse.h"

#define NUMBER_SIZE_MAX 16u

static bool parse_number(const char *text, size_t n, uint32_t *ret_value) {
        char number[NUMBER_SIZE_MAX];

        if (n >= sizeof(number) || memchr(text, '\0', n))
                return false;
        memcpy(number, text, n);
        number[n] = '\0';
        return parse_u32_any_base(number, ret_value);
}

bool id_range_parse(const char *text, size_t n, IdRange *ret_range) {
        const char *dash = memchr(text, '-', n);
        size_t n_first = dash ? (size_t) (dash - text) : n;
        IdRange range;

        if (!parse_number(text, n_first, &range.first))
                return false;
        range.last = range.first;
        if (dash && !parse_number(dash + 1, n - n_first - 1, &range.last))
                return false;
        if (range.first > range.last)
                return false;
        *ret_range = range;
        return true;
}

size_t id_intervals_find(const void *intervals, size_t n, size_t struct_size, uint32_t id) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                IdInterval interval;

                memcpy(&interval, (const char *) intervals + middle * struct_size,
                       sizeof(interval));
                if (id < interval.start)
                        high = middle;
                else if (id - interval.start >= interval.size)
                        low = middle + 1;
                else
                        return middle;
        }
        return SIZE_MAX;
}
