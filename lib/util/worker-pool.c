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

typedef enum WorkerState {
        WORKER_IDLE,
        WORKER_WORKING, /* has a task */
        WORKER_DONE,    /* had one, and is killed in the next turn */
        WORKER_KILLED,  /* has not been reaped */
        WORKER_STATES_N,
} WorkerState;

/* What an account has: children that were given a task of its, and how many of them were killed. */
typedef struct Account {
        unsigned n, n_killed;
} Account;

/* A child, until it is reaped. */
typedef struct Worker {
        WorkerPool *pool;
        WorkerState state;
        bool is_charged; /* to `account` */
        uint32_t account;
        Child *child; /* NULL: it has just been reaped */
        int fd;
        GSource *source; /* of fd, from the start on: GLib wakes its loop up, which costs a turn,
                            for every descriptor that is added or removed */
        GSource *deadline;
        WorkerTask *task; /* NULL: idle, or the task was freed */
} Worker;

struct WorkerTask {
        WorkerPool *pool;
        uint32_t account;
        WorkerTaskFunc event;
        void *userdata;
        Worker *worker;
        bool rests;
        /* While it waits for a child. */
        char message[WORKER_MESSAGE_MAX];
        size_t size;
        int fd; /* own, or -1: it does not wait */
};

struct WorkerPool {
        WorkerPoolConfig config;
        GPtrArray *workers; /* Worker, until they are reaped */
        GQueue idle, done;  /* Worker */
        GQueue waiting;     /* WorkerTask */
        unsigned n_in_state[WORKER_STATES_N];
        GHashTable *accounts; /* Account by number; of those that have something */
        GSource *tidy;
        bool is_filling; /* `idle` */
};

static void schedule_tidy(WorkerPool *pool);

/* counting */

static Account account_of(const WorkerPool *pool, uint32_t number) {
        const Account *account = g_hash_table_lookup(pool->accounts, GUINT_TO_POINTER(number));

        return account ? *account : (Account){};
}

static void account_set(WorkerPool *pool, uint32_t number, Account account) {
        if (account.n == 0)
                (void) g_hash_table_remove(pool->accounts, GUINT_TO_POINTER(number));
        else
                (void) g_hash_table_insert(
                        pool->accounts, GUINT_TO_POINTER(number),
                        g_memdup2(&account, sizeof(account)));
}

static void worker_count_in_account(const Worker *worker, int difference) {
        Account account = account_of(worker->pool, worker->account);

        if (!worker->is_charged)
                return;
        account.n += (unsigned) difference;
        if (worker->state == WORKER_KILLED)
                account.n_killed += (unsigned) difference;
        account_set(worker->pool, worker->account, account);
}

/* Its new state, and who has it; NULL: nobody, or as before if it has been killed. */
static void worker_set_state(Worker *worker, WorkerState state, const WorkerTask *task) {
        WorkerPool *pool = worker->pool;

        worker_count_in_account(worker, -1);
        pool->n_in_state[worker->state]--;
        worker->state = state;
        pool->n_in_state[state]++;
        if (state == WORKER_IDLE)
                worker->is_charged = false;
        if (task) {
                worker->is_charged = true;
                worker->account = task->account;
        }
        worker_count_in_account(worker, 1);
}

void worker_pool_count(const WorkerPool *pool, WorkerCounts *ret_counts) {
        *ret_counts = (WorkerCounts){
                .idle = pool->n_in_state[WORKER_IDLE],
                .working = pool->n_in_state[WORKER_WORKING] + pool->n_in_state[WORKER_DONE],
                .killed = pool->n_in_state[WORKER_KILLED],
        };
}

static unsigned count_taken(const WorkerPool *pool) {
        return pool->workers->len - pool->n_in_state[WORKER_IDLE];
}

/* How many children one account may have when `n_taken` are not idle. */
static unsigned share(const WorkerPool *pool, unsigned n_taken) {
        unsigned n_left = pool->config.max - MIN(n_taken, pool->config.max);

        if (n_left == 0)
                return 0;
        if (pool->config.share == 0)
                return pool->config.max_per_account;
        return MIN(
                pool->config.max_per_account,
                (n_left + pool->config.share - 1) / pool->config.share);
}

static bool may_have_one(const WorkerPool *pool, uint32_t account) {
        return account_of(pool, account).n < share(pool, count_taken(pool));
}

