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

#include <glib-unix.h>

#include "daemon/door/child.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd-send.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"
#include "lib/varlink/discard.h"

/* More messages than a child's send buffer, of whatever size it may be made, lets wait in a queue.
 */
#define QUEUE_MAX 1024u

typedef enum DoorState {
        DOOR_IDLE,
        DOOR_WORKING, /* has a request */
        DOOR_CLOSING, /* has replied, and closes what was unfit */
        DOOR_STUCK,   /* was killed, has not been reaped */
} DoorState;

typedef struct Door {
        DoorKeeper *keeper;
        DoorState state;
        bool is_charged; /* to `account`: for what is not idle */
        uint32_t account;
        Child *child;
        int fd;
        GSource *source, *deadline;
        /* The request of a working one. */
        size_t n_bytes;
        DoorReceivedFunc received;
        void *userdata;
} Door;

/* A request that waits for a door. */
typedef struct Waiting {
        int fd; /* own */
        size_t n_bytes;
        uint32_t account;
        DoorReceivedFunc received;
        void *userdata;
} Waiting;

struct DoorKeeper {
        DoorChildData child_data;
        ChildFunc run;
        GPtrArray *doors; /* until they are reaped */
        VarlinkDiscards *discards;
        GQueue waiting;
        GSource *refill;
};

static void serve_waiting(DoorKeeper *keeper);

/* counting */

static unsigned count_state(const DoorKeeper *keeper, DoorState state) {
        unsigned n = 0;

        for (guint i = 0; i < keeper->doors->len; i++)
                n += ((Door *) keeper->doors->pdata[i])->state == state;
        return n;
}

static unsigned count_account(const DoorKeeper *keeper, uint32_t account, bool only_stuck) {
        unsigned n = 0;

        for (guint i = 0; i < keeper->doors->len; i++) {
                const Door *door = keeper->doors->pdata[i];

                n += door->is_charged && door->account == account &&
                     (!only_stuck || door->state == DOOR_STUCK);
        }
        return n;
}

/* How many doors one account may have when `n_taken` are not idle: ever fewer the fewer are left,
 * so that those who have some already do not take the last, and whoever has none gets one. */
static unsigned share(unsigned n_taken) {
        unsigned n_left = LIMIT_DOORS - MIN(n_taken, LIMIT_DOORS);

        return MIN(
                LIMIT_DOORS_STUCK_PER_ACCOUNT,
                (n_left + LIMIT_DOORS_SHARE - 1) / LIMIT_DOORS_SHARE);
}

static unsigned count_taken(const DoorKeeper *keeper) {
        return keeper->doors->len - count_state(keeper, DOOR_IDLE);
}

static bool may_have_one(const DoorKeeper *keeper, uint32_t account) {
        return count_account(keeper, account, false) < share(count_taken(keeper));
}

