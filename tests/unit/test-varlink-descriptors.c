/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/util/fd.h"
#include "tests/unit/varlink-fixture.h"

#define NOTHING "{\"method\":\"org.example.test.Nothing\"}"
#define USE(index) \
        "{\"method\":\"org.example.test.UseDescriptor\",\"parameters\":{\"index\":" index "}}"
#define DONE "{}"
#define KIND(n) "{\"parameters\":{\"kind\":" n "}}"
#define SYSTEM(number, name)                                                                      \
        "{\"error\":\"io.systemd.System\",\"parameters\":{\"origin\":\"linux\",\"errno\":" number \
        ",\"errnoName\":\"" name "\"}}"

static void send_call(Fixture *fixture, int fd, const char *text, size_t n_fds) {
        fixture_send_fds(fixture, fd, text, strlen(text) + 1, n_fds);
}

static void check_index(Fixture *fixture, int fd, const char *call, const char *reply) {
        send_call(fixture, fd, call, 2);
        fixture_expect(fixture, fd, reply);
}

static void test_index(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_fds;

        check_index(fixture, fd, USE("0"), KIND("100"));
        n_fds = fixture_count_fds();
        check_index(fixture, fd, USE("1"), KIND("101"));
        check_index(fixture, fd, USE("\"1\""), KIND("101"));
        check_index(fixture, fd, USE("2"), SYSTEM("6", "ENXIO"));
        check_index(fixture, fd, USE("-1"), SYSTEM("6", "ENXIO"));
        check_index(fixture, fd, USE("4294967296"), SYSTEM("6", "ENXIO"));
        check_index(
                fixture, fd, USE("18446744073709551616"),
                "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
                "\"index\"}}");
        check_index(fixture, fd, NOTHING, DONE);
        check_index(
                fixture, fd, "{\"method\":\"org.example.test.None\"}",
                "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":"
                "\"org.example.test.None\"}}");
        /* They do not stay for the call that follows. */
        fixture_send_text(fixture, fd, USE("0"));
        fixture_expect(fixture, fd, SYSTEM("6", "ENXIO"));
        g_assert_cmpuint(fixture->n_receives, ==, 9);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
}

/* The server keeps VARLINK_DESCRIPTORS_MAX of them. */
static void test_253(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_fds;

        fixture_turn(fixture);
        n_fds = fixture_count_fds();
        send_call(fixture, fd, USE("7"), 253);
        fixture_expect(fixture, fd, KIND("107"));
        send_call(fixture, fd, USE("8"), 253);
        fixture_expect(fixture, fd, SYSTEM("6", "ENXIO"));
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
}

/* Calls without descriptors before and after, all in the queue at once. */
static void test_between_others(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture->receive_mode = RECEIVE_LATER;
        fixture_send_text(fixture, fd, NOTHING);
        fixture_send_text(fixture, fd, NOTHING);
        send_call(fixture, fd, USE("0"), 1);
        fixture_send_text(fixture, fd, NOTHING);
        send_call(fixture, fd, USE("1"), 2);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, 2);
        g_assert_cmpuint(fixture->n_offered, ==, strlen(USE("0")) + 1);
        fixture_receive(fixture, 0);
        fixture_expect(fixture, fd, DONE);
        fixture_expect(fixture, fd, DONE);
        fixture_expect(fixture, fd, KIND("100"));
        fixture_expect(fixture, fd, DONE);
        fixture_turn(fixture);
        fixture_receive(fixture, 0);
        fixture_expect(fixture, fd, KIND("101"));
}

/* Bytes of a later message may come in the piece that carries descriptors. */
static void test_later_bytes(void) {
        static const char both[] = USE("0") "\0" NOTHING;
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_fds(fixture, fd, both, sizeof(both), 1);
        fixture_expect(fixture, fd, KIND("100"));
        g_assert_cmpuint(fixture->n_offered, ==, strlen(USE("0")) + 1);
        fixture_expect(fixture, fd, DONE);
}

/* The rest of a message comes without descriptors, after they have been received. */
static void test_split(void) {
        static const char text[] = USE("0");
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (size_t i = 1; i < sizeof(text); i++) {
                fixture->receive_mode = i % 2 ? RECEIVE_NOW : RECEIVE_LATER;
                fixture_send_fds(fixture, fd, text, i, 1);
                if (i % 3)
                        fixture_turn(fixture);
                fixture_send(fixture, fd, text + i, sizeof(text) - i);
                fixture_turn(fixture);
                if (fixture->receiving)
                        fixture_receive(fixture, 0);
                fixture_expect(fixture, fd, KIND("100"));
        }
}

