/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/uid-trial.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/limits.h"
#include "tests/unit/unit.h"

/* Each test poisons a UID as whoever it was lent to can: in a process that has the UID and ends.
 * Runs in a PID namespace of its own, and with UIDs of which the machine has nothing. */

/* The kernel counts for the whole machine: another run of this test is not to be met. */
static uint32_t start_uid;
#define START start_uid
#define WAIT_MSEC 60000

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

typedef struct Fixture {
        UidTrials *trials;
        UidTrial *trial;
        gboolean done;
        UidTrialFound found;
} Fixture;

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        f->trials = uid_trials_new();
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        uid_trial_free(f->trial);
        uid_trials_free(f->trials);
}

static void done(const UidTrialFound *found, void *userdata) {
        Fixture *f = userdata;

        g_assert_false(f->done);
        f->done = TRUE;
        f->found = *found;
}

static void start(Fixture *f, const UidTrialInterval *intervals, size_t n) {
        f->done = FALSE;
        g_clear_pointer(&f->trial, uid_trial_free);
        g_assert_cmpint(uid_trial_new(f->trials, 1000, intervals, n, done, f, &f->trial), ==, 0);
        g_assert_false(f->done);
}

static UidTrialWhat try(Fixture *f, uint32_t first, uint32_t n) {
        const UidTrialInterval interval = { first, n };

        start(f, &interval, 1);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        return f->found.what;
}

/* Run it with the UID, in a process that has ended when this returns. */
static void run_as(uint32_t uid, void (*run)(int fd), int fd) {
        int status;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                if (syscall(SYS_setresuid, uid, uid, uid) < 0)
                        _exit(1);
                run(fd);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Whether only `uid` is found, and what; its neighbours are clean. */
static void assert_poisoned(Fixture *f, uint32_t uid, UidTrialWhat what) {
        g_autofree char *text = NULL, *wanted = NULL;

        g_assert_cmpint(try(f, uid - 20, 20), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(try(f, uid + 1, 20), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(try(f, uid - 20, 40), ==, what);
        g_assert_cmpuint(f->found.uid, ==, uid);
        text = uid_trial_describe(&f->found);
        wanted = g_strdup_printf("the kernel still counts for UID %u: ", uid);
        g_assert_true(g_str_has_prefix(text, wanted));
}

#define POISONED (START + 100)

static void assert_clean(Fixture *f) {
        g_assert_cmpint(try(f, POISONED - 20, 40), ==, UID_TRIAL_CLEAN);
}

static void test_clean(Fixture *f, gconstpointer unused) {
        unsigned n_fds;

        g_assert_cmpint(try(f, START, 1), ==, UID_TRIAL_CLEAN);
        g_clear_pointer(&f->trial, uid_trial_free);
        n_fds = unit_count_fds();
        /* Again and again: what it does leaves nothing. */
        for (unsigned i = 0; i < 5; i++)
                g_assert_cmpint(try(f, START, 50), ==, UID_TRIAL_CLEAN);
        g_clear_pointer(&f->trial, uid_trial_free);
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
}

static void send_descriptor(int fd) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        char byte = 0;
        struct iovec data = { &byte, 1 };
        struct msghdr message = { .msg_iov = &data,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        if (sendmsg(fd, &message, 0) != 1)
                _exit(1);
}

/* Over a socket that others have: one descriptor is enough. */
static void test_descriptor(Fixture *f, gconstpointer unused) {
        int sockets[2];
        char byte;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
        run_as(POISONED, send_descriptor, sockets[0]);
        assert_poisoned(f, POISONED, UID_TRIAL_DESCRIPTORS);
        g_assert_cmpint(recv(sockets[1], &byte, 1, 0), ==, 1);
        assert_clean(f);
        close(sockets[0]);
        close(sockets[1]);
}

/* The pipe's files are the maker's and end with it; others open it again. */
static void make_pipe(int fd) {
        char byte = 0;
        int ends[2], size;

        if (pipe(ends) < 0)
                _exit(1);
        /* As small as it can be: one page. */
        size = fcntl(ends[0], F_SETPIPE_SZ, 4096);
        if (size < 0 || write(fd, &ends[0], sizeof(int)) != sizeof(int) || read(fd, &byte, 1) != 1)
                _exit(1);
}

static void test_pipe(Fixture *f, gconstpointer unused) {
        g_autofree char *path = NULL;
        int sockets[2], number, pipe_fd;
        pid_t pid;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                if (syscall(SYS_setresuid, POISONED, POISONED, POISONED) == 0)
                        make_pipe(sockets[0]);
                _exit(0);
        }
        g_assert_cmpint(read(sockets[1], &number, sizeof(number)), ==, sizeof(number));
        path = g_strdup_printf("/proc/%d/fd/%d", (int) pid, number);
        pipe_fd = open(path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(pipe_fd, >=, 0);
        g_assert_cmpint(write(sockets[1], "x", 1), ==, 1);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);

        assert_poisoned(f, POISONED, UID_TRIAL_PIPES);
        /* It grows on the dead UID's account: that is why one page is too many. */
        g_assert_cmpint(fcntl(pipe_fd, F_SETPIPE_SZ, 1 << 20), ==, 1 << 20);
        assert_poisoned(f, POISONED, UID_TRIAL_PIPES);
        close(pipe_fd);
        assert_clean(f);
        close(sockets[0]);
        close(sockets[1]);
}

/* A socket of others, whose peer does not read: the pages stay pinned after the process. */
static void send_pinned(int fd) {
        struct rlimit memory = { 1 << 20, 1 << 20 };
        int on = 1;
        char *page;

        page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED || setrlimit(RLIMIT_MEMLOCK, &memory) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) < 0)
                _exit(1);
        memset(page, 'x', 65536);
        /* Until it takes no more: then the last of it waits in the queue. */
        for (;;)
                if (send(fd, page, 65536, MSG_ZEROCOPY | MSG_DONTWAIT) < 0)
                        _exit(errno == EAGAIN || errno == ENOBUFS ? 0 : 1);
}

