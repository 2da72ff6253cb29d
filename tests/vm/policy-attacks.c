/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/policy-attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <glib.h>
#include <linux/btrfs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "bpf/policy-abi.h"
#include "lib/util/fd.h"

#define RENAME_WHITEOUT_FLAG 4

int outcome(long r) {
        return r < 0 ? errno : 0;
}

static int close_outcome(int fd) {
        int r = outcome(fd);

        if (fd >= 0)
                (void) close(fd);
        return r;
}

int attack_mkdir(int nameless) {
        return outcome(mkdir("a-dir", 0700));
}

static int attack_creat(int nameless) {
        return close_outcome(open("a-file", O_CREAT | O_EXCL | O_RDWR, 0600));
}

static int attack_fifo(int nameless) {
        return outcome(mkfifo("a-fifo", 0600));
}

static int attack_symlink(int nameless) {
        return outcome(symlink("target", "a-link"));
}

static int attack_bind(int nameless) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "a-socket" };
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM, 0);

        return outcome(bind(fd, (struct sockaddr *) &address, sizeof(address)));
}

/* An unmapped namespace of their own below. */
static int attack_nested(int nameless) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? 99
                                                               : outcome(mkdir("a-nested", 0700)));
        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

/* A clone of the mount, in a mount namespace of their own. */
int attack_clone(int nameless) {
        int tree, status;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0)
                        _exit(99);
                tree = (int) syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE);
                _exit(tree < 0 ? 98 : outcome(mkdirat(tree, "a-clone", 0700)));
        }
        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

int attack_tmpfile(int nameless) {
        return close_outcome(open(".", O_TMPFILE | O_RDWR, 0600));
}

int attack_resurrect(int nameless) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", nameless);

        return outcome(linkat(AT_FDCWD, path, AT_FDCWD, "a-risen", AT_SYMLINK_FOLLOW));
}

static int attack_chown(int nameless) {
        return outcome(chown("own", 1, (gid_t) -1));
}

static int attack_chgrp(int nameless) {
        return outcome(chown("own", (uid_t) -1, 1));
}

static int attack_fchown(int nameless) {
        auto_fd fd = open("own", O_RDONLY);

        return fd < 0 ? errno : outcome(fchown(fd, 2, 2));
}

static int attack_setuid(int nameless) {
        return outcome(chmod("own", 04755));
}

static int attack_setgid(int nameless) {
        return outcome(chmod("own", 02755));
}

static int attack_whiteout(int nameless) {
        return outcome(syscall(
                SYS_renameat2, AT_FDCWD, "white", AT_FDCWD, "a-white", RENAME_WHITEOUT_FLAG));
}

static int attack_overlay(int nameless) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0)
                        _exit(99);
                _exit(outcome(
                        mount("overlay", "merged", "overlay", 0,
                              "lowerdir=lower,upperdir=upper,workdir=work")));
        }
        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int attack_subvolume(int nameless) {
        struct btrfs_ioctl_vol_args arguments = { .name = "a-subvolume" };
        auto_fd fd = open(".", O_RDONLY | O_DIRECTORY);

        return outcome(ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, &arguments));
}

static int attack_subvolume_v2(int nameless) {
        struct btrfs_ioctl_vol_args_v2 arguments = { .name = "a-subvolume-2" };
        auto_fd fd = open(".", O_RDONLY | O_DIRECTORY);

        return outcome(ioctl(fd, BTRFS_IOC_SUBVOL_CREATE_V2, &arguments));
}

