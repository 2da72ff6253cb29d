/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/leftovers/internal.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"

#define LINE_MAX_SIZE 256u

/* "  UID:  ..." */
static void look_at_line(const LeftoversTask *task, const char *line, size_t size) {
        size_t blanks = 0, digits = 0;
        uint64_t uid;

        while (blanks < size && line[blanks] == ' ')
                blanks++;
        while (blanks + digits < size && line[blanks + digits] != ':')
                digits++;
        if (parse_decimal(line + blanks, digits, UINT32_MAX, &uid))
                (void) leftovers_find(task, LEFTOVERS_KEYS, (uint32_t) uid, 0);
}

/* Each UID that the kernel counts keys for has a line in /proc/key-users, as long as one key of its
 * is anywhere: those made by a lent ID and linked to a keyring of another's outlive the namespace,
 * and their next owner pays for them.  They cannot be removed from here.  May be longer than the
 * buffer. */
int leftovers_find_keys(const LeftoversTask *task) {
        auto_fd fd = -1;
        size_t kept = 0;
        ssize_t n;

        if (!task->config.key_users_file)
                return 0;
        fd = open(task->config.key_users_file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* a kernel without keys */
        while ((n = read(fd, task->text + kept, LEFTOVERS_TEXT_SIZE - kept)) > 0) {
                size_t size = kept + (size_t) n, begin = 0;
                const char *end;

                while ((end = memchr(task->text + begin, '\n', size - begin))) {
                        look_at_line(task, task->text + begin, (size_t) (end - task->text) - begin);
                        begin = (size_t) (end - task->text) + 1;
                }
                kept = size - begin;
                if (kept > LINE_MAX_SIZE)
                        return -EBADMSG;
                memmove(task->text, task->text + begin, kept);
        }
        return n < 0 ? -errno : 0;
}
