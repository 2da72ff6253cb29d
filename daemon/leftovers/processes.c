/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/leftovers/claims.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"
#include "lib/util/proc-userns.h"

/* Where no new process ends any more between reading and looking it takes one or two. */
#define ROUNDS_MAX 256u
#define BUFFER_SIZE 4096u
#define ENTRY_SIZE_MIN 24u /* of a name of one character */

/* Outcome of a look at a process: it was there, and is no more. */
#define ENDED 1

/* What was seen of a process, all of its threads together: credentials are each thread's own, and
 * it is ended as a whole. */
typedef struct Look {
        const LeftoversTask *task;
        uint32_t pid;
        LeftoversWhat what; /* to be noted of each of its IDs; LEFTOVERS_NOTHING: only look */
        bool has_ids;       /* any ID of a range, in any place */
        bool is_others;     /* not all of its UIDs are ours, in every thread */
        bool is_privileged; /* may have capabilities */
        bool has_ended_ids; /* the same of threads that have ended */
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

static void look_at_ended_id(uint32_t id, void *userdata) {
        Look *look = userdata;

        if (leftovers_has(look->task, id))
                look->has_ended_ids = true;
}

/* The task whose status was read last.  A zombie's IDs do nothing any more, and its parent may let
 * it lie for as long as it likes. */
static void look_at_status(Look *look) {
        const char *status = look->task->text;
        uint32_t uids[4];

        if (proc_status_has_ended(status)) {
                proc_status_for_each_id(status, look_at_ended_id, look);
                return;
        }
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

static int look_at_thread(int threads, const char *name, void *userdata) {
        Look *look = userdata;
        int r = leftovers_read_text(look->task, threads, name);

        if (r == 0)
                look_at_status(look);
        return r;
}

static int look_at(Look *look, int process) {
        int r;

        r = leftovers_read_text(look->task, process, "status");
        if (r < 0)
                return r;
        if (proc_status_has_threads(look->task->text))
                return proc_status_for_each_thread(process, look_at_thread, look);
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
 * is a glance: the reading of its status is long if it has many groups. */
static int may_have_ids(const LeftoversTask *task, int process, bool *ret_may) {
        Meets meets = { .task = task };
        bool told;
        int r = proc_userns_for_each_range(
                process, task->user_namespace, look_at_range, &meets, &told);

        *ret_may = !told || meets.meets;
        return r;
}

/* Of a look at a process that was not ended. */
static int outcome(int r, const Look *look) {
        return r == 0 && look->has_ended_ids && !look->has_ids ? ENDED : r;
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
                return outcome(r, &first);
        is_others = first.is_others || is_server(task, &first, process);
        second.what = is_others ? LEFTOVERS_PROCESS_OF_OTHERS : LEFTOVERS_ENDING;
        r = look_at(&second, process);
        if (r < 0 || is_others || (second.has_ended_ids && !second.has_ids))
                return outcome(r, &second);
        if (second.is_others || is_server(task, &second, process) || !second.has_ids) {
                second.what = LEFTOVERS_PROCESS_OF_OTHERS;
                r = look_at(&second, process);
                return outcome(r, &second);
        }
        r = leftovers_check_files(task);
        if (r < 0)
                return r;
        (void) syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
        return 0;
}

/* It was there, and was taken away before it was looked at: its folder still has the effective IDs
 * of when it was opened. */
static void note_gone(const LeftoversTask *task, int process, uint32_t pid) {
        struct stat st;

        if (fstat(process, &st) == 0 && !leftovers_find(task, LEFTOVERS_ENDING, st.st_uid, pid))
                (void) leftovers_find(task, LEFTOVERS_ENDING, st.st_gid, pid);
}

/* 0, ENDED, or negative errno. */
static int look_at_process(const LeftoversTask *task, int folder, const char *name, uint32_t pid) {
        auto_fd process = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = process < 0 ? -errno : end_process(task, process, pid);

        if (r >= 0 || proc_status_pass_over_ended(r) < 0)
                return r;
        if (process >= 0)
                note_gone(task, process, pid);
        return ENDED;
}

/* all of them */

/* One reading of /proc, from where its descriptor stands to the end. */
typedef struct Round {
        const LeftoversTask *task;
        int folder;
        uint32_t seen;    /* processes up to this number were met by an earlier one */
        uint32_t highest; /* the highest number met */
        off_t again;      /* where the first that had ended stands; -1: there was none */
} Round;

typedef struct Entry {
        uint32_t pid;
        off_t at;
} Entry;

static int round_look_at(Round *round, const Entry *entry) {
        char name[16];
        int r;

        if ((pid_t) entry->pid == round->task->parent || (pid_t) entry->pid == getpid())
                return 0;
        (void) snprintf(name, sizeof(name), "%u", entry->pid);
        r = look_at_process(round->task, round->folder, name, entry->pid);
        if (r == ENDED && entry->pid > round->seen)
                round->again = entry->at;
        return MIN(r, 0);
}

/* What is read together is looked at in reverse order, the youngest first. */
static int round_take(Round *round, const char *buffer, ssize_t size, off_t at) {
        Entry entries[BUFFER_SIZE / ENTRY_SIZE_MIN];
        off_t again = round->again;
        size_t n = 0;
        int r = 0;

        for (ssize_t i = 0; i < size;) {
                const struct dirent64 *entry = (const void *) (buffer + i);

                i += entry->d_reclen;
                if (parse_u32(entry->d_name, &entries[n].pid)) {
                        round->highest = entries[n].pid;
                        entries[n++].at = at;
                }
                at = entry->d_off;
        }
        while (n > 0 && r == 0)
                r = round_look_at(round, &entries[--n]);
        /* What was read before stands in front. */
        if (again >= 0)
                round->again = again;
        return r;
}

static int round_read(Round *round) {
        char buffer[BUFFER_SIZE] __attribute__((aligned(8)));

        for (;;) {
                off_t at = lseek(round->folder, 0, SEEK_CUR);
                ssize_t size = syscall(SYS_getdents64, round->folder, buffer, sizeof(buffer));
                int r;

                if (at < 0 || size < 0)
                        return -errno;
                if (size == 0)
                        return 0;
                r = round_take(round, buffer, size, at);
                if (r < 0)
                        return r;
        }
}

/* What forks and ends all the time is never where it was seen.  Its children have higher numbers,
 * and /proc is read in the order of these: so the end of it is read again, from the first that had
 * ended on, until none has. */
int leftovers_end_processes(const LeftoversTask *task) {
        auto_fd folder = open(task->config.proc_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Round round = { .task = task, .folder = folder, .again = -1 };

        if (folder < 0)
                return -errno;
        for (unsigned i = 0; i < ROUNDS_MAX; i++) {
                int r = round_read(&round);

                if (r < 0 || round.again < 0)
                        return r;
                if (lseek(folder, round.again, SEEK_SET) < 0)
                        return -errno;
                round.seen = round.highest;
                round.again = -1;
        }
        return 0;
}
