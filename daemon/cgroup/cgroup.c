/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/cgroup/open.h"
#include "daemon/limits.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/worker-pool.h"

#define PROC_FILE_SIZE_MAX (16u * 1024 * 1024)
#define MOUNT_FOLDER "/sys/fs/cgroup"

struct CgroupTree {
        int fd;
        dev_t device;
        WorkerPool *removals, *walks;
};

/* All that a delegatee may write, after the directory itself; systemd's rule, and the kernel's own
 * list in /sys/kernel/cgroup/delegate has only one that concerns single resources beside them. */
static const char *const delegated_files[] = {
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
};

#define N_PARTS (1u + G_N_ELEMENTS(delegated_files))

/* The directory, or a file in it, and what it was like when it was opened. */
typedef struct Part {
        int fd;
        uid_t uid;
        gid_t gid;
        mode_t mode;
} Part;

struct Cgroup {
        uint64_t id;
        Part parts[N_PARTS]; /* the directory first */
};

/* the hierarchy */

/* Whether a line of mountinfo is a mount of the whole hierarchy where only root makes mounts. */
static bool is_mount_of_all(const char *line, char **ret_path, dev_t *ret_device) {
        const char *type = strstr(line, " - "); /* no field before it has a blank in it */
        g_auto(GStrv) words = g_strsplit(line, " ", 6);
        unsigned major_number, minor_number;
        g_autofree char *path = NULL;

        if (!type || !g_str_has_prefix(type, " - cgroup2 ") || g_strv_length(words) < 6 ||
            !g_str_equal(words[3], "/") ||
            sscanf(words[2], "%u:%u", &major_number, &minor_number) != 2)
                return false;
        path = g_strcompress(words[4]);
        if (!g_str_equal(path, MOUNT_FOLDER) && !g_str_has_prefix(path, MOUNT_FOLDER "/"))
                return false;
        *ret_path = g_steal_pointer(&path);
        *ret_device = makedev(major_number, minor_number);
        return true;
}

/* Open the root of a copy of the mount on `path`, without what is mounted below it.  Where a filter
 * takes that call away (containers) the mount itself has to do: no lookup leaves it either. */
static int open_copy(const char *path) {
        auto_fd tree = -1;

        tree = (int) syscall(
                SYS_open_tree, AT_FDCWD, path,
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (tree < 0)
                return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        /* The copy is in no mount namespace: it lives as long as what was opened in it. */
        return openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The mount on `path` must be of `device`. */
static int copy_mount(const char *path, dev_t device, int *ret_fd) {
        auto_fd fd = open_copy(path);
        struct statfs file_system;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != device)
                return -ENOENT; /* something else is mounted over it */
        if (fstatfs(fd, &file_system) < 0)
                return -errno;
        if (file_system.f_type != CGROUP2_SUPER_MAGIC)
                return -ENOENT;
        *ret_fd = g_steal_fd(&fd);
        return 0;
}

WorkerPool *cgroup_removals_new(void) {
        /* Whoever may make directories in there can make them as fast as they are removed: then the
         * child is killed.  What was removed stays so, and the next turn goes on. */
        const WorkerPoolConfig config = {
                .max = LIMIT_CGROUP_REMOVALS,
                .max_per_account = LIMIT_CGROUP_REMOVALS_PER_ACCOUNT,
                .max_waiting_per_account = LIMIT_CGROUP_REMOVALS_WAITING_PER_ACCOUNT,
                .msec = 2 * LIMIT_CGROUP_REMOVAL_MSEC,
        };

        return worker_pool_new(&config);
}

static WorkerPool *cgroup_walks_new(void) {
        const WorkerPoolConfig config = {
                .max = LIMIT_CGROUP_WALKS,
                .max_per_account = LIMIT_CGROUP_WALKS,
                .msec = LIMIT_CGROUP_WALK_MSEC,
        };

        return worker_pool_new(&config);
}

int cgroup_tree_new(CgroupTree **ret_tree) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/mountinfo", PROC_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_autofree char *path = NULL;
                dev_t device;
                int fd = -1;

                if (!is_mount_of_all(*line, &path, &device))
                        continue;
                r = copy_mount(path, device, &fd);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        return r;
                *ret_tree = g_new(CgroupTree, 1);
                **ret_tree = (CgroupTree){
                        .fd = fd,
                        .device = device,
                        .removals = cgroup_removals_new(),
                        .walks = cgroup_walks_new(),
                };
                return 0;
        }
        return CGROUP_E_NO_TREE;
}

void cgroup_tree_free(CgroupTree *tree) {
        if (!tree)
                return;
        worker_pool_free(tree->removals);
        worker_pool_free(tree->walks);
        tree->fd = fd_close(tree->fd);
        g_free(tree);
}

int cgroup_tree_fd(const CgroupTree *tree) {
        return tree->fd;
}

WorkerPool *cgroup_tree_removals(const CgroupTree *tree) {
        return tree->removals;
}

WorkerPool *cgroup_tree_walks(const CgroupTree *tree) {
        return tree->walks;
}

dev_t cgroup_tree_device(const CgroupTree *tree) {
        return tree->device;
}

