/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/cgroup/open.h"
#include "daemon/cgroup/remove.h"
#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/id-range.h"
#include "lib/util/worker-pool.h"

/* What a directory without one in it has. */
#define LINKS_OF_LEAF 2u

struct CgroupWalk {
        WorkerTask *task;
        size_t n;
        CgroupRange *ranges; /* sorted */
        uint32_t *places;    /* ranges[i] was given as number places[i] */
        bool *found;         /* by sorted range; shared with the child */
        CgroupWalkedFunc walked;
        void *userdata;
};

/* in the child: the daemon's mount is 0 */

typedef struct Walker {
        pid_t parent;
        dev_t device;
        const CgroupRange *ranges;
        size_t n;
        bool *found;
        uint64_t *ids; /* of directories yet to be looked into */
        size_t n_ids, n_allocated;
} Walker;

static size_t index_of(const Walker *walker, uint32_t id) {
        return id_intervals_find(walker->ranges, walker->n, sizeof(CgroupRange), id);
}

static void push(Walker *walker, uint64_t id) {
        if (walker->n_ids >= walker->n_allocated) {
                size_t old = walker->n_allocated * sizeof(*walker->ids),
                       new = old ? 2 * old : 65536;
                void *ids = old ? mremap(walker->ids, old, new, MREMAP_MAYMOVE)
                                : mmap(NULL, new, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                if (ids == MAP_FAILED)
                        _exit(1);
                walker->ids = ids;
                walker->n_allocated = new / sizeof(*walker->ids);
        }
        walker->ids[walker->n_ids++] = id;
}

static bool is_of_ranges(const struct stat *st, const void *walker) {
        return index_of(walker, st->st_uid) != SIZE_MAX;
}

/* Remove one with what is below it.  What is removed by another meanwhile is gone too. */
static bool remove_owned(const Walker *walker, int folder, const char *name) {
        int below;

        if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return true;
        below = cgroup_open_below(folder, name, O_RDONLY | O_DIRECTORY);
        if (below < 0)
                return below == -ENOENT;
        return cgroup_remove_below(below, is_of_ranges, NULL, walker) &&
               (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

static void check_folder(Walker *walker, int folder, const struct dirent64 *entry) {
        struct stat st;
        size_t i;

        if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return;
                _exit(1);
        }
        /* Only where the mount is not a copy: something of root's lies over it. */
        if (st.st_dev != walker->device) {
                push(walker, entry->d_ino);
                return;
        }
        i = index_of(walker, st.st_uid);
        if (i != SIZE_MAX) {
                if (remove_owned(walker, folder, entry->d_name))
                        return;
        } else
                i = index_of(walker, st.st_gid);
        if (i != SIZE_MAX)
                walker->found[i] = true;
        if (st.st_nlink != LINKS_OF_LEAF)
                push(walker, st.st_ino);
}

static void walk_into(Walker *walker, uint64_t id) {
        char buffer[16384] __attribute__((aligned(8)));
        auto_fd fd = cgroup_open_by_id(0, id);
        ssize_t size;

        if (fd == -ESTALE) /* removed */
                return;
        if (fd < 0)
                _exit(1);
        while ((size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
                            strcmp(entry->d_name, "..") != 0)
                                check_folder(walker, fd, entry);
                }
        if (size < 0 && errno != ENOENT)
                _exit(1);
}

static void child_run(const void *data) {
        Walker walker = *(const Walker *) data;
        struct stat st;

        child_die_with(walker.parent);
        if (fstat(0, &st) < 0)
                _exit(1);
        for (push(&walker, st.st_ino); walker.n_ids > 0;)
                walk_into(&walker, walker.ids[--walker.n_ids]);
        _exit(0);
}

/* in the daemon */

void cgroup_walk_free(CgroupWalk *walk) {
        if (!walk)
                return;
        worker_task_free(walk->task);
        if (walk->found)
                (void) munmap(walk->found, walk->n * sizeof(bool));
        g_free(walk->ranges);
        g_free(walk->places);
        g_free(walk);
}

static void on_event(WorkerTask *task, int result, void *userdata) {
        CgroupWalk *walk = userdata;
        g_autofree bool *clean = g_new0(bool, walk->n);
        CgroupWalkedFunc walked = walk->walked;
        void *walked_userdata = walk->userdata;
        size_t n = walk->n;

        for (size_t i = 0; i < n; i++)
                clean[walk->places[i]] = result == 0 && !walk->found[i];
        cgroup_walk_free(walk);
        walked(clean, n, walked_userdata);
}

static int walk_start(CgroupWalk *walk, const CgroupTree *tree) {
        const Walker walker = {
                .parent = getpid(),
                .device = cgroup_tree_device(tree),
                .ranges = walk->ranges,
                .n = walk->n,
                .found = walk->found,
        };
        const WorkerRequest request = {
                .fd = cgroup_tree_fd(tree),
                .run = child_run,
                .data = &walker, /* nobody waits */
                .event = on_event,
                .userdata = walk,
        };
        int r = worker_pool_ask(cgroup_tree_walks(tree), &request, &walk->task);

        return r == WORKER_E_BUSY ? CGROUP_E_BUSY : r;
}

int cgroup_walk(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupWalkedFunc walked,
        void *userdata, CgroupWalk **ret_walk) {
        CgroupWalk *walk = g_new(CgroupWalk, 1);
        void *found = NULL;
        int r;

        g_assert(n > 0);
        *walk = (CgroupWalk){
                .n = n,
                .ranges = g_new(CgroupRange, n),
                .places = id_intervals_order(ranges, n, sizeof(CgroupRange)),
                .walked = walked,
                .userdata = userdata,
        };
        for (size_t i = 0; i < n; i++)
                walk->ranges[i] = ranges[walk->places[i]];
        r = child_share(n * sizeof(bool), &found);
        walk->found = found;
        if (r == 0)
                r = walk_start(walk, tree);
        if (r == 0)
                *ret_walk = walk;
        else
                cgroup_walk_free(walk);
        return r;
}
