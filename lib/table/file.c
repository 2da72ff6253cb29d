/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/table/store.h"
#include "lib/util/fd.h"

/* More than anybody looks through; then the administrator is asked to tidy up. */
#define SET_ASIDE_MAX 100

int table_file_lock(const char *path, int *ret_fd) {
        g_autofree char *lock_path = g_strconcat(path, ".lock", NULL);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        auto_fd fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

        if (fd < 0)
                return -errno;
        if (fcntl(fd, F_SETLK, &lock) < 0)
                return errno == EACCES || errno == EAGAIN ? TABLE_E_LOCKED : -errno;

        *ret_fd = g_steal_fd(&fd);
        return 0;
}

static int map(int fd, size_t size, void **ret_data) {
        void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (data == MAP_FAILED)
                return -errno;
        *ret_data = data;
        return 0;
}

void table_file_unmap(TableImage *image) {
        if (image->header)
                (void) munmap(image->header, image->size);
        *image = (TableImage){ .header = NULL };
}

/* opening */

/* Why this is no file that a writer of ours, as this user, made; NULL if it may be. */
static const char *distrust_file(const struct stat *st) {
        if (!S_ISREG(st->st_mode))
                return "it is not a regular file";
        if (st->st_uid != geteuid())
                return "it belongs to another user";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "others may write it";
        if (st->st_size < (off_t) TABLE_HEADER_SIZE)
                return "it is truncated";
        return NULL;
}

/* As distrust_file(), for the header of a mapping of `size` bytes. */
static const char *distrust_header(
        const TableWriterConfig *config, void *data, size_t size, TableView *ret_view) {
        const TableHeader *header = data;
        TableHeader wanted;

        table_image_layout(config->pool_start, config->n_slots, &wanted);
        if (memcmp(header->magic, TABLE_MAGIC, sizeof(header->magic)) != 0)
                return "it is no table";
        if (header->version != TABLE_VERSION)
                return "its version is another one";
        if (header->file_size != size)
                return "it is truncated";
        if (table_view_check(data, size, ret_view) != 0)
                return "its header is damaged";
        if (header->pool_start != wanted.pool_start || header->n_slots != wanted.n_slots)
                return "it is for another pool";
        if (header->file_size != wanted.file_size || header->n_singles != wanted.n_singles ||
            header->n_registrations != wanted.n_registrations ||
            header->records_offset != wanted.records_offset ||
            header->index_offset != wanted.index_offset ||
            header->index_entries != wanted.index_entries)
                return "its layout is another one";
        if (header->retired)
                return "it was being replaced";
        return NULL;
}

int table_file_open(
        const TableWriterConfig *config, TableImage *ret_image, const char **ret_reason) {
        auto_fd fd = -1;
        const char *reason;
        struct stat st;
        TableView view;
        void *data = NULL;
        int r;

        /* Look before opening: to open a device or a FIFO can do something. */
        if (lstat(config->path, &st) < 0)
                return errno == ENOENT ? TABLE_FILE_E_MISSING : -errno;
        reason = distrust_file(&st);
        if (!reason) {
                fd = open(config->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
                if (fd < 0 || fstat(fd, &st) < 0)
                        return -errno;
                reason = distrust_file(&st);
        }
        if (reason) {
                *ret_reason = reason;
                return TABLE_E_UNTRUSTED;
        }

        r = map(fd, (size_t) st.st_size, &data);
        if (r < 0)
                return r;
        reason = distrust_header(config, data, (size_t) st.st_size, &view);
        if (reason) {
                (void) munmap(data, (size_t) st.st_size);
                *ret_reason = reason;
                return TABLE_E_UNTRUSTED;
        }
        table_image_init(data, &view, ret_image);
        return 0;
}

/* creating */

static int fill_header(const TableWriterConfig *config, TableHeader *ret_header) {
        TableHeader header;

        table_image_layout(config->pool_start, config->n_slots, &header);
        if (getrandom(&header.name_seed, sizeof(header.name_seed), 0) !=
            (ssize_t) sizeof(header.name_seed))
                return -EIO;
        header.crc = table_crc(&header, offsetof(TableHeader, crc));
        *ret_header = header;
        return 0;
}

/* Allocate `fd`'s space, map it and write the header. */
static int prepare(const TableWriterConfig *config, int fd, TableImage *ret_image) {
        TableHeader header;
        TableView view;
        void *data = NULL;
        int r;

        r = fill_header(config, &header);
        if (r < 0)
                return r;
        /* All of it now: a reader of a page that cannot be allocated later would get SIGBUS. */
        r = posix_fallocate(fd, 0, (off_t) header.file_size);
        if (r != 0)
                return -r;
        r = map(fd, (size_t) header.file_size, &data);
        if (r < 0)
                return r;

        for (size_t i = 0; i < sizeof(header) / sizeof(TableWord); i++)
                table_store((TableWord *) data + i, ((const TableWord *) &header)[i]);
        g_assert(table_view_check(data, (size_t) header.file_size, &view) == 0);
        table_image_init(data, &view, ret_image);
        return 0;
}

/* Give the finished file its mode and its name. */
static int publish(int fd, const char *from, const char *to) {
        table_store_file_step();
        if (fchmod(fd, TABLE_FILE_MODE) < 0)
                return -errno;
        table_store_file_step();
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
                return -errno;
        table_store_file_step();
        return 0;
}

int table_file_create(const TableWriterConfig *config, TableImage *ret_image) {
        g_autofree char *new_path = g_strconcat(config->path, ".new", NULL);
        TableImage image = { .header = NULL };
        auto_fd fd = -1;
        int r;

        /* What an earlier writer did not finish; nobody else writes in this folder. */
        if (unlink(new_path) < 0 && errno != ENOENT)
                return -errno;
        table_store_file_step();
        fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (fd < 0)
                return -errno;

        r = prepare(config, fd, &image);
        if (r == 0)
                r = publish(fd, new_path, config->path);
        if (r < 0) {
                table_file_unmap(&image);
                (void) unlink(new_path);
                return r;
        }
        *ret_image = image;
        return 0;
}

/* setting aside */

static void retire(const char *path) {
        static const uint32_t one = 1;
        char magic[sizeof(((TableHeader *) NULL)->magic)];
        struct stat st;
        auto_fd fd = -1;

        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
            st.st_size < (off_t) TABLE_HEADER_SIZE)
                return;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || pread(fd, magic, sizeof(magic), 0) != (ssize_t) sizeof(magic) ||
            memcmp(magic, TABLE_MAGIC, sizeof(magic)) != 0)
                return;
        /* Best effort: a file that cannot be written is of no use to readers either. */
        table_store_file_step();
        if (pwrite(fd, &one, sizeof(one), offsetof(TableHeader, retired)) < 0)
                return;
}

int table_file_set_aside(const char *path, char **ret_name) {
        retire(path);

        for (unsigned i = 0; i < SET_ASIDE_MAX; i++) {
                g_autofree char *name = i == 0 ? g_strconcat(path, ".set-aside", NULL)
                                               : g_strdup_printf("%s.set-aside.%u", path, i);

                table_store_file_step();
                if (renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0) {
                        *ret_name = g_steal_pointer(&name);
                        return 0;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}
