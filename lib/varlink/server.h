/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A varlink server on the GLib main loop: connections, framing, order of replies, caps, method
 * look-up, and the checks that need no knowledge of a method.  Knows nothing of namespaces, UIDs'
 * meaning, users.  One thread.
 *
 * Descriptors.  The server never receives a descriptor itself: it looks at the data by peeking
 * without room for control data, so the kernel only drops references.  A connection whose next
 * message carries descriptors is handed to `VarlinkServerConfig.receive`, which has somebody else
 * receive them (daemon/door/door.h), and nothing more is read from it until
 * varlink_connection_received() is called.
 *
 * Order.  Calls of one connection are dispatched one at a time, in order: the next one only after
 * the answer of the one before is queued.  Nothing is read from a connection while more than
 * VARLINK_OUTPUT_HIGH bytes wait to be written to it.
 *
 * Fairness.  Connections are served by account, in turns (varlink/run-queue.h): a call waits for
 * one step of each other account at most, and a turn of the main loop is bounded for all of them
 * together.  When there are too many connections, one of the account that has most goes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "lib/varlink/method.h"
#include "lib/varlink/receive.h"
#include "lib/varlink/types.h"

typedef struct VarlinkServer VarlinkServer;

typedef struct VarlinkServerConfig {
        const char *vendor, *product, *version, *url; /* for GetInfo */
        /* Interface texts (.varlink), parsed by varlink_server_new(); org.varlink.service and
         * io.systemd are added by the server. */
        const char *const *interfaces;
        size_t n_interfaces;
        const VarlinkMethod *methods;
        size_t n_methods;
        unsigned connections_max; /* all; 0 = 4096.  Beyond it an idle one is dropped, of the
                                   * account that has most */
        unsigned connections_per_account_max; /* 0 = 128.  Bounds what one account has waiting of
                                               * everything: calls, and memory with the limits
                                               * above */
        /* Descriptors of what waits for a child that closes it (varlink/discard.h), of all
         * accounts; 0 = 4096.  Beyond it no more connections are accepted until there are fewer: a
         * refused one has to be closed like that, too.  Connections that are there come on top. */
        unsigned discards_max;
        /* Sockets of one account that wait elsewhere, with a child of ours; 0 = 4,096. */
        unsigned discards_per_account_max;
        /* Bytes that wait for a peer that does not read: then its calls and the rest of a call's
         * many answers do, too.  0 = VARLINK_OUTPUT_HIGH, which is the most; below that the kernel
         * is told to keep no more than about twice as much besides. */
        size_t output_high;
        /* Whom a peer is charged to; NULL: its own UID. */
        uint32_t (*account)(const VarlinkPeer *peer, void *userdata);
        /* Have the descriptors of the next message received; the connection stays allocated, if not
         * open, until varlink_connection_received().  The message is `n_bytes` long at most (to its
         * NUL, or as much of it as has arrived), and its first byte carries descriptors.  `fd` is
         * borrowed for the time of the call.  0: varlink_connection_received() will be called,
         * once, later.  Negative errno: the call is answered with io.systemd.System of that errno
         * without having been received, and the connection is closed after it.  NULL: descriptors
         * are a protocol error. */
        int (*receive)(VarlinkConnection *connection, int fd, size_t n_bytes, void *userdata);
        /* For tests: close a socket whose queue may still hold descriptors that nobody received (a
         * client that was dropped, or was gone before it was answered).  It has been shut down and
         * nobody can send to it any more.  NULL: a child does (varlink/discard.h), until when it
         * counts as one of its account's connections. */
        void (*discard)(int take_fd, uint32_t account, void *userdata);
        /* Optional, for the log: a call was answered; `error_id` is NULL on success, `field` is the
         * parameter an InvalidParameter named, else NULL. */
        void (*answered)(
                const VarlinkCall *call, const char *error_id, const char *field, void *userdata);
        void *userdata;
} VarlinkServerConfig;

/* Make a server that listens nowhere yet.  Texts, tables and strings of `config` are borrowed for
 * the server's life.  -EINVAL: an interface text does not parse, or a method is in none of them. */
int varlink_server_new(
        const VarlinkServerConfig *config, GMainContext *context, VarlinkServer **ret_server);
void varlink_server_free(VarlinkServer *server);

/* Accept connections on a listening AF_UNIX stream socket, which becomes the server's. */
int varlink_server_listen_fd(VarlinkServer *server, int take_fd);

/* Bind `path` with `mode` (no matter the umask) and listen.  A socket that nobody listens on any
 * more is replaced; -EADDRINUSE if somebody does. */
int varlink_server_listen_path(VarlinkServer *server, const char *path, mode_t mode);

unsigned varlink_server_n_connections(const VarlinkServer *server);

/* Report an idle server: called whenever the last connection has gone (idle exit of a
 * socket-activated service). */
void varlink_server_set_idle(VarlinkServer *server, void (*idle)(void *userdata), void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkServer, varlink_server_free)
