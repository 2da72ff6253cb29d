/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/child.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

typedef struct Exited {
        gboolean done;
        Child *child;
} Exited;

static void on_exited(Child *child, void *userdata) {
        Exited *exited = userdata;

        g_assert_false(exited->done);
        exited->done = TRUE;
        exited->child = child;
}

static void on_signal(int number) {
}

/* Says on descriptor 1 what it is. */
static void report(const void *data) {
        char text[64] = "";
        sigset_t mask;
        struct sigaction handled, ignored;
        unsigned n = 0;

        for (int fd = 0; fd < 64; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        (void) sigprocmask(SIG_SETMASK, NULL, &mask);
        (void) sigaction(SIGUSR1, NULL, &handled);
        (void) sigaction(SIGUSR2, NULL, &ignored);
        (void) snprintf(
                text, sizeof(text), "%s %u %d %d %d", (const char *) data, n,
                sigismember(&mask, SIGTERM), handled.sa_handler == SIG_DFL,
                ignored.sa_handler == SIG_IGN);
        _exit(write(1, text, sizeof(text)) == sizeof(text) ? 0 : 1);
}

static void test_surroundings(void) {
        struct sigaction handler = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
        Exited exited = { FALSE };
        Child *child = NULL;
        char text[64];
        sigset_t term;
        int ends[2], fds[2];
        struct stat st;
        unsigned n_fds;

        (void) g_main_context_iteration(NULL, FALSE);
        n_fds = unit_count_fds();
        g_assert_cmpint(sigaction(SIGUSR1, &handler, NULL), ==, 0);
        g_assert_cmpint(sigaction(SIGUSR2, &ignore, NULL), ==, 0);
        (void) sigemptyset(&term);
        (void) sigaddset(&term, SIGTERM);
        g_assert_cmpint(sigprocmask(SIG_BLOCK, &term, NULL), ==, 0);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);

        /* Both are where the other is to go. */
        fds[0] = 1;
        fds[1] = ends[1];
        g_assert_cmpint(fstat(1, &st), ==, 0);
        g_assert_cmpint(child_new(fds, 2, report, "text", on_exited, &exited, &child), ==, 0);
        g_assert_cmpint(child_pid(child), >, 0);
        close(ends[1]);
        g_assert_true(unit_run_until(&exited.done, 60000));
        g_assert_true(exited.child == child);
        g_assert_cmpint(read(ends[0], text, sizeof(text)), ==, sizeof(text));
        g_assert_cmpstr(text, ==, "text 2 0 1 1");
        close(ends[0]);
        g_assert_cmpint(waitpid(-1, NULL, WNOHANG | __WALL), ==, -1);
        g_assert_cmpint(errno, ==, ECHILD);

        g_assert_cmpint(sigprocmask(SIG_UNBLOCK, &term, NULL), ==, 0);
        (void) signal(SIGUSR1, SIG_DFL);
        (void) signal(SIGUSR2, SIG_DFL);
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
}

static void sleep_forever(const void *data) {
        for (;;)
                (void) pause();
}

static gboolean has_child(gconstpointer data) {
        g_autoptr(GArray) pids = unit_find_children();

        return pids->len > 0;
}

static void test_kill_and_forget(void) {
        Exited exited = { FALSE }, forgotten = { FALSE };
        Child *child = NULL;

        g_assert_cmpint(child_new(NULL, 0, sleep_forever, NULL, on_exited, &exited, &child), ==, 0);
        g_assert_false(unit_run_until(&exited.done, 50));
        child_kill(child);
        child_kill(child);
        g_assert_true(unit_run_until(&exited.done, 60000));

        g_assert_cmpint(
                child_new(NULL, 0, sleep_forever, NULL, on_exited, &forgotten, &child), ==, 0);
        child_forget(child);
        g_assert_true(unit_run_while(has_child, NULL, 60000));
        g_assert_false(forgotten.done);
}

static void wait_under_parent(const void *data) {
        if (data)
                child_drop_privileges(4711, 4711, *(const pid_t *) data);
        else
                child_die_with(getppid());
        (void) !write(0, "x", 1);
        for (;;)
                (void) pause();
}