/* Whether waiting is of no use: nothing that would have to end first does so by itself. */
static bool is_hopeless(const WorkerPool *pool, uint32_t account) {
        return pool->config.may_hang &&
               account_of(pool, account).n_killed >= share(pool, pool->n_in_state[WORKER_KILLED]);
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

/* Give a child up.  It stays charged until it is reaped, which a client may hinder. */
static void worker_kill(Worker *worker) {
        WorkerPool *pool = worker->pool;

        if (worker->state == WORKER_IDLE)
                (void) g_queue_remove(&pool->idle, worker);
        worker_hang_up(worker);
        worker_set_state(worker, WORKER_KILLED, NULL);
        child_kill(worker->child);
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

static void worker_pool_serve(WorkerPool *pool);

static void on_exited(Child *child, void *userdata) {
        Worker *worker = userdata;
        WorkerPool *pool = worker->pool;
        WorkerTask *task = worker->task;

        worker->child = NULL;
        (void) g_queue_remove(&pool->idle, worker);
        (void) g_queue_remove(&pool->done, worker);
        (void) g_ptr_array_remove_fast(pool->workers, worker);
        worker_count_in_account(worker, -1);
        worker->is_charged = false;
        pool->n_in_state[worker->state]--;

        if (task && !task->rests)
                task->event(task, -ECONNRESET, task->userdata);
        worker_drop_task(worker);
        worker_free(worker);
        worker_pool_serve(pool);
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
        WorkerPool *pool = worker->pool;
        WorkerTask *task = worker->task;

        worker_drop_task(worker);
        worker_kill(worker);
        task->event(task, -ETIMEDOUT, task->userdata);
        worker_pool_serve(pool);
        return G_SOURCE_REMOVE;
}

static GSource *attach(GSource *source, GSourceFunc func, void *userdata) {
        g_source_set_callback(source, func, userdata, NULL);
        g_source_attach(source, NULL);
        return source;
}

static int worker_new(WorkerPool *pool) {
        auto_fd ours = -1, theirs = -1;
        Worker *worker = NULL;
        int r, ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];

        worker = g_new(Worker, 1);
        *worker = (Worker){ .pool = pool, .state = WORKER_IDLE, .fd = -1 };
        r = child_new(
                &theirs, 1, pool->config.run, pool->config.data, on_exited, worker, &worker->child);
        if (r < 0) {
                g_free(worker);
                return r;
        }
        worker->fd = g_steal_fd(&ours);
        worker->source =
                attach(g_unix_fd_source_new(worker->fd, G_IO_IN | G_IO_HUP),
                       G_SOURCE_FUNC(on_readable), worker);
        g_ptr_array_add(pool->workers, worker);
        g_queue_push_tail(&pool->idle, worker);
        pool->n_in_state[WORKER_IDLE]++;
        return 0;
}

/* tasks */

static void task_stop_waiting(WorkerTask *task) {
        if (task->fd >= 0)
                (void) g_queue_remove(&task->pool->waiting, task);
        task->fd = fd_close(task->fd);
}

/* Nobody can take it, or wait for that. */
static void task_fail(WorkerTask *task, int result) {
        task_stop_waiting(task);
        task->event(task, result, task->userdata);
}

static void task_set_worker(WorkerTask *task, Worker *worker) {
        (void) g_queue_remove(&task->pool->idle, worker);
        worker_set_state(worker, WORKER_WORKING, task);
        worker->task = task;
        task->worker = worker;
        worker_task_expect(task);
}

enum { NONE_IDLE = 1 };

/* Give the task to a child: an idle one if there is.  NONE_IDLE: one will come back. */
static int worker_pool_assign(WorkerPool *pool, WorkerTask *task, int fd) {
        for (;;) {
                bool is_new = false;
                Worker *worker;
                int r = 0;

                if (pool->idle.length == 0 && pool->config.come_back)
                        return NONE_IDLE;
                if (pool->idle.length == 0) {
                        is_new = true;
                        r = worker_new(pool);
                }
                if (r < 0)
                        return r;
                worker = pool->idle.head->data;
                r = fd_send(worker->fd, task->message, task->size, &fd, 1);
                if (r == 0) {
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

/* The next to be served. */
static WorkerTask *find_next(const WorkerPool *pool) {
        unsigned fewest = share(pool, count_taken(pool));
        WorkerTask *next = NULL;

        for (GList *l = pool->waiting.head; l && fewest > 0; l = l->next) {
                WorkerTask *task = l->data;
                unsigned n = account_of(pool, task->account).n;

                if (n < fewest) {
                        next = task;
                        fewest = n;
                }
        }
        return next;
}

static WorkerTask *find_hopeless(const WorkerPool *pool) {
        for (GList *l = pool->waiting.head; l; l = l->next)
                if (is_hopeless(pool, ((const WorkerTask *) l->data)->account))
                        return l->data;
        return NULL;
}

/* Each is looked up anew: whoever is told may free and ask. */
static void worker_pool_serve(WorkerPool *pool) {
        bool come_back = pool->config.come_back;
        WorkerTask *task;

        while ((pool->idle.length > 0 || !come_back) && (task = find_next(pool))) {
                int r = worker_pool_assign(pool, task, task->fd);

                if (r == NONE_IDLE)
                        break;
                if (r == 0)
                        task_stop_waiting(task);
                else
                        task_fail(task, r);
        }
        while ((task = find_hopeless(pool)))
                task_fail(task, -EBUSY);
        if (pool->waiting.length > 0 && come_back && pool->idle.length == 0 &&
            count_taken(pool) < pool->config.max)
                schedule_tidy(pool);
}

/* Short of processes or memory.  A child that works will come back, and serve those who wait; where
 * all of them hang, nobody will. */
static void worker_pool_cannot_fork(WorkerPool *pool, int error) {
        if (pool->n_in_state[WORKER_KILLED] == pool->workers->len)
                while (pool->waiting.length > 0)
                        task_fail(pool->waiting.head->data, error);
}

/* One child a turn, so that what has come in meanwhile is served in between. */
static gboolean on_tidy(gpointer userdata) {
        WorkerPool *pool = userdata;
        int r = 0;

        kill_done(pool);
        worker_pool_serve(pool);
        if (pool->idle.length <= pool->config.idle_low)
                pool->is_filling = true;
        if (pool->is_filling && pool->idle.length < pool->config.idle_max &&
            count_taken(pool) < pool->config.max) {
                r = worker_new(pool);
                if (r == 0) {
                        worker_pool_serve(pool);
                        return G_SOURCE_CONTINUE;
                }
        }
        pool->is_filling = false; /* full; or short of something: tried again after the next task */
        source_drop(&pool->tidy);
        if (r < 0)
                worker_pool_cannot_fork(pool, r);
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

int worker_pool_ask(WorkerPool *pool, const WorkerRequest *request, WorkerTask **ret_task) {
        g_autofree WorkerTask *task = g_new(WorkerTask, 1);
        int r = NONE_IDLE;

        g_assert(request->size <= WORKER_MESSAGE_MAX);
        *task = (WorkerTask){
                .pool = pool,
                .account = request->account,
                .event = request->event,
                .userdata = request->userdata,
                .size = request->size,
                .fd = -1,
        };
        memcpy(task->message, request->message, request->size);
        if (is_hopeless(pool, request->account))
                return WORKER_E_BUSY;
        if (may_have_one(pool, request->account))
                r = worker_pool_assign(pool, task, request->fd);
        if (r < 0)
                return r;
        if (r == 0) {
                /* Not for a kind whose next one is forked when this one has ended. */
                if (pool->config.come_back && pool->idle.length == 0)
                        schedule_tidy(pool);
                *ret_task = g_steal_pointer(&task);
                return 0;
        }
        if (pool->waiting.length >= pool->config.max_waiting)
                return WORKER_E_BUSY;
        task->fd = fcntl(request->fd, F_DUPFD_CLOEXEC, 3);
        if (task->fd < 0)
                return -errno;
        g_queue_push_tail(&pool->waiting, task);
        kill_done(pool);
        schedule_tidy(pool);
        *ret_task = g_steal_pointer(&task);
        return 0;
}

void worker_task_expect(WorkerTask *task) {
        Worker *worker = task->worker;

        source_drop(&worker->deadline);
        worker->deadline =
                attach(g_timeout_source_new(task->pool->config.msec), on_deadline, worker);
}

void worker_task_rest(WorkerTask *task) {
        task->rests = true;
        if (task->worker)
                source_drop(&task->worker->deadline);
}

void worker_task_give_back(WorkerTask *task) {
        Worker *worker = g_steal_pointer(&task->worker);
        WorkerPool *pool = task->pool;

        g_free(task);
        if (!worker)
                return;
        worker->task = NULL;
        if (!worker->child)
                return;
        source_drop(&worker->deadline);
        worker_set_state(worker, WORKER_IDLE, NULL);
        g_queue_push_head(&pool->idle, worker);
        if (pool->idle.length > pool->config.idle_max && pool->waiting.length == 0)
                worker_kill(worker);
        worker_pool_serve(pool);
}

void worker_task_free(WorkerTask *task) {
        Worker *worker;

        if (!task)
                return;
        worker = task->worker;
        task_stop_waiting(task);
        if (worker) {
                worker->task = NULL;
                if (worker->child && task->rests) {
                        worker_set_state(worker, WORKER_DONE, NULL);
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
                .workers = g_ptr_array_new(),
                .idle = G_QUEUE_INIT,
                .done = G_QUEUE_INIT,
                .waiting = G_QUEUE_INIT,
                .accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        };
        return pool;
}

int worker_pool_prepare(WorkerPool *pool) {
        int r = 0;

        while (r == 0 && pool->idle.length < pool->config.idle_max)
                r = worker_new(pool);
        return r;
}

void worker_pool_free(WorkerPool *pool) {
        if (!pool)
                return;
        g_assert(pool->waiting.length == 0);
        source_drop(&pool->tidy);
        g_queue_clear(&pool->idle);
        g_queue_clear(&pool->done);
        for (guint i = 0; i < pool->workers->len; i++) {
                Worker *worker = pool->workers->pdata[i];

                g_assert(!worker->task);
                worker_free(worker);
        }
        g_ptr_array_unref(pool->workers);
        g_hash_table_unref(pool->accounts);
        g_free(pool);
}