static void test_locked_memory(Fixture *f, gconstpointer unused) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int listener, client, server, small = 4096;

        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(listener, (struct sockaddr *) &address, size), ==, 0);
        g_assert_cmpint(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), ==, 0);
        g_assert_cmpint(listen(listener, 1), ==, 0);
        g_assert_cmpint(getsockname(listener, (struct sockaddr *) &address, &size), ==, 0);
        g_assert_cmpint(connect(client, (struct sockaddr *) &address, size), ==, 0);
        server = accept(listener, NULL, NULL);
        g_assert_cmpint(server, >=, 0);
        run_as(POISONED, send_pinned, client);
        assert_poisoned(f, POISONED, UID_TRIAL_LOCKED_MEMORY);
        close(server);
        close(listener);
        close(client);
        while (try(f, POISONED, 1) == UID_TRIAL_LOCKED_MEMORY)
                ;
        assert_clean(f);
}

/* Several intervals, the last UID of the last one. */
static void test_intervals(Fixture *f, gconstpointer unused) {
        const UidTrialInterval intervals[] = { { START, 1 }, { START + 64, 3 }, { POISONED, 1 } };
        int sockets[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
        run_as(POISONED, send_descriptor, sockets[0]);
        start(f, intervals, 2);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_CLEAN);
        start(f, intervals, 3);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_DESCRIPTORS);
        g_assert_cmpuint(f->found.uid, ==, POISONED);
        close(sockets[0]);
        close(sockets[1]);
}

static pid_t only_child(void) {
        for (;;) {
                g_autoptr(GArray) children = unit_find_children();

                if (children->len == 1)
                        return g_array_index(children, pid_t, 0);
                (void) g_main_context_iteration(NULL, FALSE);
        }
}

/* A whole slot takes more than a turn: accounts get theirs in between, and nothing is tried twice.
 */
static void test_turns(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, 65536 };
        g_autoptr(UidTrial) other = NULL;
        Fixture g = {};
        pid_t first;

        start(f, &slot, 1);
        first = only_child();
        g_assert_cmpint(
                uid_trial_new(
                        f->trials, 1000, &(UidTrialInterval){ START + 65536, 1 }, 1, done, &g,
                        &other),
                ==, 0);
        /* One at a time of one account, and in the end of the long one's turn the other has its. */
        g_assert_true(unit_run_until(&g.done, WAIT_MSEC));
        g_assert_false(f->done);
        g_assert_cmpint(g.found.what, ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(only_child(), !=, first);
}

