/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/claims.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/parse.h"

/* Who else has the IDs now.  All that is looked up here lies in folders of root's. */

/* /etc */

void leftovers_stat_files(int etc_folder, struct stat files[static LEFTOVERS_FILES_N]) {
        static const char *const names[LEFTOVERS_FILES_N] = { "passwd", "group", "subuid",
                                                              "subgid" };

        for (size_t i = 0; i < LEFTOVERS_FILES_N; i++)
                if (fstatat(etc_folder, names[i], &files[i], 0) < 0)
                        files[i] = (struct stat){};
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int leftovers_check_files(const LeftoversTask *task) {
        struct stat now[LEFTOVERS_FILES_N];

        if (task->etc_folder < 0)
                return 0;
        leftovers_stat_files(task->etc_folder, now);
        for (size_t i = 0; i < LEFTOVERS_FILES_N; i++) {
                const struct stat *a = &now[i], *b = &task->files[i];

                if (a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
                    !same_time(&a->st_mtim, &b->st_mtim) || !same_time(&a->st_ctim, &b->st_ctim))
                        return -ESTALE;
        }
        return 0;
}

/* logind */

/* The value of `key`, which begins with a newline, in the text of a record; NULL: none.  The line's
 * end becomes the value's. */
static char *value_of(char *text, const char *key) {
        char *line = strstr(text, key);

        if (!line)
                return NULL;
        line += strlen(key);
        line[strcspn(line, "\n")] = '\0';
        return line;
}

/* Whether a user of this UID is called what the range's own ID is called, or was while it had a
 * name: ns-NAME-OFFSET, or nsresource-UID when it had none.  Of a range whose name is not known any
 * more, any name counts, for nobody else's users begin with ns-. */
static bool is_our_name(const LeftoversTask *task, uint32_t uid, const char *name) {
        const LeftoversRange *range = &task->ranges[leftovers_index(task, uid)];
        char ours[TABLE_NAME_MAX + 32];
        const char *end = strrchr(name, '-');

        (void) snprintf(ours, sizeof(ours), "nsresource-%" PRIu32, uid);
        if (strcmp(name, ours) == 0)
                return true;
        if (range->name[0] == '\0') {
                uint32_t offset;

                return strncmp(name, "ns-", 3) == 0 && end >= name + 3 &&
                       parse_u32(end + 1, &offset);
        }
        (void) snprintf(
                ours, sizeof(ours), "ns-%s-%" PRIu32, range->name,
                range->first_offset + uid - range->start);
        return strcmp(name, ours) == 0;
}

/* A file that was replaced meanwhile is gone; its new one belongs to the next pass.  Beside the
 * records there are FIFOs. */
static int read_record(const LeftoversTask *task, int folder, const char *name) {
        struct stat st;
        int r;

        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISREG(st.st_mode))
                return 0;
        r = leftovers_read_text(task, folder, name);
        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* /run/systemd/users/UID has NAME=. */
static int look_at_user(const LeftoversTask *task, int folder, const char *name) {
        const char *user;
        uint32_t uid;
        int r;

        if (!parse_u32(name, &uid) || !leftovers_has(task, uid))
                return 0;
        r = read_record(task, folder, name);
        if (r <= 0)
                return r;
        user = value_of(task->text, "\nNAME=");
        if (!user || !is_our_name(task, uid, user))
                (void) leftovers_find(task, LEFTOVERS_USER_OF_OTHERS, uid, 0);
        return 0;
}

/* /run/systemd/sessions/ID has UID= and USER=. */
static int look_at_session(const LeftoversTask *task, int folder, const char *name) {
        const char *text;
        char *user;
        uint32_t uid;
        int r;

        r = read_record(task, folder, name);
        if (r <= 0)
                return r;
        user = strstr(task->text, "\nUSER=");
        text = strstr(task->text, "\nUID=");
        if (!text)
                return 0;
        /* The later line first, for its end cuts the text. */
        if (user && user < text) {
                text = value_of(task->text, "\nUID=");
                user = value_of(task->text, "\nUSER=");
        } else {
                user = value_of(task->text, "\nUSER=");
                text = value_of(task->text, "\nUID=");
        }
        if (parse_u32(text, &uid) && leftovers_has(task, uid) &&
            (!user || !is_our_name(task, uid, user)))
                (void) leftovers_find(task, LEFTOVERS_USER_OF_OTHERS, uid, 0);
        return 0;
}

static int look_at_records(
        const LeftoversTask *task, int logind, const char *name, LeftoversEntryFunc func) {
        auto_fd fd = openat(logind, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return leftovers_for_each(task, fd, func);
}

int leftovers_find_users(const LeftoversTask *task) {
        auto_fd logind = -1;
        int r;

        if (!task->config.logind_folder)
                return 0;
        logind = open(task->config.logind_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (logind < 0)
                return errno == ENOENT ? 0 : -errno;
        r = look_at_records(task, logind, "users", look_at_user);
        return r < 0 ? r : look_at_records(task, logind, "sessions", look_at_session);
}