/* A child goes with its parent, also when it has become somebody else. */
static void test_dies_with_parent(gconstpointer data) {
        bool drops = data != NULL;
        int ends[2];
        char byte;
        pid_t pid;

        if (drops && !unit_need_root())
                return;
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                pid_t self = getpid();
                Child *child;

                if (child_new(
                            &ends[1], 1, wait_under_parent, drops ? &self : NULL, NULL, NULL,
                            &child) < 0)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ends[1]);
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 0); /* both ends are closed */
        close(ends[0]);
}

/* Root that drops to root: the change of UID, which is none, takes no capability away. */
static void drop_to_root(const void *data) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 1, 1, 1 } };

        child_drop_privileges(0, 0, *(const pid_t *) data);
        (void) syscall(SYS_capget, &header, sets);
        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                if (sets[i].effective != 0 || sets[i].permitted != 0 || sets[i].inheritable != 0)
                        _exit(1);
        (void) !write(0, "x", 1);
        _exit(0);
}

static void test_no_capability(void) {
        Exited exited = { FALSE };
        pid_t self = getpid();
        Child *child;
        int ends[2];
        char byte;

        if (!unit_need_root())
                return;
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        g_assert_cmpint(
                child_new(&ends[1], 1, drop_to_root, &self, on_exited, &exited, &child), ==, 0);
        close(ends[1]);
        g_assert_true(unit_run_until(&exited.done, 60000));
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
        close(ends[0]);
}

static void drop_for_wrong_parent(const void *data) {
        child_drop_privileges(getuid(), getgid(), 1);
        (void) !write(0, "x", 1);
        _exit(0);
}

static void test_parent_has_gone(void) {
        Exited exited = { FALSE };
        Child *child;
        int ends[2];
        char byte;

        if (!unit_need_root())
                return;
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        g_assert_cmpint(
                child_new(&ends[1], 1, drop_for_wrong_parent, NULL, on_exited, &exited, &child), ==,
                0);
        close(ends[1]);
        g_assert_true(unit_run_until(&exited.done, 60000));
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
        close(ends[0]);
}

/* Where a filter hides clone3(), fork() does. */
static void test_without_clone3(void) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { G_N_ELEMENTS(code), code };

        if (!g_test_subprocess()) {
                g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
                g_test_trap_assert_passed();
                return;
        }
        g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
        g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==, 0);
        test_surroundings();
        test_kill_and_forget();
        test_dies_with_parent(NULL);
}

static void test_pipe(void) {
        int ours, theirs;
        char byte = 'x';

        g_assert_cmpint(child_pipe(&ours, &theirs), ==, 0);
        g_assert_cmpint(fcntl(ours, F_GETFD), ==, FD_CLOEXEC);
        g_assert_cmpint(fcntl(theirs, F_GETFD), ==, FD_CLOEXEC);
        g_assert_cmpint(fcntl(theirs, F_GETFL) & O_NONBLOCK, ==, 0);
        g_assert_cmpint(read(ours, &byte, 1), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        g_assert_cmpint(write(theirs, "y", 1), ==, 1);
        g_assert_cmpint(close(theirs), ==, 0);
        g_assert_cmpint(read(ours, &byte, 1), ==, 1);
        g_assert_cmpint(byte, ==, 'y');
        g_assert_cmpint(read(ours, &byte, 1), ==, 0);
        g_assert_cmpint(close(ours), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/child/surroundings", test_surroundings);
        g_test_add_func("/child/pipe", test_pipe);
        g_test_add_func("/child/kill-and-forget", test_kill_and_forget);
        g_test_add_data_func("/child/dies-with-parent", NULL, test_dies_with_parent);
        g_test_add_data_func("/child/dies-with-parent-as-another", "drops", test_dies_with_parent);
        g_test_add_func("/child/no-capability", test_no_capability);
        g_test_add_func("/child/parent-has-gone", test_parent_has_gone);
        g_test_add_func("/child/without-clone3", test_without_clone3);
        return g_test_run();
}
