/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host tasks that get a lent ID, and id-mapped mounts that make one: what root's own helpers can be
 * led to. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER_USER 1001u
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

static int nothing(Stage *stage) {
        return 0;
}

static void become(Stage *stage, uid_t uid, gid_t gid) {
        must(setgroups(0, NULL), "setgroups");
        must(setresgid(gid, gid, gid), "setresgid");
        must(setresuid(uid, uid, uid), "setresuid");
        must(fchdir(stage->dir_fd), "chdir");
}

static int task_mkdir(Stage *stage) {
        become(stage, stage->holder.start + 3, stage->holder.start + 3);
        return outcome(mkdir("x", 0777));
}

static int task_mkdir_group(Stage *stage) {
        become(stage, 0, stage->holder.start + 3);
        return outcome(mkdir("x", 0777));
}

static int task_tmpfile(Stage *stage) {
        become(stage, stage->holder.start, stage->holder.start);
        return outcome(open(".", O_TMPFILE | O_RDWR, 0666));
}

static int task_shm(Stage *stage) {
        become(stage, stage->holder.start, stage->holder.start);
        return outcome(mkdir("/dev/shm/attack", 0777));
}

#define HOST_TASK(name)                                \
        static int name##_host(Stage *stage, int fd) { \
                return in_child(name, stage);          \
        }
HOST_TASK(task_mkdir)
HOST_TASK(task_mkdir_group)
HOST_TASK(task_tmpfile)
HOST_TASK(task_shm)

static bool found_in_shm(Stage *stage) {
        return walk_finds("/dev/shm", false);
}

/* --- control groups --- */

#define OPEN_CGROUP "/sys/fs/cgroup/attack-open"

/* A user has let everybody make control groups below one that was delegated to him. */
static void prepare_open_cgroup(Stage *stage) {
        if (mkdir(OPEN_CGROUP, 0777) < 0 && errno != EEXIST)
                must(-1, OPEN_CGROUP);
        must(chown(OPEN_CGROUP, stage->user, stage->group), "chown");
        must(chmod(OPEN_CGROUP, 0777), "chmod");
}

static int mkdir_in_open_cgroup(Stage *stage) {
        return outcome(mkdir(OPEN_CGROUP "/x", 0777));
}

static int mkdir_in_open_cgroup_nested(Stage *stage) {
        enter_nested(true);
        return mkdir_in_open_cgroup(stage);
}

static int task_cgroup(Stage *stage) {
        become(stage, stage->holder.start + 3, stage->holder.start + 3);
        return mkdir_in_open_cgroup(stage);
}
HOST_TASK(task_cgroup)

static bool found_cgroup(Stage *stage) {
        bool found = walk_finds(OPEN_CGROUP "/x", false);

        (void) rmdir(OPEN_CGROUP "/x");
        (void) rmdir(OPEN_CGROUP);
        return found;
}

/* --- id-mapped mounts --- */

int idmapped_mount(Stage *stage, const char *map) {
        int ready[2], go[2];
        char c = 0, path[64];

        must(pipe2(ready, O_CLOEXEC), "pipe");
        must(pipe2(go, O_CLOEXEC), "pipe");
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                close(go[1]);
                must(unshare(CLONE_NEWUSER), "unshare");
                must((int) write(ready[1], &c, 1), "write");
                (void) !read(go[0], &c, 1);
                _exit(0);
        }
        must(read(ready[0], &c, 1) == 1 ? 0 : -1, "the map's namespace");
        static const char *const files[] = { "uid_map", "gid_map" };
        for (int i = 0; i < 2; i++) {
                snprintf(path, sizeof(path), "/proc/%d/%s", (int) child, files[i]);
                int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);
                must((int) write(fd, map, strlen(map)), path);
                close(fd);
        }
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) child);
        int userns_fd = must(open(path, O_RDONLY | O_CLOEXEC), path);
        close(go[1]);
        close(ready[0]);
        close(ready[1]);
        waitpid(child, NULL, 0);
        close(go[0]);

        int tree = must(
                (int) syscall(SYS_open_tree, stage->dir_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE),
                "open_tree");
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP,
                                         .userns_fd = (unsigned) userns_fd };
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) <
            0)
                not_here("no id-mapped mounts of this file system");
        close(userns_fd);
        return tree;
}

static void prepare_mount_onto_lent(Stage *stage) {
        char map[64];

        /* The scratch folder's owner as it is, or nobody could write there; and another user's
         * files as a lent ID's. */
        snprintf(
                map, sizeof(map), "%u %u 1\n%u %u 1", stage->user, stage->user,
                stage->holder.start + 7, OTHER_USER);
        stage->spare_fd = idmapped_mount(stage, map);
}

