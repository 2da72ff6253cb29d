/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/walks.h"

#include <glib.h>

#include "daemon/allocator/record.h"
#include "daemon/cgroup/walk.h"

/* Ends come in crowds; the first waits for the others. */
#define WALK_DELAY_USEC 20000
/* Walks take at most a part of one processor's time. */
#define WALK_PAUSE_FACTOR 4
/* When no child could be made to walk. */
#define WALK_RETRY_USEC G_USEC_PER_SEC

struct Walks {
        const AllocatorConfig *config;
        ReleasingSet *releasing;
        Looks *looks;
        WalksCleanFunc on_clean;
        void *userdata;
        GHashTable *waiting; /* records; for the next walk */
        GArray *walked_for;  /* the record of each range of the one under way */
        CgroupWalk *walk;
        gint64 began, not_before; /* microseconds */
        guint source;
        uint32_t clean; /* the record that `on_clean` is called for, or TABLE_NONE */
};

static void schedule_walk(Walks *walks);

Walks *walks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, Looks *looks, WalksCleanFunc clean,
        void *userdata) {
        Walks *walks = g_new(Walks, 1);

        *walks = (Walks){
                .config = config,
                .releasing = releasing,
                .looks = looks,
                .on_clean = clean,
                .userdata = userdata,
                .waiting = g_hash_table_new(NULL, NULL),
                .walked_for = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                .clean = TABLE_NONE,
        };
        return walks;
}

void walks_free(Walks *walks) {
        if (walks->source != 0)
                g_source_remove(walks->source);
        cgroup_walk_free(walks->walk);
        g_hash_table_unref(walks->waiting);
        g_array_unref(walks->walked_for);
        g_free(walks);
}

static void on_walked(const bool *clean, size_t n, void *userdata) {
        Walks *walks = userdata;
        gint64 now = g_get_monotonic_time();

        walks->walk = NULL;
        walks->not_before = now + WALK_PAUSE_FACTOR * (now - walks->began);
        g_assert(walks->walked_for->len == n);
        for (guint i = 0; i < n;) {
                uint32_t record = g_array_index(walks->walked_for, uint32_t, i);
                bool all_clean = true;

                for (; i < n && g_array_index(walks->walked_for, uint32_t, i) == record; i++)
                        all_clean = all_clean && clean[i];
                if (all_clean) {
                        walks->clean = record;
                        walks->on_clean(record, walks->userdata);
                        walks->clean = TABLE_NONE;
                } else
                        releasing_set_try_again(walks->releasing, record);
        }
        g_array_set_size(walks->walked_for, 0);
        looks_schedule_next(walks->looks);
        schedule_walk(walks);
}

/* No child could be made to walk, which is nothing that a range's account has done.  All that was
 * found out before holds: only the walk is tried again. */
static void walk_later(Walks *walks) {
        for (guint i = 0; i < walks->walked_for->len; i++)
                (void) g_hash_table_add(
                        walks->waiting,
                        GUINT_TO_POINTER(g_array_index(walks->walked_for, uint32_t, i)));
        g_array_set_size(walks->walked_for, 0);
        walks->not_before = MAX(walks->not_before, g_get_monotonic_time() + WALK_RETRY_USEC);
        schedule_walk(walks);
}

static gboolean begin_walk(gpointer userdata) {
        Walks *walks = userdata;
        g_autoptr(GArray) owners = g_array_new(FALSE, FALSE, sizeof(CgroupRange));
        GHashTableIter i;
        gpointer record;

        walks->source = 0;
        g_hash_table_iter_init(&i, walks->waiting);
        while (g_hash_table_iter_next(&i, &record, NULL)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                g_autoptr(GArray) own = allocator_list_owners(walks->config, number);

                g_array_append_vals(owners, own->data, own->len);
                while (walks->walked_for->len < owners->len)
                        g_array_append_val(walks->walked_for, number);
        }
        g_hash_table_remove_all(walks->waiting);
        walks->began = g_get_monotonic_time();
        if (cgroup_walk(
                    walks->config->cgroups, (const CgroupRange *) (void *) owners->data,
                    owners->len, on_walked, walks, &walks->walk) != 0)
                walk_later(walks);
        return G_SOURCE_REMOVE;
}

static void schedule_walk(Walks *walks) {
        gint64 now = g_get_monotonic_time(), delay = MAX(walks->not_before - now, WALK_DELAY_USEC);

        if (walks->walk || walks->source != 0 || g_hash_table_size(walks->waiting) == 0)
                return;
        walks->source = g_timeout_add((guint) (delay / 1000), begin_walk, walks);
}

bool walks_ask(Walks *walks, uint32_t record) {
        if (!walks->config->cgroups || walks->clean == record)
                return true;
        (void) g_hash_table_add(walks->waiting, GUINT_TO_POINTER(record));
        schedule_walk(walks);
        return false;
}
