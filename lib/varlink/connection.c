/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util/fd.h"
#include "lib/varlink/output.h"
#include "lib/varlink/receive.h"
#include "lib/varlink/run-queue.h"

#define INPUT_SIZE_MIN 4096u

typedef struct Input {
        char *data;
        size_t capacity;
        size_t start;   /* of the message that comes next */
        size_t scanned; /* bytes from `start` on known to hold no NUL */
        size_t end;
} Input;

struct VarlinkConnection {
        unsigned n_refs;
        int fd; /* -1: closed */
        VarlinkPeer peer;
        uint32_t account;
        const VarlinkConnectionHandlers *handlers;
        void *userdata;
        VarlinkPeek *peek;
        VarlinkRunQueue *queue;
        VarlinkRunItem item; /* in the queue */
        GSource *source;     /* sees what is to be done, and queues the connection for it */
        GPollFD poll;        /* in the source */
        bool polled;
        GIOCondition events; /* seen, and not served yet */
        GList link;

        Input input;
        VarlinkDescriptor *descriptors; /* of the message that begins at input.start */
        size_t n_descriptors;
        VarlinkOutput output;

        void (*drained)(VarlinkConnection *connection, void *userdata);
        void *drained_userdata;

        size_t n_offered; /* bytes that `receive` may take; 0: it is not at work */
        bool busy;        /* a message was handed up */
        bool serving;     /* in a step: what is sent waits for the step's end ... */
        size_t n_unwritten;
        unsigned n_more;   /* ... and there are so many of it that others follow */
        bool end_of_input; /* the peer sends no more */
        bool gone;         /* the peer reads no more */
        bool full;         /* the socket takes no more, until poll() says otherwise */
        bool finishing;
        bool failed; /* to be closed at the next turn */
};

typedef struct ConnectionSource {
        GSource source;
        VarlinkConnection *connection; /* borrowed: the source is destroyed when it is closed */
} ConnectionSource;

/* Bytes that one step gathers for one system call. */
#define BATCH_SIZE (64u * 1024)

/* input */

/* Bytes of the message at input->start with its NUL, or 0 if that has not come. */
static size_t input_message_size(Input *input) {
        size_t from = input->start + input->scanned;
        const char *nul;

        if (from == input->end)
                return 0;
        nul = memchr(input->data + from, '\0', input->end - from);
        if (!nul) {
                input->scanned = input->end - input->start;
                return 0;
        }
        input->scanned = (size_t) (nul - input->data) - input->start;
        return input->scanned + 1;
}

static size_t input_partial_size(const Input *input) {
        return input->end - input->start;
}

/* Make room for `n` bytes; an idle connection holds no more memory than it must. */
static char *input_reserve(Input *input, size_t n) {
        size_t used = input->end - input->start;

        if (input->start > 0) {
                memmove(input->data, input->data + input->start, used);
                input->start = 0;
                input->end = used;
        }
        if (input->capacity < used + n) {
                input->capacity = MAX(used + n, 2 * input->capacity);
                input->capacity = CLAMP(input->capacity, INPUT_SIZE_MIN, VARLINK_MESSAGE_MAX);
                input->data = g_realloc(input->data, input->capacity);
        }
        return input->data + input->end;
}

static void input_drop(Input *input, size_t n) {
        input->start += n;
        input->scanned = 0;
        if (input->start < input->end)
                return;
        input->start = 0;
        input->end = 0;
        if (input->capacity > INPUT_SIZE_MIN) {
                g_clear_pointer(&input->data, g_free);
                input->capacity = 0;
        }
}

static void clear_descriptors(VarlinkConnection *connection) {
        for (size_t i = 0; i < connection->n_descriptors; i++)
                fd_close(connection->descriptors[i].fd);
        connection->n_descriptors = 0;
        g_clear_pointer(&connection->descriptors, g_free);
}

/* states */

static bool can_work(const VarlinkConnection *connection) {
        return connection->fd >= 0 && !connection->busy && connection->n_offered == 0 &&
               !connection->finishing && !connection->failed &&
               connection->output.size <= connection->handlers->output_high;
}

static bool has_message(VarlinkConnection *connection) {
        return input_message_size(&connection->input) > 0;
}

static bool is_over(VarlinkConnection *connection) {
        bool written = connection->output.size == 0 || connection->gone;

        if (connection->failed)
                return true;
        if (connection->busy || connection->n_offered > 0 || !written)
                return false;
        return connection->finishing || (connection->end_of_input && !has_message(connection));
}

