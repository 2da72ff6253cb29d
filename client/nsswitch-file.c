/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/nsswitch-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <glib.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define LABEL_SIZE_MAX 1024u

int nsswitch_file_read(const char *path, char **ret_text) {
        g_autofree char *text = NULL;
        size_t size;
        int r;

        r = file_read(AT_FDCWD, path, NSSWITCH_FILE_SIZE_MAX, &text, &size);
        if (r == -ENOENT) {
                *ret_text = g_strdup("");
                return 0;
        }
        if (r < 0)
                return r;
        if (strlen(text) != size)
                return -EINVAL;
        *ret_text = g_steal_pointer(&text);
        return 0;
}

/* Give `fd` what the file at `path` has, before anybody can see it there. */
static int copy_attributes(const char *path, int fd) {
        char label[LABEL_SIZE_MAX];
        struct stat st;
        ssize_t n;

        if (lstat(path, &st) < 0) {
                if (errno != ENOENT)
                        return -errno;
                return fchmod(fd, 0644) < 0 ? -errno : 0;
        }
        if (S_ISLNK(st.st_mode))
                return -ELOOP;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0)
                return -errno;
        /* Where there are no labels, there is nothing to keep. */
        n = lgetxattr(path, "security.selinux", label, sizeof(label));
        if (n > 0 && fsetxattr(fd, "security.selinux", label, (size_t) n, 0) < 0)
                return -errno;
        return 0;
}

static int write_in_place(const char *path, const char *text) {
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (fd < 0)
                return -errno;
        r = file_write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return ftruncate(fd, (off_t) strlen(text)) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill_and_rename(const char *path, const char *temporary, int fd, const char *text) {
        int r;

        r = copy_attributes(path, fd);
        if (r == 0)
                r = file_write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return fsync(fd) < 0 || rename(temporary, path) < 0 ? -errno : 0;
}

int nsswitch_file_replace(const char *path, const char *text) {
        g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
        auto_fd fd = mkostemp(temporary, O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = fill_and_rename(path, temporary, fd, text);
        if (r < 0)
                (void) unlink(temporary);
        return r == -EBUSY ? write_in_place(path, text) : r;
}
