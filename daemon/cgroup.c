/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define PROC_FILE_SIZE_MAX (16u * 1024 * 1024)
#define HANDLE_SIZE 8u /* of a file in a kernfs: its id */

/* All that a delegatee may write; systemd's rule, and the kernel's own list in
 * /sys/kernel/cgroup/delegate has only one that concerns single resources beside them. */
static const char *const delegated_files[] = {
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
};

static int cgroup_id(int fd, uint64_t *ret_id) {
        union {
                struct file_handle handle;
                char space[sizeof(struct file_handle) + HANDLE_SIZE];
        } u = { .handle = { .handle_bytes = HANDLE_SIZE } };
        int mount_id;

        if (name_to_handle_at(fd, "", &u.handle, &mount_id, AT_EMPTY_PATH) < 0)
                return -errno;
        if (u.handle.handle_bytes != HANDLE_SIZE)
                return -EBADMSG;
        memcpy(ret_id, u.handle.f_handle, HANDLE_SIZE);
        return 0;
}

int cgroup_open_mount(int *ret_fd) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/mountinfo", PROC_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 6);
                g_autofree char *path = NULL;
                int fd;

                if (!strstr(*line, " - cgroup2 ") || g_strv_length(words) < 6 ||
                    !g_str_equal(words[3], "/"))
                        continue;
                path = g_strcompress(words[4]);
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                *ret_fd = fd;
                return 0;
        }
        return -ENOENT;
}

/* Open the control group that this process is in. */
static int cgroup_open_own(int *ret_fd) {
        g_autofree char *text = NULL;
        auto_fd mount_fd = -1, fd = -1;
        char *line, *end;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        line = g_str_has_prefix(text, "0::/") ? text : strstr(text, "\n0::/");
        if (!line)
                return -ENOENT;
        line = strchr(line, '/') + 1;
        end = strchr(line, '\n');
        if (end)
                *end = '\0';

        r = cgroup_open_mount(&mount_fd);
        if (r < 0)
                return r;
        fd = openat(mount_fd, *line ? line : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        *ret_fd = g_steal_fd(&fd);
        return 0;
}

/* Whether this process is in the control group `id` or below it. */
static bool cgroup_is_ours(uint64_t id) {
        auto_fd fd = -1;
        uint64_t at, before = 0;

        if (cgroup_open_own(&fd) < 0)
                return false;
        while (cgroup_id(fd, &at) == 0 && at != before) {
                auto_fd parent = -1;

                if (at == id)
                        return true;
                parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (parent < 0 || faccessat(parent, "cgroup.procs", F_OK, 0) < 0)
                        return false;
                (void) fd_close(fd);
                fd = g_steal_fd(&parent);
                before = at;
        }
        return false;
}

int cgroup_inspect(int fd, uint64_t *ret_id, uid_t *ret_owner) {
        struct stat st;
        uint64_t id;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = cgroup_id(fd, &id);
        if (r < 0)
                return r;
        /* Only the root of the hierarchy does not have it. */
        if (faccessat(fd, "cgroup.events", F_OK, 0) < 0)
                return errno == ENOENT ? CGROUP_E_ROOT : -errno;
        if (cgroup_is_ours(id))
                return CGROUP_E_OURS;
        *ret_id = id;
        *ret_owner = st.st_uid;
        return 0;
}

static int cgroup_give(int fd, const char *name, uid_t uid, gid_t gid, mode_t mode) {
        if (fchownat(fd, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if ((*name ? fchmodat(fd, name, mode, 0) : fchmod(fd, mode)) < 0)
                return -errno;
        return 0;
}

int cgroup_hand_over(int fd, uid_t uid, gid_t gid) {
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = cgroup_give(fd, "", uid, gid, 0755);
        for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(delegated_files); i++)
                r = cgroup_give(fd, delegated_files[i], uid, gid, 0644);
        if (r == 0)
                return 0;

        for (size_t i = 0; i < G_N_ELEMENTS(delegated_files); i++)
                (void) cgroup_give(fd, delegated_files[i], st.st_uid, st.st_gid, 0644);
        (void) cgroup_give(fd, "", st.st_uid, st.st_gid, st.st_mode & 07777);
        return r;
}
