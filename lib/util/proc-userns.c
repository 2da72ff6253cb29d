/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/proc-userns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"

/* 340 lines at the most (user_namespaces(7)) of three columns, 32 bytes and a newline. */
#define MAP_SIZE_MAX 16384u

int proc_userns_look(int process, ino_t own, ProcUserns *ret_userns) {
        auto_fd fd = openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
        ProcUserns userns = {};
        struct stat st;

        if (fd < 0)
                return -errno;
        while (fstat(fd, &st) == 0 && st.st_ino != own) {
                int parent;

                /* Above our own the kernel shows nothing. */
                parent = ioctl(fd, NS_GET_PARENT);
                if (parent < 0 || ioctl(fd, NS_GET_OWNER_UID, &userns.owner) < 0) {
                        (void) fd_close(parent);
                        userns.depth = 0;
                        break;
                }
                userns.depth += userns.depth < 2;
                (void) fd_close(fd);
                fd = parent;
        }
        *ret_userns = userns;
        return 0;
}

static int for_each_line(int process, const char *name, ProcUsernsRangeFunc func, void *userdata) {
        auto_fd fd = openat(process, name, O_RDONLY | O_CLOEXEC);
        char text[MAP_SIZE_MAX];
        size_t size = 0;
        ssize_t n = 1;

        if (fd < 0)
                return -errno;
        while (size < sizeof(text) - 1 && (n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
                size += (size_t) n;
        if (n != 0)
                return n < 0 ? -errno : -EFBIG;
        text[size] = '\0';
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                uint32_t inside, start, n_ids;

                if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &start, &n_ids) != 3)
                        return -EBADMSG;
                func(start, n_ids, userdata);
        }
        return 0;
}

int proc_userns_for_each_range(int process, ProcUsernsRangeFunc func, void *userdata) {
        int r = for_each_line(process, "uid_map", func, userdata);

        return r < 0 ? r : for_each_line(process, "gid_map", func, userdata);
}
