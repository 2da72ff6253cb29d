/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/discard.h"
#include "lib/varlink/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "tests/unit/unit.h"

#define ACCOUNT 1000u
#define OTHER 1001u
#define KEPT_MAX 1000u

/* Where there can be no process. */
static bool forks_fail;
static unsigned n_forks;
/* Children that are killed hang instead. */
static bool kills_fail;

/* The kernel does not take a socket into a message. */
static bool sends_fail;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
        if (sends_fail) {
                errno = ETOOMANYREFS;
                return -1;
        }
        return __real_sendmsg(fd, message, flags);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...) {
        long a[6];
        va_list list;

        va_start(list, number);
        for (size_t i = 0; i < G_N_ELEMENTS(a); i++)
                a[i] = va_arg(list, long);
        va_end(list);
        if (number == SYS_pidfd_send_signal && kills_fail)
                return 0;
        if (number == SYS_clone3) {
                if (forks_fail) {
                        errno = EAGAIN;
                        return -1;
                }
                n_forks++;
        }
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define DEADLINE_S 20

static gboolean on_over(gpointer userdata) {
        *(bool *) userdata = true;
        return G_SOURCE_REMOVE;
}

static void run_for(guint msec) {
        bool over = false;

        (void) g_timeout_add(msec, on_over, &over);
        while (!over)
                (void) g_main_context_iteration(NULL, TRUE);
}

static void wait_until(bool (*condition)(void *userdata), void *userdata) {
        gint64 end = g_get_monotonic_time() + DEADLINE_S * G_USEC_PER_SEC;

        while (!condition(userdata)) {
                g_assert_cmpint(g_get_monotonic_time(), <, end);
                if (!g_main_context_iteration(NULL, FALSE))
                        g_usleep(1000);
        }
}

static bool no_children(void *userdata) {
        return waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0;
}

/* Send through the socket the last reference to the write end of a pipe, whose read end says when
 * that is gone. */
static void doom(int fd, int *ret_pipe) {
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { .align = { .cmsg_level = SOL_SOCKET,
                                 .cmsg_type = SCM_RIGHTS,
                                 .cmsg_len = CMSG_LEN(sizeof(int)) } };
        struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        int pipe_ends[2];

        g_assert_cmpint(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
        memcpy(CMSG_DATA(&control.align), &pipe_ends[1], sizeof(int));
        g_assert_cmpint(sendmsg(fd, &message, 0), ==, 1);
        close(pipe_ends[1]);
        *ret_pipe = pipe_ends[0];
}

static int doomed_socket(int *ret_pipe) {
        int ends[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
        doom(ends[0], ret_pipe);
        close(ends[0]);
        g_assert_cmpint(shutdown(ends[1], SHUT_RDWR), ==, 0);
        return ends[1];
}

static bool is_gone(void *userdata) {
        char byte;

        return read(*(int *) userdata, &byte, 1) == 0;
}

static bool is_held(int pipe_fd) {
        char byte;

        return read(pipe_fd, &byte, 1) < 0 && errno == EAGAIN;
}

static void test_closed_by_a_child(void) {
        g_autoptr(VarlinkDiscards) discards = varlink_discards_new(KEPT_MAX);
        int pipe_fd, fd = doomed_socket(&pipe_fd);

        varlink_discards_add(discards, fd, ACCOUNT);
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, 0);
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
        wait_until(is_gone, &pipe_fd);
        wait_until(no_children, NULL);
        close(pipe_fd);
}

/* Without processes nothing is closed here, and all of it is when there are some again. */
static void test_no_process(void) {
        g_autoptr(VarlinkDiscards) discards = varlink_discards_new(KEPT_MAX);
        int pipes[200], fds[200];

        forks_fail = true;
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = doomed_socket(&pipes[i]);
                varlink_discards_add(discards, fds[i], i % 2 == 0 ? ACCOUNT : OTHER);
        }
        /* A few tries later, too. */
        for (unsigned i = 0; i < 3; i++)
                run_for(VARLINK_DISCARD_PAUSE_MSEC);
        g_assert_cmpuint(varlink_discards_n_waiting(discards, ACCOUNT), ==, 100);
        g_assert_cmpuint(varlink_discards_n_waiting(discards, OTHER), ==, 100);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                g_assert_true(is_held(pipes[i]));
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, G_N_ELEMENTS(fds));

        forks_fail = false;
        n_forks = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                wait_until(is_gone, &pipes[i]);
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, 0);
        /* One for each account, whatever it had. */
        g_assert_cmpuint(n_forks, ==, 2);
        wait_until(no_children, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                close(pipes[i]);
}

