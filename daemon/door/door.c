/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/door/door.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/door/child.h"
#include "daemon/limits.h"
#include "lib/util/fd.h"
#include "lib/util/worker-pool.h"
#include "lib/varlink/discard.h"

/* More messages than a child's send buffer, of whatever size it may be made, lets wait in a queue.
 */
#define QUEUE_MAX 1024u

/* One message that is to be received, until its door is free again. */
typedef struct Reception {
        DoorKeeper *keeper;
        WorkerTask *task;
        size_t n_bytes;
        DoorReceivedFunc received; /* NULL: called; the door closes what was unfit */
        void *userdata;
} Reception;

struct DoorKeeper {
        DoorChildData child_data;
        WorkerPool *pool;
        GHashTable *receptions; /* a set */
        VarlinkDiscards *discards;
};

/* replies */

typedef struct Reply {
        DoorReply wire;
        int fds[VARLINK_DESCRIPTORS_MAX]; /* by verdict, or -1 */
} Reply;

static void reply_init(Reply *reply) {
        for (size_t i = 0; i < G_N_ELEMENTS(reply->fds); i++)
                reply->fds[i] = -1;
}

static void reply_clear(Reply *reply) {
        for (size_t i = 0; i < G_N_ELEMENTS(reply->fds); i++)
                reply->fds[i] = fd_close(reply->fds[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

/* Doors send no descriptors.  -EPROTO: this message has some, and stays where it is: to take it
 * would close them here. */
static ssize_t receive_reply(int fd, DoorReply *reply) {
        struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_PEEK);
        if (n < 0)
                return -errno;
        if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return -EPROTO;
        n = recv(fd, reply, sizeof(*reply), MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}

/* Open what the door has as descriptor `number`, if it is of nsfs or cgroup2.  Looking at it opens
 * nothing and asks no file system: it could be anything. */
static int open_named(const Reception *reception, uint32_t number) {
        const DoorChildData *data = &reception->keeper->child_data;
        auto_fd look = -1;
        struct statx st;
        char path[64];
        dev_t device;

        (void) snprintf(
                path, sizeof(path), "/proc/%d/fd/%" PRIu32, (int) worker_task_pid(reception->task),
                number);
        look = open(path, O_PATH | O_CLOEXEC);
        if (look < 0 || door_stat(look, &st) < 0)
                return -1;
        device = makedev(st.stx_dev_major, st.stx_dev_minor);
        if (device != data->nsfs && (device != data->cgroup2 || !S_ISDIR(st.stx_mode)))
                return -1;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", look);
        return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* Take one descriptor, if it is what the door says that it is. */
static bool take_named(const Reception *reception, DoorVerdict *verdict, int *ret_fd) {
        auto_fd fd = open_named(reception, verdict->number);
        DoorVerdict seen;

        if (fd < 0)
                return false;
        seen = door_vet(&reception->keeper->child_data, fd);
        if (!seen.passed || seen.kind != verdict->kind)
                return false;
        seen.open_flags = verdict->open_flags; /* this is another open file */
        *verdict = seen;
        /* Of a control group its number is all that anybody needs: see daemon/cgroup/cgroup.h. */
        if (seen.kind != DOOR_KIND_CGROUP)
                *ret_fd = g_steal_fd(&fd);
        return true;
}

/* Take what a reply names.  False: it makes no sense; a door could have been taken over by what it
 * has received.  Verdicts of what was taken are our own from here on. */
static bool take_reply(const Reception *reception, Reply *reply) {
        DoorReply *wire = &reply->wire;
        bool names_any = false;

        if (wire->result > 0 || wire->n_consumed > reception->n_bytes ||
            wire->n_descriptors > VARLINK_DESCRIPTORS_MAX)
                return false;
        for (size_t i = 0; i < wire->n_descriptors; i++) {
                DoorVerdict *verdict = &wire->verdicts[i];

                if (!verdict->passed && door_kind_is_passed(verdict->kind))
                        return false;
                if (verdict->passed && !take_named(reception, verdict, &reply->fds[i]))
                        return false;
                names_any = names_any || verdict->passed;
        }
        /* It keeps them until it is told; if it is not there any more, it keeps nothing. */
        if (names_any)
                (void) send(
                        worker_task_socket(reception->task), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        return true;
}

/* receptions */

/* Descriptors that are left in the socket would be closed with it. */
static void on_hang_up(int take_socket, uint32_t account, void *userdata) {
        DoorKeeper *keeper = userdata;
        auto_fd fd = take_socket;
        DoorReply reply;
        ssize_t n = 0;

        /* From now on nothing comes in; the end of the queue looks like an empty message. */
        (void) shutdown(fd, SHUT_RDWR);
        for (unsigned i = 0; i < QUEUE_MAX && (n >= 0 || n == -EINTR); i++)
                n = receive_reply(fd, &reply);
        if (n == -EPROTO)
                varlink_discards_add(keeper->discards, g_steal_fd(&fd), account);
}

static void reception_free(Reception *reception) {
        worker_task_free(reception->task);
        g_free(reception);
}

/* Forget about it, and tell whoever waits; the last thing done in a callback.  A door that has not
 * been given back is killed, and stays charged until it is reaped, which its client may hinder. */
static void reception_end(Reception *reception, int result) {
        DoorReceivedFunc received = reception->received;
        void *userdata = reception->userdata;

        (void) g_hash_table_remove(reception->keeper->receptions, reception);
        if (received)
                received(result, 0, NULL, 0, userdata);
}

static void reception_give_back(Reception *reception) {
        WorkerTask *task = g_steal_pointer(&reception->task);

        (void) g_hash_table_remove(reception->keeper->receptions, reception);
        worker_task_give_back(task);
}

/* Hand the result to whoever asked; the last thing done in a callback. */
static void deliver(Reply *reply, DoorReceivedFunc received, void *userdata) {
        VarlinkDescriptor descriptors[VARLINK_DESCRIPTORS_MAX];

        for (size_t i = 0; i < reply->wire.n_descriptors; i++) {
                const DoorVerdict *verdict = &reply->wire.verdicts[i];

                descriptors[i] = (VarlinkDescriptor){
                        .fd = g_steal_fd(&reply->fds[i]),
                        .kind = verdict->kind,
                        .open_flags = verdict->open_flags,
                        .detail = verdict->detail,
                };
        }
        received(
                reply->wire.result, reply->wire.n_consumed, descriptors, reply->wire.n_descriptors,
                userdata);
}

static void on_reply(Reception *reception, Reply *reply) {
        DoorReceivedFunc received = g_steal_pointer(&reception->received);
        void *userdata = reception->userdata;

        if (reply->wire.ready)
                reception_give_back(reception);
        else
                worker_task_expect(reception->task, LIMIT_DOOR_MSEC);
        deliver(reply, received, userdata);
}

/* What door.h promises, of what worker-pool.h does. */
static int reception_error(int result) {
        switch (result) {
        case WORKER_E_BUSY:
                return -EBUSY;
        case WORKER_E_LATE:
                return -ETIMEDOUT;
        case WORKER_E_ENDED:
                return -ECONNRESET;
        default:
                return result;
        }
}

static void on_event(WorkerTask *task, int result, void *userdata) {
        Reception *reception = userdata;
        g_auto(Reply) reply;
        ssize_t n;

        reply_init(&reply);
        if (result != 0) {
                reception_end(reception, reception_error(result));
                return;
        }
        n = receive_reply(worker_task_socket(task), &reply.wire);
        if (n == -EAGAIN || n == -EINTR)
                return;
        if (reception->received && n == sizeof(reply.wire) && take_reply(reception, &reply))
                on_reply(reception, &reply);
        else if (!reception->received && n == 1)
                reception_give_back(reception);
        else /* it died, or does not keep to the rules */
                reception_end(reception, n == 0 || n == -ECONNRESET ? -ECONNRESET : -EPROTO);
}

int door_receive(
        DoorKeeper *keeper, int fd, size_t n_bytes, uint32_t account, DoorReceivedFunc received,
        void *userdata) {
        Reception *reception = g_new(Reception, 1);
        const DoorRequest message = { .n_bytes = (uint32_t) MIN(n_bytes, VARLINK_MESSAGE_MAX) };
        const WorkerRequest request = {
                .account = account,
                .message = &message,
                .size = sizeof(message),
                .fd = fd,
                .event = on_event,
                .userdata = reception,
        };
        int r;

        *reception = (Reception){
                .keeper = keeper,
                .n_bytes = n_bytes,
                .received = received,
                .userdata = userdata,
        };
        r = worker_pool_ask(keeper->pool, &request, &reception->task);
        if (r != 0) {
                g_free(reception);
                return r == WORKER_E_BUSY ? DOOR_E_BUSY : r;
        }
        (void) g_hash_table_add(keeper->receptions, reception);
        return 0;
}

/* keeper */

void door_keeper_count(const DoorKeeper *keeper, DoorCounts *ret_counts) {
        WorkerCounts counts;

        worker_pool_count(keeper->pool, &counts);
        *ret_counts = (DoorCounts){ .n_idle = counts.idle,
                                    .n_working = counts.working,
                                    .n_stuck = counts.killed };
}

int door_keeper_new(const DoorKeeperConfig *config, DoorKeeper **ret_keeper) {
        g_autoptr(DoorKeeper) keeper = NULL;
        struct stat st;
        int r;

        keeper = g_new(DoorKeeper, 1);
        *keeper = (DoorKeeper){
                .child_data = { .uid = config->uid,
                                .gid = config->gid,
                                .parent = getpid(),
                                .cgroup2 = config->cgroup2 },
                .receptions =
                        g_hash_table_new_full(NULL, NULL, (GDestroyNotify) reception_free, NULL),
                .discards = varlink_discards_new(LIMIT_DISCARDS_PER_ACCOUNT),
        };
        const WorkerPoolConfig pool = {
                .run = config->run ?: door_child_run,
                .data = &keeper->child_data,
                .idle_max = LIMIT_DOORS_IDLE,
                .max = LIMIT_DOORS,
                .max_per_account = LIMIT_DOORS_STUCK_PER_ACCOUNT,
                .share = LIMIT_DOORS_SHARE,
                .max_waiting_per_account = LIMIT_DOORS_WAITING,
                .max_waiting = LIMIT_DOORS_WAITING,
                .come_back = true,
                .may_hang = true,
                .msec = LIMIT_DOOR_MSEC,
                .hang_up = on_hang_up,
                .userdata = keeper,
        };

        keeper->pool = worker_pool_new(&pool);
        if (stat("/proc/self/ns/user", &st) < 0)
                return -errno;
        keeper->child_data.nsfs = st.st_dev;
        r = worker_pool_prepare(keeper->pool);
        if (r < 0)
                return r;
        *ret_keeper = g_steal_pointer(&keeper);
        return 0;
}

void door_keeper_free(DoorKeeper *keeper) {
        if (!keeper)
                return;
        g_hash_table_unref(keeper->receptions);
        worker_pool_free(keeper->pool);
        varlink_discards_free(keeper->discards);
        g_free(keeper);
}
