/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/leftovers/claims.h"
#include "daemon/leftovers/files.h"
#include "daemon/leftovers/ipc.h"
#include "daemon/leftovers/processes.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"

/* What was killed needs a moment to end, more of them if there is much of it. */
#define PAUSE_MSEC_FIRST 2u

/* One that has been in it all along needs no privilege to stay. */
static int join_mount_namespace(const char *path) {
        auto_fd theirs = -1, ours = -1;
        struct stat a, b;

        if (!path)
                return 0;
        theirs = open(path, O_RDONLY | O_CLOEXEC);
        ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        if (theirs < 0 || ours < 0 || fstat(theirs, &a) < 0 || fstat(ours, &b) < 0)
                return -errno;
        if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
                return 0;
        return setns(theirs, CLONE_NEWNS) < 0 ? -errno : 0;
}

/* Who else has the IDs first, then processes: once a range has none, nobody makes anything more of
 * what follows. */
static int run_pass(const LeftoversTask *task) {
        static int (*const steps[])(const LeftoversTask *task) = {
                leftovers_find_users,
                leftovers_end_processes,
                leftovers_remove_ipc,
                leftovers_remove_files,
        };

        memset(task->found, 0, task->n * sizeof(*task->found));
        for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
                int r = leftovers_check_files(task);

                if (r == 0)
                        r = steps[i](task);
                if (r < 0)
                        return r;
        }
        return leftovers_check_files(task);
}

static int run_passes(const LeftoversTask *task) {
        struct timespec pause = { .tv_nsec = PAUSE_MSEC_FIRST * 1000000L };

        for (unsigned pass = 0; pass < LIMIT_LEFTOVERS_PASSES; pass++) {
                bool all_clean = true;
                int r = run_pass(task);

                if (r < 0)
                        return r;
                for (size_t i = 0; i < task->n; i++) {
                        if (task->result[i].what != LEFTOVERS_NOTHING)
                                task->result[i] = task->found[i];
                        all_clean = all_clean && task->result[i].what == LEFTOVERS_NOTHING;
                }
                if (all_clean)
                        return 0;
                if (pass + 1 < LIMIT_LEFTOVERS_PASSES)
                        (void) nanosleep(&pause, NULL);
                pause.tv_nsec *= 2;
        }
        return 0;
}

/* These are folders of root's, found by the daemon's own view of the host before the child takes
 * another. */
static int open_folder(const char *path, int *ret_fd) {
        if (!path)
                return 0;
        *ret_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? -errno : 0;
}

void leftovers_child(const void *data) {
        LeftoversTask task = *(const LeftoversTask *) data;
        struct stat st;
        int r;

        child_die_with(task.parent);
        task.etc_folder = -1;
        if (open_folder(task.config.etc_folder, &task.etc_folder) < 0 ||
            stat("/proc/self/ns/user", &st) < 0 ||
            join_mount_namespace(task.config.mount_namespace) < 0)
                _exit(1);
        task.user_namespace = st.st_ino;
        r = run_passes(&task);
        _exit(r < 0);
}