/* A receiver that took less than what it was offered. */
static void test_consumed_less(void) {
        static const char text[] = USE("0");
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture->receive_mode = RECEIVE_LATER;
        fixture_send_fds(fixture, fd, text, sizeof(text), 1);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_offered, ==, sizeof(text));
        fixture->n_offered = 5;
        fixture_receive(fixture, 0);
        fixture_expect(fixture, fd, KIND("100"));
}

/* A receiver that claims what cannot be: nothing of it is believed. */
static void test_consumed_wrong(void) {
        static const int more_than_offered[] = { 0, 1 };
        g_autoptr(Fixture) fixture = fixture_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(more_than_offered); i++) {
                auto_fd fd = fixture_connect(fixture);
                VarlinkDescriptor descriptor = { .fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };
                size_t n_claimed = 0;

                fixture->receive_mode = RECEIVE_LATER;
                send_call(fixture, fd, USE("0"), 1);
                fixture_turn(fixture);
                fixture->receiving_fd = fd_close(fixture->receiving_fd);
                if (more_than_offered[i])
                        n_claimed = fixture->n_offered + 1;
                varlink_connection_received(
                        g_steal_pointer(&fixture->receiving), 0, n_claimed, &descriptor, 1);
                fixture_expect(fixture, fd, SYSTEM("71", "EPROTO"));
                fixture_expect_closed(fixture, fd);
                g_assert_cmpint(fcntl(descriptor.fd, F_GETFD), ==, -1);
        }
}

static void expect_dropped(Fixture *fixture, int fd, unsigned n_receives) {
        fixture_expect_closed(fixture, fd);
        g_assert_cmpuint(fixture->n_receives, ==, n_receives);
        g_assert_cmpuint(fixture->n_calls, ==, 0);
        g_assert_cmpuint(fixture->n_answered, ==, 0);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

static void test_middle(void) {
        static const char text[] = USE("0");
        g_autoptr(Fixture) fixture = fixture_new(NULL);

        for (size_t i = 1; i < sizeof(text); i++) {
                auto_fd fd = fixture_connect(fixture);

                fixture_send(fixture, fd, text, i);
                if (i % 2)
                        fixture_turn(fixture);
                fixture_send_fds(fixture, fd, text + i, sizeof(text) - i, 1);
                expect_dropped(fixture, fd, 0);
                g_assert_cmpuint(fixture->n_discarded, ==, i);
        }
}

/* The end of one message and the start of the next in the piece with the descriptors. */
static void test_earlier_bytes(void) {
        static const char both[] = NOTHING "\0" USE("0");
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send(fixture, fd, both, 5);
        fixture_send_fds(fixture, fd, both + 5, sizeof(both) - 5, 1);
        expect_dropped(fixture, fd, 0);
}

/* Descriptors twice in one message. */
static void test_twice(void) {
        static const char text[] = USE("0");
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_fds = fixture_count_fds();

        fixture_send_fds(fixture, fd, text, 5, 1);
        fixture_send_fds(fixture, fd, text + 5, sizeof(text) - 5, 1);
        expect_dropped(fixture, fd, 1);
        g_assert_cmpuint(fixture->n_discarded, ==, 1);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
}

static void test_not_a_message(void) {
        static const char text[] = "no call";
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_fds = fixture_count_fds();

        fixture_send_fds(fixture, fd, text, sizeof(text), 3);
        expect_dropped(fixture, fd, 1);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
}

static void test_too_long(void) {
        g_autofree char *text = g_strnfill(VARLINK_MESSAGE_MAX, ' ');
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_fds(fixture, fd, text, VARLINK_MESSAGE_MAX, 1);
        fixture_expect_closed(fixture, fd);
}

static void test_receive_refused(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        auto_fd half_fd = fixture_connect(fixture);

        fixture->receive_mode = RECEIVE_REFUSE;
        fixture_send_text(fixture, fd, NOTHING);
        send_call(fixture, fd, USE("0"), 1);
        fixture_send_text(fixture, fd, NOTHING);
        fixture_expect(fixture, fd, DONE);
        fixture_expect(fixture, fd, SYSTEM("24", "EMFILE"));
        fixture_expect_closed(fixture, fd);
        g_assert_cmpuint(fixture->n_discarded, ==, 1);
        g_assert_cmpuint(fixture->n_answered, ==, 2);

        /* Half a call cannot be answered. */
        fixture_send_fds(fixture, half_fd, USE("0"), 4, 1);
        fixture_expect_closed(fixture, half_fd);
        g_assert_cmpuint(fixture->n_discarded, ==, 2);
        g_assert_cmpuint(fixture->n_answered, ==, 2);
}

static void test_receive_failed(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        auto_fd oneway_fd = fixture_connect(fixture);

        fixture->receive_mode = RECEIVE_LATER;
        send_call(fixture, fd, USE("0"), 1);
        fixture_turn(fixture);
        fixture_receive(fixture, -ETIMEDOUT);
        fixture_expect(fixture, fd, SYSTEM("110", "ETIMEDOUT"));
        fixture_expect_closed(fixture, fd);
        g_assert_cmpuint(fixture->n_discarded, ==, 1);

        send_call(
                fixture, oneway_fd, "{\"method\":\"org.example.test.Nothing\",\"oneway\":true}", 1);
        fixture_turn(fixture);
        fixture_receive(fixture, -ETIMEDOUT);
        fixture_expect_closed(fixture, oneway_fd);
        g_assert_cmpuint(fixture->n_calls, ==, 0);
}

/* While somebody else receives nothing is read, and the connection is not taken for an idle one. */
static void test_gone_while_receiving(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        auto_fd freed_fd = fixture_connect(fixture);
        unsigned n_fds;

        fixture->receive_mode = RECEIVE_LATER;
        fixture_turn(fixture);
        n_fds = fixture_count_fds();
        send_call(fixture, fd, USE("0"), 1);
        fixture_turn(fixture);
        fd = fd_close(fd);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 2);
        fixture_receive(fixture, 0);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);
        g_assert_cmpuint(fixture->n_answered, ==, 1);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds - 2);

        /* Received for a server that is gone. */
        send_call(fixture, freed_fd, USE("0"), 1);
        fixture_turn(fixture);
        varlink_server_free(g_steal_pointer(&fixture->server));
        fixture_receive(fixture, 0);
}

