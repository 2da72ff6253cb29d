/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/walks.h"

#include <glib.h>

#include "daemon/allocator/record.h"
#include "daemon/cgroup/look.h"

/* Ends come in crowds; the first waits for the others. */
#define LOOK_DELAY_USEC 20000
/* Looks take at most a part of one processor's time. */
#define LOOK_PAUSE_FACTOR 4
/* Where none can be made. */
#define LOOK_RETRY_USEC G_USEC_PER_SEC

struct AllocatorLooks {
        const AllocatorConfig *config;
        ReleasingSet *releasing;
        Sweeps *sweeps;
        AllocatorLookedFunc looked_clean;
        void *userdata;
        GHashTable *waiting; /* records; for the next look */
        GArray *looked_at;   /* the record of each range of the one under way */
        CgroupLook *look;
        gint64 began, not_before; /* microseconds */
        guint source;
        uint32_t clean; /* the record that is being given back */
};

static void schedule_look(AllocatorLooks *looks);

AllocatorLooks *allocator_looks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, Sweeps *sweeps,
        AllocatorLookedFunc clean, void *userdata) {
        AllocatorLooks *looks = g_new(AllocatorLooks, 1);

        *looks = (AllocatorLooks){
                .config = config,
                .releasing = releasing,
                .sweeps = sweeps,
                .looked_clean = clean,
                .userdata = userdata,
                .waiting = g_hash_table_new(NULL, NULL),
                .looked_at = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                .clean = TABLE_NONE,
        };
        return looks;
}

void allocator_looks_free(AllocatorLooks *looks) {
        if (looks->source != 0)
                g_source_remove(looks->source);
        cgroup_look_free(looks->look);
        g_hash_table_unref(looks->waiting);
        g_array_unref(looks->looked_at);
        g_free(looks);
}

static void on_looked(const bool *clean, size_t n, void *userdata) {
        AllocatorLooks *looks = userdata;
        gint64 now = g_get_monotonic_time();

        looks->look = NULL;
        looks->not_before = now + LOOK_PAUSE_FACTOR * (now - looks->began);
        g_assert(looks->looked_at->len == n);
        for (guint i = 0; i < n;) {
                uint32_t record = g_array_index(looks->looked_at, uint32_t, i);
                bool all_clean = true;

                for (; i < n && g_array_index(looks->looked_at, uint32_t, i) == record; i++)
                        all_clean = all_clean && clean[i];
                if (all_clean) {
                        looks->clean = record;
                        looks->looked_clean(record, looks->userdata);
                        looks->clean = TABLE_NONE;
                } else
                        releasing_set_try_again(looks->releasing, record);
        }
        g_array_set_size(looks->looked_at, 0);
        sweeps_schedule_next(looks->sweeps);
        schedule_look(looks);
}

/* Nobody could be made to look, which is nothing that a range's account has done.  All that was
 * found out before holds: only the look is tried again. */
static void look_later(AllocatorLooks *looks) {
        for (guint i = 0; i < looks->looked_at->len; i++)
                (void) g_hash_table_add(
                        looks->waiting,
                        GUINT_TO_POINTER(g_array_index(looks->looked_at, uint32_t, i)));
        g_array_set_size(looks->looked_at, 0);
        looks->not_before = MAX(looks->not_before, g_get_monotonic_time() + LOOK_RETRY_USEC);
        schedule_look(looks);
}

static gboolean begin_look(gpointer userdata) {
        AllocatorLooks *looks = userdata;
        g_autoptr(GArray) owners = g_array_new(FALSE, FALSE, sizeof(CgroupRange));
        GHashTableIter i;
        gpointer record;

        looks->source = 0;
        g_hash_table_iter_init(&i, looks->waiting);
        while (g_hash_table_iter_next(&i, &record, NULL)) {
                uint32_t number = GPOINTER_TO_UINT(record);

                g_autoptr(GArray) own = allocator_list_owners(looks->config, number);

                g_array_append_vals(owners, own->data, own->len);
                while (looks->looked_at->len < owners->len)
                        g_array_append_val(looks->looked_at, number);
        }
        g_hash_table_remove_all(looks->waiting);
        looks->began = g_get_monotonic_time();
        if (cgroup_look(
                    looks->config->cgroups, (const CgroupRange *) (void *) owners->data,
                    owners->len, on_looked, looks, &looks->look) != 0)
                look_later(looks);
        return G_SOURCE_REMOVE;
}

static void schedule_look(AllocatorLooks *looks) {
        gint64 now = g_get_monotonic_time(), delay = MAX(looks->not_before - now, LOOK_DELAY_USEC);

        if (looks->look || looks->source != 0 || g_hash_table_size(looks->waiting) == 0)
                return;
        looks->source = g_timeout_add((guint) (delay / 1000), begin_look, looks);
}

bool allocator_looks_ask(AllocatorLooks *looks, uint32_t record) {
        if (!looks->config->cgroups || looks->clean == record)
                return true;
        (void) g_hash_table_add(looks->waiting, GUINT_TO_POINTER(record));
        schedule_look(looks);
        return false;
}
