/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/name-cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/log.h"
#include "lib/util/worker-pool.h"

struct NameCache {
        struct sockaddr_un address;
        guint source;
        gint64 not_before;
        WorkerPool *pool;
        WorkerTask *task;
        bool changed; /* since the child began */
};

/* The request, as everybody's libc and tools send it: this, then the database's name and its NUL.
 */
typedef struct NscdRequest {
        int32_t version, type, length;
} NscdRequest;

#define NSCD_VERSION 2
#define NSCD_INVALIDATE 10

typedef struct ChildData {
        pid_t parent;
        struct sockaddr_un address;
} ChildData;

/* in the child */

static bool forget(const struct sockaddr_un *address, const char *database) {
        struct {
                NscdRequest request;
                char database[8];
        } message = { .request = { .version = NSCD_VERSION, .type = NSCD_INVALIDATE } };
        int32_t answer = -1;
        size_t size;
        int fd;

        message.request.length = (int32_t) strlen(database) + 1;
        (void) memcpy(message.database, database, strlen(database) + 1);
        size = sizeof(message.request) + strlen(database) + 1;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* It answers when it has forgotten. */
        return fd >= 0 && connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 &&
               send(fd, &message, size, MSG_NOSIGNAL) == (ssize_t) size &&
               recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) && answer == 0;
}

static void child_run(const void *data) {
        const ChildData *child = data;
        bool users, groups;

        child_die_with(child->parent);
        users = forget(&child->address, "passwd");
        groups = forget(&child->address, "group");
        _exit(users && groups ? 0 : 1);
}

/* in the daemon */

static void schedule(NameCache *cache);

static void on_event(WorkerTask *task, int result, void *userdata) {
        NameCache *cache = userdata;

        g_clear_pointer(&cache->task, worker_task_free);
        if (result == WORKER_E_LATE) {
                log_debug("nscd has not answered whether it forgot");
                /* Again, when it may be better. */
                cache->changed = true;
        }
        if (cache->changed)
                schedule(cache);
}

static gboolean on_time(gpointer userdata) {
        NameCache *cache = userdata;
        const ChildData data = { .parent = getpid(), .address = cache->address };
        const WorkerRequest request = {
                .fd = -1,
                .run = child_run,
                .data = &data, /* nobody waits */
                .event = on_event,
                .userdata = cache,
        };

        cache->source = 0;
        cache->changed = false;
        cache->not_before = g_get_monotonic_time() + LIMIT_NAME_CACHE_INTERVAL_MSEC * 1000;
        /* No process to be had: that passes, and what is remembered is still wrong. */
        if (worker_pool_ask(cache->pool, &request, &cache->task) != 0)
                schedule(cache);
        return G_SOURCE_REMOVE;
}

static void schedule(NameCache *cache) {
        gint64 now = g_get_monotonic_time(),
               at = MAX(now + LIMIT_NAME_CACHE_DELAY_MSEC * 1000, cache->not_before);

        cache->source = g_timeout_add((guint) ((at - now) / 1000) + 1, on_time, cache);
}

void name_cache_changed(NameCache *cache) {
        if (cache->task)
                cache->changed = true;
        else if (cache->source == 0)
                schedule(cache);
}

NameCache *name_cache_new(const char *socket) {
        NameCache *cache = g_new(NameCache, 1);
        const WorkerPoolConfig pool = {
                .max = LIMIT_NAME_CACHE_CHILDREN,
                .max_per_account = LIMIT_NAME_CACHE_CHILDREN,
                .msec = LIMIT_NAME_CACHE_MSEC,
        };

        *cache =
                (NameCache){ .address = { .sun_family = AF_UNIX }, .pool = worker_pool_new(&pool) };
        (void) g_strlcpy(cache->address.sun_path, socket, sizeof(cache->address.sun_path));
        return cache;
}

void name_cache_free(NameCache *cache) {
        if (!cache)
                return;
        g_clear_handle_id(&cache->source, g_source_remove);
        worker_task_free(cache->task);
        worker_pool_free(cache->pool);
        g_free(cache);
}
