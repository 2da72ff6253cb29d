/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/leftovers/child.h"
#include "daemon/leftovers/claims.h"
#include "daemon/leftovers/task.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/id-range.h"
#include "lib/util/worker-pool.h"

#define STRINGS_N 6

G_STATIC_ASSERT(LIMIT_LEFTOVERS_JOINT + LIMIT_LEFTOVERS_ALONE == LIMIT_LEFTOVERS_CHILDREN);

typedef struct Look {
        Leftovers *leftovers;
        WorkerTask *task;
        LeftoversRange *ranges; /* sorted */
        uint32_t *places;       /* ranges[i] was given as number places[i] */
        size_t n;
        LeftoversFound *result; /* by sorted range; shared with the child */
        LeftoversDoneFunc done;
        void *userdata;
} Look;

struct Leftovers {
        LeftoversConfig config;
        char *strings[STRINGS_N];
        struct stat files[LEFTOVERS_FILES_N]; /* see leftovers_prepare() */
        GHashTable *looks;                    /* a set, owned: the Looks under way */
        WorkerPool *joint, *alone;
};

static void look_free(Look *look) {
        worker_task_free(look->task);
        if (look->result)
                (void) munmap(look->result, look->n * sizeof(*look->result));
        g_free(look->ranges);
        g_free(look->places);
        g_free(look);
}

/* Nobody waits: whoever is refused looks again later.  The kernel may keep a child in a call of its
 * own for longer than any signal. */
static WorkerPool *leftovers_new_pool(unsigned max, unsigned max_per_account) {
        const WorkerPoolConfig config = { .max = max,
                                          .max_per_account = max_per_account,
                                          .msec = LIMIT_LEFTOVERS_MSEC };

        return worker_pool_new(&config);
}

int leftovers_new(const LeftoversConfig *config, Leftovers **ret_leftovers) {
        Leftovers *leftovers = g_new(Leftovers, 1);

        *leftovers = (Leftovers){
                .config = *config,
                .looks = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) look_free, NULL),
                .joint = leftovers_new_pool(LIMIT_LEFTOVERS_JOINT, LIMIT_LEFTOVERS_JOINT),
                .alone = leftovers_new_pool(LIMIT_LEFTOVERS_ALONE, 1),
        };
        const char **strings[STRINGS_N] = {
                &leftovers->config.mount_namespace, &leftovers->config.proc_folder,
                &leftovers->config.run_user_folder, &leftovers->config.linger_folder,
                &leftovers->config.etc_folder,      &leftovers->config.logind_folder,
        };

        for (size_t i = 0; i < STRINGS_N; i++)
                *strings[i] = leftovers->strings[i] = g_strdup(*strings[i]);
        *ret_leftovers = leftovers;
        return 0;
}

void leftovers_free(Leftovers *leftovers) {
        if (!leftovers)
                return;
        g_hash_table_unref(leftovers->looks);
        worker_pool_free(leftovers->joint);
        worker_pool_free(leftovers->alone);
        for (size_t i = 0; i < G_N_ELEMENTS(leftovers->strings); i++)
                g_free(leftovers->strings[i]);
        g_free(leftovers);
}

/* At the end of the child, or at the deadline with what is known by then. */
static void on_event(WorkerTask *task, int result, void *userdata) {
        Look *look = userdata;
        g_autofree LeftoversFound *found = g_new0(LeftoversFound, look->n);
        LeftoversDoneFunc done = look->done;
        void *done_userdata = look->userdata;
        size_t n = look->n;

        for (size_t i = 0; i < n; i++)
                found[look->places[i]] = look->result[i];
        (void) g_hash_table_remove(look->leftovers->looks, look);
        done(found, n, result != WORKER_E_LATE, done_userdata);
}

static Look *look_new(Leftovers *leftovers, const LeftoversRange *ranges, size_t n) {
        Look *look = g_new(Look, 1);

        *look = (Look){
                .leftovers = leftovers,
                .ranges = g_new(LeftoversRange, n),
                .places = id_intervals_order(ranges, n, sizeof(LeftoversRange)),
                .n = n,
        };
        for (size_t i = 0; i < n; i++)
                look->ranges[i] = ranges[look->places[i]];
        return look;
}

int leftovers_prepare(Leftovers *leftovers) {
        auto_fd etc = -1;

        if (!leftovers->config.etc_folder)
                return 0;
        etc = open(leftovers->config.etc_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (etc < 0)
                return -errno;
        leftovers_stat_files(etc, leftovers->files);
        return 0;
}

static int look_share_result(Look *look) {
        void *result;
        int r = child_share(look->n * sizeof(*look->result), &result);

        if (r < 0)
                return r;
        look->result = result;
        for (size_t i = 0; i < look->n; i++)
                look->result[i].what = LEFTOVERS_UNKNOWN;
        return 0;
}

static int look_start(Look *look, uint32_t account) {
        Leftovers *leftovers = look->leftovers;
        bool is_joint = account == LEFTOVERS_OF_ALL;
        WorkerPool *pool = is_joint ? leftovers->joint : leftovers->alone;
        /* The child works on its own copy of these. */
        g_autofree LeftoversFound *found = g_new0(LeftoversFound, look->n);
        g_autofree char *text = g_malloc(LEFTOVERS_TEXT_SIZE);
        const LeftoversTask child_data = {
                .parent = getpid(),
                .config = leftovers->config,
                .ranges = look->ranges,
                .n = look->n,
                .files = leftovers->files,
                .text = text,
                .found = found,
                .result = look->result,
        };
        const WorkerRequest request = {
                .account = account,
                .fd = -1,
                .run = leftovers_child,
                .data = &child_data,
                .event = on_event,
                .userdata = look,
        };
        int r = worker_pool_ask(pool, &request, &look->task);

        if (r == WORKER_E_BUSY && !is_joint && worker_pool_count_account(pool, account) > 0)
                return LEFTOVERS_E_HANGS;
        return r == WORKER_E_BUSY ? LEFTOVERS_E_BUSY : r;
}

int leftovers_remove(
        Leftovers *leftovers, uint32_t account, const LeftoversRange *ranges, size_t n,
        LeftoversDoneFunc done, void *userdata) {
        Look *look;
        int r;

        g_assert(n > 0);
        look = look_new(leftovers, ranges, n);
        look->done = done;
        look->userdata = userdata;
        r = look_share_result(look);
        if (r == 0)
                r = look_start(look, account);
        if (r != 0) {
                look_free(look);
                return r;
        }
        (void) g_hash_table_add(leftovers->looks, look);
        return 0;
}

char *leftovers_describe(const LeftoversFound *found) {
        switch (found->what) {
        case LEFTOVERS_NOTHING:
                return g_strdup("nothing");
        case LEFTOVERS_LINGER:
                return g_strdup_printf("the linger file of UID %u", found->id);
        case LEFTOVERS_RUN_USER:
                return g_strdup_printf("the runtime folder of UID %u", found->id);
        case LEFTOVERS_IPC:
                return g_strdup_printf("an IPC object of ID %u", found->id);
        case LEFTOVERS_ENDING:
                return g_strdup_printf(
                        "process %u with ID %u, which does not end", found->number, found->id);
        case LEFTOVERS_PROCESS_OF_OTHERS:
                return g_strdup_printf(
                        "process %u has ID %u, and is not only of the range", found->number,
                        found->id);
        case LEFTOVERS_USER_OF_OTHERS:
                return g_strdup_printf("logind has UID %u under another name", found->id);
        case LEFTOVERS_UNKNOWN:
                break;
        }
        return g_strdup("it could not be looked at");
}
