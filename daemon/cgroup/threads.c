/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/cgroup/open.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"

/* A threaded control group refuses cgroup.kill and tells of no processes: threads are in it, and
 * the others of their process may be elsewhere. */

#define PROC "/proc"

/* The beginning of a status has the state and the UIDs; what is behind them does not matter. */
static int read_status(int folder, const char *name, char text[static 4096]) {
        auto_fd fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text + 1, 4094);
        if (n < 0)
                return -errno;
        text[0] = '\n';
        text[1 + n] = '\0';
        return 0;
}

static bool is_of_ranges(const char *status, CgroupIsLentFunc is_lent, const void *userdata) {
        uint32_t uids[4];

        if (!proc_status_uids(status, uids))
                return false;
        for (size_t i = 0; i < 4; i++)
                if (!is_lent(uids[i], userdata))
                        return false;
        return true;
}

typedef struct Threads {
        CgroupIsLentFunc is_lent;
        const void *userdata;
        bool found; /* one that has not ended */
} Threads;

/* -EPERM: it has a UID that is not in the ranges. */
static int look_at_thread(int threads, const char *name, void *userdata) {
        Threads *look = userdata;
        char text[4096];
        int r = read_status(threads, name, text);

        if (r < 0 || proc_status_has_ended(text))
                return r;
        look->found = true;
        return is_of_ranges(text, look->is_lent, look->userdata) ? 0 : -EPERM;
}

/* Whether every thread of the process that has not ended has all of its UIDs in the ranges; and
 * there is one. */
static bool is_lent_process(int process, CgroupIsLentFunc is_lent, const void *userdata) {
        Threads look = { .is_lent = is_lent, .userdata = userdata };

        return proc_status_for_each_thread(process, look_at_thread, &look) == 0 && look.found;
}

/* The threads that are in the control group: `func` for each. */
typedef bool (*ThreadFunc)(uint32_t thread, const void *userdata);

/* Stops when `func` says true, and says so too. */
static bool find_thread(int directory, ThreadFunc func, const void *userdata) {
        auto_fd fd = cgroup_open_below(directory, "cgroup.threads", O_RDONLY);
        char buffer[4096];
        size_t have = 0;
        ssize_t n;

        if (fd < 0)
                return false;
        while ((n = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
                char *line = buffer, *end;

                buffer[have + (size_t) n] = '\0';
                for (; (end = strchr(line, '\n')); line = end + 1) {
                        uint32_t thread;

                        *end = '\0';
                        if (parse_u32(line, &thread) && func(thread, userdata))
                                return true;
                }
                have = strlen(line);
                memmove(buffer, line, have);
        }
        return false;
}

static bool is_thread(uint32_t thread, const void *wanted) {
        return thread == *(const uint32_t *) wanted;
}

typedef struct Ending {
        int directory;
        CgroupIsLentFunc is_lent;
        const void *userdata;
} Ending;

/* What is looked at and what is killed are one process, whatever becomes of its numbers: its folder
 * in /proc stands for it.  Its thread is in the control group if the number still is, while the
 * thread's own folder shows that it has not gone to another. */
static bool end_process_of(uint32_t thread, const void *userdata) {
        const Ending *ending = userdata;
        auto_fd process = -1, itself = -1;
        char path[64], text[4096], *line;
        uint32_t pid;

        (void) snprintf(path, sizeof(path), PROC "/%u/status", thread);
        if (read_status(AT_FDCWD, path, text) < 0)
                return false;
        line = strstr(text, "\nTgid:\t");
        if (!line)
                return false;
        line += strlen("\nTgid:\t");
        line[strcspn(line, "\n")] = '\0';
        if (!parse_u32(line, &pid))
                return false;
        (void) snprintf(path, sizeof(path), PROC "/%u", pid);
        process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(path, sizeof(path), "task/%u", thread);
        itself = process < 0 ? -1 : openat(process, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (itself >= 0 && find_thread(ending->directory, is_thread, &thread) &&
            read_status(itself, "status", text) == 0 &&
            is_lent_process(process, ending->is_lent, ending->userdata) &&
            is_lent_process(process, ending->is_lent, ending->userdata))
                (void) syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        return false;
}

void cgroup_end_threads(int directory, CgroupIsLentFunc is_lent, const void *userdata) {
        const Ending ending = { directory, is_lent, userdata };

        (void) find_thread(directory, end_process_of, &ending);
}
