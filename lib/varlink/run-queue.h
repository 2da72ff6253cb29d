/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who of a server's connections is served next.  Accounts take turns, not connections or calls:
 * each account in the ring has one step, of that one of its connections that has waited longest,
 * and goes to the ring's end.  So one account's call waits for one step of each other account and
 * no more, whatever they have open and send.  A turn of the main loop takes VARLINK_TURN_STEPS
 * steps, or as many as fit into VARLINK_TURN_USEC, of all accounts together; then whatever else the
 * loop has to do has its turn.  Private to lib/varlink.  Knows nothing of connections.
 *
 * The queue's source has G_PRIORITY_DEFAULT.  Whoever adds items in the prepare() or check() of a
 * source of VARLINK_RUN_NOTE_PRIORITY has them served in the same turn, for GLib asks all sources,
 * the more urgent ones first, before it runs any. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#define VARLINK_TURN_STEPS 16u
#define VARLINK_TURN_USEC 2000
#define VARLINK_RUN_NOTE_PRIORITY (G_PRIORITY_DEFAULT - 1)

typedef struct VarlinkRunQueue VarlinkRunQueue;

/* What waits; a member of whatever is served. */
typedef struct VarlinkRunItem {
        GList link; /* data: the item */
        uint32_t account;
        bool waits;
        /* One step.  The item is not in the queue any more, and may be added again, or freed. */
        void (*serve)(void *userdata);
        void *userdata;
} VarlinkRunItem;

VarlinkRunQueue *varlink_run_queue_new(GMainContext *context);

/* Nothing may wait. */
void varlink_run_queue_free(VarlinkRunQueue *queue);

/* At the end of its account's line; nothing if it waits already. */
void varlink_run_queue_add(VarlinkRunQueue *queue, VarlinkRunItem *item);
void varlink_run_queue_remove(VarlinkRunQueue *queue, VarlinkRunItem *item);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkRunQueue, varlink_run_queue_free)
