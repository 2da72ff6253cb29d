/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/varlink/connection.h"
#include "tests/unit/varlink-fixture.h"

/* Who is served when, counted in calls and turns of the loop, never in time. */

#define ONEWAY "{\"method\":\"org.example.test.Nothing\",\"oneway\":true}"
#define NOTHING "{\"method\":\"org.example.test.Nothing\"}"
#define HOLD "{\"method\":\"org.example.test.Hold\"}"
#define MANY "{\"method\":\"org.example.test.Many\",\"more\":true}"

#define N_FLOODING 128u
#define CALLS_EACH 400u

static unsigned n_writes; /* system calls */

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
        n_writes++;
        return __real_sendmsg(fd, message, flags);
}

static int connect_as(Fixture *fixture, uint32_t account) {
        int fd;

        fixture->account = account;
        fd = fixture_connect(fixture);
        fixture_turn(fixture);
        return fd;
}

/* In one piece, and without a turn of the loop. */
static void send_calls(int fd, const char *call, unsigned n) {
        g_autoptr(GString) calls = g_string_new(NULL);

        for (unsigned i = 0; i < n; i++)
                g_string_append_len(calls, call, (gssize) strlen(call) + 1);
        g_assert_cmpint(send(fd, calls->str, calls->len, MSG_NOSIGNAL), ==, calls->len);
}

static void turn(Fixture *fixture) {
        (void) g_main_context_iteration(fixture->context, FALSE);
}

/* All connections of an account at full load are one line beside another account's one call. */
static void test_accounts_take_turns(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        int flooding[N_FLOODING];
        auto_fd fd = -1;
        unsigned n_before, n_turns = 0;

        for (unsigned i = 0; i < N_FLOODING; i++)
                flooding[i] = connect_as(fixture, 1);
        fd = connect_as(fixture, 2);
        for (unsigned i = 0; i < N_FLOODING; i++)
                send_calls(flooding[i], ONEWAY, CALLS_EACH);
        for (unsigned i = 0; i < 20; i++)
                turn(fixture);

        g_assert_cmpuint(fixture->n_calls, >, 0);
        n_before = fixture->n_calls;
        send_calls(fd, HOLD, 1);
        while (!fixture->held) {
                turn(fixture);
                n_turns++;
        }
        /* The rest of the turn's steps may be done after it. */
        g_assert_cmpuint(fixture->n_calls - n_before, <=, VARLINK_TURN_STEPS);
        g_assert_cmpuint(n_turns, ==, 1);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, N_FLOODING * CALLS_EACH);
        for (unsigned i = 0; i < N_FLOODING; i++)
                fd_close(flooding[i]);
}

/* With as many accounts as there are steps in a turn, and more. */
static void test_many_accounts(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        int flooding[N_FLOODING];
        auto_fd fd = -1;
        unsigned n_before;

        for (unsigned i = 0; i < N_FLOODING; i++)
                flooding[i] = connect_as(fixture, i / 4);
        fd = connect_as(fixture, 1000);
        for (unsigned i = 0; i < N_FLOODING; i++)
                send_calls(flooding[i], ONEWAY, CALLS_EACH);
        for (unsigned i = 0; i < 20; i++)
                turn(fixture);
        n_before = fixture->n_calls;
        send_calls(fd, HOLD, 1);
        while (!fixture->held)
                turn(fixture);
        /* One of each of the others, and the rest of the turn. */
        g_assert_cmpuint(fixture->n_calls - n_before, <=, N_FLOODING / 4 + VARLINK_TURN_STEPS);
        for (unsigned i = 0; i < N_FLOODING; i++)
                fd_close(flooding[i]);
}

/* The connections of one account take turns as well. */
static void test_connections_of_an_account(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd first_fd = connect_as(fixture, 1), second_fd = connect_as(fixture, 1);

        send_calls(first_fd, ONEWAY, CALLS_EACH);
        send_calls(second_fd, HOLD, 1);
        while (!fixture->held)
                turn(fixture);
        g_assert_cmpuint(fixture->n_calls, <=, VARLINK_TURN_STEPS);
}

/* However much there is to do, a turn does VARLINK_TURN_STEPS of it. */
static void test_turn_is_bounded(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        int flooding[N_FLOODING];
        unsigned n_calls = 0;

        for (unsigned i = 0; i < N_FLOODING; i++)
                flooding[i] = connect_as(fixture, i % 3);
        for (unsigned i = 0; i < N_FLOODING; i++)
                send_calls(flooding[i], ONEWAY, 16);
        while (n_calls < N_FLOODING * 16) {
                turn(fixture);
                g_assert_cmpuint(fixture->n_calls - n_calls, <=, VARLINK_TURN_STEPS);
                n_calls = fixture->n_calls;
        }
        for (unsigned i = 0; i < N_FLOODING; i++)
                fd_close(flooding[i]);
}

