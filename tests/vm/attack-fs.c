/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What single file systems and mounts offer besides making an inode with a name: unnamed files,
 * overlays, whiteouts, subvolumes. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHMOD_TRIES 5000
#define CHMOD_SECONDS 15

/* --- unnamed files --- */

static int open_unnamed(Stage *stage) {
        int fd = open(".", O_TMPFILE | O_RDWR, 0777);
        if (fd >= 0)
                hand_over(stage, fd);
        return outcome(fd);
}

static int link_descriptor(Stage *stage, int fd) {
        char path[64];

        snprintf(path, sizeof(path), "self/fd/%d", fd);
        return outcome(linkat(stage->proc_fd, path, stage->dir_fd, "x", AT_SYMLINK_FOLLOW));
}

static int open_and_link(Stage *stage) {
        int fd = open(".", O_TMPFILE | O_RDWR, 0777);
        if (fd < 0)
                return -errno;
        Stage here = *stage;
        here.dir_fd = AT_FDCWD;
        return link_descriptor(&here, fd);
}

static void open_late_unnamed(Stage *stage) {
        int fd = must(openat(stage->dir_fd, ".", O_TMPFILE | O_RDWR, 0777), "O_TMPFILE");
        must(dup2(fd, stage->hand_over_fd + 100), "dup2");
}

static int hand_over_late(Stage *stage) {
        hand_over(stage, stage->hand_over_fd + 100);
        return 0;
}

static int link_late(Stage *stage) {
        return link_descriptor(stage, stage->hand_over_fd + 100);
}

/* By descriptor alone: needs CAP_DAC_READ_SEARCH over the host, or from 6.10 the credentials that
 * opened it. */
static int link_late_empty_path(Stage *stage) {
        int r = outcome(linkat(stage->hand_over_fd + 100, "", stage->dir_fd, "x", AT_EMPTY_PATH));
        if (r == -ENOENT)
                not_here("AT_EMPTY_PATH is for privileged processes before 6.10");
        return r;
}

/* --- overlays --- */

static void prepare_layers(Stage *stage) {
        must(mkdirat(stage->dir_fd, "lower", 0777), "mkdir");
        must(mkdirat(stage->dir_fd, "upper", 0777), "mkdir");
        must(mkdirat(stage->dir_fd, "work", 0777), "mkdir");
        must(fchmodat(stage->dir_fd, "lower", 0777, 0), "chmod");
        must(fchmodat(stage->dir_fd, "upper", 0777, 0), "chmod");
        must(fchmodat(stage->dir_fd, "work", 0777, 0), "chmod");
        close(must(touch_at(stage->dir_fd, "lower/file", 0666), "lower file"));
}

static int overlay_with(Stage *stage, const char *more) {
        char options[512];

        enter_mount_namespace();
        snprintf(
                options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work%s",
                stage->dir, stage->dir, stage->dir, more);
        must(mkdir("/tmp/overlay", 0777), "mkdir");
        if (mount("overlay", "/tmp/overlay", "overlay", 0, options) < 0)
                return -errno;
        return outcome(mkdir("/tmp/overlay/x", 0777));
}

static int overlay(Stage *stage) {
        return overlay_with(stage, "");
}

static int overlay_userxattr(Stage *stage) {
        return overlay_with(stage, ",userxattr");
}

static int overlay_nested(Stage *stage) {
        enter_nested(true);
        return overlay_with(stage, ",userxattr");
}

static int overlay_through_bind(Stage *stage) {
        char options[512];

        enter_mount_namespace();
        must(mkdir("/tmp/bind", 0777), "mkdir");
        must(mkdir("/tmp/overlay", 0777), "mkdir");
        must(mount(stage->dir, "/tmp/bind", NULL, MS_BIND, NULL), "bind");
        snprintf(
                options, sizeof(options),
                "lowerdir=/tmp,upperdir=/tmp/bind/upper,workdir=/tmp/bind/work,userxattr");
        if (mount("overlay", "/tmp/overlay", "overlay", 0, options) < 0)
                return -errno;
        return outcome(mkdir("/tmp/overlay/x", 0777));
}

/* The same by the new mount calls: the superblock is made without a place in the tree. */
static int overlay_fsconfig(Stage *stage) {
        enum { SET_STRING = 1, CREATE = 6 };
        char path[256];

        enter_mount_namespace();
        int fs = must((int) syscall(SYS_fsopen, "overlay", 0), "fsopen");
        static const char *const layers[] = { "lower", "upper", "work" };
        for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
                char key[32];
                snprintf(key, sizeof(key), "%sdir", layers[i]);
                snprintf(path, sizeof(path), "%s/%s", stage->dir, layers[i]);
                must((int) syscall(SYS_fsconfig, fs, SET_STRING, key, path, 0), key);
        }
        if (syscall(SYS_fsconfig, fs, CREATE, NULL, NULL, 0) < 0)
                return -errno;
        int mount_fd = (int) syscall(SYS_fsmount, fs, 0, 0);
        if (mount_fd < 0)
                return -errno;
        return outcome(mkdirat(mount_fd, "x", 0777));
}

