/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pools of disposable children: for work that a client can stop, kill or hang, so that it is done
 * by nobody whose end would matter.  A pool gives its children tasks, by account and in fair turns
 * (lib/util/turns.h), watches how long they take, and kills what does not end in time.  Whoever
 * gets a child to hang pays for it: it keeps its turn until it is reaped.  Knows nothing of what
 * the children do, or say.  There are two kinds:
 *
 * - Children with a socket, forked ahead of their use, because to fork a daemon takes longer than
 *   most of what they do.  A task is a message to an idle one, with a descriptor, and whatever the
 *   two say to each other then.
 * - Children made for one task each, which end with it.
 *
 * All of it is on the default main context; nothing waits for a child. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "lib/util/child.h"

typedef struct WorkerPool WorkerPool;
typedef struct WorkerTask WorkerTask;

/* Outcomes. */
enum {
        /* There is no place to wait, or that is of no use: see WorkerPoolConfig.may_hang. */
        WORKER_E_BUSY = 1,
        WORKER_E_LATE = 2,  /* killed: it was not done, or there was no sign of life, in time */
        WORKER_E_ENDED = 3, /* the child has ended, and not by _exit(0) after its one task */
};

typedef struct WorkerPoolConfig {
        /* Turns: see turns_new() and turns_set_share() (0: no share).  A turn lasts until the child
         * is reaped, or idle again. */
        unsigned max, max_per_account, max_waiting_per_account, share;
        unsigned max_waiting; /* of all accounts; 0: no other limit */
        /* So long a child may take to its first sign of life (worker_task_expect()), or to its end.
         */
        unsigned msec;
        /* Whether one that was killed may stay for as long as a client likes.  Then nobody waits
         * for the end of those. */
        bool may_hang;

        /* What children with a socket run: `data` is looked at when one is forked, its end of the
         * SEQPACKET socket is descriptor 0.  NULL: children are made for one task each. */
        ChildFunc run;
        const void *data;
        /* Idle ones are made when there are `idle_low` or fewer, until there are `idle_max`. */
        unsigned idle_low, idle_max;
        /* Whether they take one task after the other.  Then a task waits for one that comes back,
         * as a rule in some ten microseconds; if not, one is forked at once. */
        bool come_back;
        /* Close this end of a child's socket, which the callee owns.  NULL: close(2). */
        void (*hang_up)(int take_socket, uint32_t account, void *userdata);
        void *userdata;
} WorkerPoolConfig;

WorkerPool *worker_pool_new(const WorkerPoolConfig *config);

/* Its tasks must have been freed.  Children that hang are left to the kernel; never waits.  Accepts
 * NULL. */
void worker_pool_free(WorkerPool *pool);

/* Fork idle children until there are enough, at the start: later this happens by itself. */
int worker_pool_prepare(WorkerPool *pool);

/* Something happened to the task, from the main loop.
 *
 * With a socket, `result` 0: the child has said something, or hung up; read it from
 * worker_task_socket().  Without: the child has ended by _exit(0), and the rest does not come.
 *
 * The rest comes once, the task has no child any more by then.  WORKER_E_LATE.  WORKER_E_ENDED:
 * what it said before can still be read until this returns.  WORKER_E_BUSY: it waited in vain.
 * Negative errno: no child could be made, or sent the message.
 *
 * The task may be freed inside, the pool not. */
typedef void (*WorkerTaskFunc)(WorkerTask *task, int result, void *userdata);

#define WORKER_MESSAGE_MAX 16u /* bytes */

typedef struct WorkerRequest {
        uint32_t account;
        /* For a child with a socket: goes with the message; borrowed.  For one that is made for the
         * task: its descriptor 0, -1: none; borrowed as `data` is. */
        int fd;
        const void *message;
        size_t size;
        /* For a child that is made for the task: `data`, borrowed until there is one, that is until
         * the first event or the task's end. */
        ChildFunc run;
        const void *data;
        WorkerTaskFunc event;
        void *userdata;
} WorkerRequest;

/* Give the task to a child, or have it wait for one.  0: `event` will be called, later, and
 * *ret_task is the caller's.  WORKER_E_BUSY; negative errno: a child could not be made, or be sent
 * the message (a socket with sockets in it may be nested so deep that the kernel refuses:
 * ETOOMANYREFS). */
int worker_pool_ask(WorkerPool *pool, const WorkerRequest *request, WorkerTask **ret_task);

/* The time for its next sign of life, or its end, begins now. */
void worker_task_expect(WorkerTask *task, unsigned msec);

/* With a socket: it has said all that was expected.  The child stays with the task, without limit
 * of time, and nothing is told of it any more. */
void worker_task_rest(WorkerTask *task);

/* The end of a task whose child has kept to the rules and waits for the next one. */
void worker_task_give_back(WorkerTask *task);

/* The end of a task.  Its child is killed: in the next turn of the loop if it rests, else at once.
 * Accepts NULL. */
void worker_task_free(WorkerTask *task);

/* Of the child that it has: this end of the socket, -1 if there is none; the process, whose ID is
 * its own until it is reaped. */
int worker_task_socket(const WorkerTask *task);
pid_t worker_task_pid(const WorkerTask *task);

typedef struct WorkerCounts {
        unsigned idle, working, killed; /* killed: not reaped yet */
} WorkerCounts;
void worker_pool_count(const WorkerPool *pool, WorkerCounts *ret_counts);

/* Turns that the account has: children of its tasks that are not reaped, or are about to be made.
 */
unsigned worker_pool_count_account(const WorkerPool *pool, uint32_t account);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WorkerPool, worker_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WorkerTask, worker_task_free)
