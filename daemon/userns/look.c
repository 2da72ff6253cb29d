/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/limits.h"
#include "daemon/userns/userns.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

#define NUMBERS_PER_TURN 4096u

struct UsernsLook {
        Child *child; /* NULL: reaped; until then this is not freed */
        int fd;
        GSource *source, *deadline;
        GHashTable *seen;
        bool complete, counted, released;
        UsernsLookedFunc looked;
        void *userdata;
};

/* Looks that have not come to their end, for that of a child can be never: state of the process, as
 * its children are. */
static unsigned n_looks;

static void on_exited(Child *child, void *userdata) {
        UsernsLook *look = userdata;

        n_looks -= look->counted;
        look->counted = false;
        look->child = NULL;
        if (look->released)
                g_free(look);
}

void userns_look_free(UsernsLook *look) {
        if (!look)
                return;
        source_drop(&look->source);
        source_drop(&look->deadline);
        look->fd = fd_close(look->fd);
        g_clear_pointer(&look->seen, g_hash_table_unref);
        look->released = true;
        if (look->child)
                child_kill(look->child);
        else
                g_free(look);
}

static void look_end(UsernsLook *look, bool complete) {
        UsernsLookedFunc looked = look->looked;
        void *userdata = look->userdata;
        GHashTable *seen = complete ? g_steal_pointer(&look->seen) : NULL;

        /* A child that has said all it has to say ends. */
        if (complete) {
                n_looks -= look->counted;
                look->counted = false;
        }
        userns_look_free(look);
        looked(seen, userdata);
}

/* -EAGAIN: nothing there yet. */
static int read_numbers(UsernsLook *look) {
        uint64_t numbers[NUMBERS_PER_TURN];
        ssize_t n;

        do
                n = read(look->fd, numbers, sizeof(numbers));
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        /* Written and read in pieces that a pipe does not cut. */
        if (n == 0 || n % (ssize_t) sizeof(*numbers) != 0)
                return -EPROTO;
        for (size_t i = 0; i < (size_t) n / sizeof(*numbers); i++) {
                if (numbers[i] == 0) {
                        look->complete = true;
                        return 0;
                }
                if (g_hash_table_size(look->seen) >= LIMIT_LOOK_NAMESPACES)
                        return -E2BIG;
                g_hash_table_add(look->seen, g_memdup2(&numbers[i], sizeof(*numbers)));
        }
        return 0;
}

/* Whether that was the end of it. */
static bool look_read(UsernsLook *look) {
        int r = read_numbers(look);

        if (r == -EAGAIN || (r == 0 && !look->complete))
                return false;
        look_end(look, r == 0);
        return true;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        return look_read(userdata) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static gboolean on_deadline(gpointer userdata) {
        look_end(userdata, false);
        return G_SOURCE_REMOVE;
}

void userns_look_finish(UsernsLook *look) {
        gint64 end = g_get_monotonic_time() + LIMIT_LOOK_MSEC * G_TIME_SPAN_MILLISECOND;

        do {
                struct pollfd poll_fd = { .fd = look->fd, .events = POLLIN };
                gint64 left = end - g_get_monotonic_time();

                if (left <= 0) {
                        look_end(look, false);
                        return;
                }
                (void) poll(&poll_fd, 1, (int) (left / 1000) + 1);
        } while (!look_read(look));
}

int userns_look_new(UsernsLookedFunc looked, void *userdata, UsernsLook **ret_look) {
        UsernsLookTask task = {
                .parent = (int) getpid(),
                .descriptors_max = LIMIT_LOOK_DESCRIPTORS,
                .mount_bytes_max = LIMIT_LOOK_MOUNT_BYTES,
        };
        auto_fd ours = -1, theirs = -1;
        UsernsIdentity own;
        UsernsLook *look;
        int r, ends[2];

        if (n_looks >= LIMIT_LOOKS)
                return USERNS_E_BUSY;
        r = userns_self(&own);
        if (r != 0)
                return r < 0 ? r : -ENOTRECOVERABLE;
        task.own_inode = own.inode;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        look = g_new(UsernsLook, 1);
        *look = (UsernsLook){ .fd = -1, .looked = looked, .userdata = userdata };
        r = child_new(&theirs, 1, userns_look_run, &task, on_exited, look, &look->child);
        if (r < 0) {
                userns_look_free(look);
                return r;
        }
        n_looks++;
        look->counted = true;
        look->fd = g_steal_fd(&ours);
        look->seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        look->source = g_unix_fd_source_new(look->fd, G_IO_IN | G_IO_HUP);
        g_source_set_callback(look->source, G_SOURCE_FUNC(on_readable), look, NULL);
        g_source_attach(look->source, NULL);
        look->deadline = g_timeout_source_new(LIMIT_LOOK_MSEC);
        g_source_set_callback(look->deadline, on_deadline, look, NULL);
        g_source_attach(look->deadline, NULL);
        *ret_look = look;
        return 0;
}
