/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/worker-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <glib-unix.h>

#include "lib/util/fd-send.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"
#include "lib/util/turns.h"

typedef enum WorkerState {
        WORKER_IDLE,
        WORKER_WORKING, /* has a task */
        WORKER_DONE,    /* had one, and is killed in the next turn of the loop */
        WORKER_KILLED,  /* has not been reaped */
        WORKER_STATES_N,
} WorkerState;

/* A child, until it is reaped. */
typedef struct Worker {
        WorkerPool *pool;
        WorkerState state;
        Turn *turn;       /* its task's, while it is not idle */
        uint32_t account; /* the last that it worked for */
        Child *child;     /* NULL: it has just been reaped */
        int fd;
        GSource *source; /* of fd, from the start on: GLib wakes its loop up, which costs a turn,
                            for every descriptor that is added or removed */
        GSource *deadline;
        WorkerTask *task; /* NULL: idle, or the task was freed */
} Worker;

struct WorkerTask {
        WorkerPool *pool;
        WorkerTaskFunc event;
        void *userdata;
        Worker *worker;
        bool rests;

        /* Until it has a child. */
        GQueue *queue; /* which it waits in; NULL: worker_pool_ask() has not returned */
        GList link;
        Turn *turn;
        bool is_ready; /* that has come */
        int error;     /* before worker_pool_ask() has returned */
        int fd;        /* for a socket: own in a queue; else borrowed */
        ChildFunc run;
        const void *data;
        size_t size;
        char message[WORKER_MESSAGE_MAX];
};

struct WorkerPool {
        WorkerPoolConfig config;
        Turns *turns;
        GPtrArray *workers; /* Worker, until they are reaped */
        GQueue idle, done;  /* Worker */
        GQueue waiting;     /* WorkerTask: for its turn */
        GQueue ready;       /* WorkerTask: has its turn, and waits for a child that comes back, or
                               for one more try to fork */
        unsigned n_in_state[WORKER_STATES_N];
        GHashTable *n_killed; /* account -> number of WORKER_KILLED that keep a turn of its */
        GSource *tidy;
        bool is_filling; /* `idle` */
        int fork_error;  /* 0: none in this turn of the loop */
};

static void schedule_tidy(WorkerPool *pool);

/* counting */

static void worker_set_state(Worker *worker, WorkerState state) {
        worker->pool->n_in_state[worker->state]--;
        worker->state = state;
        worker->pool->n_in_state[state]++;
}

void worker_pool_count(const WorkerPool *pool, WorkerCounts *ret_counts) {
        *ret_counts = (WorkerCounts){
                .idle = pool->n_in_state[WORKER_IDLE],
                .working = pool->n_in_state[WORKER_WORKING] + pool->n_in_state[WORKER_DONE],
                .killed = pool->n_in_state[WORKER_KILLED],
        };
}

unsigned worker_pool_count_account(const WorkerPool *pool, uint32_t account) {
        return turns_n_taken(pool->turns, account);
}

static unsigned count_killed(const WorkerPool *pool, uint32_t account) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(pool->n_killed, GUINT_TO_POINTER(account)));
}

/* One that was idle is nobody's. */
static void note_killed(const Worker *worker, int change) {
        WorkerPool *pool = worker->pool;
        gpointer key = GUINT_TO_POINTER(worker->account);
        unsigned n;

        if (!worker->turn)
                return;
        n = count_killed(pool, worker->account) + (unsigned) change;
        if (n > 0)
                (void) g_hash_table_insert(pool->n_killed, key, GUINT_TO_POINTER(n));
        else
                (void) g_hash_table_remove(pool->n_killed, key);
}

/* Whether waiting is of no use: nothing that would have to end first does so by itself. */
static bool is_hopeless(const WorkerPool *pool, uint32_t account) {
        unsigned n_killed = pool->n_in_state[WORKER_KILLED];

        return pool->config.may_hang && n_killed > 0 &&
               count_killed(pool, account) >= turns_most(pool->turns, n_killed);
}

/* children */