int set_acl(const char *path, const char *attribute, uint16_t tag, uint32_t id) {
        struct {
                struct posix_acl_xattr_header header;
                struct posix_acl_xattr_entry entries[5];
        } acl = {
                .header = { .a_version = POSIX_ACL_XATTR_VERSION },
                .entries = {
                        { ACL_USER_OBJ, 7, ACL_UNDEFINED_ID },
                        { ACL_USER, 7, tag == ACL_USER ? id : 0 },
                        { ACL_GROUP_OBJ, 7, ACL_UNDEFINED_ID },
                        { ACL_MASK, 7, ACL_UNDEFINED_ID },
                        { ACL_OTHER, 0, ACL_UNDEFINED_ID },
                },
        };

        if (tag == ACL_GROUP) {
                acl.entries[1] =
                        (struct posix_acl_xattr_entry){ ACL_GROUP_OBJ, 7, ACL_UNDEFINED_ID };
                acl.entries[2] = (struct posix_acl_xattr_entry){ ACL_GROUP, 7, id };
        }
        return outcome(setxattr(path, attribute, &acl, sizeof(acl), 0));
}

static int attack_acl_user(int nameless) {
        return set_acl("own", "system.posix_acl_access", ACL_USER, 1);
}

static int attack_acl_group(int nameless) {
        return set_acl("own", "system.posix_acl_access", ACL_GROUP, 1);
}

static int attack_acl_default(int nameless) {
        return set_acl("own-dir", "system.posix_acl_default", ACL_USER, 1);
}

int attack_shm(int nameless) {
        int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), r = outcome(id);

        if (id >= 0)
                (void) shmctl(id, IPC_RMID, NULL);
        return r;
}

int attack_sem(int nameless) {
        int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), r = outcome(id);

        if (id >= 0)
                (void) semctl(id, 0, IPC_RMID);
        return r;
}

int attack_msg(int nameless) {
        int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600), r = outcome(id);

        if (id >= 0)
                (void) msgctl(id, IPC_RMID, NULL);
        return r;
}

int attack_mqueue(int nameless) {
        mqd_t queue = mq_open("/harness", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
        int r = outcome(queue);

        if (queue >= 0) {
                (void) mq_close(queue);
                (void) mq_unlink("/harness");
        }
        return r;
}

const Attack attacks[N_ATTACKS] = {
        { "mkdir", POLICY_RULE_MAKE, attack_mkdir },
        { "creat", POLICY_RULE_MAKE, attack_creat },
        { "mkfifo", POLICY_RULE_MAKE, attack_fifo },
        { "symlink", POLICY_RULE_MAKE, attack_symlink },
        { "bind", POLICY_RULE_MAKE, attack_bind },
        { "mkdir from a namespace below", POLICY_RULE_MAKE, attack_nested },
        { "mkdir through a cloned mount", POLICY_RULE_MAKE, attack_clone },
        { "O_TMPFILE", POLICY_RULE_TMPFILE, attack_tmpfile },
        { "linkat of a nameless file", POLICY_RULE_RESURRECT, attack_resurrect },
        { "chown", POLICY_RULE_CHOWN, attack_chown },
        { "chgrp", POLICY_RULE_CHOWN, attack_chgrp },
        { "fchown", POLICY_RULE_CHOWN, attack_fchown },
        { "chmod u+s", POLICY_RULE_MODE, attack_setuid },
        { "chmod g+s", POLICY_RULE_MODE, attack_setgid },
        { "rename leaving a whiteout", POLICY_RULE_WHITEOUT, attack_whiteout },
        { "overlayfs", POLICY_RULE_OVERLAY, attack_overlay },
        { "subvolume", POLICY_RULE_SUBVOLUME, attack_subvolume, true },
        { "subvolume (v2)", POLICY_RULE_SUBVOLUME, attack_subvolume_v2, true },
        { "ACL entry of a user", POLICY_RULE_ACL, attack_acl_user },
        { "ACL entry of a group", POLICY_RULE_ACL, attack_acl_group },
        { "default ACL", POLICY_RULE_ACL, attack_acl_default },
        { "shared memory", POLICY_RULE_IPC, attack_shm },
        { "semaphores", POLICY_RULE_IPC, attack_sem },
        { "message queue", POLICY_RULE_IPC, attack_msg },
        { "POSIX queue", POLICY_RULE_IPC, attack_mqueue },
};