static unsigned read_all(int fd) {
        char buffer[65536];
        unsigned n_texts = 0;
        ssize_t n;

        while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        n_texts += buffer[i] == '\0';
        return n_texts;
}

/* A long list on its way to a peer that reads as fast as it can yields to others, as a flood of
 * calls does, and its answers are written many at a time. */
static void test_many_answers(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd list_fd = connect_as(fixture, 1), fd = connect_as(fixture, 2);
        unsigned n_before, n_answers;

        send_calls(list_fd, MANY, 1);
        turn(fixture);
        n_answers = read_all(list_fd);
        g_assert_cmpuint(fixture->n_sent, >, 0);
        g_assert_cmpuint(fixture->n_sent, <, 200);

        /* The list is in the ring already, and has one step before the call, at most. */
        n_before = fixture->n_sent;
        fixture->n_sent_when_held = 0;
        send_calls(fd, HOLD, 1);
        while (!fixture->held)
                turn(fixture);
        g_assert_cmpuint(fixture->n_sent_when_held - n_before, <=, VARLINK_STEP_REPLIES);

        n_writes = 0;
        n_before = n_answers += read_all(list_fd);
        while (n_answers < 1000) {
                turn(fixture);
                n_answers += read_all(list_fd);
        }
        g_assert_cmpuint(n_answers, ==, 1000);
        /* Of 4 KiB each, so that a write is full with 16 of them. */
        g_assert_cmpuint(n_writes, <=, (1000 - n_before) / 8);
}

/* One system call for one answer, and none to find out that there is no room. */
static void test_one_write(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = connect_as(fixture, 1);

        n_writes = 0;
        for (unsigned i = 0; i < 10; i++) {
                send_calls(fd, NOTHING, 1);
                fixture_expect(fixture, fd, "{}");
        }
        g_assert_cmpuint(n_writes, ==, 10);
}

static void caps(VarlinkServerConfig *config) {
        config->connections_max = 6;
        config->connections_per_account_max = 5;
}

/* Whoever has most of the connections makes room, not whoever has been idle for longest. */
static void test_most_connections(void) {
        g_autoptr(Fixture) fixture = fixture_new(caps);
        auto_fd old_fd = connect_as(fixture, 1), new_fd = -1, newer_fd = -1;
        int hoarded[5];

        for (size_t i = 0; i < G_N_ELEMENTS(hoarded); i++)
                hoarded[i] = connect_as(fixture, 2);
        new_fd = connect_as(fixture, 3);
        fixture_expect_closed(fixture, hoarded[0]);
        /* An account that has most itself drops its own. */
        newer_fd = connect_as(fixture, 2);
        fixture_expect_closed(fixture, hoarded[1]);

        send_calls(old_fd, NOTHING, 1);
        fixture_expect(fixture, old_fd, "{}");
        send_calls(new_fd, NOTHING, 1);
        fixture_expect(fixture, new_fd, "{}");
        send_calls(newer_fd, NOTHING, 1);
        fixture_expect(fixture, newer_fd, "{}");
        for (size_t i = 0; i < G_N_ELEMENTS(hoarded); i++)
                fd_close(hoarded[i]);
}

/* Answers that nobody reads do not make a connection one that is busy. */
static void test_unread_answers(void) {
        g_autoptr(Fixture) fixture = fixture_new(caps);
        int unread[5];
        auto_fd old_fd = connect_as(fixture, 1), new_fd = -1;

        for (size_t i = 0; i < G_N_ELEMENTS(unread); i++) {
                unread[i] = connect_as(fixture, 2);
                send_calls(unread[i], MANY, 1);
                fixture_turn(fixture);
        }
        new_fd = connect_as(fixture, 3);
        g_assert_cmpuint(fixture->many_gone, ==, 1);
        send_calls(new_fd, NOTHING, 1);
        fixture_expect(fixture, new_fd, "{}");
        send_calls(old_fd, NOTHING, 1);
        fixture_expect(fixture, old_fd, "{}");
        for (size_t i = 0; i < G_N_ELEMENTS(unread); i++)
                fd_close(unread[i]);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/turns/accounts-take-turns", test_accounts_take_turns);
        g_test_add_func("/varlink/turns/many-accounts", test_many_accounts);
        g_test_add_func("/varlink/turns/connections-of-an-account", test_connections_of_an_account);
        g_test_add_func("/varlink/turns/turn-is-bounded", test_turn_is_bounded);
        g_test_add_func("/varlink/turns/many-answers", test_many_answers);
        g_test_add_func("/varlink/turns/one-write", test_one_write);
        g_test_add_func("/varlink/turns/most-connections", test_most_connections);
        g_test_add_func("/varlink/turns/unread-answers", test_unread_answers);
        return g_test_run();
}