static void no_receive(VarlinkServerConfig *config) {
        config->receive = NULL;
        config->discard = NULL;
}

/* A server that takes no descriptors: dropped, or not even
 * sent where the kernel can refuse that. */
static void test_no_receiver(void) {
        g_autoptr(Fixture) fixture = fixture_new(no_receive);
        auto_fd fd = fixture_connect(fixture);
        auto_fd late_fd = fixture_connect(fixture);
        auto_fd null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec iov = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        send_call(fixture, fd, USE("0"), 1);
        fixture_expect_closed(fixture, fd);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &null_fd, sizeof(int));
        fixture_turn(fixture);
        if (sendmsg(late_fd, &message, MSG_NOSIGNAL) < 0)
                g_assert_cmpint(errno, ==, EPERM);
        else
                fixture_expect_closed(fixture, late_fd);
}

/* A TCP socket that waits for half a minute in close(), as nobody reads what it sent. */
static int lingering_socket(int listen_fd) {
        static const struct linger linger = { .l_onoff = 1, .l_linger = 30 };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_in address;
        socklen_t size = sizeof(address);
        static const char data[65536];
        struct pollfd writable = { .fd = fd, .events = POLLOUT };

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(getsockname(listen_fd, (struct sockaddr *) &address, &size), ==, 0);
        if (connect(fd, (struct sockaddr *) &address, size) < 0)
                g_assert_cmpint(errno, ==, EINPROGRESS);
        g_assert_cmpint(poll(&writable, 1, 60000), ==, 1);
        g_assert_cmpint(writable.revents, ==, POLLOUT);
        while (write(fd, data, sizeof(data)) > 0)
                ;
        g_assert_cmpint(errno, ==, EAGAIN); /* full, and so it waits */
        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), ==, 0);
        g_assert_cmpint(fcntl(fd, F_SETFL, 0), ==, 0);
        return fd;
}

/* The peer has gone, so the last reference to its socket is the one in our queue. */
static void send_and_go(const char *data, size_t size, int take_fd, int take_peer_fd) {
        auto_fd fd = take_fd;
        auto_fd peer_fd = take_peer_fd;
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
        g_assert_cmpint(sendmsg(peer_fd, &message, MSG_NOSIGNAL), ==, size);
}

