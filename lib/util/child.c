/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "lib/util/fd.h"

struct Child {
        pid_t pid;
        int pidfd;
        bool succeeded;
        ChildExitedFunc exited;
        void *userdata;
};

pid_t child_pid(const Child *child) {
        return child->pid;
}

bool child_succeeded(const Child *child) {
        return child->succeeded;
}

void child_kill(Child *child) {
        /* ESRCH: it has ended by itself and will be reaped. */
        (void) syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
}

void child_forget(Child *child) {
        child->exited = NULL;
        child_kill(child);
}

static gboolean on_exited(int fd, GIOCondition condition, gpointer userdata) {
        Child *child = userdata;
        siginfo_t info = { 0 };

        /* A pidfd is readable from the exit on.  __WALL: a child without exit signal is hidden
         * otherwise. */
        if (waitid((idtype_t) P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG | __WALL) == 0 &&
            info.si_pid == 0)
                return G_SOURCE_CONTINUE;

        child->succeeded = info.si_code == CLD_EXITED && info.si_status == 0;
        if (child->exited)
                child->exited(child, child->userdata);
        fd_close(child->pidfd);
        g_free(child);
        return G_SOURCE_REMOVE;
}

/* Move `fds` to 0 ... n_fds - 1 and close everything else. */
static void keep_only(const int *fds, size_t n_fds) {
        int kept[CHILD_FDS_MAX];

        /* First out of the way, so that no dup2() overwrites one that is still to be moved. */
        for (size_t i = 0; i < n_fds; i++) {
                kept[i] = fcntl(fds[i], F_DUPFD, (int) n_fds);
                if (kept[i] < 0)
                        _exit(1);
        }
        for (size_t i = 0; i < n_fds; i++)
                if (dup2(kept[i], (int) i) < 0)
                        _exit(1);
        if (syscall(SYS_close_range, (unsigned) n_fds, ~0u, 0) < 0)
                _exit(1);
}

/* What CLONE_CLEAR_SIGHAND does: what is ignored stays ignored. */
static void reset_handlers(void) {
        struct sigaction action;

        /* The C library refuses its own two and the kernel SIGKILL and SIGSTOP. */
        for (int i = 1; i < NSIG; i++) {
                if (sigaction(i, NULL, &action) < 0 || action.sa_handler == SIG_IGN)
                        continue;
                action = (struct sigaction){ .sa_handler = SIG_DFL };
                (void) sigaction(i, &action, NULL);
        }
}

static int spawn_by_fork(int *ret_pidfd, pid_t *ret_pid) {
        int pidfd = -1;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                reset_handlers();
        else {
                pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
                if (pidfd < 0) {
                        int error = errno;

                        /* No client can have touched it yet: this does not wait for one. */
                        (void) kill(pid, SIGKILL);
                        (void) waitpid(pid, NULL, 0);
                        return -error;
                }
        }
        *ret_pidfd = pidfd;
        *ret_pid = pid;
        return 0;
}

/* clone3() instead of fork(): a pidfd with the child, no SIGCHLD to a parent that may have a
 * handler for it, handlers reset by the kernel, no atfork handlers.  A filter that looks at clone's
 * flags (RestrictNamespaces=) hides clone3(), then fork() has to do. */
static int spawn(int *ret_pidfd, pid_t *ret_pid) {
        int pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
        };
        pid_t pid;

        pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0 && (errno == ENOSYS || errno == EPERM))
                return spawn_by_fork(ret_pidfd, ret_pid);
        if (pid < 0)
                return -errno;
        *ret_pidfd = pidfd;
        *ret_pid = pid;
        return 0;
}