/* Another account does not wait for it. */
static void test_accounts(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, 65536 };
        g_autoptr(UidTrial) other = NULL;
        Fixture g = {};
        pid_t pid;

        start(f, &slot, 1);
        pid = only_child();
        g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
        g_assert_cmpint(
                uid_trial_new(
                        f->trials, 1001, &(UidTrialInterval){ START + 65536, 10 }, 1, done, &g,
                        &other),
                ==, 0);
        g_assert_true(unit_run_until(&g.done, WAIT_MSEC));
        g_assert_cmpint(g.found.what, ==, UID_TRIAL_CLEAN);
        g_assert_false(f->done);
}

/* MAX and MAX + 1 of what waits for one account. */
static void test_full(Fixture *f, gconstpointer unused) {
        const UidTrialInterval one = { START, 1 };
        g_autoptr(GPtrArray) trials =
                g_ptr_array_new_with_free_func((GDestroyNotify) uid_trial_free);
        UidTrial *trial = NULL;
        int r;

        for (unsigned i = 0;
             i < LIMIT_UID_TRIALS_PER_ACCOUNT + LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT; i++) {
                r = uid_trial_new(f->trials, 1000, &one, 1, done, f, &trial);
                g_assert_cmpint(r, ==, 0);
                g_ptr_array_add(trials, g_steal_pointer(&trial));
        }
        g_assert_cmpint(
                uid_trial_new(f->trials, 1000, &one, 1, done, f, &trial), ==, UID_TRIAL_E_FULL);
        g_assert_cmpint(uid_trial_new(f->trials, 1001, &one, 1, done, f, &trial), ==, 0);
        g_ptr_array_add(trials, trial);
}

/* Killed before it has done anything: nobody knows. */
static void test_killed(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, 65536 };

        start(f, &slot, 1);
        while (!f->done) {
                g_assert_cmpint(kill(only_child(), SIGKILL), ==, 0);
                (void) g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_UNKNOWN);
}

/* While it has a lent UID, whoever else has that UID can neither trace nor copy it. */
static void try_to_trace(int pid) {
        errno = 0;
        if (syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, pid, NULL, NULL) == 0 || errno != EPERM)
                _exit(1);
        /* It is in a session and group of its own: no signal to ours reaches it. */
        if (getpgid(pid) != pid || getsid(pid) != pid)
                _exit(2);
}

static void test_untraceable(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { POISONED, 1u << 31 };
        g_autofree char *path = NULL, *status = NULL;
        pid_t pid;

        start(f, &slot, 1);
        pid = only_child();
        path = g_strdup_printf("/proc/%d/status", (int) pid);
        do {
                g_clear_pointer(&status, g_free);
                g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
        } while (!strstr(status, "\nCapEff:\t0000000000000080\n"));
        g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000080\n"));
        g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
        run_as(POISONED, try_to_trace, pid);
}

static int run_tests(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/uid-trial/clean", test_clean },
                { "/uid-trial/descriptor", test_descriptor },
                { "/uid-trial/pipe", test_pipe },
                { "/uid-trial/locked-memory", test_locked_memory },
                { "/uid-trial/intervals", test_intervals },
                { "/uid-trial/turns", test_turns },
                { "/uid-trial/accounts", test_accounts },
                { "/uid-trial/full", test_full },
                { "/uid-trial/killed", test_killed },
                { "/uid-trial/untraceable", test_untraceable },
        };

        g_test_init(&argc, &argv, NULL);
        start_uid = 0x23450000u + 65536u * (uint32_t) g_random_int_range(0, 8000);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}

int main(int argc, char **argv) {
        int status = -1;
        pid_t pid;

        if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
                g_printerr("Bail out! needs root and namespaces of its own\n");
                return 77;
        }
        pid = fork();
        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("proc", "/proc", "proc", 0, NULL) < 0)
                        _exit(99);
                exit(run_tests(argc, argv));
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                return 99;
        _exit(WEXITSTATUS(status));
}