/* A child that was forked a moment before has copies of the sockets until it has closed them.  What
 * they lead to is released by the child that is to be killed all the same. */
static void test_copies(void) {
        VarlinkDiscards *discards = varlink_discards_new(KEPT_MAX);
        int socket, pipe_fd, go[2], status;
        pid_t pid;

        socket = doomed_socket(&pipe_fd);
        g_assert_cmpint(pipe(go), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                char byte;

                _exit(read(go[0], &byte, 1) != 1 || close(socket) < 0 || !is_held(pipe_fd));
        }
        varlink_discards_add(discards, socket, ACCOUNT);
        /* Long enough for one that is killed at once; nothing tells that it is not. */
        g_usleep(50 * 1000);
        g_assert_cmpint(write(go[1], "x", 1), ==, 1);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        wait_until(is_gone, &pipe_fd);
        wait_until(no_children, NULL);
        varlink_discards_free(discards);
        close(pipe_fd);
        close(go[0]);
        close(go[1]);
}

/* A child that hangs holds up its own account's sockets, in one line and without more children. */
static void test_hanging_child(void) {
        VarlinkDiscards *discards = varlink_discards_new(KEPT_MAX);
        int hanging_pipe, waiting_pipe, pipe_fd;

        kills_fail = true;
        varlink_discards_add(discards, doomed_socket(&hanging_pipe), ACCOUNT);
        run_for(VARLINK_DISCARD_KILL_MSEC + VARLINK_DISCARD_PAUSE_MSEC);
        kills_fail = false;
        n_forks = 0;
        for (unsigned i = 0; i < 20; i++) {
                varlink_discards_add(discards, doomed_socket(&waiting_pipe), ACCOUNT);
                if (i < 19)
                        close(waiting_pipe);
        }
        varlink_discards_add(discards, doomed_socket(&pipe_fd), OTHER);
        wait_until(is_gone, &pipe_fd);
        run_for(2 * VARLINK_DISCARD_PAUSE_MSEC);
        g_assert_cmpuint(n_forks, ==, 1);
        g_assert_cmpuint(varlink_discards_n_waiting(discards, ACCOUNT), ==, 20);
        g_assert_true(is_held(hanging_pipe));
        g_assert_true(is_held(waiting_pipe));

        /* The one that hung is killed, and what waited is given to another. */
        varlink_discards_free(discards);
        wait_until(is_gone, &hanging_pipe);
        wait_until(is_gone, &waiting_pipe);
        wait_until(no_children, NULL);
        close(hanging_pipe);
        close(waiting_pipe);
        close(pipe_fd);
}

/* An account whose child hangs. */
static VarlinkDiscards *hanging_new(unsigned kept_max, int *ret_pipe) {
        VarlinkDiscards *discards = varlink_discards_new(kept_max);

        kills_fail = true;
        varlink_discards_add(discards, doomed_socket(ret_pipe), ACCOUNT);
        run_for(VARLINK_DISCARD_KILL_MSEC + VARLINK_DISCARD_PAUSE_MSEC);
        kills_fail = false;
        return discards;
}

static void add(VarlinkDiscards *discards, int *ret_pipes, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                varlink_discards_add(discards, doomed_socket(&ret_pipes[i]), ACCOUNT);
}