/* A namespace that is still empty can mount already.  What it mounts then belongs to the holder
 * that it becomes, but lies on the host.  Without a map there is no privilege over the work folder,
 * which overlayfs makes without any permission bits: its owner, outside, gives them back at the
 * right moment. */
static void mount_overlay_before(Stage *stage, bool late) {
        char options[512], merged[256], work[256];

        snprintf(work, sizeof(work), "%s/work/work", stage->dir);
        /* There is no tmpfs of one's own to mount it in: without a map, nobody can own anything
         * there. */
        snprintf(merged, sizeof(merged), "%s/lower", stage->dir);
        snprintf(
                options, sizeof(options),
                "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,userxattr", stage->dir,
                stage->dir, stage->dir);
        pid_t owner = must(fork(), "fork");
        if (owner == 0) {
                alarm(CHMOD_SECONDS);
                for (;;)
                        (void) chmod(work, 0700);
        }
        must(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
        int r = -1;
        for (int i = 0; r < 0 && i < CHMOD_TRIES; i++)
                r = mount("overlay", merged, "overlay", 0, options);
        kill(owner, SIGKILL);
        must(r, "overlay");
        int userns_fd = must(open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), "namespace");
        const char *error = ask_for_range(stage->socket, userns_fd, late);
        must(error ? -1 : 0, error);
        must(setresgid(0, 0, 0), "setresgid");
        must(setresuid(0, 0, 0), "setresuid");
        must(chdir(merged), "chdir");
}

static void mount_overlay_while_empty(Stage *stage) {
        mount_overlay_before(stage, false);
}

static int older_overlay_mkdir(Stage *stage) {
        mount_overlay_while_empty(stage);
        return outcome(mkdir("x", 0777));
}

static int older_overlay_create(Stage *stage) {
        mount_overlay_while_empty(stage);
        return outcome(open("x", O_WRONLY | O_CREAT, 0666));
}

static int older_overlay_symlink(Stage *stage) {
        mount_overlay_while_empty(stage);
        return outcome(symlink("to", "x"));
}

static int older_overlay_tmpfile(Stage *stage) {
        mount_overlay_while_empty(stage);
        int r = open_and_link(stage);
        if (r == -EOPNOTSUPP)
                not_here("this overlay has no O_TMPFILE");
        return r;
}

/* And a file of a lent ID in it that is older than the protection. */
static void make_late_file_in_overlay(Stage *stage) {
        mount_overlay_before(stage, true);
        close(must(open("late", O_WRONLY | O_CREAT, 0666), "late file"));
        protect_late(stage);
}

static int older_overlay_chown(Stage *stage) {
        make_late_file_in_overlay(stage);
        return outcome(chown("late", 1, 1));
}

static int older_overlay_chmod(Stage *stage) {
        make_late_file_in_overlay(stage);
        return outcome(chmod("late", 04755));
}

/* The holder is a namespace that the stage does not know, so: any owner but the first ID. */
static bool found_second_owner(Stage *stage) {
        struct stat st;
        return fstatat(stage->dir_fd, "upper/late", &st, 0) == 0 && st.st_uid % 65536 == 1;
}

static bool found_set_id_in_upper(Stage *stage) {
        struct stat st;
        return fstatat(stage->dir_fd, "upper/late", &st, 0) == 0 && (st.st_mode & 06000);
}

/* --- rename --- */

static void prepare_file(Stage *stage) {
        close(must(touch_at(stage->dir_fd, "from", 0666), "file"));
}

static int rename_whiteout(Stage *stage) {
        return outcome(
                (int) syscall(SYS_renameat2, AT_FDCWD, "from", AT_FDCWD, "to", RENAME_WHITEOUT));
}

/* --- btrfs --- */

static int subvolume(Stage *stage) {
        struct btrfs_ioctl_vol_args args = { .name = "x" };
        return outcome(ioctl(
                must(open(".", O_RDONLY | O_DIRECTORY), "open"), BTRFS_IOC_SUBVOL_CREATE, &args));
}

static int subvolume_v2(Stage *stage) {
        struct btrfs_ioctl_vol_args_v2 args = { .name = "x" };
        return outcome(
                ioctl(must(open(".", O_RDONLY | O_DIRECTORY), "open"), BTRFS_IOC_SUBVOL_CREATE_V2,
                      &args));
}

static int subvolume_of_directory(int dir_fd, const char *name) {
        struct btrfs_ioctl_vol_args args = { 0 };
        snprintf(args.name, sizeof(args.name), "%s", name);
        return ioctl(dir_fd, BTRFS_IOC_SUBVOL_CREATE, &args);
}

