/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/id-range.h"

#include <string.h>

#include <glib.h>

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

static IdInterval interval_at(const void *intervals, size_t struct_size, size_t i) {
        IdInterval interval;

        memcpy(&interval, (const char *) intervals + i * struct_size, sizeof(interval));
        return interval;
}

size_t id_intervals_meet(
        const void *intervals, size_t n, size_t struct_size, uint32_t start, uint32_t n_ids) {
        size_t low = 0, high = n;

        /* The first that does not end before `start`: those before it have none of the IDs. */
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                IdInterval interval = interval_at(intervals, struct_size, middle);

                if ((uint64_t) interval.start + interval.size <= start)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == n || interval_at(intervals, struct_size, low).start >= (uint64_t) start + n_ids)
                return SIZE_MAX;
        return low;
}

typedef struct Intervals {
        const void *intervals;
        size_t struct_size;
} Intervals;

static gint compare_places(gconstpointer a, gconstpointer b, gpointer userdata) {
        const Intervals *of = userdata;
        uint32_t x = interval_at(of->intervals, of->struct_size, *(const uint32_t *) a).start;
        uint32_t y = interval_at(of->intervals, of->struct_size, *(const uint32_t *) b).start;

        return (x > y) - (x < y);
}

uint32_t *id_intervals_order(const void *intervals, size_t n, size_t struct_size) {
        Intervals of = { intervals, struct_size };
        uint32_t *places = g_new(uint32_t, n);

        for (size_t i = 0; i < n; i++)
                places[i] = (uint32_t) i;
        g_qsort_with_data(places, (gint) n, sizeof(uint32_t), compare_places, &of);
        return places;
}
