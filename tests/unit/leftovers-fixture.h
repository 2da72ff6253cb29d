/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of leftovers share: folders of their own, processes with IDs of a range, and the
 * namespaces that they run in.  What they end and remove is their own. */

#include <pthread.h>
#include <stdbool.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "daemon/leftovers/leftovers.h"
#include "tests/unit/unit.h"

#define START 0x20000000u
#define SIZE 65536u
#define WAIT_MSEC 60000

typedef struct Fixture {
        char *folder, *run_user, *linger, *etc, *logind, *users, *sessions;
        LeftoversConfig config;
        Leftovers *leftovers;
        gboolean done;
        GArray *found; /* of the last answer: LeftoversFound */
} Fixture;

static inline char *path_in(const char *folder, const char *name) {
        return g_build_filename(folder, name, NULL);
}

static inline void make_file(const char *folder, const char *name) {
        g_autofree char *path = path_in(folder, name);

        g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static inline bool there(const char *folder, const char *name) {
        g_autofree char *path = path_in(folder, name);
        struct stat st;

        return lstat(path, &st) == 0;
}

static inline void fixture_set_up(Fixture *f, gconstpointer unused) {
        f->folder = g_dir_make_tmp("test-leftovers-XXXXXX", NULL);
        /* Whatever a test leaves goes with the namespace. */
        g_assert_cmpint(mount("tmpfs", f->folder, "tmpfs", 0, NULL), ==, 0);
        f->run_user = path_in(f->folder, "run-user");
        f->linger = path_in(f->folder, "linger");
        g_assert_cmpint(g_mkdir(f->run_user, 0755), ==, 0);
        g_assert_cmpint(g_mkdir(f->linger, 0755), ==, 0);
        f->etc = path_in(f->folder, "etc");
        f->logind = path_in(f->folder, "logind");
        f->users = path_in(f->logind, "users");
        f->sessions = path_in(f->logind, "sessions");
        g_assert_cmpint(g_mkdir(f->etc, 0755), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents(f->users, 0755), ==, 0);
        g_assert_cmpint(g_mkdir(f->sessions, 0755), ==, 0);
        f->config = (LeftoversConfig){
                .proc_folder = "/proc",
                .run_user_folder = f->run_user,
                .linger_folder = f->linger,
                .etc_folder = f->etc,
                .logind_folder = f->logind,
        };
        f->found = g_array_new(FALSE, FALSE, sizeof(LeftoversFound));
        g_assert_cmpint(leftovers_new(&f->config, &f->leftovers), ==, 0);
}

static inline void fixture_tear_down(Fixture *f, gconstpointer unused) {
        leftovers_free(f->leftovers);
        g_array_unref(f->found);
        g_assert_cmpint(umount2(f->folder, MNT_DETACH), ==, 0);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->run_user);
        g_free(f->linger);
        g_free(f->etc);
        g_free(f->logind);
        g_free(f->users);
        g_free(f->sessions);
}

static inline void use_config(Fixture *f) {
        g_clear_pointer(&f->leftovers, leftovers_free);
        g_assert_cmpint(leftovers_new(&f->config, &f->leftovers), ==, 0);
}

static inline void done(const LeftoversFound *found, size_t n, bool in_time, void *userdata) {
        Fixture *f = userdata;

        g_assert_false(f->done);
        f->done = TRUE;
        g_array_set_size(f->found, 0);
        g_array_append_vals(f->found, found, (guint) n);
}

static inline void start(Fixture *f, const LeftoversRange *ranges, size_t n) {
        f->done = FALSE;
        g_assert_cmpint(leftovers_prepare(f->leftovers), ==, 0);
        g_assert_cmpint(
                leftovers_remove(f->leftovers, LEFTOVERS_OF_ALL, ranges, n, done, f), ==, 0);
        g_assert_false(f->done);
}

static inline void remove_all(Fixture *f, const LeftoversRange *ranges, size_t n) {
        start(f, ranges, n);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpuint(f->found->len, ==, n);
}