void door_keeper_count(const DoorKeeper *keeper, DoorCounts *ret_counts) {
        *ret_counts = (DoorCounts){
                .n_idle = count_state(keeper, DOOR_IDLE),
                .n_working = count_state(keeper, DOOR_WORKING) + count_state(keeper, DOOR_CLOSING),
                .n_stuck = count_state(keeper, DOOR_STUCK),
        };
}

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
static int open_offer(const Door *door, uint32_t number) {
        const DoorChildData *data = &door->keeper->child_data;
        auto_fd look = -1;
        struct statx st;
        char path[64];
        dev_t device;

        (void) snprintf(
                path, sizeof(path), "/proc/%d/fd/%" PRIu32, (int) child_pid(door->child), number);
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
static bool take_offer(const Door *door, DoorVerdict *verdict, int *ret_fd) {
        auto_fd fd = open_offer(door, verdict->number);
        DoorVerdict seen;

        if (fd < 0)
                return false;
        seen = door_vet(&door->keeper->child_data, fd);
        if (!seen.passed || seen.kind != verdict->kind)
                return false;
        seen.open_flags = verdict->open_flags; /* this is another open file */
        *verdict = seen;
        /* Of a control group its number is all that anybody needs: see daemon/cgroup/cgroup.h. */
        if (seen.kind != DOOR_KIND_CGROUP)
                *ret_fd = g_steal_fd(&fd);
        return true;
}

/* Take what a reply offers.  False: it makes no sense; a door could have been taken over by what it
 * has received.  Verdicts of what was taken are our own from here on. */
static bool take_reply(const Door *door, Reply *reply) {
        DoorReply *wire = &reply->wire;
        bool has_offers = false;

        if (wire->result > 0 || wire->n_consumed > door->n_bytes ||
            wire->n_descriptors > VARLINK_DESCRIPTORS_MAX)
                return false;
        for (size_t i = 0; i < wire->n_descriptors; i++) {
                DoorVerdict *verdict = &wire->verdicts[i];

                if (!verdict->passed && door_kind_is_passed(verdict->kind))
                        return false;
                if (verdict->passed && !take_offer(door, verdict, &reply->fds[i]))
                        return false;
                has_offers = has_offers || verdict->passed;
        }
        /* It keeps them until it is told; if it is not there any more, it keeps nothing. */
        if (has_offers)
                (void) send(door->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        return true;
}

/* doors */

/* Everything but the child.  Descriptors that are left in the socket would be closed with it. */
static void door_disconnect(Door *door) {
        DoorReply reply;
        ssize_t n = 0;

        source_drop(&door->source);
        source_drop(&door->deadline);
        if (door->fd < 0)
                return;
        /* From now on nothing comes in; the end of the queue looks like an empty message. */
        (void) shutdown(door->fd, SHUT_RDWR);
        for (unsigned i = 0; i < QUEUE_MAX && (n >= 0 || n == -EINTR); i++)
                n = receive_reply(door->fd, &reply);
        if (n == -EPROTO)
                varlink_discards_add(door->keeper->discards, g_steal_fd(&door->fd), door->account);
        door->fd = fd_close(door->fd);
}

static void door_free(Door *door) {
        door_disconnect(door);
        if (door->child)
                child_forget(door->child);
        g_free(door);
}

static void on_exited(Child *child, void *userdata) {
        Door *door = userdata;
        DoorKeeper *keeper = door->keeper;
        DoorReceivedFunc received = door->state == DOOR_WORKING ? door->received : NULL;
        void *received_userdata = door->userdata;

        door->child = NULL;
        g_ptr_array_remove_fast(keeper->doors, door); /* frees it */
        serve_waiting(keeper);
        if (received)
                received(-ECONNRESET, 0, NULL, 0, received_userdata);
}

static gboolean on_refill(gpointer userdata);

static void schedule_refill(DoorKeeper *keeper) {
        if (keeper->refill)
                return;
        /* In the next round, not now: a door that is busy is back in some ten microseconds as a
         * rule. */
        keeper->refill = g_idle_source_new();
        g_source_set_priority(keeper->refill, G_PRIORITY_DEFAULT);
        g_source_set_callback(keeper->refill, on_refill, keeper, NULL);
        g_source_attach(keeper->refill, NULL);
}

/* Give a door up.  It stays charged until it is reaped, which its client may hinder. */
static void door_give_up(Door *door) {
        door_disconnect(door);
        door->state = DOOR_STUCK;
        child_kill(door->child);
        schedule_refill(door->keeper);
}

static void door_set_idle(Door *door) {
        DoorKeeper *keeper = door->keeper;

        g_source_set_ready_time(door->deadline, -1);
        door->state = DOOR_IDLE;
        door->is_charged = false;
        if (count_state(keeper, DOOR_IDLE) > LIMIT_DOORS_IDLE && keeper->waiting.length == 0)
                door_give_up(door);
}

static void set_deadline(Door *door) {
        g_source_set_ready_time(
                door->deadline, g_get_monotonic_time() + LIMIT_DOOR_MSEC * G_TIME_SPAN_MILLISECOND);
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

static void on_reply(Door *door, Reply *reply) {
        DoorKeeper *keeper = door->keeper;
        DoorReceivedFunc received = door->received;
        void *userdata = door->userdata;

        if (reply->wire.ready)
                door_set_idle(door);
        else {
                door->state = DOOR_CLOSING;
                set_deadline(door);
        }
        serve_waiting(keeper);
        deliver(reply, received, userdata);
}

/* It died, or does not keep to the rules. */
static void on_broken(Door *door, int result) {
        DoorKeeper *keeper = door->keeper;
        DoorReceivedFunc received = door->state == DOOR_WORKING ? door->received : NULL;
        void *userdata = door->userdata;

        door_give_up(door);
        serve_waiting(keeper);
        if (received)
                received(result, 0, NULL, 0, userdata);
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer userdata) {
        Door *door = userdata;
        g_auto(Reply) reply;
        ssize_t n;

        reply_init(&reply);
        n = receive_reply(fd, &reply.wire);
        if (n == -EAGAIN || n == -EINTR)
                return G_SOURCE_CONTINUE;

        if (door->state == DOOR_WORKING && n == sizeof(reply.wire) && take_reply(door, &reply))
                on_reply(door, &reply);
        else if (door->state == DOOR_CLOSING && n == 1) {
                DoorKeeper *keeper = door->keeper;

                door_set_idle(door);
                serve_waiting(keeper);
        } else
                on_broken(door, n == 0 || n == -ECONNRESET ? -ECONNRESET : -EPROTO);
        return G_SOURCE_CONTINUE;
}

static gboolean on_deadline(gpointer userdata) {
        on_broken(userdata, -ETIMEDOUT);
        return G_SOURCE_REMOVE;
}

static int door_start(DoorKeeper *keeper) {
        auto_fd ours = -1, theirs = -1;
        Door *door = NULL;
        int r, ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];

        door = g_new(Door, 1);
        *door = (Door){ .keeper = keeper, .state = DOOR_IDLE, .fd = -1 };
        keeper->child_data.parent = getpid();
        r = child_new(&theirs, 1, keeper->run, &keeper->child_data, on_exited, door, &door->child);
        if (r < 0) {
                g_free(door);
                return r;
        }
        door->fd = g_steal_fd(&ours);
        door->source = g_unix_fd_source_new(door->fd, G_IO_IN | G_IO_HUP);
        g_source_set_callback(door->source, G_SOURCE_FUNC(on_readable), door, NULL);
        g_source_attach(door->source, NULL);
        door->deadline = g_timeout_source_new(LIMIT_DOOR_MSEC);
        g_source_set_ready_time(door->deadline, -1);
        g_source_set_callback(door->deadline, on_deadline, door, NULL);
        g_source_attach(door->deadline, NULL);
        g_ptr_array_add(keeper->doors, door);
        return 0;
}

/* requests */

static Door *find_idle(DoorKeeper *keeper) {
        for (guint i = 0; i < keeper->doors->len; i++) {
                Door *door = keeper->doors->pdata[i];

                if (door->state == DOOR_IDLE)
                        return door;
        }
        return NULL;
}

static int send_request(Door *door, int fd, size_t n_bytes) {
        DoorRequest request = { .n_bytes = (uint32_t) MIN(n_bytes, VARLINK_MESSAGE_MAX) };

        return fd_send(door->fd, &request, sizeof(request), &fd, 1);
}

/* Give the request to an idle door.  -EAGAIN: there is none.  Other errors are the connection's: a
 * client can nest sockets in sockets so deep that the kernel sends theirs no further
 * (ETOOMANYREFS). */
static int assign(DoorKeeper *keeper, const Waiting *waiting) {
        Door *door;

        while ((door = find_idle(keeper))) {
                int r = send_request(door, waiting->fd, waiting->n_bytes);

                if (r == -EPIPE || r == -ECONNRESET) { /* it died while idle */
                        door_give_up(door);
                        continue;
                }
                if (r < 0)
                        return r == -EAGAIN ? -EPROTO : r;
                door->state = DOOR_WORKING;
                door->is_charged = true;
                door->account = waiting->account;
                door->n_bytes = waiting->n_bytes;
                door->received = waiting->received;
                door->userdata = waiting->userdata;
                set_deadline(door);
                if (!find_idle(keeper))
                        schedule_refill(keeper);
                return 0;
        }
        return -EAGAIN;
}

/* Whether waiting is of no use: nothing that would have to end first does so by itself. */
static bool is_hopeless(const DoorKeeper *keeper, uint32_t account) {
        return count_account(keeper, account, true) >= share(count_state(keeper, DOOR_STUCK));
}

static void waiting_free(Waiting *waiting) {
        fd_close(waiting->fd);
        g_free(waiting);
}

/* The next to be served: of those whose account has fewest doors, who has waited longest. */
static GList *find_next(DoorKeeper *keeper) {
        unsigned fewest = share(count_taken(keeper));
        GList *next = NULL;

        for (GList *l = keeper->waiting.head; l && fewest > 0; l = l->next) {
                const Waiting *waiting = l->data;
                unsigned n = count_account(keeper, waiting->account, false);

                if (n < fewest) {
                        next = l;
                        fewest = n;
                }
        }
        return next;
}

static GList *find_hopeless(DoorKeeper *keeper) {
        for (GList *l = keeper->waiting.head; l; l = l->next)
                if (is_hopeless(keeper, ((const Waiting *) l->data)->account))
                        return l;
        return NULL;
}

static void end_waiting(DoorKeeper *keeper, GList *link, int result) {
        Waiting *waiting = link->data;
        DoorReceivedFunc received = waiting->received;
        void *userdata = waiting->userdata;

        g_queue_delete_link(&keeper->waiting, link);
        waiting_free(waiting);
        if (result < 0)
                received(result, 0, NULL, 0, userdata);
}

static void serve_waiting(DoorKeeper *keeper) {
        GList *link;

        while (find_idle(keeper) && (link = find_next(keeper))) {
                int r = assign(keeper, link->data);

                if (r == -EAGAIN)
                        break;
                end_waiting(keeper, link, r);
        }
        while ((link = find_hopeless(keeper)))
                end_waiting(keeper, link, -EBUSY);
        if (keeper->waiting.length > 0 && count_taken(keeper) < LIMIT_DOORS && !find_idle(keeper))
                schedule_refill(keeper);
}

static gboolean on_refill(gpointer userdata) {
        DoorKeeper *keeper = userdata;
        int r = 0;

        source_drop(&keeper->refill);
        while (r == 0 && count_taken(keeper) < LIMIT_DOORS &&
               count_state(keeper, DOOR_IDLE) < LIMIT_DOORS_IDLE)
                r = door_start(keeper);

        /* Short of processes or memory.  A door that works will be idle again, and serve those who
         * wait; where all of them hang, nobody will. */
        if (r < 0 && count_state(keeper, DOOR_STUCK) == keeper->doors->len)
                while (keeper->waiting.length > 0)
                        end_waiting(keeper, keeper->waiting.head, r);
        else if (r == 0)
                serve_waiting(keeper);
        return G_SOURCE_REMOVE;
}

int door_receive(
        DoorKeeper *keeper, int fd, size_t n_bytes, uint32_t account, DoorReceivedFunc received,
        void *userdata) {
        Waiting waiting = {
                .fd = fd,
                .n_bytes = n_bytes,
                .account = account,
                .received = received,
                .userdata = userdata,
        };
        int r = -EAGAIN;

        if (is_hopeless(keeper, account))
                return DOOR_E_BUSY;
        if (may_have_one(keeper, account))
                r = assign(keeper, &waiting);
        if (r != -EAGAIN)
                return r;

        if (keeper->waiting.length >= LIMIT_DOORS_WAITING)
                return DOOR_E_BUSY;
        waiting.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (waiting.fd < 0)
                return -errno;
        g_queue_push_tail(&keeper->waiting, g_memdup2(&waiting, sizeof(waiting)));
        schedule_refill(keeper);
        return 0;
}

/* keeper */

int door_keeper_new(const DoorKeeperConfig *config, DoorKeeper **ret_keeper) {
        g_autoptr(DoorKeeper) keeper = NULL;
        struct stat st;
        int r;

        keeper = g_new(DoorKeeper, 1);
        *keeper = (DoorKeeper){
                .child_data = { .uid = config->uid,
                                .gid = config->gid,
                                .cgroup2 = config->cgroup2 },
                .run = config->run ?: door_child_run,
                .doors = g_ptr_array_new_with_free_func((GDestroyNotify) door_free),
                .discards = varlink_discards_new(LIMIT_DISCARDS_PER_ACCOUNT),
                .waiting = G_QUEUE_INIT,
        };
        if (stat("/proc/self/ns/user", &st) < 0)
                return -errno;
        keeper->child_data.nsfs = st.st_dev;
        for (unsigned i = 0; i < LIMIT_DOORS_IDLE; i++) {
                r = door_start(keeper);
                if (r < 0)
                        return r;
        }
        *ret_keeper = g_steal_pointer(&keeper);
        return 0;
}

void door_keeper_free(DoorKeeper *keeper) {
        if (!keeper)
                return;
        source_drop(&keeper->refill);
        g_queue_clear_full(&keeper->waiting, (GDestroyNotify) waiting_free);
        g_ptr_array_unref(keeper->doors);
        varlink_discards_free(keeper->discards);
        g_free(keeper);
}
