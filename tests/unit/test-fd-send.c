/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/fd-send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/util/fd.h"

static void test_arrives(void) {
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        char data[8] = "";
        struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct stat sent, received;
        auto_fd fd = -1;
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        g_assert_cmpint(fd_send(pair[0], "hello", 5, &pair[1], 1), ==, 0);
        g_assert_cmpint(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC), ==, 5);
        g_assert_cmpstr(data, ==, "hello");
        g_assert_cmpuint(message.msg_controllen, ==, sizeof(control));
        memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
        g_assert_cmpint(fstat(fd, &received), ==, 0);
        g_assert_cmpint(fstat(pair[1], &sent), ==, 0);
        g_assert_cmpuint(received.st_ino, ==, sent.st_ino);

        fd_close(pair[0]);
        fd_close(pair[1]);
}

static void test_never_waits(void) {
        int pair[2], r;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        do
                r = fd_send(pair[0], "x", 1, &pair[0], 1);
        while (r == 0);
        g_assert_true(r == -EAGAIN || r == -ETOOMANYREFS);
        fd_close(pair[0]);
        fd_close(pair[1]);
}

/* As many as there may be, in their order. */
static void test_many(void) {
        union {
                char space[CMSG_SPACE(FD_SEND_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int pair[2], fds[FD_SEND_MAX], received[FD_SEND_MAX];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        for (size_t i = 0; i < FD_SEND_MAX; i++)
                fds[i] = pair[i % 2];
        g_assert_cmpint(fd_send(pair[0], "x", 1, fds, FD_SEND_MAX), ==, 0);
        g_assert_cmpint(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC), ==, 1);
        g_assert_cmpuint(control.align.cmsg_len, ==, CMSG_LEN(sizeof(received)));
        memcpy(received, CMSG_DATA(&control.align), sizeof(received));
        for (size_t i = 0; i < FD_SEND_MAX; i++) {
                struct stat a, b;

                g_assert_cmpint(fstat(fds[i], &a), ==, 0);
                g_assert_cmpint(fstat(received[i], &b), ==, 0);
                g_assert_cmpuint(a.st_ino, ==, b.st_ino);
                fd_close(received[i]);
        }
        fd_close(pair[0]);
        fd_close(pair[1]);
}

/* An error, not a signal. */
static void test_nobody_there(void) {
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        fd_close(pair[1]);
        g_assert_cmpint(fd_send(pair[0], "x", 1, &pair[0], 1), ==, -EPIPE);
        fd_close(pair[0]);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/fd-send/arrives", test_arrives);
        g_test_add_func("/fd-send/many", test_many);
        g_test_add_func("/fd-send/never-waits", test_never_waits);
        g_test_add_func("/fd-send/nobody-there", test_nobody_there);
        return g_test_run();
}