static int mkdir_through_mount(Stage *stage) {
        become(stage, OTHER_USER, OTHER_USER);
        must(fchdir(stage->spare_fd), "chdir");
        return outcome(mkdir("x", 0777));
}
HOST_TASK(mkdir_through_mount)

static int tmpfile_through_mount(Stage *stage) {
        become(stage, OTHER_USER, OTHER_USER);
        must(fchdir(stage->spare_fd), "chdir");
        return outcome(open(".", O_TMPFILE | O_RDWR, 0666));
}
HOST_TASK(tmpfile_through_mount)

/* An ID that the mount does not map owns nothing, in the kernel's eyes: -1. */
static void prepare_mount_without_others(Stage *stage) {
        char map[32];

        snprintf(map, sizeof(map), "%u %u 1", stage->user, stage->user);
        stage->spare_fd = idmapped_mount(stage, map);
}

static int link_without_owner(Stage *stage, uid_t uid, gid_t gid) {
        char path[64];

        become(stage, uid, gid);
        int fd = openat(stage->spare_fd, ".", O_TMPFILE | O_RDWR, 0666);
        if (fd < 0 && errno == EOVERFLOW)
                not_here("this kernel refuses it by itself");
        if (fd < 0)
                return -errno;
        snprintf(path, sizeof(path), "self/fd/%d", fd);
        if (linkat(stage->proc_fd, path, stage->dir_fd, "x", AT_SYMLINK_FOLLOW) < 0)
                printf("# it cannot be linked: %s\n", strerror(errno));
        return 0;
}

static int link_without_user(Stage *stage) {
        return link_without_owner(stage, OTHER_USER, stage->user);
}
HOST_TASK(link_without_user)

static int link_without_group(Stage *stage) {
        return link_without_owner(stage, stage->user, OTHER_USER);
}
HOST_TASK(link_without_group)

static int chown_through_mount(Stage *stage, int fd) {
        close(must(touch_at(stage->dir_fd, "own", 0666), "file"));
        return outcome(fchownat(stage->spare_fd, "own", OTHER_USER, OTHER_USER, 0));
}

#define ROOT_TASK(text, rule_name, function) \
        { .name = text, .rule = rule_name, .flags = ATTACK_ROOT, .run = nothing, .host = function }
#define MOUNT_TASK(text, rule_name, function)                                        \
        {                                                                            \
                .name = text, .rule = rule_name, .flags = ATTACK_ROOT,               \
                .prepare = prepare_mount_onto_lent, .run = nothing, .host = function \
        }

const Attack attack_host[] = {
        ROOT_TASK("mkdir of a host task with a lent UID", "make", task_mkdir_host),
        ROOT_TASK("mkdir of root with a lent GID", "make", task_mkdir_group_host),
        { "O_TMPFILE of a host task with a lent UID", "tmpfile", NULL,
          ATTACK_ROOT | ATTACK_NO_TRACE, .run = nothing, .host = task_tmpfile_host },
        { "a host task's folder in /dev/shm", "make", NULL, ATTACK_ROOT, .run = nothing,
          .host = task_shm_host, .found = found_in_shm },
        { "mkdir in a control group that everybody may write to", "make", NULL, ATTACK_ROOT,
          .prepare = prepare_open_cgroup, .run = mkdir_in_open_cgroup, .found = found_cgroup },
        { "the same from a nested namespace", "make", NULL, ATTACK_ROOT,
          .prepare = prepare_open_cgroup, .run = mkdir_in_open_cgroup_nested,
          .found = found_cgroup },
        { "the same by a host task", "make", NULL, ATTACK_ROOT, .prepare = prepare_open_cgroup,
          .run = nothing, .host = task_cgroup_host, .found = found_cgroup },
        MOUNT_TASK(
                "mkdir through a mount that maps to a lent UID", "make", mkdir_through_mount_host),
        { "O_TMPFILE through a mount that maps to a lent UID", "tmpfile", NULL,
          ATTACK_ROOT | ATTACK_NO_TRACE, .prepare = prepare_mount_onto_lent, .run = nothing,
          .host = tmpfile_through_mount_host },
        { "O_TMPFILE by a user that a mount does not map", "tmpfile", NULL,
          ATTACK_ROOT | ATTACK_NO_TRACE, .prepare = prepare_mount_without_others, .run = nothing,
          .host = link_without_user_host },
        { "O_TMPFILE by a group that a mount does not map", "tmpfile", NULL,
          ATTACK_ROOT | ATTACK_NO_TRACE, .prepare = prepare_mount_without_others, .run = nothing,
          .host = link_without_group_host },
        MOUNT_TASK("chown through a mount that maps to a lent UID", "chown", chown_through_mount),
        { 0 },
};
