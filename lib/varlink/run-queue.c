/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/run-queue.h"

#include "lib/util/source.h"

/* An account of which something waits. */
typedef struct Account {
        uint32_t number;
        GQueue items;
        GList link; /* in the ring; data: the account */
} Account;

struct VarlinkRunQueue {
        GSource *source;
        GHashTable *accounts; /* number -> Account, owned */
        GQueue ring;
};

typedef struct QueueSource {
        GSource source;
        VarlinkRunQueue *queue;
} QueueSource;

static void account_remove(VarlinkRunQueue *queue, Account *account, VarlinkRunItem *item) {
        g_queue_unlink(&account->items, &item->link);
        item->waits = false;
        if (account->items.length > 0)
                return;
        g_queue_unlink(&queue->ring, &account->link);
        g_hash_table_remove(queue->accounts, GUINT_TO_POINTER(account->number));
}

static VarlinkRunItem *take_next(VarlinkRunQueue *queue) {
        Account *account = queue->ring.head->data;
        VarlinkRunItem *item = account->items.head->data;

        g_queue_unlink(&queue->ring, &account->link);
        g_queue_push_tail_link(&queue->ring, &account->link);
        account_remove(queue, account, item);
        return item;
}

static gboolean source_prepare(GSource *source, int *ret_timeout_ms) {
        *ret_timeout_ms = -1;
        return ((QueueSource *) source)->queue->ring.length > 0;
}

static gboolean source_check(GSource *source) {
        return ((QueueSource *) source)->queue->ring.length > 0;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, void *data) {
        VarlinkRunQueue *queue = ((QueueSource *) source)->queue;
        gint64 end = g_get_monotonic_time() + VARLINK_TURN_USEC;

        for (unsigned i = 0; i < VARLINK_TURN_STEPS && queue->ring.length > 0; i++) {
                VarlinkRunItem *item = take_next(queue);

                item->serve(item->userdata);
                if (g_get_monotonic_time() >= end)
                        break;
        }
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {
        .prepare = source_prepare,
        .check = source_check,
        .dispatch = source_dispatch,
};

VarlinkRunQueue *varlink_run_queue_new(GMainContext *context) {
        VarlinkRunQueue *queue = g_new(VarlinkRunQueue, 1);

        *queue = (VarlinkRunQueue){
                .source = g_source_new(&source_functions, sizeof(QueueSource)),
                .accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free),
                .ring = G_QUEUE_INIT,
        };
        ((QueueSource *) queue->source)->queue = queue;
        g_source_attach(queue->source, context);
        return queue;
}

void varlink_run_queue_free(VarlinkRunQueue *queue) {
        if (!queue)
                return;
        g_assert(queue->ring.length == 0);
        source_drop(&queue->source);
        g_hash_table_unref(queue->accounts);
        g_free(queue);
}

void varlink_run_queue_add(VarlinkRunQueue *queue, VarlinkRunItem *item) {
        Account *account = g_hash_table_lookup(queue->accounts, GUINT_TO_POINTER(item->account));

        if (item->waits)
                return;
        if (!account) {
                account = g_new(Account, 1);
                *account = (Account){
                        .number = item->account,
                        .items = G_QUEUE_INIT,
                        .link = { .data = account },
                };
                g_hash_table_insert(queue->accounts, GUINT_TO_POINTER(item->account), account);
                g_queue_push_tail_link(&queue->ring, &account->link);
        }
        item->waits = true;
        g_queue_push_tail_link(&account->items, &item->link);
}

void varlink_run_queue_remove(VarlinkRunQueue *queue, VarlinkRunItem *item) {
        if (item->waits)
                account_remove(
                        queue,
                        g_hash_table_lookup(queue->accounts, GUINT_TO_POINTER(item->account)),
                        item);
}