/* one control group */

/* Open the control group that this process is in. */
static int open_own(const CgroupTree *tree, int *ret_fd) {
        g_autofree char *text = NULL;
        char *line, *end;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        line = g_str_has_prefix(text, "0::/") ? text : strstr(text, "\n0::/");
        if (!line)
                return -ENOENT;
        line = strchr(line, '/') + 1;
        end = strchr(line, '\n');
        if (end)
                *end = '\0';
        r = cgroup_open_below(tree->fd, *line ? line : ".", O_RDONLY | O_DIRECTORY);
        if (r < 0)
                return r;
        *ret_fd = r;
        return 0;
}

/* CGROUP_E_OURS if this process is in the control group `id` or below it.  The way up is sure:
 * directories of cgroup2 cannot be moved. */
static int check_not_ours(const CgroupTree *tree, uint64_t id) {
        auto_fd own = -1;
        ino_t before = 0;
        int r;

        r = open_own(tree, &own);
        if (r < 0)
                return r;
        for (;;) {
                struct stat st;
                int parent;

                if (fstat(own, &st) < 0)
                        return -errno;
                if (st.st_ino == id)
                        return CGROUP_E_OURS;
                if (st.st_ino == before) /* the root is its own parent */
                        return 0;
                before = st.st_ino;
                parent = openat(own, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (parent < 0)
                        return -errno;
                (void) fd_close(own);
                own = parent;
        }
}

/* Take `take_fd` for a part, if it is of the hierarchy and of the right type. */
static int part_take(Part *part, const CgroupTree *tree, int take_fd, mode_t type) {
        auto_fd fd = take_fd;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != tree->device || (st.st_mode & S_IFMT) != type)
                return -EXDEV;
        *part = (Part){
                .fd = g_steal_fd(&fd),
                .uid = st.st_uid,
                .gid = st.st_gid,
                .mode = st.st_mode & 07777,
        };
        return 0;
}

/* What is removed meanwhile answers in one of these ways. */
static int or_gone(int r) {
        return r == -ESTALE || r == -ENOENT || r == -ENODEV ? CGROUP_E_GONE : r;
}

static int open_parts(Cgroup *cgroup, const CgroupTree *tree) {
        int r;

        r = cgroup_open_by_id(tree->fd, cgroup->id);
        if (r >= 0)
                r = part_take(&cgroup->parts[0], tree, r, S_IFDIR);
        if (r < 0)
                return or_gone(r);
        /* Only the root of the hierarchy does not have it. */
        r = cgroup_open_below(cgroup->parts[0].fd, "cgroup.events", O_PATH);
        if (r == -ENOENT)
                return CGROUP_E_ROOT;
        if (r < 0)
                return or_gone(r);
        (void) fd_close(r);
        for (size_t i = 0; i < G_N_ELEMENTS(delegated_files); i++) {
                r = cgroup_open_below(cgroup->parts[0].fd, delegated_files[i], O_RDONLY);
                if (r >= 0)
                        r = part_take(&cgroup->parts[1 + i], tree, r, S_IFREG);
                if (r < 0)
                        return or_gone(r);
        }
        return 0;
}

int cgroup_open(const CgroupTree *tree, uint64_t id, Cgroup **ret_cgroup) {
        g_autoptr(Cgroup) cgroup = g_new(Cgroup, 1);
        int r;

        *cgroup = (Cgroup){ .id = id };
        for (size_t i = 0; i < N_PARTS; i++)
                cgroup->parts[i].fd = -1;
        r = open_parts(cgroup, tree);
        if (r == 0)
                r = check_not_ours(tree, id);
        if (r == 0)
                *ret_cgroup = g_steal_pointer(&cgroup);
        return r;
}

void cgroup_free(Cgroup *cgroup) {
        if (!cgroup)
                return;
        for (size_t i = 0; i < N_PARTS; i++)
                (void) fd_close(cgroup->parts[i].fd);
        g_free(cgroup);
}

uint64_t cgroup_id(const Cgroup *cgroup) {
        return cgroup->id;
}

bool cgroup_belongs_to(const Cgroup *cgroup, uid_t uid) {
        for (size_t i = 0; i < N_PARTS; i++)
                if (cgroup->parts[i].uid != uid)
                        return false;
        return true;
}

int cgroup_hand_over(const Cgroup *cgroup, uid_t uid, gid_t gid) {
        const Part *part = cgroup->parts;
        size_t n_changed = 0;
        int r = 0;

        for (; n_changed < N_PARTS && r == 0; n_changed++) {
                part = &cgroup->parts[n_changed];
                if (fchown(part->fd, uid, gid) < 0 ||
                    fchmod(part->fd, n_changed == 0 ? 0755 : 0644) < 0)
                        r = -errno;
        }
        if (r == 0)
                return 0;
        /* The last of them was changed in part, or not at all, and then this changes nothing. */
        while (n_changed-- > 0) {
                part = &cgroup->parts[n_changed];
                (void) !fchown(part->fd, part->uid, part->gid);
                (void) fchmod(part->fd, part->mode);
        }
        return r;
}
