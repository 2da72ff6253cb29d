/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/unit/hanging-fuse.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <glib.h>

static void fuse_answer(int fd, uint64_t unique, int error, const void *data, size_t size) {
        struct fuse_out_header header = {
                .len = (uint32_t) (sizeof(header) + size),
                .error = error,
                .unique = unique,
        };
        struct iovec iov[] = { { &header, sizeof(header) }, { (void *) data, size } };

        (void) !writev(fd, iov, 2);
}

static void fuse_fill(struct fuse_attr *attr, uint64_t node) {
        *attr = (struct fuse_attr){
                .ino = node,
                .mode = node == 1 ? S_IFDIR | 0777 : S_IFREG | 0666,
                .nlink = 1,
        };
}

/* What it takes to open a file is answered.  What may be asked about one that is open, FLUSH above
 * all, never is. */
void hanging_fuse_serve(int fd) {
        static char buffer[1 << 20];
        bool is_open = false;

        for (;;) {
                const struct fuse_in_header *header = (const void *) buffer;
                struct fuse_entry_out entry = { .nodeid = 2, .attr_valid = 0 };
                struct fuse_attr_out attr = { .attr_valid = 0 };
                struct fuse_open_out opened = { .fh = 1 };
                struct fuse_init_out init = {
                        .major = FUSE_KERNEL_VERSION,
                        .minor = FUSE_KERNEL_MINOR_VERSION,
                        .max_write = 4096,
                };
                ssize_t n = read(fd, buffer, sizeof(buffer));

                if (n < (ssize_t) sizeof(*header))
                        _exit(0);
                switch (header->opcode) {
                case FUSE_INIT:
                        fuse_answer(fd, header->unique, 0, &init, sizeof(init));
                        break;
                case FUSE_LOOKUP:
                        fuse_fill(&entry.attr, 2);
                        fuse_answer(fd, header->unique, 0, &entry, sizeof(entry));
                        break;
                case FUSE_GETATTR:
                        if (is_open)
                                break;
                        fuse_fill(&attr.attr, header->nodeid);
                        fuse_answer(fd, header->unique, 0, &attr, sizeof(attr));
                        break;
                case FUSE_OPEN:
                case FUSE_OPENDIR:
                        is_open = header->nodeid == 2;
                        fuse_answer(fd, header->unique, 0, &opened, sizeof(opened));
                        break;
                case FUSE_FLUSH:
                case FUSE_IOCTL:
                case FUSE_STATFS:
                case FUSE_GETXATTR:
                case FUSE_FORGET:
                case FUSE_BATCH_FORGET:
                case FUSE_INTERRUPT:
                        break;
                case FUSE_RELEASE:
                case FUSE_RELEASEDIR:
                        fuse_answer(fd, header->unique, 0, NULL, 0);
                        break;
                default:
                        fuse_answer(fd, header->unique, -ENOSYS, NULL, 0);
                }
        }
}