/* Only an owner may take a snapshot, so its subvolume is from before the protection. */
static void make_late_subvolume(Stage *stage) {
        must(subvolume_of_directory(stage->dir_fd, "late"), "subvolume");
}

static int snapshot(Stage *stage) {
        struct btrfs_ioctl_vol_args args = { .name = "x" };
        args.fd = must(open("late", O_RDONLY | O_DIRECTORY), "subvolume");
        return outcome(ioctl(
                must(open(".", O_RDONLY | O_DIRECTORY), "open"), BTRFS_IOC_SNAP_CREATE, &args));
}

static int snapshot_v2_with(uint64_t flags) {
        struct btrfs_ioctl_vol_args_v2 args = { .flags = flags, .name = "x" };
        args.fd = must(open("late", O_RDONLY | O_DIRECTORY), "subvolume");
        return outcome(ioctl(
                must(open(".", O_RDONLY | O_DIRECTORY), "open"), BTRFS_IOC_SNAP_CREATE_V2, &args));
}

static int snapshot_v2(Stage *stage) {
        return snapshot_v2_with(0);
}

static int snapshot_read_only(Stage *stage) {
        return snapshot_v2_with(BTRFS_SUBVOL_RDONLY);
}

static bool found_x(Stage *stage) {
        return faccessat(stage->dir_fd, "x", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

#define OLDER_OVERLAY(text, function)                                         \
        {                                                                     \
                .name = text, .rule = "overlay", .flags = ATTACK_OWN_CONTEXT, \
                .prepare = prepare_layers, .run = function                    \
        }

const Attack attack_fs[] = {
        { "O_TMPFILE, linked outside", "tmpfile", .run = open_unnamed, .host = link_descriptor },
        { "O_TMPFILE, linked inside", "tmpfile", NULL, ATTACK_EVERY_CONTEXT, .run = open_and_link },
        { "an older O_TMPFILE, linked outside", "resurrect", NULL, ATTACK_LATE,
          .before = open_late_unnamed, .run = hand_over_late, .host = link_descriptor },
        { "an older O_TMPFILE, linked inside", "resurrect", NULL, ATTACK_LATE,
          .before = open_late_unnamed, .run = link_late },
        { "an older O_TMPFILE, linked by AT_EMPTY_PATH", "resurrect", NULL, ATTACK_LATE,
          .before = open_late_unnamed, .run = link_late_empty_path },
        { "overlay with layers of the host", "overlay", .prepare = prepare_layers, .run = overlay },
        { "overlay with userxattr", "overlay", .prepare = prepare_layers,
          .run = overlay_userxattr },
        { "overlay from a nested namespace", "overlay", .prepare = prepare_layers,
          .run = overlay_nested },
        { "overlay through a bind mount", "overlay", .prepare = prepare_layers,
          .run = overlay_through_bind },
        { "overlay by fsconfig", "overlay", .prepare = prepare_layers, .run = overlay_fsconfig },
        OLDER_OVERLAY("mkdir in an overlay older than the range", older_overlay_mkdir),
        OLDER_OVERLAY("creat in an overlay older than the range", older_overlay_create),
        OLDER_OVERLAY("symlink in an overlay older than the range", older_overlay_symlink),
        OLDER_OVERLAY("O_TMPFILE in an overlay older than the range", older_overlay_tmpfile),
        { "chown in an overlay older than the range", "chown", NULL,
          ATTACK_OWN_CONTEXT | ATTACK_LATE, .prepare = prepare_layers, .run = older_overlay_chown,
          .found = found_second_owner },
        { "set-user-ID in an overlay older than the range", "mode", NULL,
          ATTACK_OWN_CONTEXT | ATTACK_LATE, .prepare = prepare_layers, .run = older_overlay_chmod,
          .found = found_set_id_in_upper },
        { "rename that leaves a whiteout", "whiteout", NULL, ATTACK_EVERY_CONTEXT,
          .prepare = prepare_file, .run = rename_whiteout },
        { "subvolume", "subvolume", "btrfs", ATTACK_EVERY_CONTEXT, .run = subvolume },
        { "subvolume, second call", "subvolume", "btrfs", .run = subvolume_v2 },
        { "snapshot", "subvolume", "btrfs", ATTACK_LATE, .before = make_late_subvolume,
          .run = snapshot, .found = found_x },
        { "snapshot, second call", "subvolume", "btrfs", ATTACK_LATE, .before = make_late_subvolume,
          .run = snapshot_v2, .found = found_x },
        { "snapshot, read-only", "subvolume", "btrfs", ATTACK_LATE, .before = make_late_subvolume,
          .run = snapshot_read_only, .found = found_x },
        { 0 },
};
