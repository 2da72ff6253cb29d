/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looking at a stream socket's data without ever receiving a descriptor.  All reads are MSG_PEEK
 * without room for control data: the kernel then takes and drops references and says MSG_CTRUNC,
 * and never drops the last one. One buffer serves all connections of a server.  Knows nothing of
 * messages. */

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

typedef struct VarlinkPeek VarlinkPeek;

typedef struct VarlinkPeekResult {
        const char *data; /* in the shared buffer: valid until the next look */
        size_t size;      /* 0: the peer sends no more */
        /* The first byte carries descriptors, and so do the others: they came with it in one piece.
         * Otherwise no byte of these does. */
        bool descriptors;
} VarlinkPeekResult;

int varlink_peek_new(VarlinkPeek **ret_peek);
void varlink_peek_free(VarlinkPeek *peek);

/* Look at up to `max` bytes that are all free of descriptors, or at the piece in front if it
 * carries some (that one whole, even beyond `max`).  -EAGAIN: nothing there.  -EPROTO: a piece
 * larger than any message, and something with descriptors within or behind it. */
int varlink_peek_look(VarlinkPeek *peek, int fd, size_t max, VarlinkPeekResult *ret_result);

/* Whether closing `fd`, which must have been shut down for reading before, could drop descriptors
 * that are still in its queue.  True when in doubt. */
bool varlink_peek_holds_descriptors(VarlinkPeek *peek, int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkPeek, varlink_peek_free)