static int child_start(
        ChildFunc run, const void *data, ChildExitedFunc exited, void *userdata,
        Child **ret_child) {
        sigset_t all, none, saved;
        auto_fd pidfd = -1;
        GSource *source = NULL;
        Child *child = NULL;
        pid_t pid = -1;
        int r;

        /* No handler of the parent's may run in the child. */
        (void) sigfillset(&all);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_BLOCK, &all, &saved);
        r = spawn(&pidfd, &pid);
        if (r == 0 && pid == 0) {
                (void) sigprocmask(SIG_SETMASK, &none, NULL);
                run(data);
                _exit(1);
        }
        (void) sigprocmask(SIG_SETMASK, &saved, NULL);
        if (r < 0)
                return r;

        child = g_new(Child, 1);
        *child = (Child){
                .pid = pid,
                .pidfd = g_steal_fd(&pidfd),
                .exited = exited,
                .userdata = userdata,
        };
        source = g_unix_fd_source_new(child->pidfd, G_IO_IN);
        g_source_set_callback(source, G_SOURCE_FUNC(on_exited), child, NULL);
        g_source_attach(source, NULL);
        g_source_unref(source);

        *ret_child = child;
        return 0;
}

typedef struct Work {
        const int *fds;
        size_t n_fds;
        ChildFunc run;
        const void *data;
        pid_t parent;
} Work;

static void work_run(const void *data) {
        const Work *work = data;

        keep_only(work->fds, work->n_fds);
        work->run(work->data);
}

int child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child) {
        const Work work = { .fds = fds, .n_fds = n_fds, .run = run, .data = data };

        g_assert(n_fds <= CHILD_FDS_MAX);
        return child_start(work_run, &work, exited, userdata, ret_child);
}

static int compare_fds(const void *a, const void *b) {
        int x = *(const int *) a, y = *(const int *) b;

        return (x > y) - (x < y);
}

/* Closes what lies between those that are held, which need not be moved. */
static void hold_run(const void *data) {
        const Work *work = data;
        unsigned from = 0;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (size_t i = 0; i < work->n_fds; i++) {
                unsigned fd = (unsigned) work->fds[i];

                if (from < fd)
                        (void) syscall(SYS_close_range, from, fd - 1, 0);
                from = fd + 1;
        }
        (void) syscall(SYS_close_range, from, ~0u, 0);
        while (getppid() == work->parent)
                (void) pause();
        _exit(0);
}

int child_new_holding(
        const int *fds, size_t n_fds, ChildExitedFunc exited, void *userdata, Child **ret_child) {
        g_autofree int *sorted = g_memdup2(fds, n_fds * sizeof(int));
        const Work work = { .fds = sorted, .n_fds = n_fds, .parent = getpid() };

        if (n_fds > 0)
                qsort(sorted, n_fds, sizeof(int), compare_fds);
        return child_start(hold_run, &work, exited, userdata, ret_child);
}

int child_pipe(int *ret_ours, int *ret_theirs) {
        auto_fd ours = -1, theirs = -1;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret_ours = g_steal_fd(&ours);
        *ret_theirs = g_steal_fd(&theirs);
        return 0;
}

int child_share(size_t size, void **ret_memory) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
                return -errno;
        *ret_memory = memory;
        return 0;
}

#ifdef SYS_setresuid32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETRESGID SYS_setresgid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETRESGID SYS_setresgid
#endif

void child_die_with(pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
}

void child_drop_privileges(uid_t uid, gid_t gid, pid_t parent) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

        /* The kernel's own calls: the C library would have the other threads it remembers from
         * before the fork (GLib makes one for signals) do the same, and wait for them. */
        if (syscall(CALL_SETGROUPS, 0, NULL) < 0 || syscall(CALL_SETRESGID, gid, gid, gid) < 0 ||
            syscall(CHILD_SETRESUID, uid, uid, uid) < 0)
                _exit(1);

        /* After the change of UID, which clears the one and sets the
         * other to what fs.suid_dumpable says.  First of all the one
         * without which a child that is stopped now would outlive us. */
        child_die_with(parent);
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall(SYS_capset, &header, none) < 0)
                _exit(1);
}