static inline LeftoversWhat what_of(const Fixture *f, guint i) {
        return g_array_index(f->found, LeftoversFound, i).what;
}

/* One range: START ..., called 1000-web; what was found of it. */
static inline LeftoversWhat look_at_range(Fixture *f) {
        const LeftoversRange range = { .start = START, .size = SIZE, .name = "1000-web" };

        remove_all(f, &range, 1);
        return what_of(f, 0);
}

static inline bool remove_range(Fixture *f) {
        return look_at_range(f) == LEFTOVERS_NOTHING;
}

/* processes */

typedef struct Identity {
        const char *what;
        uint32_t ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid, group;
        bool in_thread; /* not the first one */
        bool keep_capabilities, in_namespace;
} Identity;

static inline void take(const Identity *i) {
        gid_t group = i->group;

        /* The kernel's own calls: each thread's own credentials. */
        if (i->keep_capabilities && prctl(PR_SET_KEEPCAPS, 1) < 0)
                _exit(1);
        if (syscall(SYS_setgroups, group != 0, &group) < 0 ||
            syscall(SYS_setresgid, i->rgid, i->egid, i->sgid) < 0)
                _exit(1);
        if (i->fsgid != 0)
                (void) setfsgid(i->fsgid);
        if (syscall(SYS_setresuid, i->ruid, i->euid, i->suid) < 0)
                _exit(1);
        if (i->fsuid != 0)
                (void) setfsuid(i->fsuid);
        if (i->in_namespace && unshare(CLONE_NEWUSER) < 0)
                _exit(1);
}

static inline void report_and_wait(int fd) {
        if (write(fd, "x", 1) != 1)
                _exit(1);
        for (;;)
                (void) pause();
}

typedef struct ThreadStart {
        const Identity *identity;
        int fd;
} ThreadStart;

static inline void *thread_run(void *data) {
        const ThreadStart *start = data;

        take(start->identity);
        report_and_wait(start->fd);
        return NULL;
}

static inline pid_t process_new(const Identity *identity) {
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                ThreadStart start = { identity, ready[1] };
                pthread_t thread;

                if (identity->in_thread) {
                        if (pthread_create(&thread, NULL, thread_run, &start) != 0)
                                _exit(1);
                        (void) pthread_join(thread, NULL);
                        _exit(1);
                }
                take(identity);
                report_and_wait(ready[1]);
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        return pid;
}

/* Whether it was killed; it is reaped, or killed now. */
static inline bool was_killed(pid_t pid) {
        int status = 0;
        pid_t r = waitpid(pid, &status, WNOHANG);

        if (r == 0) {
                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
                return false;
        }
        g_assert_cmpint(r, ==, pid);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

typedef struct LeftoversTest {
        const char *name;
        void (*test)(Fixture *f, gconstpointer unused);
} LeftoversTest;

static inline int run_tests(int argc, char **argv, const LeftoversTest *tests, size_t n) {
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < n; i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}

/* The namespace's first process: reaps what tests leave, and cannot itself be looked at for leaks.
 */
static inline int run_first(int argc, char **argv, const LeftoversTest *tests, size_t n) {
        int status = -1;
        pid_t pid, ended;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("proc", "/proc", "proc", 0, NULL) < 0)
                return 99;
        pid = fork();
        if (pid == 0)
                exit(run_tests(argc, argv, tests, n));
        do
                ended = waitpid(-1, &status, 0);
        while (ended > 0 && ended != pid);
        return ended == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static inline int run_isolated(int argc, char **argv, const LeftoversTest *tests, size_t n) {
        int status = -1;
        pid_t pid;

        if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC) < 0) {
                g_printerr("Bail out! needs root and namespaces of its own\n");
                return 77;
        }
        pid = fork();
        if (pid == 0)
                _exit(run_first(argc, argv, tests, n));
        /* With its first process gone, the kernel ends all others of the PID namespace. */
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                return 99;
        /* Not by exit(): whoever looks for leaks then wants a child, and there can be none any
         * more.
         */
        _exit(WEXITSTATUS(status));
}