static void worker_hang_up(Worker *worker) {
        const WorkerPoolConfig *config = &worker->pool->config;

        source_drop(&worker->source);
        source_drop(&worker->deadline);
        if (worker->fd >= 0 && config->hang_up)
                config->hang_up(g_steal_fd(&worker->fd), worker->account, config->userdata);
        worker->fd = fd_close(worker->fd);
}

static void worker_free(Worker *worker) {
        worker_hang_up(worker);
        if (worker->child)
                child_forget(worker->child);
        g_free(worker);
}

/* Give a child up.  It keeps its turn until it is reaped, which a client may hinder. */
static void worker_kill(Worker *worker) {
        WorkerPool *pool = worker->pool;
        bool was_idle = worker->state == WORKER_IDLE;

        if (was_idle)
                (void) g_queue_remove(&pool->idle, worker);
        worker_hang_up(worker);
        worker_set_state(worker, WORKER_KILLED);
        note_killed(worker, 1);
        child_kill(worker->child);
        /* Idle ones that die are not replaced for nobody's sake: it may be what they do. */
        if (!was_idle || pool->ready.length > 0)
                schedule_tidy(pool);
}

static void kill_done(WorkerPool *pool) {
        Worker *worker;

        while ((worker = g_queue_pop_head(&pool->done)))
                worker_kill(worker);
}

/* Without its task, if that has not been freed by whom it was told of. */
static void worker_drop_task(Worker *worker) {
        if (worker->task)
                worker->task->worker = NULL;
        worker->task = NULL;
}

static void on_exited(Child *child, void *userdata) {
        Worker *worker = userdata;
        WorkerPool *pool = worker->pool;
        bool is_good = !pool->config.run && child_succeeded(child);

        worker->child = NULL;
        (void) g_queue_remove(&pool->idle, worker);
        (void) g_queue_remove(&pool->done, worker);
        (void) g_ptr_array_remove_fast(pool->workers, worker);
        pool->n_in_state[worker->state]--;
        if (worker->state == WORKER_KILLED)
                note_killed(worker, -1);

        /* Its turn first: whoever is told may ask for the next one, after those who wait. */
        turn_free(g_steal_pointer(&worker->turn));
        if (pool->ready.length > 0) /* it does not come back */
                schedule_tidy(pool);
        if (worker->task && !worker->task->rests)
                worker->task->event(
                        worker->task, is_good ? 0 : WORKER_E_ENDED, worker->task->userdata);
        worker_drop_task(worker);
        worker_free(worker);
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        Worker *worker = userdata;
        WorkerTask *task = worker->task;

        if (task && !task->rests && (condition & G_IO_IN)) {
                task->event(task, 0, task->userdata);
                return G_SOURCE_CONTINUE;
        }
        /* An idle one has nothing to say.  Of the others nothing is expected any more, or
         * on_exited() will tell what has become of it. */
        if (worker->state == WORKER_IDLE)
                worker_kill(worker);
        else
                source_drop(&worker->source);
        return G_SOURCE_REMOVE;
}

static gboolean on_deadline(gpointer userdata) {
        Worker *worker = userdata;
        WorkerTask *task = worker->task;

        worker_drop_task(worker);
        worker_kill(worker);
        task->event(task, WORKER_E_LATE, task->userdata);
        return G_SOURCE_REMOVE;
}

static GSource *attach(GSource *source, GSourceFunc func, void *userdata) {
        g_source_set_callback(source, func, userdata, NULL);
        g_source_attach(source, NULL);
        return source;
}

static void worker_set_deadline(Worker *worker, unsigned msec) {
        source_drop(&worker->deadline);
        worker->deadline = attach(g_timeout_source_new(msec), on_deadline, worker);
}

/* A new child that is idle, or works already. */
static int worker_new(
        WorkerPool *pool, int fd, ChildFunc run, const void *data, WorkerState state,
        Worker **ret_worker) {
        Worker *worker;
        int r;

        /* To fail takes nearly as long as to fork, and a whole queue may be waiting for it. */
        if (pool->fork_error < 0)
                return pool->fork_error;
        worker = g_new(Worker, 1);
        *worker = (Worker){ .pool = pool, .state = state, .fd = -1 };
        r = child_new(&fd, fd >= 0 ? 1 : 0, run, data, on_exited, worker, &worker->child);
        if (r < 0) {
                g_free(worker);
                pool->fork_error = r;
                schedule_tidy(pool);
                return r;
        }
        g_ptr_array_add(pool->workers, worker);
        pool->n_in_state[state]++;
        *ret_worker = worker;
        return 0;
}

