/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/nsswitch-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define ATTRIBUTE_SIZE_MAX 4096u
#define ACCESS_LIST "system.posix_acl_access"
#define LABEL "security.selinux"

struct NsswitchFile {
        int folder;
        int fd; /* -1: there is no file yet */
        char *name;
        struct stat st; /* of fd */
};

static int check_text(char *take_text, size_t size, char **ret_text) {
        g_autofree char *text = take_text;

        if (strlen(text) != size)
                return -EINVAL;
        *ret_text = g_steal_pointer(&text);
        return 0;
}

int nsswitch_file_read(const char *path, char **ret_text) {
        char *text;
        size_t size;
        int r;

        r = file_read(AT_FDCWD, path, NSSWITCH_FILE_SIZE_MAX, &text, &size);
        if (r == -ENOENT) {
                *ret_text = g_strdup("");
                return 0;
        }
        return r < 0 ? r : check_text(text, size, ret_text);
}

/* opening */

static int open_folder(const char *path, int *ret_fd) {
        const struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        g_autofree char *folder = g_path_get_dirname(path);
        auto_fd fd = (int) syscall(SYS_openat2, AT_FDCWD, folder, &how, sizeof(how));
        struct stat st;

        if (fd < 0)
                return errno == ELOOP ? NSSWITCH_FILE_E_LINK : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return NSSWITCH_FILE_E_FOLDER;
        *ret_fd = g_steal_fd(&fd);
        return 0;
}

static int open_file(NsswitchFile *file) {
        /* Not to wait for the other end of a FIFO. */
        file->fd =
                openat(file->folder, file->name,
                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (file->fd < 0) {
                if (errno == ENOENT)
                        return 0;
                return errno == ELOOP ? NSSWITCH_FILE_E_LINK : -errno;
        }
        if (fstat(file->fd, &file->st) < 0)
                return -errno;
        return S_ISREG(file->st.st_mode) ? 0 : NSSWITCH_FILE_E_KIND;
}

int nsswitch_file_open(const char *path, NsswitchFile **ret_file) {
        g_autoptr(NsswitchFile) file = g_new(NsswitchFile, 1);
        int r;

        *file = (NsswitchFile){ .folder = -1, .fd = -1, .name = g_path_get_basename(path) };
        r = open_folder(path, &file->folder);
        if (r == 0)
                r = open_file(file);
        if (r != 0)
                return r;
        *ret_file = g_steal_pointer(&file);
        return 0;
}

void nsswitch_file_free(NsswitchFile *file) {
        if (!file)
                return;
        file->fd = fd_close(file->fd);
        file->folder = fd_close(file->folder);
        g_free(file->name);
        g_free(file);
}

int nsswitch_file_text(NsswitchFile *file, char **ret_text) {
        char *text;
        size_t size;
        int r;

        if (file->fd < 0) {
                *ret_text = g_strdup("");
                return 0;
        }
        r = file_read_fd(file->fd, NSSWITCH_FILE_SIZE_MAX, &text, &size);
        return r < 0 ? r : check_text(text, size, ret_text);
}

/* replacing */

/* As the old file has it, or has it not: a folder may give new files an access list. */
static int copy_attribute(int from, int to, const char *name) {
        char value[ATTRIBUTE_SIZE_MAX];
        ssize_t n = fgetxattr(from, name, value, sizeof(value));

        if (n >= 0)
                return fsetxattr(to, name, value, (size_t) n, 0) < 0 ? -errno : 0;
        if (errno == EOPNOTSUPP)
                return 0;
        if (errno != ENODATA)
                return -errno;
        /* A label cannot be taken away: the new file has the folder's. */
        if (g_str_equal(name, ACCESS_LIST) && fremovexattr(to, name) < 0 && errno != ENODATA)
                return -errno;
        return 0;
}

/* Give the new file what the old one has, before anybody can see it there. */
static int copy_attributes(const NsswitchFile *file, int fd) {
        int r;

        if (file->fd < 0)
                return fchmod(fd, 0644) < 0 ? -errno : 0;
        if (fchown(fd, file->st.st_uid, file->st.st_gid) < 0)
                return -errno;
        r = copy_attribute(file->fd, fd, ACCESS_LIST);
        if (r == 0)
                r = copy_attribute(file->fd, fd, LABEL);
        if (r == 0 && fchmod(fd, file->st.st_mode & 07777) < 0)
                r = -errno;
        return r;
}

static int write_in_place(const NsswitchFile *file, const char *text) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", file->fd);
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = file_write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return ftruncate(fd, (off_t) strlen(text)) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill_and_rename(
        const NsswitchFile *file, const char *temporary, int fd, const char *text) {
        int r;

        r = copy_attributes(file, fd);
        if (r == 0)
                r = file_write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return fsync(fd) < 0 || renameat(file->folder, temporary, file->folder, file->name) < 0
                       ? -errno
                       : 0;
}

int nsswitch_file_replace(NsswitchFile *file, const char *text) {
        g_autofree char *temporary = g_strdup_printf("%s.%08x", file->name, g_random_int());
        auto_fd fd =
                openat(file->folder, temporary,
                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = fill_and_rename(file, temporary, fd, text);
        if (r < 0)
                (void) unlinkat(file->folder, temporary, 0);
        return r == -EBUSY && file->fd >= 0 ? write_in_place(file, text) : r;
}
