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
#include "lib/util/worker-pool.h"

#define LINE_SIZE_MAX 1024u
#define READ_SIZE 4096u
/* A pipe holds 64 KiB (pipe(7)). */
#define PIPE_READS_MAX (64u * 1024 / READ_SIZE + 1)
#define ARGUMENTS_MAX (ASKER_SLOTS_MAX + 3)

struct Asker {
        char *program;
        uid_t uid;
        gid_t gid;
        GHashTable *asks; /* a set, owned */
        WorkerPool *pool;
};

struct Ask {
        Asker *asker;
        WorkerTask *task;
        int fd;
        GSource *source;
        char line[LINE_SIZE_MAX];
        size_t n;
        bool complete;
        AskLineFunc on_line;
        AskDoneFunc on_done;
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

/* Its standard output is the pipe, which is descriptor 0 so far. */
static void ask_run(const void *data) {
        const AskRun *run = data;

        if (dup2(0, 1) < 0 || close(0) < 0 || open("/dev/null", O_RDWR) != 0 || dup2(0, 2) < 0)
                _exit(127);
        if (run->privileged)
                child_die_with(run->parent);
        else
                child_drop_privileges(run->uid, run->gid, run->parent);
        (void) execv(run->program, run->arguments);
        _exit(127);
}

/* asking */

static void ask_free(Ask *ask) {
        source_drop(&ask->source);
        ask->fd = fd_close(ask->fd);
        worker_task_free(ask->task);
        g_free(ask);
}

int asker_new(const char *program, uid_t uid, gid_t gid, Asker **ret_asker) {
        Asker *asker = g_new(Asker, 1);
        const WorkerPoolConfig pool = { .max = LIMIT_ASKS,
                                        .max_per_account = LIMIT_ASKS,
                                        .msec = LIMIT_ASK_START_MSEC };

        *asker = (Asker){
                .program = g_strdup(program),
                .uid = uid,
                .gid = gid,
                .asks = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) ask_free, NULL),
                .pool = worker_pool_new(&pool),
        };
        *ret_asker = asker;
        return 0;
}

void asker_free(Asker *asker) {
        if (!asker)
                return;
        g_hash_table_unref(asker->asks);
        worker_pool_free(asker->pool);
        g_free(asker->program);
        g_free(asker);
}

/* The end for whoever asked; the child goes when the kernel lets it. */
static void ask_end(Ask *ask, bool complete) {
        AskDoneFunc done = ask->on_done;
        void *userdata = ask->userdata;

        (void) g_hash_table_remove(ask->asker->asks, ask);
        done(complete, userdata);
}

void ask_forget(Ask *ask) {
        (void) g_hash_table_remove(ask->asker->asks, ask);
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

/* Take what there is: more than 0, 0 at the end, -EAGAIN; -EBADMSG: no answer is like that. */
static ssize_t ask_read(Ask *ask) {
        char bytes[READ_SIZE];
        ssize_t n;

        n = read(ask->fd, bytes, sizeof(bytes));
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        return ask_take(ask, bytes, (size_t) n) ? n : -EBADMSG;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        Ask *ask = userdata;
        ssize_t n = ask_read(ask);

        if (n > 0)
                worker_task_expect(ask->task, LIMIT_ASK_MSEC);
        if (n > 0 || n == -EAGAIN)
                return G_SOURCE_CONTINUE;
        ask_end(ask, ask->complete && n == 0);
        return G_SOURCE_REMOVE;
}

/* What it wrote last may still be in the pipe, but no more than fits; something that it started may
 * have the pipe, too, and go on. */
static void on_event(WorkerTask *task, int result, void *userdata) {
        Ask *ask = userdata;
        ssize_t n = -EBADMSG;

        for (unsigned i = 0; i < PIPE_READS_MAX && result != WORKER_E_LATE; i++) {
                n = ask_read(ask);
                if (n <= 0)
                        break;
        }
        ask_end(ask, ask->complete && (n == 0 || n == -EAGAIN));
}

static int ask_start(Ask *ask, const AskRun *run) {
        auto_fd ours = -1, theirs = -1;
        WorkerRequest request = {
                .run = ask_run,
                .data = run, /* nobody waits */
                .event = on_event,
                .userdata = ask,
        };
        int r;

        r = child_pipe(&ours, &theirs);
        if (r < 0)
                return r;
        request.fd = theirs;
        r = worker_pool_ask(ask->asker->pool, &request, &ask->task);
        if (r != 0)
                return r == WORKER_E_BUSY ? ASKER_E_BUSY : r;
        ask->fd = g_steal_fd(&ours);
        ask->source = g_unix_fd_source_new(ask->fd, G_IO_IN);
        g_source_set_callback(ask->source, G_SOURCE_FUNC(on_readable), ask, NULL);
        g_source_attach(ask->source, NULL);
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
        if (r != 0) {
                g_free(ask);
                return r;
        }
        (void) g_hash_table_add(asker->asks, ask);
        *ret_ask = ask;
        return 0;
}
