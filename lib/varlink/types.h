/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a server, its connections and its calls have in common: who a peer is, what a descriptor is,
 * and how much there may be. */

#include <stdint.h>
#include <sys/types.h>

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
