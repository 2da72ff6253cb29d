/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILEID_KERNFS 0xfe

int cgroup_open_by_id(int tree, uint64_t id) {
        union {
                struct file_handle handle;
                char space[sizeof(struct file_handle) + sizeof(id)];
        } u = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
        int fd;

        memcpy(u.handle.f_handle, &id, sizeof(id));
        fd = open_by_handle_at(tree, &u.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int cgroup_open_below(int directory, const char *path, int flags) {
        struct open_how how = {
                .flags = (uint64_t) (unsigned) (flags | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                           RESOLVE_NO_XDEV,
        };
        int fd = (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}
