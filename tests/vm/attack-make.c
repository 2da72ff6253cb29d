/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making an inode, in every way that gives it a name at once. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_directory(Stage *stage) {
        return outcome(mkdir("x", 0777));
}

static int make_file(Stage *stage) {
        return outcome(open("x", O_WRONLY | O_CREAT | O_EXCL, 0666));
}

static int make_file_openat2(Stage *stage) {
        struct {
                uint64_t flags, mode, resolve;
        } how = { .flags = O_WRONLY | O_CREAT, .mode = 0666 };

        return outcome((int) syscall(SYS_openat2, AT_FDCWD, "x", &how, sizeof(how)));
}

static int make_fifo(Stage *stage) {
        return outcome(mkfifo("x", 0666));
}

static int make_node_file(Stage *stage) {
        return outcome(mknod("x", S_IFREG | 0666, 0));
}

static int make_node_socket(Stage *stage) {
        return outcome(mknod("x", S_IFSOCK | 0666, 0));
}

/* The one device that needs no privilege: what overlayfs calls a whiteout. */
static int make_whiteout(Stage *stage) {
        return outcome(mknod("x", S_IFCHR | 0666, makedev(0, 0)));
}

static int make_symlink(Stage *stage) {
        int r = outcome(symlink("to", "x"));
        if (r == -EINVAL)
                not_here("this file system has no symlinks");
        return r;
}

static int make_bound_socket(Stage *stage) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "x" };
        int fd = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");

        return outcome(bind(fd, (struct sockaddr *) &address, sizeof(address)));
}

static void prepare_sgid_folder(Stage *stage) {
        must(mkdirat(stage->dir_fd, "sgid", 0777), "mkdir");
        must(fchmodat(stage->dir_fd, "sgid", 02777, 0), "chmod");
}

/* The group is the folder's then, the owner still is the maker. */
static int make_in_sgid_folder(Stage *stage) {
        return outcome(mkdir("sgid/x", 0777));
}

/* The kernel writes a core file itself, with the credentials of whoever crashed. */
static int dump_core(Stage *stage) {
        const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
        pid_t child = must(fork(), "fork");

        if (child == 0) {
                must(setrlimit(RLIMIT_CORE, &unlimited), "setrlimit");
                abort();
        }
        int status = 0;
        must(waitpid(child, &status, 0), "waitpid");
        return 0;
}

const Attack attack_make[] = {
        { "mkdir", "make", NULL, ATTACK_EVERY_CONTEXT, .run = make_directory },
        { "creat", "make", NULL, ATTACK_EVERY_CONTEXT, .run = make_file },
        { "mkfifo", "make", NULL, ATTACK_EVERY_CONTEXT, .run = make_fifo },
        { "symlink", "make", NULL, ATTACK_EVERY_CONTEXT, .run = make_symlink },
        { "unix bind", "make", NULL, ATTACK_EVERY_CONTEXT, .run = make_bound_socket },
        { "mknod of a file", "make", .run = make_node_file },
        { "mknod of a socket", "make", .run = make_node_socket },
        { "mknod of a whiteout", "make", .run = make_whiteout },
        { "openat2", "make", .run = make_file_openat2 },
        { "mkdir in a set-group-ID folder", "make", .prepare = prepare_sgid_folder,
          .run = make_in_sgid_folder },
        { "core dump", "make", NULL, ATTACK_NO_ERROR, .run = dump_core },
        { 0 },
};
