/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/id-range.h"

#define ENTRIES_MAX 256u

size_t leftovers_index(const LeftoversTask *task, uint32_t id) {
        return id_intervals_find(task->ranges, task->n, sizeof(*task->ranges), id);
}

bool leftovers_has(const LeftoversTask *task, uint32_t id) {
        return leftovers_index(task, id) != SIZE_MAX;
}

bool leftovers_meets(const LeftoversTask *task, uint32_t start, uint32_t n_ids) {
        return id_intervals_meet(task->ranges, task->n, sizeof(*task->ranges), start, n_ids) !=
               SIZE_MAX;
}

bool leftovers_find(const LeftoversTask *task, LeftoversWhat what, uint32_t id, uint32_t number) {
        size_t i = leftovers_index(task, id);

        if (i == SIZE_MAX)
                return false;
        if (what > task->found[i].what)
                task->found[i] = (LeftoversFound){ .what = what, .id = id, .number = number };
        return true;
}

bool leftovers_is_claimed(const LeftoversTask *task, uint32_t id) {
        size_t i = leftovers_index(task, id);

        return i != SIZE_MAX && task->found[i].what >= LEFTOVERS_USER_OF_OTHERS;
}

bool leftovers_is_ours(const LeftoversTask *task, uint32_t id) {
        size_t i = leftovers_index(task, id);

        return i != SIZE_MAX && task->found[i].what < LEFTOVERS_PROCESS_OF_OTHERS;
}

int leftovers_read_text(const LeftoversTask *task, int folder, const char *name) {
        auto_fd fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        size_t size = 1;

        if (fd < 0)
                return -errno;
        task->text[0] = '\n';
        for (;;) {
                ssize_t n = read(fd, task->text + size, LEFTOVERS_TEXT_SIZE - size);

                if (n < 0)
                        return -errno;
                size += (size_t) n;
                if (size >= LEFTOVERS_TEXT_SIZE)
                        return -EFBIG;
                if (n == 0)
                        break;
        }
        task->text[size] = '\0';
        return 0;
}

int leftovers_for_each(const LeftoversTask *task, int fd, LeftoversEntryFunc func) {
        char buffer[4096] __attribute__((aligned(8)));
        const char *names[ENTRIES_MAX];
        int r = 0;

        for (;;) {
                ssize_t size = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
                size_t n = 0;

                if (size < 0)
                        return -errno;
                if (size == 0)
                        return 0;
                /* An entry takes 24 bytes at least, so all of them fit. */
                for (ssize_t at = 0; at < size && n < ENTRIES_MAX;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                                names[n++] = entry->d_name;
                }
                while (n > 0 && r >= 0)
                        r = func(task, fd, names[--n]);
                if (r < 0)
                        return r;
        }
}
