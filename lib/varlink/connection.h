/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection of a server: bytes in and out, messages cut at NUL, descriptors in and out,
 * back-pressure.  Private to lib/varlink.  Knows nothing of JSON and methods: the server, by its
 * handlers, does.
 *
 * Order.  After a message has been handed up nothing more is handed up or read until
 * varlink_connection_next().  Nothing is while more than `output_high` bytes wait to be
 * written, either.
 *
 * Fairness.  A connection that has something to do waits for its account's turn in the server's
 * queue (varlink/run-queue.h), and is then served one step: a read and a message, or
 * VARLINK_STEP_REPLIES of a call's many answers.  What a step sends is written with one system
 * call. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "lib/varlink/peek.h"
#include "lib/varlink/run-queue.h"
#include "lib/varlink/types.h"

#define VARLINK_STEP_REPLIES 32u

typedef struct VarlinkMessage {
        const char *text; /* valid during the call; the NUL is not counted */
        size_t size;
        VarlinkDescriptor *descriptors; /* taken with g_free(), and their fds, by whoever is handed
                                           the message */
        size_t n_descriptors;
} VarlinkMessage;

typedef struct VarlinkConnectionHandlers {
        /* A whole message. */
        void (*message)(
                VarlinkConnection *connection, const VarlinkMessage *message, void *userdata);
        /* As VarlinkServerConfig.receive. */
        int (*receive)(VarlinkConnection *connection, int fd, size_t n_bytes, void *userdata);
        /* A message could not be received, for the reason `error`; what was seen of it is in
         * `message`.  The connection is closed once what is queued has been written. */
        void (*unreceived)(
                VarlinkConnection *connection, const VarlinkMessage *message, int error,
                void *userdata);
        /* The connection is closed; called once, and not from varlink_connection_close(). */
        void (*closed)(VarlinkConnection *connection, void *userdata);
        /* Close a socket that has been shut down, and whose queue may hold descriptors. */
        void (*discard)(VarlinkConnection *connection, int take_fd, void *userdata);
        size_t output_high; /* as VarlinkServerConfig.output_high, and not 0 */
} VarlinkConnectionHandlers;

/* `peek`, `queue` and `handlers` are borrowed. */
VarlinkConnection *varlink_connection_new(
        int take_fd, const VarlinkPeer *peer, uint32_t account, GMainContext *context,
        VarlinkPeek *peek, VarlinkRunQueue *queue, const VarlinkConnectionHandlers *handlers,
        void *userdata);
VarlinkConnection *varlink_connection_ref(VarlinkConnection *connection);
void varlink_connection_unref(VarlinkConnection *connection);

/* Close now.  No handler but `discard` is called any more. */
void varlink_connection_close(VarlinkConnection *connection);

/* Read nothing more, and close once what is queued has been written. */
void varlink_connection_finish(VarlinkConnection *connection);

/* The message handed up last has been dealt with. */
void varlink_connection_next(VarlinkConnection *connection);

/* Queue `take_text` (from malloc()) with the descriptors for its first byte (NULL if `n_fds` is 0),
 * and write what can be written.  More than VARLINK_OUTPUT_MAX waiting: the connection will be
 * closed. */
void varlink_connection_send(
        VarlinkConnection *connection, char *take_text, size_t size, int *take_fds, size_t n_fds);

/* After one of a call's many answers was sent: whether the next ones are for a later turn.  See
 * varlink_connection_when_drained(). */
bool varlink_connection_has_had_its_turn(VarlinkConnection *connection);

/* Bytes that wait to be written. */
size_t varlink_connection_output_size(const VarlinkConnection *connection);

/* Call `drained` (NULL: nothing any more) once, in the account's turn, when no more than
 * `output_high` bytes wait, or the peer has gone. */
void varlink_connection_when_drained(
        VarlinkConnection *connection, void (*drained)(VarlinkConnection *, void *),
        void *userdata);

/* Whether a message is being dealt with or received; one whose answers nobody reads is not. */
bool varlink_connection_is_busy(const VarlinkConnection *connection);

/* Whether nothing that is sent will be read. */
bool varlink_connection_is_gone(const VarlinkConnection *connection);

/* Whether it was closed; its server may be gone then. */
bool varlink_connection_is_closed(const VarlinkConnection *connection);

/* A list node whose data is the connection, for the server's list of connections. */
GList *varlink_connection_link(VarlinkConnection *connection);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkConnection, varlink_connection_unref)
