/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/leftovers-internal.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"

static int read_status(const LeftoversTask *task, int process) {
        auto_fd fd = openat(process, "status", O_RDONLY | O_CLOEXEC);
        size_t size = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, task->status + size, LEFTOVERS_STATUS_SIZE - size);

                if (n < 0)
                        return -errno;
                size += (size_t) n;
                if (size >= LEFTOVERS_STATUS_SIZE)
                        return -EFBIG;
                if (n == 0)
                        break;
        }
        task->status[size] = '\0';
        return 0;
}

typedef struct Look {
        const LeftoversTask *task;
        bool found;
} Look;

static void look_at_id(uint32_t id, void *userdata) {
        Look *look = userdata;

        if (leftovers_find(look->task, id))
                look->found = true;
}

/* Whether the task that was read last has one of the IDs.  A zombie's do nothing any more, and its
 * parent may let it lie for as long as it likes. */
static bool status_has_ids(const LeftoversTask *task) {
        Look look = { .task = task };

        if (strstr(task->status, "\nState:\tZ") || strstr(task->status, "\nState:\tX"))
                return false;
        proc_status_for_each_id(task->status, look_at_id, &look);
        return look.found;
}

/* 1: it has one of the IDs. */
static int look_at_thread(const LeftoversTask *task, int folder, const char *name) {
        auto_fd thread = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = thread < 0 ? -errno : read_status(task, thread);

        if (r == 0)
                return status_has_ids(task) ? -EEXIST : 0;
        return proc_status_pass_over_ended(r);
}

static int process_has_ids(const LeftoversTask *task, int process) {
        auto_fd threads = -1;
        int r;

        r = read_status(task, process);
        if (r < 0)
                return r;
        if (status_has_ids(task))
                return 1;
        if (!proc_status_has_threads(task->status))
                return 0;
        threads = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (threads < 0)
                return -errno;
        r = leftovers_for_each(task, threads, look_at_thread);
        return r == -EEXIST ? 1 : r;
}

/* What is looked at and what is killed are one process: its folder in /proc stands for it like a
 * pidfd, also after its number has gone to another. */
static int look_at_process(const LeftoversTask *task, int folder, const char *name) {
        auto_fd process = -1;
        uint32_t pid;
        int r;

        if (!parse_u32(name, &pid) || (pid_t) pid == task->parent || (pid_t) pid == getpid())
                return 0;
        process = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = process < 0 ? -errno : process_has_ids(task, process);
        if (r <= 0)
                return proc_status_pass_over_ended(r);
        (void) syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        return 0;
}

int leftovers_end_processes(const LeftoversTask *task) {
        auto_fd fd = open(task->config.proc_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : leftovers_for_each(task, fd, look_at_process);
}