/* All of it comes to its end with the children. */
static void end_hanging(VarlinkDiscards *discards, int hanging_pipe, int *pipes, unsigned n) {
        run_for(2 * VARLINK_DISCARD_PAUSE_MSEC);
        g_assert_cmpuint(varlink_discards_n_waiting(discards, ACCOUNT), ==, n);
        for (unsigned i = 0; i < n; i++)
                g_assert_true(is_held(pipes[i]));
        varlink_discards_free(discards);
        for (unsigned i = 0; i < n; i++) {
                wait_until(is_gone, &pipes[i]);
                close(pipes[i]);
        }
        wait_until(is_gone, &hanging_pipe);
        wait_until(no_children, NULL);
        close(hanging_pipe);
}

#define MANY (20 * VARLINK_DISCARDS_LOOSE + 7)

/* However much an account has waiting behind a child that hangs, it takes few descriptors here. */
static void test_many_behind_a_hanging_child(void) {
        int hanging_pipe, pipes[MANY];
        VarlinkDiscards *discards = hanging_new(KEPT_MAX, &hanging_pipe);

        n_forks = 0;
        add(discards, pipes, MANY);
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, 7);
        g_assert_cmpuint(n_forks, ==, 1);
        end_hanging(discards, hanging_pipe, pipes, MANY);
}

static void test_keeper_limit(void) {
        int hanging_pipe, pipes[4 * VARLINK_DISCARDS_LOOSE];
        VarlinkDiscards *discards = hanging_new(3 * VARLINK_DISCARDS_LOOSE, &hanging_pipe);

        add(discards, pipes, 3 * VARLINK_DISCARDS_LOOSE);
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, 0);
        add(discards, pipes + 3 * VARLINK_DISCARDS_LOOSE, VARLINK_DISCARDS_LOOSE);
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, VARLINK_DISCARDS_LOOSE);
        end_hanging(discards, hanging_pipe, pipes, G_N_ELEMENTS(pipes));
}

/* What the kernel does not send stays here, and goes the same way as before. */
static void test_nothing_is_sent(void) {
        int hanging_pipe, pipes[2 * VARLINK_DISCARDS_LOOSE + 1];
        VarlinkDiscards *discards = hanging_new(KEPT_MAX, &hanging_pipe);

        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++) {
                int fd = doomed_socket(&pipes[i]);

                sends_fail = true;
                varlink_discards_add(discards, fd, ACCOUNT);
                sends_fail = false;
                g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
        }
        end_hanging(discards, hanging_pipe, pipes, G_N_ELEMENTS(pipes));
}

static void test_limit_of_keepers(void) {
        VarlinkDiscards *discards = varlink_discards_new(KEPT_MAX);
        int pipe_fd;

        for (uint32_t k = 0; k <= VARLINK_DISCARD_KEEPERS_MAX; k++) {
                kills_fail = true;
                varlink_discards_add(discards, doomed_socket(&pipe_fd), ACCOUNT + k);
                kills_fail = false;
                close(pipe_fd);
                for (unsigned i = 0; i < VARLINK_DISCARDS_LOOSE; i++) {
                        varlink_discards_add(discards, doomed_socket(&pipe_fd), ACCOUNT + k);
                        close(pipe_fd);
                }
                g_assert_cmpuint(
                        varlink_discards_n_descriptors(discards), ==,
                        k < VARLINK_DISCARD_KEEPERS_MAX ? 0 : VARLINK_DISCARDS_LOOSE + 1);
        }
        varlink_discards_free(discards);
        wait_until(no_children, NULL);
}

static bool is_empty(void *discards) {
        return varlink_discards_n_waiting(discards, ACCOUNT) == 0;
}

/* A keeper is the next to be killed when the one before is done, and then what is left here. */
static void test_keeper_is_next(void) {
        g_autoptr(VarlinkDiscards) discards = varlink_discards_new(KEPT_MAX);
        int pipes[3 * VARLINK_DISCARDS_LOOSE + 1];

        add(discards, pipes, G_N_ELEMENTS(pipes));
        wait_until(is_empty, discards);
        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++) {
                wait_until(is_gone, &pipes[i]);
                close(pipes[i]);
        }
        g_assert_cmpuint(varlink_discards_n_descriptors(discards), ==, 0);
        wait_until(no_children, NULL);
}

