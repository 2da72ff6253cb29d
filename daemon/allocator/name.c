/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/name.h"

#include "daemon/allocator/end.h"
#include "daemon/allocator/state.h"
#include "daemon/limits.h"
#include "lib/table/write.h"
#include "lib/util/turns.h"
#include "lib/util/worker-pool.h"

/* The kernel keeps a namespace for a while after its last process, so somebody who runs one command
 * after the other under one name would be refused now and then.  They wait: only for a namespace of
 * their own that has no process, and not for long.  The name is not taken from it before its end,
 * for something may keep it. */

#define POLL_MSEC 5u

struct NameWait {
        Allocator *allocator;
        char *name;
        uint32_t record;
        gint64 give_up_usec;
        Turn *turn;
        UsernsProcessLook *look;
        bool has_looked;
        guint source;
        NameWaitFunc done;
        void *userdata;
};

struct NameWaits {
        Turns *waits;
        WorkerPool *looks;
};

NameWaits *name_waits_new(void) {
        NameWaits *waits = g_new(NameWaits, 1);

        *waits = (NameWaits){
                .waits = turns_new(LIMIT_NAME_WAITS, LIMIT_NAME_WAITS_PER_ACCOUNT, 0),
                .looks = userns_process_looks_new(),
        };
        return waits;
}

void name_waits_free(NameWaits *waits) {
        turns_free(waits->waits);
        worker_pool_free(waits->looks);
        g_free(waits);
}

void name_wait_free(NameWait *wait) {
        if (!wait)
                return;
        if (wait->source != 0)
                g_source_remove(wait->source);
        userns_process_look_free(wait->look);
        turn_free(wait->turn);
        g_free(wait->name);
        g_free(wait);
}

static void name_wait_end(NameWait *wait) {
        NameWaitFunc done = wait->done;
        void *userdata = wait->userdata;

        name_wait_free(wait);
        done(userdata);
}

/* Whether the record that had the name still has it. */
static bool is_held(const NameWait *wait) {
        Allocator *allocator = wait->allocator;

        return table_writer_find_name(allocator->config.table, wait->name) == wait->record &&
               !allocator_release_if_dead(allocator, wait->record);
}

static void on_looked(bool found, void *userdata) {
        NameWait *wait = userdata;

        wait->look = NULL;
        if (found)
                name_wait_end(wait);
}

/* Without a look the time alone is the bound. */
static void look(NameWait *wait) {
        const TableRecord *range = table_writer_record(wait->allocator->config.table, wait->record);

        (void) userns_process_look_new(
                wait->allocator->name_waits->looks, turn_account(wait->turn), range->userns_inode,
                on_looked, wait, &wait->look);
}

static gboolean on_poll(gpointer userdata) {
        NameWait *wait = userdata;

        if (!is_held(wait) || g_get_monotonic_time() >= wait->give_up_usec) {
                wait->source = 0;
                name_wait_end(wait);
                return G_SOURCE_REMOVE;
        }
        if (!wait->has_looked) {
                wait->has_looked = true;
                look(wait);
        }
        return G_SOURCE_CONTINUE;
}

NameWait *allocator_wait_for_name(
        Allocator *allocator, const AllocatorRequest *request, NameWaitFunc done, void *userdata) {
        TableWriter *table = allocator->config.table;
        uint32_t record = table_writer_find_name(table, request->name);
        const TableRecord *range;
        NameWait *wait;

        if (record == TABLE_NONE)
                return NULL;
        range = table_writer_record(table, record);
        if (range->owner_uid != request->owner_uid || range->account_uid != request->account_uid ||
            allocator_release_if_dead(allocator, record))
                return NULL;

        wait = g_new(NameWait, 1);
        *wait = (NameWait){
                .allocator = allocator,
                .name = g_strdup(request->name),
                .record = record,
                .give_up_usec = g_get_monotonic_time() + LIMIT_NAME_WAIT_MSEC * 1000,
                .done = done,
                .userdata = userdata,
        };
        if (turns_take(
                    allocator->name_waits->waits, request->account_uid, NULL, NULL, &wait->turn) !=
            0) {
                wait->turn = NULL;
                name_wait_free(wait);
                return NULL;
        }
        wait->source = g_timeout_add(POLL_MSEC, on_poll, wait);
        return wait;
}
