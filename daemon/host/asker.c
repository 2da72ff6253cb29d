/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

#define LINE_SIZE_MAX 1024u
#define READ_SIZE 4096u
#define ARGUMENTS_MAX (ASKER_SLOTS_MAX + 3)

struct Asker {
        char *program;
        uid_t uid;
        gid_t gid;
        GPtrArray *asks; /* until the child is reaped: borrowed */
};

struct Ask {
        Asker *asker;
        Child *child;
        int fd;
        GSource *source, *deadline;
        char line[LINE_SIZE_MAX];
        size_t n;
        bool complete;
        AskLineFunc on_line;
        AskDoneFunc on_done; /* NULL: it has been called, or never will be */
        void *userdata;
};

/* the child */

typedef struct AskRun {
        const char *program;
        char *const *arguments;
        bool privileged;
        uid_t uid;
        gid_t gid;
        pid_t parent;
} AskRun;

static void ask_run(const void *data) {
        const AskRun *run = data;

        if (run->privileged)
                child_die_with(run->parent);
        else
                child_drop_privileges(run->uid, run->gid, run->parent);
        (void) execv(run->program, run->arguments);
        _exit(127);
}

/* asking */

int asker_new(const char *program, uid_t uid, gid_t gid, Asker **ret_asker) {
        Asker *asker = g_new(Asker, 1);

        *asker = (Asker){
                .program = g_strdup(program),
                .uid = uid,
                .gid = gid,
                .asks = g_ptr_array_new(),
        };
        *ret_asker = asker;
        return 0;
}

static void ask_disconnect(Ask *ask) {
        source_drop(&ask->source);
        source_drop(&ask->deadline);
        ask->fd = fd_close(ask->fd);
}

void asker_free(Asker *asker) {
        if (!asker)
                return;
        for (guint i = 0; i < asker->asks->len; i++) {
                Ask *ask = asker->asks->pdata[i];

                ask_disconnect(ask);
                if (ask->child)
                        child_forget(ask->child);
                g_free(ask);
        }
        g_ptr_array_unref(asker->asks);
        g_free(asker->program);
        g_free(asker);
}

/* Free what has been told and reaped. */
static void ask_free_if_over(Ask *ask) {
        if (ask->child || ask->fd >= 0)
                return;
        g_ptr_array_remove_fast(ask->asker->asks, ask);
        g_free(ask);
}

/* The end for whoever asked; the child goes when the kernel lets it. */
static void ask_end(Ask *ask) {
        AskDoneFunc done = ask->on_done;
        bool complete = ask->complete;
        void *userdata = ask->userdata;

        ask_disconnect(ask);
        if (ask->child)
                child_kill(ask->child);
        ask_free_if_over(ask);
        if (done)
                done(complete, userdata);
}

void ask_forget(Ask *ask) {
        ask->on_done = NULL;
        ask_end(ask);
}

static void on_exited(Child *child, void *userdata) {
        Ask *ask = userdata;

        /* What it wrote last may still be in the pipe. */
        ask->child = NULL;
        ask_free_if_over(ask);
}

static gboolean on_deadline(gpointer userdata) {
        ask_end(userdata);
        return G_SOURCE_REMOVE;
}

static void ask_expect(Ask *ask, guint msec) {
        source_drop(&ask->deadline);
        ask->deadline = g_timeout_source_new(msec);
        g_source_set_callback(ask->deadline, on_deadline, ask, NULL);
        g_source_attach(ask->deadline, NULL);
}

/* Whether more may follow. */
static bool ask_take(Ask *ask, const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (ask->complete || ask->n >= sizeof(ask->line))
                        return false;
                if (bytes[i] != '\n') {
                        ask->line[ask->n++] = bytes[i];
                        continue;
                }
                if (ask->n >= sizeof(ask->line))
                        return false;
                ask->line[ask->n] = '\0';
                ask->n = 0;
                if (strcmp(ask->line, ASKER_END) == 0)
                        ask->complete = true;
                else
                        ask->on_line(ask->line, ask->userdata);
        }
        return true;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        Ask *ask = userdata;
        char bytes[READ_SIZE];
        ssize_t n;

        n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EAGAIN)
                return G_SOURCE_CONTINUE;
        if (n > 0 && ask_take(ask, bytes, (size_t) n)) {
                ask_expect(ask, LIMIT_ASK_MSEC);
                return G_SOURCE_CONTINUE;
        }
        ask->complete = ask->complete && n == 0;
        ask_end(ask);
        return G_SOURCE_REMOVE;
}

static int ask_start(Ask *ask, const AskRun *run) {
        auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC), ours = -1, theirs = -1;
        int fds[2], child_fds[3], r;

        if (null < 0)
                return -errno;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        child_fds[0] = null;
        child_fds[1] = theirs;
        child_fds[2] = null;
        r = child_new(
                child_fds, G_N_ELEMENTS(child_fds), ask_run, run, on_exited, ask, &ask->child);
        if (r < 0)
                return r;
        ask->fd = g_steal_fd(&ours);
        ask->source = g_unix_fd_source_new(ask->fd, G_IO_IN);
        g_source_set_callback(ask->source, G_SOURCE_FUNC(on_readable), ask, NULL);
        g_source_attach(ask->source, NULL);
        ask_expect(ask, LIMIT_ASK_START_MSEC);
        return 0;
}

int asker_ask(
        Asker *asker, const char *what, const char *const *arguments, AskLineFunc line,
        AskDoneFunc done, void *userdata, Ask **ret_ask) {
        char *all[ARGUMENTS_MAX] = { asker->program, (char *) what };
        AskRun run = {
                .program = asker->program,
                .arguments = all,
                .privileged = strcmp(what, ASKER_NAMES) != 0,
                .uid = asker->uid,
                .gid = asker->gid,
                .parent = getpid(),
        };
        Ask *ask;
        int r;

        if (asker->asks->len >= LIMIT_ASKS)
                return ASKER_E_BUSY;
        for (size_t i = 0; arguments[i]; i++) {
                g_assert(i + 3 < G_N_ELEMENTS(all));
                all[i + 2] = (char *) arguments[i];
        }
        ask = g_new(Ask, 1);
        *ask = (Ask){
                .asker = asker,
                .fd = -1,
                .on_line = line,
                .on_done = done,
                .userdata = userdata,
        };
        r = ask_start(ask, &run);
        if (r < 0) {
                g_free(ask);
                return r;
        }
        g_ptr_array_add(asker->asks, ask);
        *ret_ask = ask;
        return 0;
}
