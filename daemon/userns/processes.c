/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/worker-pool.h"

struct UsernsProcessLook {
        pid_t parent;
        char wanted[32]; /* what the link says: user:[INODE] */
        UsernsProcessLookFunc done;
        void *userdata;
        WorkerTask *task;
};

/* A process that ends meanwhile is no process. */
static bool is_inside(int proc, const char *pid, const char *wanted) {
        char path[64], text[32];
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s/ns/user", pid) >= (int) sizeof(path))
                return false;
        n = readlinkat(proc, path, text, sizeof(text));
        return n == (ssize_t) strlen(wanted) && memcmp(text, wanted, (size_t) n) == 0;
}

/* It succeeds if there is none. */
static void look_child(const void *data) {
        const UsernsProcessLook *look = data;
        const struct dirent *entry;
        DIR *proc;

        child_die_with(look->parent);
        proc = opendir("/proc");
        if (!proc)
                _exit(1);
        while ((errno = 0, entry = readdir(proc)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
                    is_inside(dirfd(proc), entry->d_name, look->wanted))
                        _exit(1);
        _exit(errno != 0);
}

static void on_event(WorkerTask *task, int result, void *userdata) {
        UsernsProcessLook *look = userdata;
        UsernsProcessLookFunc done = look->done;
        void *done_userdata = look->userdata;

        userns_process_look_free(look);
        /* Without a child nothing was looked at, and time alone is the bound. */
        done(result > 0, done_userdata);
}

WorkerPool *userns_process_looks_new(void) {
        const WorkerPoolConfig config = {
                .max = LIMIT_PROCESS_LOOKS,
                .max_per_account = LIMIT_PROCESS_LOOKS_PER_ACCOUNT,
                .max_waiting_per_account = LIMIT_NAME_WAITS_PER_ACCOUNT,
                .msec = LIMIT_PROCESS_LOOK_MSEC,
        };

        return worker_pool_new(&config);
}

int userns_process_look_new(
        WorkerPool *looks, uint32_t account, uint64_t inode, UsernsProcessLookFunc done,
        void *userdata, UsernsProcessLook **ret_look) {
        UsernsProcessLook *look = g_new(UsernsProcessLook, 1);
        const WorkerRequest request = {
                .account = account,
                .fd = -1,
                .run = look_child,
                .data = look,
                .event = on_event,
                .userdata = look,
        };
        int r;

        *look = (UsernsProcessLook){ .parent = getpid(), .done = done, .userdata = userdata };
        (void) snprintf(
                look->wanted, sizeof(look->wanted), "user:[%llu]", (unsigned long long) inode);
        r = worker_pool_ask(looks, &request, &look->task);
        if (r != 0) {
                g_free(look);
                return r == WORKER_E_BUSY ? USERNS_E_BUSY : r;
        }
        *ret_look = look;
        return 0;
}

void userns_process_look_free(UsernsProcessLook *look) {
        if (!look)
                return;
        worker_task_free(look->task);
        g_free(look);
}