static int worker_new_idle(WorkerPool *pool) {
        auto_fd ours = -1, theirs = -1;
        Worker *worker;
        int r, ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        r = worker_new(pool, theirs, pool->config.run, pool->config.data, WORKER_IDLE, &worker);
        if (r < 0)
                return r;
        worker->fd = g_steal_fd(&ours);
        worker->source =
                attach(g_unix_fd_source_new(worker->fd, G_IO_IN | G_IO_HUP),
                       G_SOURCE_FUNC(on_readable), worker);
        g_queue_push_tail(&pool->idle, worker);
        return 0;
}

/* tasks */

static void task_enqueue(WorkerTask *task, GQueue *queue) {
        if (task->queue)
                g_queue_unlink(task->queue, &task->link);
        task->queue = queue;
        g_queue_push_tail_link(queue, &task->link);
}

static void task_leave_queue(WorkerTask *task) {
        if (!task->queue)
                return;
        g_queue_unlink(g_steal_pointer(&task->queue), &task->link);
        if (task->pool->config.run)
                task->fd = fd_close(task->fd);
}

/* Nobody can take it, or wait for that. */
static void task_fail(WorkerTask *task, int result) {
        task_leave_queue(task);
        g_clear_pointer(&task->turn, turn_free);
        task->event(task, result, task->userdata);
}

static void task_set_worker(WorkerTask *task, Worker *worker) {
        worker->account = turn_account(task->turn);
        worker->turn = g_steal_pointer(&task->turn);
        worker->task = task;
        task->worker = worker;
        worker_set_deadline(worker, task->pool->config.msec);
}

enum { NONE_IDLE = 1 };

/* Send the task to an idle child.  NONE_IDLE: one will come back. */
static int task_send(WorkerTask *task) {
        WorkerPool *pool = task->pool;

        for (;;) {
                bool is_new = pool->idle.length == 0;
                Worker *worker;
                int r = 0;

                if (is_new && pool->config.come_back)
                        return NONE_IDLE;
                if (is_new)
                        r = worker_new_idle(pool);
                if (r < 0)
                        return r;
                worker = pool->idle.head->data;
                r = fd_send(worker->fd, task->message, task->size, &task->fd, 1);
                if (r == 0) {
                        (void) g_queue_pop_head(&pool->idle);
                        worker_set_state(worker, WORKER_WORKING);
                        task_set_worker(task, worker);
                        return 0;
                }
                if (r != -EPIPE && r != -ECONNRESET) /* the descriptor's fault */
                        return r == -EAGAIN ? -EPROTO : r;
                worker_kill(worker); /* it has died while idle */
                if (is_new)
                        return r;
        }
}

static int task_fork(WorkerTask *task) {
        Worker *worker;
        int r = worker_new(task->pool, task->fd, task->run, task->data, WORKER_WORKING, &worker);

        if (r == 0)
                task_set_worker(task, worker);
        return r;
}

/* It has its turn. */
static void task_start(WorkerTask *task) {
        int r = task->pool->config.run ? task_send(task) : task_fork(task);

        if (r == 0)
                task_leave_queue(task);
        else if (!task->queue)
                task->error = MIN(r, 0);
        else if (r < 0 && task->pool->config.run)
                task_fail(task, r);
        else {
                /* Where forks fail a whole queue would fail here at once, each turn that is given
                 * up being the next one's: it is tried once more, one in a turn of the loop. */
                task_enqueue(task, &task->pool->ready);
                schedule_tidy(task->pool);
        }
}

static void on_turn(Turn *turn, void *userdata) {
        WorkerTask *task = userdata;

        task->is_ready = true;
        task_start(task);
}

/* Each is looked up anew: whoever is told may free and ask. */
static void serve_ready(WorkerPool *pool) {
        while (pool->ready.length > 0 && pool->idle.length > 0)
                task_start(pool->ready.head->data);
}

