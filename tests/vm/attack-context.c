/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways for a process with lent IDs to stand in front of a folder of the host.  Each leaves it in
 * the scratch folder. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NESTED_LEVELS 20

static void go_there(Stage *stage) {
        must(fchdir(stage->dir_fd), "chdir");
}

static void as_root_inside(Stage *stage) {
        enter_holder(&stage->holder, 0, 0);
        go_there(stage);
}

static void as_last_id(Stage *stage) {
        enter_holder(&stage->holder, 65535, 65535);
        go_there(stage);
}

static void with_lent_uid_only(Stage *stage) {
        enter_holder(&stage->holder, 0, (gid_t) -1);
        go_there(stage);
}

static void with_lent_gid_only(Stage *stage) {
        enter_holder(&stage->holder, (uid_t) -1, 0);
        go_there(stage);
}

/* The call fails where a 16-bit variant was meant; what counts is who the process is afterwards. */
static void with_lent_fsuid(Stage *stage) {
        enter_holder(&stage->holder, (uid_t) -1, (gid_t) -1);
        (void) setfsuid(77);
        go_there(stage);
}

static void nested_mapped(Stage *stage) {
        as_root_inside(stage);
        enter_nested(true);
}

static void nested_unmapped(Stage *stage) {
        as_root_inside(stage);
        enter_nested(false);
}

static void nested_deeply(Stage *stage) {
        as_root_inside(stage);
        for (int i = 0; i < NESTED_LEVELS; i++)
                enter_nested(true);
}

static void in_mount_namespace(Stage *stage) {
        enter_holder(&stage->holder, 0, 0);
        enter_mount_namespace();
        /* By path: the folder of the copied mount, not of the host's. */
        must(chdir(stage->dir), "chdir");
}

static void in_nested_mount_namespace(Stage *stage) {
        nested_mapped(stage);
        enter_mount_namespace();
        must(chdir(stage->dir), "chdir");
}

static void through_bind_mount(Stage *stage) {
        enter_holder(&stage->holder, 0, 0);
        enter_mount_namespace();
        must(mkdir("/tmp/bind", 0777), "mkdir");
        must(mount(stage->dir, "/tmp/bind", NULL, MS_BIND, NULL), "bind mount");
        must(chdir("/tmp/bind"), "chdir");
}

static int clone_tree(Stage *stage) {
        enter_holder(&stage->holder, 0, 0);
        enter_mount_namespace();
        return must((int) syscall(SYS_open_tree, AT_FDCWD, stage->dir, 1 | O_CLOEXEC), "open_tree");
}

static void through_cloned_tree(Stage *stage) {
        must(fchdir(clone_tree(stage)), "chdir");
}

static void through_moved_mount(Stage *stage) {
        int tree = clone_tree(stage);

        must(mkdir("/tmp/moved", 0777), "mkdir");
        /* MOVE_MOUNT_F_EMPTY_PATH */
        must((int) syscall(SYS_move_mount, tree, "", AT_FDCWD, "/tmp/moved", 4), "move_mount");
        must(chdir("/tmp/moved"), "chdir");
}

static void in_chroot(Stage *stage) {
        enter_holder(&stage->holder, 0, 0);
        must(chroot(stage->dir), "chroot");
        must(chdir("/"), "chdir");
}

static void by_descriptor_path(Stage *stage) {
        char path[64];

        enter_holder(&stage->holder, 0, 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", stage->dir_fd);
        must(chdir(path), "chdir");
}

const Context attack_contexts[] = {
        { "as root inside", as_root_inside },
        { "as the last ID", as_last_id },
        { "with a lent UID only", with_lent_uid_only },
        { "with a lent GID only", with_lent_gid_only },
        { "with a lent fsuid only", with_lent_fsuid, .fsuid_only = true },
        { "in a nested namespace, mapped", nested_mapped },
        { "in a nested namespace, unmapped", nested_unmapped },
        { "in a deeply nested namespace", nested_deeply },
        { "in a mount namespace", in_mount_namespace },
        { "in a nested mount namespace", in_nested_mount_namespace },
        { "through a bind mount", through_bind_mount },
        { "through a cloned tree", through_cloned_tree },
        { "through a moved mount", through_moved_mount },
        { "in a chroot", in_chroot },
        { "through a descriptor's link", by_descriptor_path },
        { 0 },
};
