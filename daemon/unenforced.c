/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/unenforced.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define UNENFORCED_BLOCKS 65536u /* 2^32 IDs in blocks of 65,536 */

struct Unenforced {
        int fd;
        unsigned n_marked;
        char marks[UNENFORCED_BLOCKS];
};

/* A new file is filled under another name first: one that is cut short would read as damaged. */
static int unenforced_create(const char *path) {
        g_autofree char *aside = g_strconcat(path, ".new", NULL), *marks = NULL;
        auto_fd fd = -1;
        int r;

        if (unlink(aside) < 0 && errno != ENOENT)
                return -errno;
        fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;

        marks = g_malloc(UNENFORCED_BLOCKS);
        memset(marks, '0', UNENFORCED_BLOCKS);
        r = file_write_all(fd, marks, UNENFORCED_BLOCKS);
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || rename(aside, path) < 0)
                return -errno;
        return 0;
}

static int unenforced_load(Unenforced *unenforced) {
        g_autofree char *text = NULL;
        struct stat st;
        size_t size;
        int r;

        if (fstat(unenforced->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) ||
            st.st_size != UNENFORCED_BLOCKS)
                return -EBADMSG;

        r = file_read_fd(unenforced->fd, UNENFORCED_BLOCKS, &text, &size);
        if (r < 0)
                return r;
        if (size != UNENFORCED_BLOCKS)
                return -EBADMSG;
        for (unsigned i = 0; i < UNENFORCED_BLOCKS; i++) {
                if (text[i] != '0' && text[i] != '1')
                        return -EBADMSG;
                unenforced->n_marked += text[i] == '1';
        }
        memcpy(unenforced->marks, text, UNENFORCED_BLOCKS);
        return 0;
}

int unenforced_open(const char *path, Unenforced **ret_unenforced) {
        g_autoptr(Unenforced) unenforced = NULL;
        int r;

        unenforced = g_new0(Unenforced, 1);
        unenforced->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (unenforced->fd < 0 && errno == ENOENT) {
                r = unenforced_create(path);
                if (r < 0)
                        return r;
                unenforced->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        }
        if (unenforced->fd < 0)
                return -errno;

        r = unenforced_load(unenforced);
        if (r < 0)
                return r;
        *ret_unenforced = g_steal_pointer(&unenforced);
        return 0;
}

void unenforced_free(Unenforced *unenforced) {
        if (!unenforced)
                return;
        unenforced->fd = fd_close(unenforced->fd);
        g_free(unenforced);
}

static int unenforced_set(Unenforced *unenforced, uint32_t id, char mark) {
        uint32_t block = id / UNENFORCED_BLOCKS;

        if (unenforced->marks[block] == mark)
                return 0;
        if (pwrite(unenforced->fd, &mark, 1, block) != 1)
                return errno != 0 ? -errno : -EIO;
        /* Only a head start for the kernel's own write-back:
         * not every file system knows the call. */
        (void) sync_file_range(unenforced->fd, block, 1, SYNC_FILE_RANGE_WRITE);

        unenforced->marks[block] = mark;
        unenforced->n_marked += mark == '1' ? 1 : -1;
        return 0;
}

int unenforced_mark(Unenforced *unenforced, uint32_t id) {
        return unenforced_set(unenforced, id, '1');
}

int unenforced_clear(Unenforced *unenforced, uint32_t id) {
        return unenforced_set(unenforced, id, '0');
}

bool unenforced_is_marked(const Unenforced *unenforced, uint32_t id) {
        return unenforced->marks[id / UNENFORCED_BLOCKS] == '1';
}

unsigned unenforced_count(const Unenforced *unenforced) {
        return unenforced->n_marked;
}
