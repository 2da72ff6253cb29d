/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/parse.h"

/* Calls spent on one user's folder in one pass: it may hold as much as its owner liked. */
#define STEPS_MAX 10000u

/* /run/user */

/* Undo all mounts on it, never following a link, and asking none of the file systems mounted there:
 * the kernel looks for a mount point without a question to what is mounted on it, and a lazy
 * unmount does not wait for its server. */
static void unmount(int folder, const char *name) {
        if (fchdir(folder) < 0)
                return;
        for (unsigned i = 0; i < 16; i++)
                if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
                        return;
}

/* Remove an entry, if it is empty. */
static int remove_entry(int folder, const char *name) {
        if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM && errno != EBUSY)
                return -errno;
        if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        return -errno;
}

static int first_entry(int folder, char name[static NAME_MAX + 1]) {
        char buffer[1024] __attribute__((aligned(8)));
        ssize_t size;

        if (lseek(folder, 0, SEEK_SET) < 0)
                return -errno;
        while ((size = syscall(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                                continue;
                        memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
                        return 1;
                }
        return size < 0 ? -errno : 0;
}

/* A folder in a folder, on the same mount: what could not be unmounted, because there is too much
 * of it or because it was mounted this moment, is not entered, and its file system not asked. */
static int open_below(int folder, const char *name) {
        const struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
        };
        int fd = (int) syscall(SYS_openat2, folder, name, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* One way down from the folder to something that can be removed.  There is no way up on purpose:
 * ".." of a folder that was moved leads elsewhere.  1: all is gone. */
static int remove_one_below(int top, unsigned *steps) {
        auto_fd folder = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        unsigned depth = 0;

        if (folder < 0)
                return -errno;
        for (;;) {
                char name[NAME_MAX + 1];
                int r = first_entry(folder, name), next;

                if (r < 0)
                        return r;
                if (r == 0)
                        return depth == 0 ? 1 : 0;
                if ((*steps)++ >= STEPS_MAX)
                        return -EBUSY;
                r = remove_entry(folder, name);
                if (r == 0)
                        continue;
                if (r == -EBUSY) {
                        unmount(folder, name);
                        r = remove_entry(folder, name);
                }
                if (r == 0)
                        continue;
                if (r != -ENOTEMPTY && r != -EEXIST)
                        return r;
                next = open_below(folder, name);
                if (next < 0)
                        return next;
                (void) fd_close(folder);
                folder = next;
                depth++;
        }
}

/* Wait here for whoever keeps the folder's lock, by reading it into memory that never answers: in
 * the call that removes the folder, the lock of /run/user would be ours meanwhile, and everybody
 * would wait who looks into that. */
static void wait_for_lock(int folder) {
        (void) unlinkat(folder, "nsresource", 0);
}

static int remove_tree(int folder, const char *name) {
        auto_fd top = -1;
        unsigned steps = 0;
        int r;

        unmount(folder, name);
        top = open_below(folder, name);
        if (top < 0)
                return remove_entry(folder, name);
        do
                r = remove_one_below(top, &steps);
        while (r == 0);
        if (r < 0)
                return r;
        wait_for_lock(top);
        return remove_entry(folder, name);
}

static int look_at_run_user(const LeftoversTask *task, int folder, const char *name) {
        uint32_t uid;

        if (!parse_u32(name, &uid) || !leftovers_has(task, uid))
                return 0;
        if (!leftovers_is_ours(task, uid) || remove_tree(folder, name) < 0)
                (void) leftovers_find(task, LEFTOVERS_RUN_USER, uid, 0);
        return 0;
}

/* linger files */

/* The ID that a linger file is for: its number, the range's ID of that name, or the first of a slot
 * that is not free. */
#define SLOT_PREFIX "nsresource-"

static bool linger_id(const LeftoversTask *task, const char *name, uint32_t *ret_id) {
        const char *end = strrchr(name, '-');
        uint32_t offset;

        if (parse_u32(name, ret_id))
                return leftovers_has(task, *ret_id);
        if (g_str_has_prefix(name, SLOT_PREFIX) &&
            parse_u32(name + sizeof(SLOT_PREFIX) - 1, ret_id))
                return leftovers_has(task, *ret_id);
        if (strncmp(name, "ns-", 3) != 0 || end < name + 3 || !parse_u32(end + 1, &offset))
                return false;
        for (size_t i = 0; i < task->n; i++) {
                const LeftoversRange *range = &task->ranges[i];
                size_t n = strlen(range->name);

                if (n == 0 || n != (size_t) (end - name) - 3 ||
                    memcmp(range->name, name + 3, n) != 0 || offset < range->first_offset ||
                    offset - range->first_offset >= range->size)
                        continue;
                *ret_id = range->start + offset - range->first_offset;
                return true;
        }
        return false;
}

static int look_at_linger(const LeftoversTask *task, int folder, const char *name) {
        uint32_t id;

        if (!linger_id(task, name, &id))
                return 0;
        if (!leftovers_is_ours(task, id) || (unlinkat(folder, name, 0) < 0 && errno != ENOENT))
                (void) leftovers_find(task, LEFTOVERS_LINGER, id, 0);
        return 0;
}

static int look_into(const LeftoversTask *task, const char *path, LeftoversEntryFunc func) {
        auto_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return leftovers_for_each(task, fd, func);
}

/* Linger files first: with one, the folder is made again. */
int leftovers_remove_files(const LeftoversTask *task) {
        int r = look_into(task, task->config.linger_folder, look_at_linger);

        return r < 0 ? r : look_into(task, task->config.run_user_folder, look_at_run_user);
}
