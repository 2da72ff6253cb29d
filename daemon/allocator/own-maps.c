/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/own-maps.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

static int extent_compare_outside(const void *a, const void *b) {
        const UsernsExtent *x = a, *y = b;

        return x->outside < y->outside ? -1 : x->outside > y->outside;
}

static int extent_compare_inside(const void *a, const void *b) {
        const UsernsExtent *x = a, *y = b;

        return x->inside < y->inside ? -1 : x->inside > y->inside;
}

/* Write the set of IDs on one side of a map as sorted, merged ranges, so that two sets can be
 * compared however their maps were cut into lines. */
static GArray *extents_merge(const UsernsExtent *extents, size_t n, bool outside) {
        g_autofree UsernsExtent *sorted = g_memdup2(extents, n * sizeof(UsernsExtent));
        GArray *merged = g_array_new(FALSE, FALSE, sizeof(UsernsExtent));

        qsort(sorted, n, sizeof(UsernsExtent),
              outside ? extent_compare_outside : extent_compare_inside);
        for (size_t i = 0; i < n; i++) {
                UsernsExtent range = { .inside = outside ? sorted[i].outside : sorted[i].inside,
                                       .size = sorted[i].size };
                UsernsExtent *last = merged->len > 0
                                             ? &g_array_index(merged, UsernsExtent, merged->len - 1)
                                             : NULL;

                if (last && last->inside + last->size == range.inside)
                        last->size += range.size;
                else
                        g_array_append_val(merged, range);
        }
        return merged;
}

static bool extents_equal(const UsernsMaps *maps, bool outside) {
        g_autoptr(GArray) uid = extents_merge(maps->uid, maps->n_uid, outside);
        g_autoptr(GArray) gid = extents_merge(maps->gid, maps->n_gid, outside);

        return uid->len == gid->len &&
               memcmp(uid->data, gid->data, uid->len * sizeof(UsernsExtent)) == 0;
}

bool maps_are_own(const UsernsMaps *maps, uint32_t peer_uid, uint32_t peer_gid) {
        uint64_t n_ids = 0;

        if (maps->n_uid == 0 || maps->n_gid == 0)
                return false;
        if (!extents_equal(maps, true) || !extents_equal(maps, false))
                return false;
        if (maps->uid[0].outside != peer_uid || maps->gid[0].outside != peer_gid)
                return false;
        for (size_t i = 0; i < maps->n_uid; i++)
                n_ids += maps->uid[i].size;
        return n_ids == 1 || maps->uid[0].inside == 0;
}
