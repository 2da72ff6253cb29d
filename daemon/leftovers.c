/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/leftovers-internal.h"
#include "daemon/limits.h"
#include "lib/util/child.h"

/* A child under way, or one that hangs. */
typedef struct Sweep {
        Leftovers *leftovers;
        Child *child;
        guint deadline;
        LeftoversRange *ranges; /* sorted */
        uint32_t *places;       /* ranges[i] was given as number places[i] */
        size_t n;
        bool *clean; /* by sorted range; shared with the child */
        LeftoversDoneFunc done;
        void *userdata;
} Sweep;

struct Leftovers {
        LeftoversConfig config;
        char *strings[4];
        GPtrArray *sweeps; /* owned */
};

static void sweep_free(Sweep *sweep) {
        if (sweep->child)
                child_forget(sweep->child);
        if (sweep->deadline != 0)
                g_source_remove(sweep->deadline);
        if (sweep->clean)
                (void) munmap(sweep->clean, sweep->n * sizeof(*sweep->clean));
        g_free(sweep->ranges);
        g_free(sweep->places);
        g_free(sweep);
}

int leftovers_new(const LeftoversConfig *config, Leftovers **ret_leftovers) {
        Leftovers *leftovers = g_new(Leftovers, 1);

        *leftovers = (Leftovers){
                .strings = { g_strdup(config->mount_namespace), g_strdup(config->proc_folder),
                             g_strdup(config->run_user_folder), g_strdup(config->linger_folder) },
                .sweeps = g_ptr_array_new_with_free_func((GDestroyNotify) sweep_free),
        };
        leftovers->config = (LeftoversConfig){
                .mount_namespace = leftovers->strings[0],
                .proc_folder = leftovers->strings[1],
                .run_user_folder = leftovers->strings[2],
                .linger_folder = leftovers->strings[3],
        };
        *ret_leftovers = leftovers;
        return 0;
}

void leftovers_free(Leftovers *leftovers) {
        if (!leftovers)
                return;
        g_ptr_array_unref(leftovers->sweeps);
        for (size_t i = 0; i < G_N_ELEMENTS(leftovers->strings); i++)
                g_free(leftovers->strings[i]);
        g_free(leftovers);
}

/* Once: at the end of the child, or at the deadline with what is known by then. */
static void sweep_report(Sweep *sweep) {
        g_autofree bool *clean = g_new0(bool, sweep->n);
        LeftoversDoneFunc done = g_steal_pointer(&sweep->done);

        if (!done)
                return;
        for (size_t i = 0; i < sweep->n; i++)
                clean[sweep->places[i]] = sweep->clean[i];
        done(clean, sweep->n, sweep->userdata);
}

static guint sweep_index(const Sweep *sweep) {
        guint i;

        bool found = g_ptr_array_find(sweep->leftovers->sweeps, sweep, &i);

        g_assert(found);
        return i;
}

static void on_exited(Child *child, void *userdata) {
        Sweep *sweep = userdata;

        sweep->child = NULL;
        /* Out of the list first: whoever is told may start the next one. */
        (void) g_ptr_array_steal_index_fast(sweep->leftovers->sweeps, sweep_index(sweep));
        sweep_report(sweep);
        sweep_free(sweep);
}

/* The kernel may keep a child in a call of its own for longer than any signal. */
static gboolean on_deadline(gpointer userdata) {
        Sweep *sweep = userdata;

        sweep->deadline = 0;
        child_kill(sweep->child);
        sweep_report(sweep);
        return G_SOURCE_REMOVE;
}

static gint compare_places(gconstpointer a, gconstpointer b, gpointer userdata) {
        const LeftoversRange *ranges = userdata;
        uint32_t x = ranges[*(const uint32_t *) a].start, y = ranges[*(const uint32_t *) b].start;

        return (x > y) - (x < y);
}

static Sweep *sweep_new(Leftovers *leftovers, const LeftoversRange *ranges, size_t n) {
        Sweep *sweep = g_new(Sweep, 1);

        *sweep = (Sweep){
                .leftovers = leftovers,
                .ranges = g_new(LeftoversRange, n),
                .places = g_new(uint32_t, n),
                .n = n,
        };
        for (size_t i = 0; i < n; i++)
                sweep->places[i] = (uint32_t) i;
        g_qsort_with_data(
                sweep->places, (gint) n, sizeof(uint32_t), compare_places, (gpointer) ranges);
        for (size_t i = 0; i < n; i++)
                sweep->ranges[i] = ranges[sweep->places[i]];
        return sweep;
}

int leftovers_remove(
        Leftovers *leftovers, const LeftoversRange *ranges, size_t n, LeftoversDoneFunc done,
        void *userdata) {
        g_autofree bool *found = NULL;
        g_autofree char *status = NULL;
        LeftoversTask task;
        Sweep *sweep;
        void *clean;
        int r;

        g_assert(n > 0);
        if (leftovers->sweeps->len >= LIMIT_LEFTOVERS_CHILDREN)
                return LEFTOVERS_E_BUSY;
        clean = mmap(
                NULL, n * sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (clean == MAP_FAILED)
                return -errno;
        sweep = sweep_new(leftovers, ranges, n);
        sweep->clean = clean;

        /* The child works on its own copy of these. */
        found = g_new0(bool, n);
        status = g_malloc(LEFTOVERS_STATUS_SIZE);
        task = (LeftoversTask){
                .parent = getpid(),
                .config = leftovers->config,
                .ranges = sweep->ranges,
                .n = n,
                .status = status,
                .found = found,
                .clean = sweep->clean,
        };
        r = child_new(NULL, 0, leftovers_child, &task, on_exited, sweep, &sweep->child);
        if (r < 0) {
                sweep_free(sweep);
                return r;
        }
        sweep->done = done;
        sweep->userdata = userdata;
        sweep->deadline = g_timeout_add(LIMIT_LEFTOVERS_MSEC, on_deadline, sweep);
        g_ptr_array_add(leftovers->sweeps, sweep);
        return 0;
}
