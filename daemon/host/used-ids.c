/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/used-ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"
#include "lib/util/proc-userns.h"

#define STATUS_SIZE_MAX (4u * 1024 * 1024) /* 65,536 groups of 10 digits, and the rest */

typedef struct Look {
        UsedIdFunc func;
        void *userdata;
        ino_t own_userns;
} Look;

static void look_found(uint32_t id, void *userdata) {
        const Look *look = userdata;

        look->func(id, 1, look->userdata);
}

/* Call `func` for each entry of a folder.  One that is not there is empty. */
static int for_each(
        int dir_fd, const char *path, int (*func)(const Look *look, int folder, const char *name),
        const Look *look) {
        struct dirent *entry = NULL;
        DIR *folder = NULL;
        int fd, r;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        folder = fdopendir(fd);
        if (!folder) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        while ((r = file_next_entry(folder, &entry)) == 0 && entry) {
                r = func(look, fd, entry->d_name);
                if (r != 0)
                        break;
        }
        (void) closedir(folder);
        return r;
}

/* processes */

static int look_at_thread(int threads, const char *name, void *look) {
        g_autofree char *status = NULL;
        int r = file_read(threads, name, STATUS_SIZE_MAX, &status, NULL);

        if (r == 0)
                proc_status_for_each_id(status, look_found, look);
        return r;
}

/* Credentials are each thread's own. */
static int look_at_credentials(const Look *look, int process) {
        g_autofree char *status = NULL;
        int r = file_read(process, "status", STATUS_SIZE_MAX, &status, NULL);

        if (r < 0)
                return r;
        if (proc_status_has_threads(status))
                return proc_status_for_each_thread(process, look_at_thread, (void *) look);
        proc_status_for_each_id(status, look_found, (void *) look);
        return 0;
}

static int look_at_process(const Look *look, int folder, const char *name) {
        auto_fd process = -1;
        uint32_t number;
        bool told;
        int r;

        if (!parse_u32(name, &number))
                return 0;
        process = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
                return proc_status_pass_over_ended(-errno);
        r = proc_userns_for_each_range(
                process, look->own_userns, look->func, look->userdata, &told);
        if (r == 0 && !told)
                r = look_at_credentials(look, process);
        return proc_status_pass_over_ended(r);
}

/* names that are numbers */

static int look_at_name(const Look *look, int folder, const char *name) {
        uint32_t id;

        if (parse_u32(name, &id))
                look->func(id, 1, look->userdata);
        return 0;
}

static int look_at_slice(const Look *look, int folder, const char *name) {
        static const char prefix[] = "user-", suffix[] = ".slice";
        size_t n = strlen(name), n_fixed = strlen(prefix) + strlen(suffix);
        uint64_t id;

        if (n > n_fixed && g_str_has_prefix(name, prefix) && g_str_has_suffix(name, suffix) &&
            parse_decimal(name + strlen(prefix), n - n_fixed, UINT32_MAX, &id))
                look->func((uint32_t) id, 1, look->userdata);
        return 0;
}

int used_ids_find(UsedIdFunc func, void *userdata) {
        static const struct {
                const char *path;
                int (*look)(const Look *look, int folder, const char *name);
        } folders[] = {
                { "/run/user", look_at_name },
                { "/var/lib/systemd/linger", look_at_name },
                { "/sys/fs/cgroup/user.slice", look_at_slice },
                { "/sys/fs/cgroup/unified/user.slice", look_at_slice },
                { "/proc", look_at_process },
        };
        Look look = { .func = func, .userdata = userdata };
        struct stat st;
        int r = 0;

        if (stat("/proc/self/ns/user", &st) < 0)
                return -errno;
        look.own_userns = st.st_ino;
        for (size_t i = 0; i < G_N_ELEMENTS(folders) && r == 0; i++)
                r = for_each(AT_FDCWD, folders[i].path, folders[i].look, &look);
        return r;
}

typedef struct Slots {
        uint32_t pool_start, n_slots;
        void (*mark)(uint32_t slot, void *userdata);
        void *userdata;
} Slots;

static void mark_slots(uint32_t start, uint32_t n_ids, void *userdata) {
        const Slots *slots = userdata;
        uint64_t pool_end = slots->pool_start + (uint64_t) slots->n_slots * TABLE_SLOT_SIZE;
        uint64_t end = MIN((uint64_t) start + n_ids, pool_end);

        for (uint64_t id = MAX(start, slots->pool_start); id < end; id += TABLE_SLOT_SIZE) {
                uint32_t slot = (uint32_t) (id - slots->pool_start) / TABLE_SLOT_SIZE;

                slots->mark(slot, slots->userdata);
                id = slots->pool_start + (uint64_t) slot * TABLE_SLOT_SIZE;
        }
}

int used_ids_find_slots(
        uint32_t pool_start, uint32_t n_slots, void (*mark)(uint32_t slot, void *userdata),
        void *userdata) {
        Slots slots = { pool_start, n_slots, mark, userdata };

        return used_ids_find(mark_slots, &slots);
}

/* homes */

/* Users may mount over their own folders (FUSE): the kernel's word only, no server's. */
static int look_at_home(const Look *look, int folder, const char *name) {
        struct statx home;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            statx(folder, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
                  STATX_UID | STATX_GID, &home) < 0)
                return 0;
        look->func(home.stx_uid, 1, look->userdata);
        look->func(home.stx_gid, 1, look->userdata);
        return 0;
}

int used_ids_find_homes(UsedIdFunc func, void *userdata) {
        const Look look = { .func = func, .userdata = userdata };

        return for_each(AT_FDCWD, "/home", look_at_home, &look);
}