static WorkerTask *find_hopeless(const WorkerPool *pool) {
        if (!pool->config.may_hang || pool->n_in_state[WORKER_KILLED] == 0)
                return NULL;
        for (GList *l = pool->waiting.head; l; l = l->next) {
                WorkerTask *task = l->data;

                if (is_hopeless(pool, turn_account(task->turn)))
                        return task;
        }
        return NULL;
}

/* Short of processes or memory.  A child that works will come back, or end, and serve those who
 * wait; where all of them hang, nobody will. */
static void cannot_fork(WorkerPool *pool, int error) {
        if (pool->n_in_state[WORKER_KILLED] < pool->workers->len)
                return;
        while (pool->config.may_hang && pool->waiting.length > 0)
                task_fail(pool->waiting.head->data, error);
        while (pool->ready.length > 0)
                task_fail(pool->ready.head->data, error);
}

/* A child for the first of those that each want one made. */
static void fork_ready(WorkerPool *pool) {
        WorkerTask *task = pool->ready.head->data;
        int r = task_fork(task);

        if (r == 0)
                task_leave_queue(task);
        else
                task_fail(task, r);
        if (pool->ready.length > 0)
                schedule_tidy(pool);
}

/* One child a turn, so that what has come in meanwhile is served in between. */
static gboolean on_tidy(gpointer userdata) {
        WorkerPool *pool = userdata;
        WorkerTask *task;
        int r = 0;

        pool->fork_error = 0;
        kill_done(pool);
        while ((task = find_hopeless(pool))) {
                task_fail(task, WORKER_E_BUSY);
                kill_done(pool);
        }
        if (pool->config.run && pool->idle.length <= pool->config.idle_low)
                pool->is_filling = true;
        if (pool->is_filling && pool->idle.length < pool->config.idle_max &&
            pool->workers->len - pool->idle.length < pool->config.max) {
                r = worker_new_idle(pool);
                if (r == 0) {
                        serve_ready(pool);
                        return G_SOURCE_CONTINUE;
                }
        }
        pool->is_filling = false; /* full; or short of something: tried again after the next task */
        pool->fork_error = 0;
        source_drop(&pool->tidy); /* whoever is told of something may want the next one */
        if (r < 0)
                cannot_fork(pool, r);
        else if (!pool->config.run && pool->ready.length > 0)
                fork_ready(pool);
        return G_SOURCE_REMOVE;
}

/* In the next turn of the loop, not now: to fork and to kill are the slowest parts of it all, and
 * whoever was served has the answer by then.  But not when the loop is idle: clients can keep it
 * from being so, and a child that is done may hold what its user waits for the end of.  And not one
 * new child for each that was used: after a fork the daemon has to copy every page it writes to. */
static void schedule_tidy(WorkerPool *pool) {
        if (pool->tidy)
                return;
        pool->tidy = g_idle_source_new();
        g_source_set_priority(pool->tidy, G_PRIORITY_DEFAULT);
        (void) attach(pool->tidy, on_tidy, pool);
}

/* A new task that has found no child. */
static int task_wait(WorkerTask *task) {
        WorkerPool *pool = task->pool;

        if (pool->config.max_waiting > 0 &&
            pool->waiting.length + pool->ready.length >= pool->config.max_waiting)
                return WORKER_E_BUSY;
        if (pool->config.run) {
                task->fd = fcntl(task->fd, F_DUPFD_CLOEXEC, 3);
                if (task->fd < 0)
                        return -errno;
        }
        task_enqueue(task, task->is_ready ? &pool->ready : &pool->waiting);
        kill_done(pool);
        schedule_tidy(pool);
        return 0;
}

