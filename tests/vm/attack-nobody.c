/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that nobody owns: UID and GID -1.  No kernel that is tried makes them any more by itself,
 * so a file system says it: root's, in user space, with one folder in which unnamed files are made.
 */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNT_POINT "/tmp/nobody"
#define BUFFER_SIZE (1 << 20)
#define NOBODY UINT32_MAX

#ifndef FUSE_TMPFILE
#define FUSE_TMPFILE 51
#endif

static void answer(int fd, uint64_t unique, int error, const void *data, size_t size) {
        struct fuse_out_header header = {
                .len = (uint32_t) (sizeof(header) + size),
                .error = error,
                .unique = unique,
        };
        struct iovec iov[] = { { &header, sizeof(header) }, { (void *) data, size } };

        (void) !writev(fd, iov, 2);
}

static void serve(int fd, uint32_t owner) {
        static char buffer[BUFFER_SIZE];
        const struct fuse_in_header *header = (const void *) buffer;
        struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
                                      .minor = FUSE_KERNEL_MINOR_VERSION,
                                      .max_write = 4096 };
        struct fuse_attr_out folder = { .attr = { .ino = 1, .mode = S_IFDIR | 0777, .nlink = 2 } };
        struct {
                struct fuse_entry_out entry;
                struct fuse_open_out open;
        } file = { .entry = { .nodeid = 2,
                              .attr = { .ino = 2,
                                        .mode = S_IFREG | 0666,
                                        .uid = owner,
                                        .gid = owner } } };

        while (read(fd, buffer, sizeof(buffer)) >= (ssize_t) sizeof(*header))
                switch (header->opcode) {
                case FUSE_INIT:
                        answer(fd, header->unique, 0, &init, sizeof(init));
                        break;
                case FUSE_GETATTR:
                        answer(fd, header->unique, 0, &folder, sizeof(folder));
                        break;
                case FUSE_TMPFILE:
                        answer(fd, header->unique, 0, &file, sizeof(file));
                        break;
                case FUSE_RELEASE:
                        answer(fd, header->unique, 0, NULL, 0);
                        break;
                case FUSE_FORGET:
                case FUSE_BATCH_FORGET:
                        break;
                default:
                        answer(fd, header->unique, -ENOSYS, NULL, 0);
                }
        _exit(0);
}

static int open_owned_by(uint32_t owner) {
        char options[64];
        int fd = must(open("/dev/fuse", O_RDWR), "fuse"), r;

        (void) mkdir(MOUNT_POINT, 0755);
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
        must(mount("nobody", MOUNT_POINT, "fuse", 0, options), "mount");
        pid_t server = must(fork(), "fork");
        if (server == 0)
                serve(fd, owner);
        /* The server's is the last: with it the file system ends, and nobody waits for it. */
        (void) close(fd);
        r = outcome(open(MOUNT_POINT, O_TMPFILE | O_RDWR, 0666));
        must(umount2(MOUNT_POINT, MNT_DETACH), "umount");
        kill(server, SIGKILL);
        (void) waitpid(server, NULL, 0);
        if (r == -EOPNOTSUPP)
                not_here("no O_TMPFILE on FUSE before 6.2");
        return r;
}

static int open_nobodys(Stage *stage, int fd) {
        return open_owned_by(NOBODY);
}

static int open_roots(Stage *stage, int fd) {
        return open_owned_by(0);
}

static int nothing(Stage *stage) {
        return 0;
}

const Attack attack_nobody[] = {
        { "O_TMPFILE of a file without an owner", "tmpfile", NULL, ATTACK_ROOT | ATTACK_NO_TRACE,
          .run = nothing, .host = open_nobodys },
        { "O_TMPFILE of a file that has one", NULL, NULL, ATTACK_ROOT | ATTACK_HARMLESS,
          .run = nothing, .host = open_roots },
        { 0 },
};
