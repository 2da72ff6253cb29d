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
/* No container has more: whoever maps that much says nothing of what it has. */
#define CONTAINER_IDS_MAX (16u * 65536u)

int proc_userns_place(int fd, ino_t own, ProcUserns *ret_userns) {
        ProcUserns userns = {};
        auto_fd above = -1;
        struct stat st;

        for (int current = fd;; current = above) {
                uid_t owner;
                int parent;

                if (fstat(current, &st) < 0 || ioctl(current, NS_GET_OWNER_UID, &owner) < 0)
                        return -errno;
                if (st.st_ino == own && userns.depth > 0)
                        break;
                userns.owner = owner;
                if (st.st_ino == own)
                        break;
                userns.depth += userns.depth < 2;
                parent = ioctl(current, NS_GET_PARENT);
                if (parent < 0 && errno != EPERM)
                        return -errno;
                if (parent < 0) {
                        /* Above our own the kernel shows nothing. */
                        userns.depth = 0;
                        break;
                }
                (void) fd_close(above);
                above = parent;
        }
        *ret_userns = userns;
        return 0;
}

static int read_map(int process, const char *name, char text[static MAP_SIZE_MAX]) {
        auto_fd fd = openat(process, name, O_RDONLY | O_CLOEXEC);
        size_t size = 0;
        ssize_t n = 1;

        /* EINVAL: it has ended between the look-up of the name and this. */
        if (fd < 0)
                return errno == EINVAL ? -ESRCH : -errno;
        while (size < MAP_SIZE_MAX - 1 && (n = read(fd, text + size, MAP_SIZE_MAX - 1 - size)) > 0)
                size += (size_t) n;
        if (n != 0)
                return n < 0 ? -errno : -EFBIG;
        text[size] = '\0';
        return 0;
}

static void for_each_line(const char *map, ProcUsernsRangeFunc func, void *userdata) {
        uint32_t inside, start, n_ids;

        for (const char *line = map; *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &start, &n_ids) == 3)
                        func(start, n_ids, userdata);
}

static void note_wide(uint32_t start, uint32_t n_ids, void *is_wide) {
        if (n_ids > CONTAINER_IDS_MAX)
                *(bool *) is_wide = true;
}

/* A process that does not want to be looked at is in our own, for all we know. */
static bool is_below(int process, ino_t own, ProcUserns *ret_userns) {
        auto_fd fd = -1;
        struct stat st;

        if (fstatat(process, "ns/user", &st, 0) < 0 || st.st_ino == own)
                return false;
        fd = openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && proc_userns_place(fd, own, ret_userns) == 0 && ret_userns->depth > 0;
}

int proc_userns_for_each_range(
        int process, ino_t own, ProcUsernsRangeFunc func, void *userdata, bool *ret_told) {
        char uids[MAP_SIZE_MAX], gids[MAP_SIZE_MAX];
        bool is_wide = false;
        ProcUserns userns;
        struct stat st;
        int r;

        *ret_told = false;
        if (!is_below(process, own, &userns))
                return 0;
        r = read_map(process, "uid_map", uids);
        if (r == 0)
                r = read_map(process, "gid_map", gids);
        if (r < 0)
                return r;
        if (fstat(process, &st) < 0)
                return -errno;
        for_each_line(uids, note_wide, &is_wide);
        for_each_line(gids, note_wide, &is_wide);
        if (userns.owner == 0 && (userns.depth > 1 || is_wide))
                return 0;

        for_each_line(uids, func, userdata);
        for_each_line(gids, func, userdata);
        func(userns.owner, 1, userdata);
        func(st.st_uid, 1, userdata);
        func(st.st_gid, 1, userdata);
        *ret_told = true;
        return 0;
}