int worker_pool_ask(WorkerPool *pool, const WorkerRequest *request, WorkerTask **ret_task) {
        WorkerTask *task;
        int r;

        g_assert(request->size <= WORKER_MESSAGE_MAX);
        if (is_hopeless(pool, request->account))
                return WORKER_E_BUSY;
        task = g_new(WorkerTask, 1);
        *task = (WorkerTask){
                .pool = pool,
                .event = request->event,
                .userdata = request->userdata,
                .link = { .data = task },
                .fd = request->fd,
                .run = request->run,
                .data = request->data,
                .size = request->size,
        };
        if (request->size > 0)
                memcpy(task->message, request->message, request->size);
        r = turns_take(pool->turns, request->account, on_turn, task, &task->turn);
        if (r == TURNS_E_FULL)
                r = WORKER_E_BUSY;
        else if (r == 0)
                r = task->error;
        if (r == 0 && !task->worker)
                r = task_wait(task);
        if (r != 0) {
                worker_task_free(task);
                return r;
        }
        if (pool->config.come_back && pool->idle.length == 0)
                schedule_tidy(pool);
        *ret_task = task;
        return 0;
}

void worker_task_expect(WorkerTask *task, unsigned msec) {
        if (task->worker && task->worker->child)
                worker_set_deadline(task->worker, msec);
}

void worker_task_rest(WorkerTask *task) {
        task->rests = true;
        if (task->worker)
                source_drop(&task->worker->deadline);
}

void worker_task_give_back(WorkerTask *task) {
        Worker *worker = g_steal_pointer(&task->worker);
        WorkerPool *pool = task->pool;
        Turn *turn = NULL;

        g_free(task);
        if (!worker)
                return;
        worker->task = NULL;
        if (!worker->child)
                return;
        source_drop(&worker->deadline);
        turn = g_steal_pointer(&worker->turn);
        worker_set_state(worker, WORKER_IDLE);
        g_queue_push_head(&pool->idle, worker);
        serve_ready(pool);
        turn_free(turn);
        if (pool->idle.length > pool->config.idle_max)
                worker_kill(pool->idle.tail->data);
}

void worker_task_free(WorkerTask *task) {
        Worker *worker;

        if (!task)
                return;
        worker = task->worker;
        task_leave_queue(task);
        turn_free(task->turn);
        if (worker) {
                worker->task = NULL;
                if (worker->child && task->rests) {
                        worker_set_state(worker, WORKER_DONE);
                        g_queue_push_tail(&task->pool->done, worker);
                        if (task->pool->waiting.length > 0)
                                kill_done(task->pool);
                        schedule_tidy(task->pool);
                } else if (worker->child)
                        worker_kill(worker);
        }
        g_free(task);
}

int worker_task_socket(const WorkerTask *task) {
        return task->worker ? task->worker->fd : -1;
}

pid_t worker_task_pid(const WorkerTask *task) {
        return child_pid(task->worker->child);
}

/* pool */

WorkerPool *worker_pool_new(const WorkerPoolConfig *config) {
        WorkerPool *pool = g_new(WorkerPool, 1);

        *pool = (WorkerPool){
                .config = *config,
                .turns = turns_new(
                        config->max, config->max_per_account, config->max_waiting_per_account),
                .workers = g_ptr_array_new(),
                .idle = G_QUEUE_INIT,
                .done = G_QUEUE_INIT,
                .waiting = G_QUEUE_INIT,
                .ready = G_QUEUE_INIT,
                .n_killed = g_hash_table_new(NULL, NULL),
        };
        turns_set_share(pool->turns, config->share);
        return pool;
}

int worker_pool_prepare(WorkerPool *pool) {
        int r = 0;

        while (r == 0 && pool->idle.length < pool->config.idle_max)
                r = worker_new_idle(pool);
        return r;
}

void worker_pool_free(WorkerPool *pool) {
        if (!pool)
                return;
        g_assert(pool->waiting.length == 0 && pool->ready.length == 0);
        source_drop(&pool->tidy);
        g_queue_clear(&pool->idle);
        g_queue_clear(&pool->done);
        for (guint i = 0; i < pool->workers->len; i++) {
                Worker *worker = pool->workers->pdata[i];
                Turn *turn = g_steal_pointer(&worker->turn);

                g_assert(!worker->task);
                worker_free(worker);
                turn_free(turn);
        }
        g_ptr_array_unref(pool->workers);
        g_hash_table_unref(pool->n_killed);
        turns_free(pool->turns);
        g_free(pool);
}
