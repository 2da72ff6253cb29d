/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/unenforced.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define SLOT_SIZE 65536u
#define UNENFORCED_SLOTS 65536u /* of all 2^32 IDs */
#define ACCOUNT_DIGITS 8u
#define OLD_SIZE UNENFORCED_SLOTS
#define FILE_SIZE (UNENFORCED_SLOTS * (1 + ACCOUNT_DIGITS))

struct Unenforced {
        int fd;
        unsigned n_marked;
        char marks[UNENFORCED_SLOTS];
        uint32_t accounts[UNENFORCED_SLOTS];
};

/* A new file is filled under another name first: one that is cut short would read as damaged.
 * `marks`: of an older file, or NULL. */
static int unenforced_create(const char *path, const char *marks) {
        g_autofree char *aside = g_strconcat(path, ".new", NULL), *text = NULL;
        auto_fd fd = -1;
        int r;

        if (unlink(aside) < 0 && errno != ENOENT)
                return -errno;
        fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;

        text = g_malloc(FILE_SIZE);
        memset(text, '0', UNENFORCED_SLOTS);
        if (marks)
                memcpy(text, marks, UNENFORCED_SLOTS);
        memset(text + UNENFORCED_SLOTS, 'f', FILE_SIZE - UNENFORCED_SLOTS);
        r = file_write_all(fd, text, FILE_SIZE);
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || rename(aside, path) < 0)
                return -errno;
        return 0;
}

static bool parse_account(const char *digits, uint32_t *ret_account) {
        uint32_t account = 0;

        for (size_t i = 0; i < ACCOUNT_DIGITS; i++) {
                if (!g_ascii_isxdigit(digits[i]))
                        return false;
                account = account << 4 | (uint32_t) g_ascii_xdigit_value(digits[i]);
        }
        *ret_account = account;
        return true;
}

static int unenforced_parse(Unenforced *unenforced, const char *text) {
        unenforced->n_marked = 0;
        for (unsigned i = 0; i < UNENFORCED_SLOTS; i++) {
                if (text[i] != '0' && text[i] != '1')
                        return -EBADMSG;
                unenforced->n_marked += text[i] == '1';
        }
        memcpy(unenforced->marks, text, UNENFORCED_SLOTS);
        return 0;
}

/* *ret_is_old: the file has no accounts. */
static int unenforced_load(Unenforced *unenforced, bool *ret_is_old) {
        g_autofree char *text = NULL;
        struct stat st;
        size_t size;
        int r;

        if (fstat(unenforced->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) ||
            (st.st_size != FILE_SIZE && st.st_size != OLD_SIZE))
                return -EBADMSG;

        r = file_read_fd(unenforced->fd, FILE_SIZE, &text, &size);
        if (r < 0)
                return r;
        if (size != (size_t) st.st_size)
                return -EBADMSG;
        r = unenforced_parse(unenforced, text);
        for (unsigned i = 0; i < UNENFORCED_SLOTS && r == 0 && size == FILE_SIZE; i++)
                if (!parse_account(
                            text + UNENFORCED_SLOTS + i * ACCOUNT_DIGITS, &unenforced->accounts[i]))
                        r = -EBADMSG;
        *ret_is_old = size == OLD_SIZE;
        return r;
}

static int unenforced_open_fd(const char *path, Unenforced *unenforced) {
        unenforced->fd = fd_close(unenforced->fd);
        unenforced->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        return unenforced->fd < 0 ? -errno : 0;
}

int unenforced_open(const char *path, Unenforced **ret_unenforced) {
        g_autoptr(Unenforced) unenforced = NULL;
        bool is_old = false;
        int r;

        unenforced = g_new0(Unenforced, 1);
        unenforced->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (unenforced->fd < 0) {
                if (errno != ENOENT)
                        return -errno;
                r = unenforced_create(path, NULL);
                if (r == 0)
                        r = unenforced_open_fd(path, unenforced);
                if (r < 0)
                        return r;
        }

        r = unenforced_load(unenforced, &is_old);
        if (r == 0 && is_old) {
                r = unenforced_create(path, unenforced->marks);
                if (r == 0)
                        r = unenforced_open_fd(path, unenforced);
                if (r == 0)
                        r = unenforced_load(unenforced, &is_old);
        }
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
        uint32_t slot = id / SLOT_SIZE;

        if (unenforced->marks[slot] == mark)
                return 0;
        if (pwrite(unenforced->fd, &mark, 1, slot) != 1)
                return errno != 0 ? -errno : -EIO;
        /* Only a head start for the kernel's own write-back:
         * not every file system knows the call. */
        (void) sync_file_range(unenforced->fd, slot, 1, SYNC_FILE_RANGE_WRITE);

        unenforced->marks[slot] = mark;
        unenforced->n_marked += mark == '1' ? 1 : -1;
        return 0;
}

static int unenforced_set_account(Unenforced *unenforced, uint32_t id, uint32_t account) {
        uint32_t slot = id / SLOT_SIZE;
        char digits[ACCOUNT_DIGITS + 1];
        ssize_t n;

        (void) snprintf(digits, sizeof(digits), "%08x", account);
        n =
                pwrite(unenforced->fd, digits, ACCOUNT_DIGITS,
                       (off_t) (UNENFORCED_SLOTS + slot * ACCOUNT_DIGITS));
        if (n < 0)
                return -errno;
        if (n != ACCOUNT_DIGITS)
                return -EIO;
        unenforced->accounts[slot] = account;
        return 0;
}

int unenforced_mark(Unenforced *unenforced, uint32_t id, uint32_t account) {
        int r;

        if (unenforced_is_marked(unenforced, id))
                return 0;
        r = unenforced_set_account(unenforced, id, account);
        if (r < 0)
                return r;
        return unenforced_set(unenforced, id, '1');
}

int unenforced_clear(Unenforced *unenforced, uint32_t id) {
        return unenforced_set(unenforced, id, '0');
}

bool unenforced_is_marked(const Unenforced *unenforced, uint32_t id) {
        return unenforced->marks[id / SLOT_SIZE] == '1';
}

uint32_t unenforced_account(const Unenforced *unenforced, uint32_t id) {
        return unenforced->accounts[id / SLOT_SIZE];
}

unsigned unenforced_count(const Unenforced *unenforced) {
        return unenforced->n_marked;
}
