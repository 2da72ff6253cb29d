/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/proc-status.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/parse.h"

/* The numbers on the line that begins with `key`. */
static void for_each_on_line(
        const char *status, const char *key, ProcStatusIdFunc func, void *userdata) {
        const char *line = strstr(status, key);

        if (!line)
                return;
        line += strlen(key);
        for (;;) {
                size_t n;
                uint64_t id;

                line += strspn(line, " \t");
                n = strcspn(line, " \t\n");
                if (n == 0)
                        return;
                if (parse_decimal(line, n, UINT32_MAX, &id))
                        func((uint32_t) id, userdata);
                line += n;
        }
}

void proc_status_for_each_id(const char *status, ProcStatusIdFunc func, void *userdata) {
        static const char *const keys[] = { "\nUid:", "\nGid:", "\nGroups:" };

        for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
                for_each_on_line(status, keys[i], func, userdata);
}

typedef struct Uids {
        uint32_t *uids;
        unsigned n;
} Uids;

static void take_uid(uint32_t id, void *userdata) {
        Uids *uids = userdata;

        if (uids->n < 4)
                uids->uids[uids->n] = id;
        uids->n++;
}

bool proc_status_uids(const char *status, uint32_t ret_uids[static 4]) {
        Uids uids = { .uids = ret_uids };

        for_each_on_line(status, "\nUid:", take_uid, &uids);
        return uids.n == 4;
}

bool proc_status_has_capabilities(const char *status) {
        static const char key[] = "\nCapPrm:\t";
        const char *line = strstr(status, key);

        if (!line)
                return true; /* who knows */
        line += sizeof(key) - 1;
        return line[strspn(line, "0")] != '\n';
}

bool proc_status_has_ended(const char *status) {
        return strstr(status, "\nState:\tZ") || strstr(status, "\nState:\tX");
}

bool proc_status_has_threads(const char *status) {
        return !strstr(status, "\nThreads:\t1\n");
}

int proc_status_for_each_thread(int process, ProcThreadFunc func, void *userdata) {
        auto_fd threads = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char buffer[4096] __attribute__((aligned(8)));
        ssize_t size;

        if (threads < 0)
                return -errno;
        while ((size = syscall(SYS_getdents64, threads, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);
                        char name[32];
                        int r;

                        at += entry->d_reclen;
                        if (entry->d_name[0] == '.')
                                continue;
                        (void) snprintf(name, sizeof(name), "%.16s/status", entry->d_name);
                        r = proc_status_pass_over_ended(func(threads, name, userdata));
                        if (r < 0)
                                return r;
                }
        return size < 0 ? -errno : 0;
}