/* Whether there is something to do that poll() does not tell. */
static bool is_ready(VarlinkConnection *connection) {
        if (is_over(connection))
                return true;
        if (connection->drained &&
            (connection->gone || connection->output.size <= connection->handlers->output_high))
                return true;
        if (!can_work(connection))
                return false;
        return has_message(connection) || (!connection->polled && !connection->end_of_input);
}

static GIOCondition wanted_events(VarlinkConnection *connection) {
        GIOCondition events = 0;

        if (can_work(connection) && !connection->end_of_input && !has_message(connection))
                events |= G_IO_IN | G_IO_PRI;
        if (connection->output.size > 0)
                events |= G_IO_OUT;
        return events;
}

static void stop_writing(VarlinkConnection *connection) {
        connection->gone = true;
        varlink_output_clear(&connection->output);
}

/* The peer has closed its end.  poll() goes on reporting that whatever is asked for, so stop
 * asking; what the peer sent before is still read. */
static void hang_up(VarlinkConnection *connection) {
        stop_writing(connection);
        if (connection->polled)
                g_source_remove_poll(connection->source, &connection->poll);
        connection->polled = false;
}

/* A peer that has shut down reading only can still send, so
 * writing is all that ends with an error. */
static void flush(VarlinkConnection *connection) {
        connection->n_unwritten = 0;
        if (connection->gone || connection->full)
                return;
        if (varlink_output_write(&connection->output, connection->fd) < 0)
                stop_writing(connection);
        connection->full = connection->output.size > 0;
}

/* steps */

static void hand_up(VarlinkConnection *connection, size_t size) {
        Input *input = &connection->input;
        VarlinkMessage message = {
                .text = input->data + input->start,
                .size = size - 1,
                .descriptors = g_steal_pointer(&connection->descriptors),
                .n_descriptors = connection->n_descriptors,
        };

        connection->n_descriptors = 0;
        connection->busy = true;
        connection->handlers->message(connection, &message, connection->userdata);
        input_drop(input, size);
}

/* The piece in front of the queue carries descriptors, which somebody else must receive. */
static int offer(VarlinkConnection *connection, const VarlinkPeekResult *seen) {
        Input *input = &connection->input;
        size_t n = MIN(seen->size, VARLINK_MESSAGE_MAX);
        const char *nul = memchr(seen->data, '\0', n);
        int r;

        if (!connection->handlers->receive || input_partial_size(input) > 0)
                return -EPROTO;
        if (!nul && seen->size >= VARLINK_MESSAGE_MAX)
                return -EMSGSIZE;
        n = nul ? (size_t) (nul - seen->data) + 1 : seen->size;

        memcpy(input_reserve(input, n), seen->data, n);
        input->end += n;
        connection->n_offered = n;
        varlink_connection_ref(connection);
        r = connection->handlers->receive(connection, connection->fd, n, connection->userdata);
        if (r < 0)
                varlink_connection_received(connection, r, 0, NULL, 0);
        return 0;
}

