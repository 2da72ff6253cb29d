/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/leftovers-internal.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"

/* What was killed needs a moment to end, more of them if there is much of it. */
#define PAUSE_MSEC_FIRST 2u
#define ENTRIES_MAX 256u

/* what is found */

static size_t index_of(const LeftoversTask *task, uint32_t id) {
        size_t low = 0, high = task->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const LeftoversRange *range = &task->ranges[middle];

                if (id < range->start)
                        high = middle;
                else if (id - range->start >= range->size)
                        low = middle + 1;
                else
                        return middle;
        }
        return SIZE_MAX;
}

bool leftovers_has(const LeftoversTask *task, uint32_t id) {
        return index_of(task, id) != SIZE_MAX;
}

bool leftovers_find(const LeftoversTask *task, uint32_t id) {
        size_t i = index_of(task, id);

        if (i != SIZE_MAX)
                task->found[i] = true;
        return i != SIZE_MAX;
}

int leftovers_for_each(const LeftoversTask *task, int fd, LeftoversEntryFunc func) {
        char buffer[4096] __attribute__((aligned(8)));
        const char *names[ENTRIES_MAX];
        int r = 0;

        for (;;) {
                ssize_t size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
                size_t n = 0;

                if (size < 0)
                        return -errno;
                if (size == 0)
                        return 0;
                /* An entry takes 24 bytes at least, so all of them fit. */
                for (ssize_t at = 0; at < size && n < ENTRIES_MAX;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                                names[n++] = entry->d_name;
                }
                while (n > 0 && r >= 0)
                        r = func(task, fd, names[--n]);
                if (r < 0)
                        return r;
        }
}

/* the passes */

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

/* Processes first: once a range has none, nobody makes anything more of what follows. */
static int run_pass(const LeftoversTask *task) {
        int r;

        memset(task->found, 0, task->n * sizeof(*task->found));
        r = leftovers_end_processes(task);
        if (r == 0)
                r = leftovers_remove_ipc(task);
        if (r == 0)
                r = leftovers_remove_files(task);
        return r;
}

void leftovers_child(const void *data) {
        const LeftoversTask *task = data;
        struct timespec pause = { .tv_nsec = PAUSE_MSEC_FIRST * 1000000L };

        child_die_with(task->parent);
        if (join_mount_namespace(task->config.mount_namespace) < 0)
                _exit(1);
        for (unsigned pass = 0; pass < LIMIT_LEFTOVERS_PASSES; pass++) {
                bool all_clean = true;

                if (run_pass(task) < 0)
                        _exit(1);
                for (size_t i = 0; i < task->n; i++) {
                        if (!task->found[i])
                                task->clean[i] = true;
                        all_clean = all_clean && task->clean[i];
                }
                if (all_clean)
                        _exit(0);
                if (pass + 1 < LIMIT_LEFTOVERS_PASSES)
                        (void) nanosleep(&pause, NULL);
                pause.tv_nsec *= 2;
        }
        _exit(0);
}
