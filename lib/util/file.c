/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"

int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_size) {
        g_autofree char *text = NULL;
        size_t allocated = 4096, size = 0;

        text = g_malloc(allocated);
        for (;;) {
                ssize_t n;

                if (size + 1 >= allocated) {
                        allocated *= 2;
                        text = g_realloc(text, allocated);
                }
                n = read(fd, text + size, allocated - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
        }

        text[size] = '\0';
        *ret_text = g_steal_pointer(&text);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int file_read(int dir_fd, const char *path, size_t max, char **ret_text, size_t *ret_size) {
        auto_fd fd = -1;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        return file_read_fd(fd, max, ret_text, ret_size);
}

int file_write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

int file_make_directory(const char *path, mode_t mode) {
        struct stat st;

        if (mkdir(path, mode) == 0)
                return chmod(path, mode) < 0 ? -errno : 0; /* whatever the umask is */
        if (errno != EEXIST)
                return -errno;

        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return -EPERM;
        return 0;
}

int file_next_entry(DIR *folder, struct dirent **ret_entry) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(folder);
        if (!entry && errno != 0)
                return -errno;
        *ret_entry = entry;
        return 0;
}

int file_find_prefix(const char *path, const char *prefix, char **ret_name) {
        struct dirent *entry = NULL;
        char *found = NULL;
        DIR *folder;
        int r;

        folder = opendir(path);
        if (!folder)
                return -errno;
        do {
                r = file_next_entry(folder, &entry);
                if (r == 0 && entry && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
                        found = g_strdup(entry->d_name);
        } while (r == 0 && entry && !found);
        (void) closedir(folder);
        if (r == 0)
                *ret_name = found;
        return r;
}