/* Read what is free of descriptors.  -EAGAIN: nothing there. */
static int read_input(VarlinkConnection *connection) {
        Input *input = &connection->input;
        size_t room = VARLINK_MESSAGE_MAX - input_partial_size(input);
        VarlinkPeekResult seen;
        ssize_t n;
        int r;

        g_assert(room > 0);
        r = varlink_peek_look(connection->peek, connection->fd, room, &seen);
        if (r < 0)
                return r;
        if (seen.size == 0) {
                connection->end_of_input = true;
                return 0;
        }
        if (seen.descriptors)
                return offer(connection, &seen);

        /* Never more than was seen: what has come since may carry descriptors, and reading on into
         * it would drop them here. */
        do
                n = recv(connection->fd, input_reserve(input, seen.size), seen.size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        input->end += (size_t) n;
        return 0;
}

/* One message, read first if there is none. */
static void work(VarlinkConnection *connection) {
        size_t size;
        int r;

        if (!can_work(connection))
                return;
        if (!has_message(connection) && !connection->end_of_input) {
                r = read_input(connection);
                if (r == -EAGAIN && connection->polled)
                        return;
                if (r < 0) {
                        connection->failed = true;
                        return;
                }
        }
        size = input_message_size(&connection->input);
        if (size == 0 && input_partial_size(&connection->input) >= VARLINK_MESSAGE_MAX)
                connection->failed = true;
        else if (size > 0 && can_work(connection))
                hand_up(connection, size);
}

/* Whether there was somebody to call. */
static bool call_drained(VarlinkConnection *connection) {
        void (*drained)(VarlinkConnection *, void *) = connection->drained;

        if (!drained ||
            (!connection->gone && connection->output.size > connection->handlers->output_high))
                return false;
        connection->drained = NULL;
        drained(connection, connection->drained_userdata);
        return true;
}

/* the step */

static void serve(void *userdata) {
        g_autoptr(VarlinkConnection) connection = varlink_connection_ref(userdata);
        GIOCondition events = connection->events;

        connection->events = 0;
        if (events & G_IO_PRI)
                /* Out-of-band data: not part of the protocol, and a way to hide descriptors. */
                connection->failed = true;
        if (events & (G_IO_HUP | G_IO_ERR))
                hang_up(connection);
        if (events & G_IO_OUT)
                connection->full = false;
        if (!connection->failed)
                flush(connection);

        connection->serving = true;
        connection->n_more = 0;
        if (!call_drained(connection))
                work(connection);
        connection->serving = false;
        if (connection->fd < 0)
                return;
        if (!connection->failed)
                flush(connection);

        if (is_over(connection)) {
                varlink_connection_close(connection);
                connection->handlers->closed(connection, connection->userdata);
        } else if (is_ready(connection))
                varlink_run_queue_add(connection->queue, &connection->item);
}

/* the source: never run, it only looks */

static gboolean source_prepare(GSource *source, int *ret_timeout_ms) {
        VarlinkConnection *connection = ((ConnectionSource *) source)->connection;

        *ret_timeout_ms = -1;
        if (is_ready(connection))
                varlink_run_queue_add(connection->queue, &connection->item);
        connection->poll.events = wanted_events(connection);
        return FALSE;
}

static gboolean source_check(GSource *source) {
        VarlinkConnection *connection = ((ConnectionSource *) source)->connection;

        if (connection->polled && connection->poll.revents != 0) {
                connection->events |= connection->poll.revents;
                varlink_run_queue_add(connection->queue, &connection->item);
        }
        return FALSE;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, void *data) {
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {
        .prepare = source_prepare,
        .check = source_check,
        .dispatch = source_dispatch,
};

/* From 6.16 on a socket can refuse to be sent descriptors; the number is the same on all
 * architectures but these. */
#if !defined(SO_PASSRIGHTS) && !defined(__alpha__) && !defined(__hppa__) && !defined(__sparc__)
#define SO_PASSRIGHTS 83
#endif

/* Options that a listening socket hands down would make every look report control data; out-of-band
 * data kept inline cannot be dropped unseen. */
static void set_options(int fd, bool takes_descriptors, size_t output_high) {
        static const int off[] = {
                SO_PASSCRED,
                SO_PASSSEC,
#ifdef SO_PASSPIDFD
                SO_PASSPIDFD,
#endif
        };
        int zero = 0, one = 1, send_size = (int) output_high;

        for (size_t i = 0; i < G_N_ELEMENTS(off); i++)
                (void) setsockopt(fd, SOL_SOCKET, off[i], &zero, sizeof(zero));
        (void) setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
        /* What the kernel keeps for a peer that does not read is ours to pay for, too. */
        if (output_high < VARLINK_OUTPUT_HIGH)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof(send_size));
#ifdef SO_PASSRIGHTS
        if (!takes_descriptors)
                (void) setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &zero, sizeof(zero));
#endif
}

VarlinkConnection *varlink_connection_new(
        int take_fd, const VarlinkPeer *peer, uint32_t account, GMainContext *context,
        VarlinkPeek *peek, VarlinkRunQueue *queue, const VarlinkConnectionHandlers *handlers,
        void *userdata) {
        VarlinkConnection *connection = g_new(VarlinkConnection, 1);

        *connection = (VarlinkConnection){
                .n_refs = 1,
                .fd = take_fd,
                .peer = *peer,
                .account = account,
                .handlers = handlers,
                .userdata = userdata,
                .peek = peek,
                .queue = queue,
                .item = { .link = { .data = &connection->item },
                          .account = account,
                          .serve = serve,
                          .userdata = connection },
                .poll = { .fd = take_fd, .events = G_IO_IN | G_IO_PRI },
                .polled = true,
                .link = { .data = connection },
                .output = VARLINK_OUTPUT_INIT,
        };
        set_options(take_fd, handlers->receive, handlers->output_high);
        connection->source = g_source_new(&source_functions, sizeof(ConnectionSource));
        ((ConnectionSource *) connection->source)->connection = connection;
        /* Not g_source_add_unix_fd(): what that finds ready is run, one by one as they stand, and
         * each change of what is waited for costs a system call. */
        g_source_add_poll(connection->source, &connection->poll);
        g_source_set_priority(connection->source, VARLINK_RUN_NOTE_PRIORITY);
        g_source_attach(connection->source, context);
        return connection;
}

