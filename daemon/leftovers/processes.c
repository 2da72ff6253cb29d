/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/leftovers/internal.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"
#include "lib/util/proc-userns.h"

/* What was seen of a process, all of its threads together: credentials are each thread's own, and
 * it is ended as a whole. */
typedef struct Look {
        const LeftoversTask *task;
        uint32_t pid;
        LeftoversWhat what; /* to be noted of each of its IDs; LEFTOVERS_NOTHING: only look */
        bool has_ids;       /* any ID of a range, in any place */
        bool is_others;     /* not all of its UIDs are ours, in every thread */
        bool is_privileged; /* may have capabilities */
} Look;

static void look_at_id(uint32_t id, void *userdata) {
        Look *look = userdata;

        if (!leftovers_has(look->task, id))
                return;
        look->has_ids = true;
        if (leftovers_is_claimed(look->task, id))
                look->is_others = true;
        (void) leftovers_find(look->task, look->what, id, look->pid);
}

/* The task whose status was read last.  A zombie's IDs do nothing any more, and its parent may let
 * it lie for as long as it likes. */
static void look_at_status(Look *look) {
        const char *status = look->task->text;
        uint32_t uids[4];

        if (proc_status_has_ended(status))
                return;
        proc_status_for_each_id(status, look_at_id, look);
        if (!proc_status_uids(status, uids))
                look->is_others = true;
        else
                for (size_t i = 0; i < 4; i++)
                        if (!leftovers_has(look->task, uids[i]))
                                look->is_others = true;
        if (proc_status_has_capabilities(status))
                look->is_privileged = true;
}

static int look_at_threads(Look *look, int process) {
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
                        r = leftovers_read_text(look->task, threads, name);
                        if (r == 0)
                                look_at_status(look);
                        r = proc_status_pass_over_ended(r);
                        if (r < 0)
                                return r;
                }
        return size < 0 ? -errno : 0;
}

static int look_at(Look *look, int process) {
        int r;

        r = leftovers_read_text(look->task, process, "status");
        if (r < 0)
                return r;
        if (proc_status_has_threads(look->task->text))
                return look_at_threads(look, process);
        look_at_status(look);
        return 0;
}

/* A process with privilege where the daemon is: it may be anybody's server that acts with the ID
 * for a while, and can have others at any time.  Below, in a namespace that somebody made with the
 * ID, capabilities are no sign of that. */
static bool is_server(const LeftoversTask *task, const Look *look, int process) {
        struct stat st;

        if (!look->is_privileged)
                return false;
        return fstatat(process, "ns/user", &st, 0) < 0 || st.st_ino == task->user_namespace;
}

typedef struct Meets {
        const LeftoversTask *task;
        bool meets;
} Meets;

static void look_at_range(uint32_t start, uint32_t n_ids, void *userdata) {
        Meets *meets = userdata;

        meets->meets |= leftovers_meets(meets->task, start, n_ids);
}

/* Whether a process may have an ID of the ranges at all, as far as its user namespace tells, which
 * is a glance: the reading of its status is long if it has many groups.  A namespace of a user's
 * with more below maps a live range, or subordinate IDs, which nothing that ends here has. */
static int may_have_ids(const LeftoversTask *task, int process, bool *ret_may) {
        Meets meets = { .task = task };
        ProcUserns userns;
        int r;

        *ret_may = true;
        r = proc_userns_look(process, task->user_namespace, &userns);
        if (r < 0 || userns.depth == 0)
                return 0; /* its status says it, or that it has ended */
        if (leftovers_has(task, userns.owner) || (userns.depth > 1 && userns.owner == 0))
                return 0;
        if (userns.depth == 1) {
                r = proc_userns_for_each_range(process, look_at_range, &meets);
                if (r < 0)
                        return r;
        }
        *ret_may = meets.meets;
        return 0;
}

/* Two looks, so that what is just changing its IDs is not taken for what it is not; the second
 * notes them.  What is looked at and what is killed are one process: its folder in /proc stands for
 * it like a pidfd, and answers for no other after its number has gone to one. */
static int end_process(const LeftoversTask *task, int process, uint32_t pid) {
        Look first = { .task = task, .pid = pid }, second = first;
        bool is_others, may_have;
        int r;

        r = may_have_ids(task, process, &may_have);
        if (r < 0 || !may_have)
                return r;
        r = look_at(&first, process);
        if (r < 0 || !first.has_ids)
                return r;
        is_others = first.is_others || is_server(task, &first, process);
        second.what = is_others ? LEFTOVERS_PROCESS_OF_OTHERS : LEFTOVERS_ENDING;
        r = look_at(&second, process);
        if (r < 0 || is_others)
                return r;
        if (second.is_others || is_server(task, &second, process) || !second.has_ids) {
                second.what = LEFTOVERS_PROCESS_OF_OTHERS;
                return look_at(&second, process);
        }
        r = leftovers_check_files(task);
        if (r < 0)
                return r;
        (void) syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        return 0;
}

static int look_at_process(const LeftoversTask *task, int folder, const char *name) {
        auto_fd process = -1;
        uint32_t pid;

        if (!parse_u32(name, &pid) || (pid_t) pid == task->parent || (pid_t) pid == getpid())
                return 0;
        process = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return proc_status_pass_over_ended(process < 0 ? -errno : end_process(task, process, pid));
}

int leftovers_end_processes(const LeftoversTask *task) {
        auto_fd fd = open(task->config.proc_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : leftovers_for_each(task, fd, look_at_process);
}
