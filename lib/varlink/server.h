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

#include "lib/varlink/dispatch.h"
#include "lib/varlink/json.h"

typedef struct VarlinkServer VarlinkServer;
typedef struct VarlinkConnection VarlinkConnection;
typedef struct VarlinkCall VarlinkCall;

/* Limits on what a peer can make the server hold.  Public so that tests try each at MAX and MAX
 * + 1. */
#define VARLINK_MESSAGE_MAX                                                                    \
        65536u /* bytes of one call, NUL included: the largest call of our interfaces with all \
                * fields at their longest is below 8 KiB */
#define VARLINK_OUTPUT_HIGH (256u * 1024) /* bytes waiting to be written: reading pauses */
#define VARLINK_OUTPUT_MAX \
        (2u * 1024 * 1024)         /* bytes waiting to be written: the connection is dropped */
#define VARLINK_DESCRIPTORS_MAX 8u /* descriptors of one call; no method takes more than 2 */

/* A peer's credentials, read once from SO_PEERCRED (those of connect()). */
typedef struct VarlinkPeer {
        uid_t uid;
        gid_t gid;
        pid_t pid;
} VarlinkPeer;

/* One descriptor of a call, as `receive` vetted it.  The server only carries it: `kind` and
 * `open_flags` mean something to the methods and to whoever vetted it. */
typedef struct VarlinkDescriptor {
        int fd; /* -1: unfit, was not passed on; `kind` says what it was */
        unsigned kind;
        int open_flags;  /* F_GETFL */
        uint64_t detail; /* the vetter's own */
} VarlinkDescriptor;

typedef struct VarlinkMethod {
        const char *name;           /* "org.example.Interface.Method" */
        const VarlinkField *fields; /* how its parameters fill the struct; NULL if it takes none */
        size_t n_fields;
        size_t parameters_size; /* of the struct */
        /* Answer the call: exactly one of the varlink_call_reply/_error functions, now or, with a
         * reference kept, later.  NULL: answered with org.varlink.service.MethodNotImplemented.
         * `parameters` points to the filled struct, valid as long as the call is.  Each method name
         * must be described by one of the server's interfaces, and the server refuses what does not
         * fit that description before this is called. */
        void (*handle)(VarlinkCall *call, const void *parameters, void *userdata);
        /* Optional: asked when the parameters are known to fit the description, before anything
         * looks at the call's descriptors; returns an error id to refuse the call with, or NULL.
         * For "the whole interface is not supported here". */
        const char *(*gate)(VarlinkCall *call, void *userdata);
        /* A call without `more` is refused with org.varlink.service.ExpectedMore. */
        bool requires_more;
} VarlinkMethod;

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

/* connections */

const VarlinkPeer *varlink_connection_peer(const VarlinkConnection *connection);
uint32_t varlink_connection_account(const VarlinkConnection *connection);

/* The result of `receive`: `n_consumed` bytes of the message were taken from the socket together
 * with its descriptors.  The fds in `take_descriptors` become the call's; the array itself is
 * copied.  A negative `result` closes the connection (-ETIMEDOUT and the like: the receiver did not
 * come back) after answering with that errno. Only VARLINK_DESCRIPTORS_MAX descriptors are kept,
 * those behind are closed. */
void varlink_connection_received(
        VarlinkConnection *connection, int result, size_t n_consumed,
        VarlinkDescriptor *take_descriptors, size_t n_descriptors);

/* calls
 *
 * A call that is let go of without an answer is answered with io.systemd.System, ENOTRECOVERABLE.
 * Answers to a call whose peer has gone, or whose server has been freed, are dropped. */

#define VARLINK_ERROR_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_ERROR_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_ERROR_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_ERROR_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_ERROR_PERMISSION_DENIED "org.varlink.service.PermissionDenied"
#define VARLINK_ERROR_EXPECTED_MORE "org.varlink.service.ExpectedMore"
#define VARLINK_ERROR_SYSTEM "io.systemd.System"

VarlinkCall *varlink_call_ref(VarlinkCall *call);
void varlink_call_unref(VarlinkCall *call);

const char *varlink_call_method(const VarlinkCall *call);
const VarlinkPeer *varlink_call_peer(const VarlinkCall *call);
uint32_t varlink_call_account(const VarlinkCall *call);
bool varlink_call_wants_more(const VarlinkCall *call);
/* Whether the peer has gone: the answer will be thrown away, and a long one can be given up. */
bool varlink_call_is_gone(const VarlinkCall *call);

/* The descriptor at `index` (0-based position in the message), or NULL if there is none.  The fd
 * stays the call's, unless stolen by setting it to -1. */
VarlinkDescriptor *varlink_call_descriptor(VarlinkCall *call, int64_t index);

/* Send a descriptor with the answer that follows; *ret_index is what the answer's parameters call
 * it by.  An error sends none.  -E2BIG: there are VARLINK_DESCRIPTORS_MAX already. */
int varlink_call_push_descriptor(VarlinkCall *call, int take_fd, int64_t *ret_index);

/* Answer with `take_parameters` (NULL: none).  A oneway call's answer is dropped. */
void varlink_call_reply(VarlinkCall *call, json_t *take_parameters);

/* One of several answers to a call with `more`: sent with continues:true; the last is
 * varlink_call_reply() or an error.  Returns -EAGAIN when VARLINK_OUTPUT_HIGH is passed, or when
 * others have their turn (the answer is queued all the same): go on when `resume` is called, from
 * the main loop.  It is called when
 * the peer has gone, too, so that the call can be ended (varlink_call_is_gone()); a reference must
 * be kept until then.  Calling this for a call without `more` is a programming error. */
int varlink_call_reply_more(
        VarlinkCall *call, json_t *take_parameters,
        void (*resume)(VarlinkCall *call, void *userdata), void *userdata);

/* Let others have their turn before a call with `more` is worked on: `resume` is called as it is
 * after varlink_call_reply_more() has returned -EAGAIN. */
void varlink_call_yield(
        VarlinkCall *call, void (*resume)(VarlinkCall *call, void *userdata), void *userdata);

void varlink_call_error(VarlinkCall *call, const char *error_id, json_t *take_parameters);

/* org.varlink.service.InvalidParameter {parameter: field}. */
void varlink_call_invalid_parameter(VarlinkCall *call, const char *field);

/* io.systemd.System {origin: "linux", errno, errnoName} (protocol: an internal failure without an
 * id of its own).  `error` is an errno, negative or positive. */
void varlink_call_errno(VarlinkCall *call, int error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkServer, varlink_server_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkCall, varlink_call_unref)