VarlinkConnection *varlink_connection_ref(VarlinkConnection *connection) {
        connection->n_refs++;
        return connection;
}

void varlink_connection_unref(VarlinkConnection *connection) {
        if (!connection || --connection->n_refs > 0)
                return;
        varlink_connection_close(connection);
        g_free(connection->input.data);
        g_free(connection);
}

/* Closing drops the last reference to descriptors that nobody received, and the kernel then runs
 * their files' release in this process: a TCP socket with SO_LINGER waits there for as long as the
 * client said. */
static void close_socket(VarlinkConnection *connection) {
        auto_fd fd = g_steal_fd(&connection->fd);

        /* From here on the peer cannot send. */
        (void) shutdown(fd, SHUT_RDWR);
        if (varlink_peek_holds_descriptors(connection->peek, fd))
                connection->handlers->discard(connection, g_steal_fd(&fd), connection->userdata);
}

void varlink_connection_close(VarlinkConnection *connection) {
        if (connection->fd < 0)
                return;
        connection->gone = true;
        connection->polled = false;
        varlink_run_queue_remove(connection->queue, &connection->item);
        g_source_destroy(connection->source);
        g_clear_pointer(&connection->source, g_source_unref);
        clear_descriptors(connection);
        varlink_output_clear(&connection->output);
        close_socket(connection);
        call_drained(connection);
}

void varlink_connection_finish(VarlinkConnection *connection) {
        connection->finishing = true;
        varlink_connection_next(connection);
}

void varlink_connection_next(VarlinkConnection *connection) {
        connection->busy = false;
}

void varlink_connection_send(
        VarlinkConnection *connection, char *take_text, size_t size, int *take_fds, size_t n_fds) {
        varlink_output_add(&connection->output, take_text, size, take_fds, n_fds);
        if (connection->gone) {
                varlink_output_clear(&connection->output);
                return;
        }
        connection->n_unwritten += size;
        if (!connection->serving || connection->n_unwritten > BATCH_SIZE)
                flush(connection);
        if (connection->output.size > VARLINK_OUTPUT_MAX)
                connection->failed = true;
}

bool varlink_connection_has_had_its_turn(VarlinkConnection *connection) {
        if (connection->output.size > connection->handlers->output_high)
                return true;
        return connection->serving && ++connection->n_more >= VARLINK_STEP_REPLIES;
}

size_t varlink_connection_output_size(const VarlinkConnection *connection) {
        return connection->output.size;
}

void varlink_connection_when_drained(
        VarlinkConnection *connection, void (*drained)(VarlinkConnection *, void *),
        void *userdata) {
        connection->drained = drained;
        connection->drained_userdata = userdata;
}

bool varlink_connection_is_busy(const VarlinkConnection *connection) {
        bool unread =
                connection->drained && connection->output.size > connection->handlers->output_high;

        return (connection->busy && !unread) || connection->n_offered > 0;
}

bool varlink_connection_is_gone(const VarlinkConnection *connection) {
        return connection->gone;
}

bool varlink_connection_is_closed(const VarlinkConnection *connection) {
        return connection->fd < 0;
}

GList *varlink_connection_link(VarlinkConnection *connection) {
        return &connection->link;
}

const VarlinkPeer *varlink_connection_peer(const VarlinkConnection *connection) {
        return &connection->peer;
}

uint32_t varlink_connection_account(const VarlinkConnection *connection) {
        return connection->account;
}

void varlink_connection_received(
        VarlinkConnection *connection, int result, size_t n_consumed,
        VarlinkDescriptor *take_descriptors, size_t n_descriptors) {
        Input *input = &connection->input;
        size_t n_offered = connection->n_offered;

        g_assert(n_offered > 0 && connection->n_descriptors == 0);
        connection->descriptors =
                g_memdup2(take_descriptors, n_descriptors * sizeof(VarlinkDescriptor));
        connection->n_descriptors = n_descriptors;
        connection->n_offered = 0;
        if (result == 0 && (n_consumed == 0 || n_consumed > n_offered))
                result = -EPROTO;

        if (connection->fd < 0) {
                clear_descriptors(connection);
        } else if (result < 0) {
                VarlinkMessage seen = { .text = input->data + input->start, .size = n_offered };

                clear_descriptors(connection);
                connection->finishing = true;
                connection->handlers->unreceived(connection, &seen, result, connection->userdata);
                input_drop(input, n_offered);
        } else {
                input->end = input->start + n_consumed;
        }
        varlink_connection_unref(connection);
}