/* One that somebody else ends. */
static void test_keeper_dies(void) {
        g_autoptr(VarlinkDiscards) discards = NULL;
        int hanging_pipe, pipes[VARLINK_DISCARDS_LOOSE];
        g_autoptr(GArray) before = NULL, after = NULL;

        discards = hanging_new(KEPT_MAX, &hanging_pipe);
        before = unit_find_children();
        add(discards, pipes, G_N_ELEMENTS(pipes));
        after = unit_find_children();
        g_assert_cmpuint(before->len, ==, 1);
        g_assert_cmpuint(after->len, ==, 2);
        g_assert_cmpuint(varlink_discards_n_waiting(discards, ACCOUNT), ==, G_N_ELEMENTS(pipes));
        for (guint i = 0; i < after->len; i++) {
                pid_t pid = g_array_index(after, pid_t, i);

                if (pid != g_array_index(before, pid_t, 0))
                        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        }
        wait_until(is_empty, discards);
        /* The other may end now: nothing is left to do after it. */
        g_assert_cmpint(kill(g_array_index(before, pid_t, 0), SIGKILL), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++) {
                wait_until(is_gone, &pipes[i]);
                close(pipes[i]);
        }
        wait_until(no_children, NULL);
        run_for(2 * VARLINK_DISCARD_PAUSE_MSEC);
        close(hanging_pipe);
}

/* What waits when the server ends is not closed by it, either. */
static void test_end(void) {
        int pipe_fd, fd = doomed_socket(&pipe_fd), late_pipe_fd,
                     late_fd = doomed_socket(&late_pipe_fd);
        VarlinkDiscards *discards = varlink_discards_new(KEPT_MAX);

        forks_fail = true;
        varlink_discards_add(discards, fd, ACCOUNT);
        forks_fail = false;
        varlink_discards_free(discards);
        wait_until(is_gone, &pipe_fd);
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);

        discards = varlink_discards_new(KEPT_MAX);
        forks_fail = true;
        varlink_discards_add(discards, late_fd, ACCOUNT);
        varlink_discards_free(discards);
        forks_fail = false;
        g_assert_cmpint(fcntl(late_fd, F_GETFD), >=, 0);
        g_assert_true(is_held(late_pipe_fd));
        close(late_fd);
        close(late_pipe_fd);
        close(pipe_fd);
        wait_until(no_children, NULL);
}

/* Where there can be no child, refused connections do not use up all descriptors. */
#define WAITING_MAX 5u
#define CLIENTS 20u

static int client_new(const char *path, int *ret_pipe) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        g_assert_cmpint(connect(fd, (const struct sockaddr *) &address, sizeof(address)), ==, 0);
        doom(fd, ret_pipe);
        return fd;
}

static unsigned count_hung_up(const int *fds) {
        unsigned n = 0;

        for (size_t i = 0; i < CLIENTS; i++) {
                struct pollfd poll_fd = { .fd = fds[i] };

                n += poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLHUP);
        }
        return n;
}

static bool all_waiting(void *fds) {
        return count_hung_up(fds) >= WAITING_MAX;
}

static void test_server_bounded(void) {
        static const VarlinkServerConfig config = {
                .vendor = "",
                .product = "",
                .version = "",
                .url = "",
                .connections_per_account_max = 1,
                .discards_max = WAITING_MAX,
        };
        g_autofree char *folder = g_dir_make_tmp("test-discard-XXXXXX", NULL), *path = NULL;
        g_autoptr(VarlinkServer) server = NULL;
        int pipes[CLIENTS], fds[CLIENTS];

        path = g_build_filename(folder, "socket", NULL);
        g_assert_cmpint(varlink_server_new(&config, NULL, &server), ==, 0);
        g_assert_cmpint(varlink_server_listen_path(server, path, 0600), ==, 0);
        forks_fail = true;
        for (size_t i = 0; i < CLIENTS; i++)
                fds[i] = client_new(path, &pipes[i]);
        wait_until(all_waiting, fds);
        /* It goes on to look whether there is room. */
        run_for(2500);
        /* The one that is not refused comes on top. */
        g_assert_cmpuint(count_hung_up(fds), <=, WAITING_MAX + 1);
        for (size_t i = 0; i < CLIENTS; i++)
                g_assert_true(is_held(pipes[i]));
        forks_fail = false;
        for (size_t i = 0; i < CLIENTS; i++)
                wait_until(is_gone, &pipes[i]);
        for (size_t i = 0; i < CLIENTS; i++) {
                close(pipes[i]);
                close(fds[i]);
        }
        g_clear_pointer(&server, varlink_server_free);
        wait_until(no_children, NULL);
        (void) unlink(path);
        g_assert_cmpint(rmdir(folder), ==, 0);
}

