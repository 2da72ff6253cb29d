/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/sweep.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/limits.h"
#include "daemon/userns/userns.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

#define NUMBERS_PER_TURN 4096u

struct UsernsSweep {
        Child *child; /* NULL: reaped; until then this is not freed */
        int fd;
        GSource *source, *deadline;
        GHashTable *seen;
        bool complete, counted, released;
        UsernsSweptFunc swept;
        void *userdata;
};

/* How many sweeps have not ended; one whose child hangs never does.  They belong to the process, as
 * its children do. */
static unsigned n_sweeps;

static void on_exited(Child *child, void *userdata) {
        UsernsSweep *sweep = userdata;

        n_sweeps -= sweep->counted;
        sweep->counted = false;
        sweep->child = NULL;
        if (sweep->released)
                g_free(sweep);
}

void userns_sweep_free(UsernsSweep *sweep) {
        if (!sweep)
                return;
        source_drop(&sweep->source);
        source_drop(&sweep->deadline);
        sweep->fd = fd_close(sweep->fd);
        g_clear_pointer(&sweep->seen, g_hash_table_unref);
        sweep->released = true;
        if (sweep->child)
                child_kill(sweep->child);
        else
                g_free(sweep);
}

static void sweep_end(UsernsSweep *sweep, bool complete) {
        UsernsSweptFunc swept = sweep->swept;
        void *userdata = sweep->userdata;
        GHashTable *seen = complete ? g_steal_pointer(&sweep->seen) : NULL;

        /* A child that has said all it has to say ends. */
        if (complete) {
                n_sweeps -= sweep->counted;
                sweep->counted = false;
        }
        userns_sweep_free(sweep);
        swept(seen, userdata);
}

/* -EAGAIN: nothing there yet. */
static int read_numbers(UsernsSweep *sweep) {
        uint64_t numbers[NUMBERS_PER_TURN];
        ssize_t n;

        do
                n = read(sweep->fd, numbers, sizeof(numbers));
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        /* Written and read in pieces that a pipe does not cut. */
        if (n == 0 || n % (ssize_t) sizeof(*numbers) != 0)
                return -EPROTO;
        for (size_t i = 0; i < (size_t) n / sizeof(*numbers); i++) {
                if (numbers[i] == 0) {
                        sweep->complete = true;
                        return 0;
                }
                if (g_hash_table_size(sweep->seen) >= LIMIT_SWEEP_NAMESPACES)
                        return -E2BIG;
                g_hash_table_add(sweep->seen, g_memdup2(&numbers[i], sizeof(*numbers)));
        }
        return 0;
}

/* Whether that was the end of it. */
static bool sweep_read(UsernsSweep *sweep) {
        int r = read_numbers(sweep);

        if (r == -EAGAIN || (r == 0 && !sweep->complete))
                return false;
        sweep_end(sweep, r == 0);
        return true;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        return sweep_read(userdata) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static gboolean on_deadline(gpointer userdata) {
        sweep_end(userdata, false);
        return G_SOURCE_REMOVE;
}

void userns_sweep_finish(UsernsSweep *sweep) {
        gint64 end = g_get_monotonic_time() + LIMIT_SWEEP_MSEC * G_TIME_SPAN_MILLISECOND;

        do {
                struct pollfd poll_fd = { .fd = sweep->fd, .events = POLLIN };
                gint64 left = end - g_get_monotonic_time();

                if (left <= 0) {
                        sweep_end(sweep, false);
                        return;
                }
                (void) poll(&poll_fd, 1, (int) (left / 1000) + 1);
        } while (!sweep_read(sweep));
}

int userns_sweep_new(UsernsSweptFunc swept, void *userdata, UsernsSweep **ret_sweep) {
        UsernsSweepTask task = {
                .parent = (int) getpid(),
                .descriptors_max = LIMIT_SWEEP_DESCRIPTORS,
                .mount_bytes_max = LIMIT_SWEEP_MOUNT_BYTES,
        };
        auto_fd ours = -1, theirs = -1;
        UsernsIdentity own;
        UsernsSweep *sweep;
        int r;

        if (n_sweeps >= LIMIT_SWEEPS)
                return USERNS_E_BUSY;
        r = userns_self(&own);
        if (r != 0)
                return r < 0 ? r : -ENOTRECOVERABLE;
        task.own_inode = own.inode;
        r = child_pipe(&ours, &theirs);
        if (r < 0)
                return r;

        sweep = g_new(UsernsSweep, 1);
        *sweep = (UsernsSweep){ .fd = -1, .swept = swept, .userdata = userdata };
        r = child_new(&theirs, 1, userns_sweep_run, &task, on_exited, sweep, &sweep->child);
        if (r < 0) {
                userns_sweep_free(sweep);
                return r;
        }
        n_sweeps++;
        sweep->counted = true;
        sweep->fd = g_steal_fd(&ours);
        sweep->seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        sweep->source = g_unix_fd_source_new(sweep->fd, G_IO_IN | G_IO_HUP);
        g_source_set_callback(sweep->source, G_SOURCE_FUNC(on_readable), sweep, NULL);
        g_source_attach(sweep->source, NULL);
        sweep->deadline = g_timeout_source_new(LIMIT_SWEEP_MSEC);
        g_source_set_callback(sweep->deadline, on_deadline, sweep, NULL);
        g_source_attach(sweep->deadline, NULL);
        *ret_sweep = sweep;
        return 0;
}
