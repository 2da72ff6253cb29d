/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cgroup/open.h"
#include "daemon/cgroup/threads.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/worker-pool.h"

#define PAUSE_MSEC 20u

struct CgroupRemoval {
        CgroupRemovalTask child_data;
        WorkerTask *task;
        CgroupRemovedFunc removed;
        void *userdata;
};

typedef struct DirectoryEntry {
        ino64_t inode;
        char name[NAME_MAX + 1];
} DirectoryEntry;

/* in the child: the daemon's mount is descriptor 0 */

/* The first folder in `fd`, or the one with this inode number. */
static bool find_folder(int fd, ino64_t inode, DirectoryEntry *ret_entry) {
        char buffer[4096] __attribute__((aligned(8)));
        ssize_t n;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return false;
        while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
                            strcmp(entry->d_name, "..") == 0 ||
                            (inode != 0 && entry->d_ino != inode))
                                continue;
                        ret_entry->inode = entry->d_ino;
                        (void) memcpy(ret_entry->name, entry->d_name, strlen(entry->d_name) + 1);
                        return true;
                }
        return false;
}

static bool may_remove(
        int fd, const DirectoryEntry *entry, CgroupMayRemoveFunc may, const void *userdata) {
        struct stat st;

        return !may ||
               (fstatat(fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && may(&st, userdata));
}

bool cgroup_remove_below(
        int take_directory, CgroupMayRemoveFunc may, CgroupBusyFunc busy, const void *userdata) {
        auto_fd fd = take_directory;
        unsigned depth = 0;

        for (;;) {
                DirectoryEntry entry;
                int next;

                if (find_folder(fd, 0, &entry)) {
                        DirectoryEntry below;

                        if (!may_remove(fd, &entry, may, userdata))
                                return false;
                        if (unlinkat(fd, entry.name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                                continue;
                        next = cgroup_open_below(fd, entry.name, O_RDONLY | O_DIRECTORY);
                        if (next < 0)
                                return false;
                        if (!find_folder(next, 0, &below)) { /* busy with processes */
                                if (busy)
                                        busy(next, userdata);
                                (void) close(next);
                                return false;
                        }
                        depth++;
                } else if (depth == 0)
                        return true;
                else {
                        next = openat(fd, "..", O_RDONLY | O_DIRECTORY);
                        if (next < 0)
                                return false;
                        depth--;
                }
                (void) close(fd);
                fd = next;
        }
}

static bool is_of_ranges(uint32_t uid, const void *userdata) {
        const CgroupRemovalTask *task = userdata;

        for (size_t i = 0; i < task->n_ranges; i++)
                if (uid >= task->ranges[i].start &&
                    uid - task->ranges[i].start < task->ranges[i].size)
                        return true;
        return false;
}

static void end_threads(int directory, const void *task) {
        cgroup_end_threads(directory, is_of_ranges, task);
}

/* What is in it and below: as a whole, or where that is refused because it is threaded, as all that
 * is below is then, one after the other.  Whether there is no use in going on. */
static bool kill_one(int fd, const CgroupRemovalTask *task, CgroupBusyFunc *ret_busy) {
        auto_fd kill_fd = cgroup_open_below(fd, "cgroup.kill", O_WRONLY);

        *ret_busy = NULL;
        if (kill_fd < 0 || write(kill_fd, "1", 1) == 1)
                return false;
        if (errno != EOPNOTSUPP)
                return true;
        *ret_busy = end_threads;
        end_threads(fd, task);
        return false;
}

/* Kill what is in the control group and remove it.  Whether it is gone, or another's. */
static bool remove_one(const CgroupRemovalTask *task, uint64_t id) {
        auto_fd fd = cgroup_open_by_id(0, id), parent = -1, below = -1;
        CgroupBusyFunc busy;
        DirectoryEntry entry;
        struct stat st;

        if (fd < 0)
                return fd == -ESTALE;
        if (fstat(fd, &st) < 0)
                return false;
        if (!is_of_ranges(st.st_uid, task))
                return true;
        if (kill_one(fd, task, &busy))
                return false;

        below = openat(fd, ".", O_RDONLY | O_DIRECTORY);
        if (below < 0 || !cgroup_remove_below(g_steal_fd(&below), NULL, busy, task))
                return false;
        parent = openat(fd, "..", O_RDONLY | O_DIRECTORY);
        return parent >= 0 && find_folder(parent, st.st_ino, &entry) &&
               unlinkat(parent, entry.name, AT_REMOVEDIR) == 0;
}

static void child_run(const void *data) {
        const CgroupRemovalTask *task = data;
        const struct timespec pause = { .tv_nsec = PAUSE_MSEC * 1000000L };

        child_die_with(task->parent);
        for (unsigned i = 0; i < LIMIT_CGROUP_REMOVAL_MSEC / PAUSE_MSEC; i++) {
                bool gone = true;

                for (uint32_t k = 0; k < task->n; k++)
                        gone = remove_one(task, task->ids[k]) && gone;
                if (gone)
                        _exit(0);
                /* What was killed needs a moment to end. */
                (void) nanosleep(&pause, NULL);
        }
        _exit(1);
}

/* in the daemon */

static void on_event(WorkerTask *task, int result, void *userdata) {
        CgroupRemoval *removal = userdata;
        CgroupRemovedFunc removed = removal->removed;
        void *removed_userdata = removal->userdata;

        cgroup_removal_free(removal);
        removed(result == 0, removed_userdata);
}

int cgroup_remove(
        const CgroupTree *tree, uint32_t account, const uint64_t *ids, uint32_t n,
        const CgroupRange *ranges, size_t n_ranges, CgroupRemovedFunc removed, void *userdata,
        CgroupRemoval **ret_removal) {
        CgroupRemoval *removal = g_new(CgroupRemoval, 1);
        const WorkerRequest request = {
                .account = account,
                .fd = cgroup_tree_fd(tree),
                .run = child_run,
                .data = &removal->child_data,
                .event = on_event,
                .userdata = removal,
        };
        int r;

        g_assert(n <= CGROUPS_PER_REMOVAL_MAX);
        g_assert(n_ranges <= CGROUP_RANGES_MAX);
        *removal = (CgroupRemoval){
                .child_data = { .parent = getpid(), .n = n, .n_ranges = n_ranges },
                .removed = removed,
                .userdata = userdata,
        };
        memcpy(removal->child_data.ids, ids, n * sizeof(*ids));
        memcpy(removal->child_data.ranges, ranges, n_ranges * sizeof(*ranges));
        r = worker_pool_ask(cgroup_tree_removals(tree), &request, &removal->task);
        if (r != 0) {
                g_free(removal);
                return r == WORKER_E_BUSY ? CGROUP_E_BUSY : r;
        }
        *ret_removal = removal;
        return 0;
}

void cgroup_removal_free(CgroupRemoval *removal) {
        if (!removal)
                return;
        worker_task_free(removal->task);
        g_free(removal);
}