static void no_discard(VarlinkServerConfig *config) {
        config->discard = NULL;
}

/* Dropping a connection does not wait for what its peer has left in the queue. */
static void test_lingering_descriptor(void) {
        static const char text[] = USE("0");
        auto_fd listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
        };
        g_autoptr(Fixture) fixture = fixture_new(no_discard);
        int64_t started_us = g_get_monotonic_time();

        if (bind(listen_fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                g_test_skip("no loopback interface");
                return;
        }
        g_assert_cmpint(listen(listen_fd, 4), ==, 0);

        for (unsigned i = 0; i < 3; i++) {
                int fd = fixture_connect(fixture);

                if (i > 0) /* in the middle of a message; and of one that was never accepted */
                        fixture_send(fixture, fd, text, 5);
                send_and_go(text, sizeof(text), lingering_socket(listen_fd), fd);
                fixture->receive_mode = RECEIVE_REFUSE;
                if (i < 2)
                        fixture_turn(fixture);
        }
        varlink_server_free(g_steal_pointer(&fixture->server));
        g_assert_cmpint(g_get_monotonic_time() - started_us, <, 10 * G_USEC_PER_SEC);
        /* Children that have it to hold are killed, and reaped by the default context. */
        while (waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0) {
                g_assert_cmpint(g_get_monotonic_time() - started_us, <, 20 * G_USEC_PER_SEC);
                (void) g_main_context_iteration(NULL, FALSE);
        }
}

static void check_given(Fixture *fixture, int fd, const char *parameters, unsigned n_expected) {
        g_autofree char *call = g_strdup_printf(
                "{\"method\":\"org.example.test.GiveDescriptor\",\"parameters\":%s}", parameters);
        char data[256];
        char control[CMSG_SPACE(sizeof(int) * 64)];
        struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header;
        unsigned n = 0;

        fixture_send_text(fixture, fd, call);
        fixture_turn(fixture);
        g_assert_cmpint(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), >, 0);
        header = CMSG_FIRSTHDR(&message);
        while (header && n < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int)) {
                int given_fd;

                memcpy(&given_fd, CMSG_DATA(header) + n * sizeof(int), sizeof(int));
                g_assert_cmpint(fcntl(given_fd, F_GETFD), ==, FD_CLOEXEC);
                fd_close(given_fd);
                n++;
        }
        g_assert_cmpuint(n, ==, n_expected);
}

/* Descriptors of answers; errors carry none. */
static void test_replies(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_fds;

        check_given(fixture, fd, "{}", 1);
        n_fds = fixture_count_fds();
        check_given(fixture, fd, "{\"n\":8}", 8);
        check_given(fixture, fd, "{\"n\":9}", 0);
        check_given(fixture, fd, "{\"fail\":true}", 0);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
        fixture_send_text(
                fixture, fd, "{\"method\":\"org.example.test.GiveDescriptor\",\"oneway\":true}");
        fixture_turn(fixture);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/descriptors/index", test_index);
        g_test_add_func("/varlink/descriptors/253", test_253);
        g_test_add_func("/varlink/descriptors/between-others", test_between_others);
        g_test_add_func("/varlink/descriptors/later-bytes", test_later_bytes);
        g_test_add_func("/varlink/descriptors/split", test_split);
        g_test_add_func("/varlink/descriptors/consumed-less", test_consumed_less);
        g_test_add_func("/varlink/descriptors/consumed-wrong", test_consumed_wrong);
        g_test_add_func("/varlink/descriptors/middle", test_middle);
        g_test_add_func("/varlink/descriptors/earlier-bytes", test_earlier_bytes);
        g_test_add_func("/varlink/descriptors/twice", test_twice);
        g_test_add_func("/varlink/descriptors/not-a-message", test_not_a_message);
        g_test_add_func("/varlink/descriptors/too-long", test_too_long);
        g_test_add_func("/varlink/descriptors/receive-refused", test_receive_refused);
        g_test_add_func("/varlink/descriptors/receive-failed", test_receive_failed);
        g_test_add_func("/varlink/descriptors/gone-while-receiving", test_gone_while_receiving);
        g_test_add_func("/varlink/descriptors/no-receiver", test_no_receiver);
        g_test_add_func("/varlink/descriptors/lingering", test_lingering_descriptor);
        g_test_add_func("/varlink/descriptors/replies", test_replies);
        return g_test_run();
}