/* Whose the next connection is. */
static uint32_t account_of_next;

static uint32_t account(const VarlinkPeer *peer, void *userdata) {
        return account_of_next;
}

static bool has_hung_up(void *userdata) {
        struct pollfd poll_fd = { .fd = *(int *) userdata };

        return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLHUP);
}

static bool has_answer(void *userdata) {
        struct pollfd poll_fd = { .fd = *(int *) userdata, .events = POLLIN };

        return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN);
}

static void test_server_serves_others(void) {
        static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        static const VarlinkServerConfig config = {
                .vendor = "",
                .product = "",
                .version = "",
                .url = "",
                .account = account,
                .connections_per_account_max = 1,
                .discards_max = VARLINK_DISCARDS_LOOSE + 10,
                .discards_per_account_max = KEPT_MAX,
        };
        g_autofree char *folder = g_dir_make_tmp("test-discard-XXXXXX", NULL), *path = NULL;
        g_autoptr(VarlinkServer) server = NULL;
        int pipes[10 * VARLINK_DISCARDS_LOOSE], other_pipe, fd;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        path = g_build_filename(folder, "socket", NULL);
        g_assert_cmpint(varlink_server_new(&config, NULL, &server), ==, 0);
        g_assert_cmpint(varlink_server_listen_path(server, path, 0600), ==, 0);
        account_of_next = ACCOUNT;
        kills_fail = true;
        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++) {
                fd = client_new(path, &pipes[i]);
                wait_until(has_hung_up, &fd);
                close(fd);
                /* Only the first hangs. */
                kills_fail = false;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++)
                g_assert_true(is_held(pipes[i]));

        account_of_next = OTHER;
        fd = client_new(path, &other_pipe);
        wait_until(is_gone, &other_pipe);
        close(fd);
        close(other_pipe);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void) g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        g_assert_cmpint(connect(fd, (const struct sockaddr *) &address, sizeof(address)), ==, 0);
        g_assert_cmpint(send(fd, call, sizeof(call), 0), ==, sizeof(call));
        wait_until(has_answer, &fd);
        close(fd);

        g_clear_pointer(&server, varlink_server_free);
        for (size_t i = 0; i < G_N_ELEMENTS(pipes); i++) {
                wait_until(is_gone, &pipes[i]);
                close(pipes[i]);
        }
        wait_until(no_children, NULL);
        (void) unlink(path);
        g_assert_cmpint(rmdir(folder), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/discard/closed-by-a-child", test_closed_by_a_child);
        g_test_add_func("/varlink/discard/no-process", test_no_process);
        g_test_add_func("/varlink/discard/copies", test_copies);
        g_test_add_func("/varlink/discard/hanging-child", test_hanging_child);
        g_test_add_func(
                "/varlink/discard/many-behind-a-hanging-child", test_many_behind_a_hanging_child);
        g_test_add_func("/varlink/discard/keeper-limit", test_keeper_limit);
        g_test_add_func("/varlink/discard/limit-of-keepers", test_limit_of_keepers);
        g_test_add_func("/varlink/discard/keeper-is-next", test_keeper_is_next);
        g_test_add_func("/varlink/discard/keeper-dies", test_keeper_dies);
        g_test_add_func("/varlink/discard/nothing-is-sent", test_nothing_is_sent);
        g_test_add_func("/varlink/discard/end", test_end);
        g_test_add_func("/varlink/discard/server-bounded", test_server_bounded);
        g_test_add_func("/varlink/discard/server-serves-others", test_server_serves_others);
        return g_test_run();
}
