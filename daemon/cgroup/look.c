/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/look.h"

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

typedef struct Sorted {
        CgroupRange range; /* first, for id_intervals_find() */
        size_t place;      /* it was given as number `place` */
} Sorted;

struct CgroupLook {
        WorkerTask *task;
        size_t n;
        Sorted *ranges;
        bool *found; /* by sorted range; shared with the child */
        CgroupLookedFunc looked;
        void *userdata;
};

/* in the child: the daemon's mount is 0 */

typedef struct Walk {
        pid_t parent;
        dev_t device;
        const Sorted *ranges;
        size_t n;
        bool *found;
        uint64_t *ids; /* of directories yet to be looked into */
        size_t n_ids, n_allocated;
} Walk;

static size_t index_of(const Walk *walk, uint32_t id) {
        return id_intervals_find(walk->ranges, walk->n, sizeof(Sorted), id);
}

static void push(Walk *walk, uint64_t id) {
        if (walk->n_ids >= walk->n_allocated) {
                size_t old = walk->n_allocated * sizeof(*walk->ids), new = old ? 2 * old : 65536;
                void *ids = old ? mremap(walk->ids, old, new, MREMAP_MAYMOVE)
                                : mmap(NULL, new, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                if (ids == MAP_FAILED)
                        _exit(1);
                walk->ids = ids;
                walk->n_allocated = new / sizeof(*walk->ids);
        }
        walk->ids[walk->n_ids++] = id;
}

static bool is_of_ranges(const struct stat *st, const void *walk) {
        return index_of(walk, st->st_uid) != SIZE_MAX;
}

/* Remove one with what is below it.  What is removed by another meanwhile is gone too. */
static bool remove_owned(const Walk *walk, int folder, const char *name) {
        int below;

        if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return true;
        below = cgroup_open_below(folder, name, O_RDONLY | O_DIRECTORY);
        if (below < 0)
                return below == -ENOENT;
        return cgroup_remove_below(below, is_of_ranges, NULL, walk) &&
               (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

static void look_at_folder(Walk *walk, int folder, const struct dirent64 *entry) {
        struct stat st;
        size_t i;

        if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return;
                _exit(1);
        }
        /* Only where the mount is not a copy: something of root's lies over it. */
        if (st.st_dev != walk->device) {
                push(walk, entry->d_ino);
                return;
        }
        i = index_of(walk, st.st_uid);
        if (i != SIZE_MAX) {
                if (remove_owned(walk, folder, entry->d_name))
                        return;
        } else
                i = index_of(walk, st.st_gid);
        if (i != SIZE_MAX)
                walk->found[i] = true;
        if (st.st_nlink != LINKS_OF_LEAF)
                push(walk, st.st_ino);
}

static void look_into(Walk *walk, uint64_t id) {
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
                                look_at_folder(walk, fd, entry);
                }
        if (size < 0 && errno != ENOENT)
                _exit(1);
}

static void child_run(const void *data) {
        Walk walk = *(const Walk *) data;
        struct stat st;

        child_die_with(walk.parent);
        if (fstat(0, &st) < 0)
                _exit(1);
        for (push(&walk, st.st_ino); walk.n_ids > 0;)
                look_into(&walk, walk.ids[--walk.n_ids]);
        _exit(0);
}

/* in the daemon */

void cgroup_look_free(CgroupLook *look) {
        if (!look)
                return;
        worker_task_free(look->task);
        if (look->found)
                (void) munmap(look->found, look->n * sizeof(bool));
        g_free(look->ranges);
        g_free(look);
}

static void on_event(WorkerTask *task, int result, void *userdata) {
        CgroupLook *look = userdata;
        g_autofree bool *clean = g_new0(bool, look->n);
        CgroupLookedFunc looked = look->looked;
        void *looked_userdata = look->userdata;
        size_t n = look->n;

        for (size_t i = 0; i < n; i++)
                clean[look->ranges[i].place] = result == 0 && !look->found[i];
        cgroup_look_free(look);
        looked(clean, n, looked_userdata);
}

static int compare_starts(const void *a, const void *b) {
        uint32_t x = ((const Sorted *) a)->range.start, y = ((const Sorted *) b)->range.start;

        return (x > y) - (x < y);
}

static int look_start(CgroupLook *look, const CgroupTree *tree) {
        const Walk walk = {
                .parent = getpid(),
                .device = cgroup_tree_device(tree),
                .ranges = look->ranges,
                .n = look->n,
                .found = look->found,
        };
        const WorkerRequest request = {
                .fd = cgroup_tree_fd(tree),
                .run = child_run,
                .data = &walk, /* nobody waits */
                .event = on_event,
                .userdata = look,
        };
        int r = worker_pool_ask(cgroup_tree_looks(tree), &request, &look->task);

        return r == WORKER_E_BUSY ? CGROUP_E_BUSY : r;
}

int cgroup_look(
        const CgroupTree *tree, const CgroupRange *ranges, size_t n, CgroupLookedFunc looked,
        void *userdata, CgroupLook **ret_look) {
        CgroupLook *look = g_new(CgroupLook, 1);
        void *found = NULL;
        int r;

        g_assert(n > 0);
        *look = (CgroupLook){
                .n = n, .ranges = g_new(Sorted, n), .looked = looked, .userdata = userdata
        };
        for (size_t i = 0; i < n; i++)
                look->ranges[i] = (Sorted){ .range = ranges[i], .place = i };
        qsort(look->ranges, n, sizeof(Sorted), compare_starts);
        r = child_share(n * sizeof(bool), &found);
        look->found = found;
        if (r == 0)
                r = look_start(look, tree);
        if (r == 0)
                *ret_look = look;
        else
                cgroup_look_free(look);
        return r;
}
