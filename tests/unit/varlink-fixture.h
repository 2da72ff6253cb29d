/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A server of org.example.test on a socket in a temporary folder, and peers that speak raw bytes to
 * it, all in one thread: whatever waits lets the server's main loop turn meanwhile. */

#include <glib.h>

#include "lib/varlink/server.h"

/* Seconds until a wait is a failure. */
#define FIXTURE_DEADLINE_S 20

typedef enum ReceiveMode {
        RECEIVE_NOW,    /* within `receive` */
        RECEIVE_LATER,  /* when fixture_receive() is called */
        RECEIVE_REFUSE, /* `receive` returns -EMFILE */
} ReceiveMode;

typedef struct Fixture {
        GMainContext *context;
        VarlinkServer *server;
        char *folder;
        char *path;

        VarlinkCall *held; /* the call of Hold, kept by reference */
        unsigned n_calls;  /* of Echo and Nothing */
        unsigned n_idle;   /* times the server said that it is idle */
        uint32_t account;  /* whom the peers are charged to */
        const char *gate;  /* what Gated is refused with */
        unsigned n_sent;   /* by Many so far */
        unsigned n_sent_when_held;
        unsigned many_gone;   /* calls of Many that were given up */
        char *answered_error; /* of the answer before */
        char *answered_field;
        unsigned n_answered;

        ReceiveMode receive_mode;
        VarlinkConnection *receiving;
        int receiving_fd;
        size_t n_offered; /* to `receive` the last time */
        unsigned n_receives;
        unsigned n_discarded;
} Fixture;

/* `change` (NULL: nothing) may alter the server's configuration. */
Fixture *fixture_new(void (*change)(VarlinkServerConfig *config));
void fixture_free(Fixture *fixture);

/* Receive for the server what `receive` was called for, as a door does; or tell it that this
 * failed. */
void fixture_receive(Fixture *fixture, int result);

/* Let the server do all that it can do now. */
void fixture_turn(Fixture *fixture);

/* Connect; the socket does not block. */
int fixture_connect(Fixture *fixture);

/* Send all bytes, with descriptors for the first one. */
void fixture_send(Fixture *fixture, int fd, const char *data, size_t size);
void fixture_send_text(Fixture *fixture, int fd, const char *text); /* its NUL too */
void fixture_send_fds(Fixture *fixture, int fd, const char *data, size_t size, size_t n_fds);

/* Send what can be sent at once, as sendmsg() does. */
ssize_t fixture_try_send_fds(int fd, const char *data, size_t size, size_t n_fds);

/* The next reply up to its NUL; NULL if the connection has been closed instead. */
char *fixture_read(Fixture *fixture, int fd);

/* Require the next reply to be this text. */
void fixture_expect(Fixture *fixture, int fd, const char *text);

/* Require that no reply comes and the connection is closed. */
void fixture_expect_closed(Fixture *fixture, int fd);

/* Descriptors that this process has open. */
unsigned fixture_count_fds(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)
