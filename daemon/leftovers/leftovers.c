/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/leftovers/child.h"
#include "daemon/leftovers/claims.h"
#include "daemon/leftovers/task.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"

#define STRINGS_N 6

G_STATIC_ASSERT(LIMIT_LEFTOVERS_JOINT + LIMIT_LEFTOVERS_ALONE == LIMIT_LEFTOVERS_CHILDREN);

/* A child under way, or one that hangs. */
typedef struct Sweep {
        Leftovers *leftovers;
        uint32_t account;
        Child *child;
        guint deadline;
        LeftoversRange *ranges; /* sorted */
        uint32_t *places;       /* ranges[i] was given as number places[i] */
        size_t n;
        LeftoversFound *result; /* by sorted range; shared with the child */
        LeftoversDoneFunc done;
        void *userdata;
} Sweep;

struct Leftovers {
        LeftoversConfig config;
        char *strings[STRINGS_N];
        struct stat files[LEFTOVERS_FILES_N]; /* see leftovers_prepare() */
        GPtrArray *sweeps;                    /* owned */
};

static void sweep_free(Sweep *sweep) {
        if (sweep->child)
                child_forget(sweep->child);
        if (sweep->deadline != 0)
                g_source_remove(sweep->deadline);
        if (sweep->result)
                (void) munmap(sweep->result, sweep->n * sizeof(*sweep->result));
        g_free(sweep->ranges);
        g_free(sweep->places);
        g_free(sweep);
}

int leftovers_new(const LeftoversConfig *config, Leftovers **ret_leftovers) {
        Leftovers *leftovers = g_new(Leftovers, 1);

        *leftovers = (Leftovers){
                .config = *config,
                .sweeps = g_ptr_array_new_with_free_func((GDestroyNotify) sweep_free),
        };
        const char **strings[STRINGS_N] = {
                &leftovers->config.mount_namespace, &leftovers->config.proc_folder,
                &leftovers->config.run_user_folder, &leftovers->config.linger_folder,
                &leftovers->config.etc_folder,      &leftovers->config.logind_folder,
        };

        for (size_t i = 0; i < STRINGS_N; i++)
                *strings[i] = leftovers->strings[i] = g_strdup(*strings[i]);
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
static void sweep_report(Sweep *sweep, bool in_time) {
        g_autofree LeftoversFound *found = g_new0(LeftoversFound, sweep->n);
        LeftoversDoneFunc done = g_steal_pointer(&sweep->done);

        if (!done)
                return;
        for (size_t i = 0; i < sweep->n; i++)
                found[sweep->places[i]] = sweep->result[i];
        done(found, sweep->n, in_time, sweep->userdata);
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
        sweep_report(sweep, true);
        sweep_free(sweep);
}

/* The kernel may keep a child in a call of its own for longer than any signal. */
static gboolean on_deadline(gpointer userdata) {
        Sweep *sweep = userdata;

        sweep->deadline = 0;
        child_kill(sweep->child);
        sweep_report(sweep, false);
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

int leftovers_prepare(Leftovers *leftovers) {
        auto_fd etc = -1;

        if (!leftovers->config.etc_folder)
                return 0;
        etc = open(leftovers->config.etc_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (etc < 0)
                return -errno;
        leftovers_stat_files(etc, leftovers->files);
        return 0;
}

static int sweep_share_result(Sweep *sweep) {
        void *result;

        result =
                mmap(NULL, sweep->n * sizeof(*sweep->result), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (result == MAP_FAILED)
                return -errno;
        sweep->result = result;
        for (size_t i = 0; i < sweep->n; i++)
                sweep->result[i].what = LEFTOVERS_UNKNOWN;
        return 0;
}

static int sweep_start(Sweep *sweep) {
        /* The child works on its own copy of these. */
        g_autofree LeftoversFound *found = g_new0(LeftoversFound, sweep->n);
        g_autofree char *text = g_malloc(LEFTOVERS_TEXT_SIZE);
        const LeftoversTask task = {
                .parent = getpid(),
                .config = sweep->leftovers->config,
                .ranges = sweep->ranges,
                .n = sweep->n,
                .files = sweep->leftovers->files,
                .text = text,
                .found = found,
                .result = sweep->result,
        };

        return child_new(NULL, 0, leftovers_child, &task, on_exited, sweep, &sweep->child);
}

/* 0, or who has to wait. */
static int leftovers_find_place(const Leftovers *leftovers, uint32_t account) {
        bool is_joint = account == LEFTOVERS_OF_ALL;
        unsigned n = 0, max = is_joint ? LIMIT_LEFTOVERS_JOINT : LIMIT_LEFTOVERS_ALONE;

        for (guint i = 0; i < leftovers->sweeps->len; i++) {
                const Sweep *other = leftovers->sweeps->pdata[i];

                if (!is_joint && other->account == account)
                        return LEFTOVERS_E_HANGS;
                n += (other->account == LEFTOVERS_OF_ALL) == is_joint;
        }
        return n >= max ? LEFTOVERS_E_BUSY : 0;
}

int leftovers_remove(
        Leftovers *leftovers, uint32_t account, const LeftoversRange *ranges, size_t n,
        LeftoversDoneFunc done, void *userdata) {
        Sweep *sweep;
        int r;

        g_assert(n > 0);
        r = leftovers_find_place(leftovers, account);
        if (r != 0)
                return r;
        sweep = sweep_new(leftovers, ranges, n);
        sweep->account = account;
        r = sweep_share_result(sweep);
        if (r == 0)
                r = sweep_start(sweep);
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

char *leftovers_describe(const LeftoversFound *found) {
        switch (found->what) {
        case LEFTOVERS_NOTHING:
                return g_strdup("nothing");
        case LEFTOVERS_LINGER:
                return g_strdup_printf("the linger file of UID %u", found->id);
        case LEFTOVERS_RUN_USER:
                return g_strdup_printf("the runtime folder of UID %u", found->id);
        case LEFTOVERS_IPC:
                return g_strdup_printf("an IPC object of ID %u", found->id);
        case LEFTOVERS_ENDING:
                return g_strdup_printf(
                        "process %u with ID %u, which does not end", found->number, found->id);
        case LEFTOVERS_PROCESS_OF_OTHERS:
                return g_strdup_printf(
                        "process %u has ID %u, and is not only of the range", found->number,
                        found->id);
        case LEFTOVERS_USER_OF_OTHERS:
                return g_strdup_printf("logind has UID %u under another name", found->id);
        case LEFTOVERS_UNKNOWN:
                break;
        }
        return g_strdup("it could not be looked at");
}
