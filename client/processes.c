/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util/file.h"
#include "lib/util/parse.h"

#define STATUS_SIZE_MAX 65536u /* of /proc/PID/status; a process may be in many groups */

/* The four numbers behind "\nUid:" or "\nGid:". */
static bool parse_ids(const char *status, const char *key, uint32_t ret_ids[static 4]) {
        const char *line = strstr(status, key);

        return line && sscanf(line + strlen(key), "%" SCNu32 "%" SCNu32 "%" SCNu32 "%" SCNu32,
                              ret_ids, ret_ids + 1, ret_ids + 2, ret_ids + 3) == 4;
}

int process_ids(uint32_t pid, ProcessIds *ret_ids) {
        g_autofree char *status = NULL, *path = g_strdup_printf("/proc/%u/status", pid);
        ProcessIds ids;
        int r;

        r = file_read(AT_FDCWD, path, STATUS_SIZE_MAX, &status, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (!parse_ids(status, "\nUid:", ids.uids) || !parse_ids(status, "\nGid:", ids.gids))
                return -EBADMSG;
        *ret_ids = ids;
        return 0;
}

static bool has_uid(const ProcessIds *ids, uint32_t start, uint32_t n_ids) {
        for (size_t i = 0; i < G_N_ELEMENTS(ids->uids); i++)
                if (ids->uids[i] >= start && ids->uids[i] - start < n_ids)
                        return true;
        return false;
}

static int compare_pids(const void *a, const void *b) {
        uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

        return (left > right) - (left < right);
}

typedef bool (*ProcessMatch)(uint32_t pid, const void *userdata);

static GArray *list_processes(ProcessMatch matches, const void *userdata) {
        GArray *pids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
        const char *name;

        while (folder && (name = g_dir_read_name(folder))) {
                uint32_t pid;

                if (parse_u32(name, &pid) && matches(pid, userdata))
                        g_array_append_val(pids, pid);
        }
        g_array_sort(pids, compare_pids);
        return pids;
}

typedef struct Uids {
        uint32_t start, n;
} Uids;

static bool runs_as(uint32_t pid, const void *userdata) {
        const Uids *uids = userdata;
        ProcessIds ids;

        return process_ids(pid, &ids) == 0 && has_uid(&ids, uids->start, uids->n);
}

GArray *processes_with_uids(uint32_t start, uint32_t n_ids) {
        return list_processes(runs_as, &(Uids){ .start = start, .n = n_ids });
}

static bool is_in_userns(uint32_t pid, const void *userdata) {
        g_autofree char *path = g_strdup_printf("/proc/%u/ns/user", pid);
        const uint64_t *inode = userdata;
        struct stat st;

        return stat(path, &st) == 0 && st.st_ino == *inode;
}

GArray *processes_in_userns(uint64_t inode) {
        return list_processes(is_in_userns, &inode);
}
