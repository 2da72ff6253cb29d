/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/varlink/connection.h"
#include "tests/unit/varlink-fixture.h"

#define NOTHING "{\"method\":\"org.example.test.Nothing\"}"
#define NOTHING_ONEWAY "{\"method\":\"org.example.test.Nothing\",\"oneway\":true}"
#define HOLD "{\"method\":\"org.example.test.Hold\"}"
#define DONE "{}"

static void test_one_byte_at_a_time(void) {
        static const char text[] = NOTHING;
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (size_t i = 0; i < sizeof(text); i++) {
                g_assert_cmpuint(fixture->n_calls, ==, 0);
                fixture_send(fixture, fd, text + i, 1);
                fixture_turn(fixture);
        }
        fixture_expect(fixture, fd, DONE);
        g_assert_cmpuint(fixture->n_calls, ==, 1);
}

/* A call of exactly `size` bytes with its NUL: white space at the end makes it as long as that. */
static char *call_of_size(size_t size) {
        char *text = g_strnfill(size - 1, ' ');

        memcpy(text, NOTHING, strlen(NOTHING));
        return text;
}

static void test_message_size(void) {
        g_autofree char *most = call_of_size(VARLINK_MESSAGE_MAX);
        g_autofree char *more = call_of_size(VARLINK_MESSAGE_MAX + 1);
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, most);
        fixture_expect(fixture, fd, DONE);
        fixture_send_text(fixture, fd, most);
        fixture_expect(fixture, fd, DONE);
        fixture_send_text(fixture, fd, more);
        fixture_expect_closed(fixture, fd);
        g_assert_cmpuint(fixture->n_calls, ==, 2);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

static void test_bad_messages(void) {
        static const char *const cases[] = {
                "",
                "x",
                "[]",
                "{\"method\":1}",
                NOTHING " x",
                NOTHING NOTHING,
                "{\"method\":\"org.example.test.Nothing\",\"x\":1}",
                "{\"method\":\"org.example.test.Nothing\",\"method\":\"org.example.test.Nothing\"}",
                "{\"method\":\"org.example.test.Nothing\",\"oneway\":true,\"more\":true}",
        };
        g_autoptr(Fixture) fixture = fixture_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                auto_fd fd = fixture_connect(fixture);

                /* What came before is answered, what comes after is not. */
                fixture_send_text(fixture, fd, NOTHING);
                fixture_send_text(fixture, fd, cases[i]);
                fixture_send_text(fixture, fd, NOTHING);
                fixture_expect(fixture, fd, DONE);
                fixture_expect_closed(fixture, fd);
                g_assert_cmpuint(fixture->n_calls, ==, i + 1);
        }
}

static void test_pipelining(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        g_autoptr(GString) calls = g_string_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (int i = 0; i < 5000; i++) {
                g_string_append_printf(
                        calls,
                        "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"%d\"}}",
                        i);
                g_string_append_c(calls, '\0');
        }
        fixture_send(fixture, fd, calls->str, calls->len);
        for (int i = 0; i < 5000; i++) {
                g_autofree char *reply = g_strdup_printf("{\"parameters\":{\"text\":\"%d\"}}", i);

                fixture_expect(fixture, fd, reply);
        }
}

/* The second call waits for the answer to the first. */
static void test_order(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, HOLD);
        fixture_send_text(fixture, fd, NOTHING);
        fixture_turn(fixture);
        g_assert_nonnull(fixture->held);
        g_assert_cmpuint(fixture->n_calls, ==, 0);
        varlink_call_error(fixture->held, "org.example.test.Refused", NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        fixture_expect(fixture, fd, "{\"error\":\"org.example.test.Refused\"}");
        fixture_expect(fixture, fd, DONE);
}

static void test_oneway(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        char byte;

        fixture_send_text(fixture, fd, NOTHING_ONEWAY);
        fixture_send_text(fixture, fd, "{\"method\":\"org.example.test.Absent\",\"oneway\":true}");
        fixture_send_text(fixture, fd, "{\"method\":\"org.example.test.None\",\"oneway\":true}");
        fixture_send_text(fixture, fd, HOLD);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, 1);
        g_assert_cmpuint(fixture->n_answered, ==, 3);
        g_assert_cmpint(recv(fd, &byte, 1, 0), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        varlink_call_reply(fixture->held, NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        fixture_expect(fixture, fd, DONE);
}

/* What a peer sent before it closed is done all the same. */
static void test_oneway_and_close(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (unsigned i = 0; i < 100; i++)
                fixture_send_text(fixture, fd, NOTHING_ONEWAY);
        fd = fd_close(fd);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, 100);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
        g_assert_cmpuint(fixture->n_idle, ==, 1);
}

static void test_half_close(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, NOTHING);
        fixture_send_text(fixture, fd, HOLD);
        fixture_send_text(fixture, fd, NOTHING);
        fixture_send(fixture, fd, "{", 1);
        shutdown(fd, SHUT_WR);
        fixture_expect(fixture, fd, DONE);
        fixture_turn(fixture);
        g_assert_false(varlink_call_is_gone(fixture->held));
        varlink_call_reply(fixture->held, NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        fixture_expect(fixture, fd, DONE);
        fixture_expect(fixture, fd, DONE);
        fixture_expect_closed(fixture, fd);
}

/* A peer that reads no more and stays is served as long as it
 * sends, and costs no processor time. */
static void test_half_close_reading(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        shutdown(fd, SHUT_RD);
        fixture_send_text(fixture, fd, NOTHING);
        fixture_turn(fixture); /* returns only when there is nothing left to do */
        fixture_send_text(fixture, fd, NOTHING);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, 2);
        fd = fd_close(fd);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

static void test_gone_while_held(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, HOLD);
        fixture_turn(fixture);
        g_assert_false(varlink_call_is_gone(fixture->held));
        fd = fd_close(fd);
        fixture_turn(fixture);
        g_assert_true(varlink_call_is_gone(fixture->held));
        varlink_call_reply(fixture->held, NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        g_assert_cmpuint(fixture->n_answered, ==, 1);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

/* Whoever is told of answers may be gone with the server. */
static void test_server_freed_while_held(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, HOLD);
        fixture_turn(fixture);
        varlink_server_free(g_steal_pointer(&fixture->server));
        g_assert_true(varlink_call_is_gone(fixture->held));
        varlink_call_reply(fixture->held, NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        g_assert_cmpuint(fixture->n_answered, ==, 0);
        fixture_expect_closed(fixture, fd);
}

static char *large_call(size_t size) {
        return g_strdup_printf(
                "{\"method\":\"org.example.test.Large\",\"parameters\":{\"size\":%zu}}", size);
}

/* A peer that does not read is not read from, either. */
static void test_back_pressure(void) {
        g_autofree char *large = large_call(64 * 1024);
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (unsigned i = 0; i < 100; i++)
                fixture_send_text(fixture, fd, large);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_answered, <, 20);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);
        for (unsigned i = 0; i < 100; i++) {
                g_autofree char *reply = fixture_read(fixture, fd);

                g_assert_cmpuint(strlen(reply), >, 64 * 1024);
        }
        g_assert_cmpuint(fixture->n_answered, ==, 100);
}

static void send_bytes(VarlinkConnection *connection, size_t size) {
        char *text = malloc(size);

        g_assert_nonnull(text);
        memset(text, 'x', size);
        varlink_connection_send(connection, text, size, NULL, 0);
}

/* To the byte: what waits after the socket has taken what it takes. */
static void test_output_limit(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        size_t waiting;

        /* A call that is being received shows the connection. */
        fixture->receive_mode = RECEIVE_LATER;
        fixture_send_fds(fixture, fd, NOTHING, sizeof(NOTHING), 1);
        fixture_turn(fixture);
        send_bytes(fixture->receiving, 1024 * 1024);
        waiting = varlink_connection_output_size(fixture->receiving);
        g_assert_cmpuint(waiting, >, 0);
        send_bytes(fixture->receiving, VARLINK_OUTPUT_MAX - waiting);
        fixture_turn(fixture);
        g_assert_cmpuint(
                varlink_connection_output_size(fixture->receiving), ==, VARLINK_OUTPUT_MAX);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);
        send_bytes(fixture->receiving, 1);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

/* What the socket itself takes comes on top of the limit. */
static void test_output_max(void) {
        g_autofree char *fits = large_call(VARLINK_OUTPUT_MAX - 1024);
        g_autofree char *too_large = large_call(2 * VARLINK_OUTPUT_MAX);
        g_autofree char *reply = NULL;
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, fits);
        reply = fixture_read(fixture, fd);
        g_assert_cmpuint(strlen(reply), >, VARLINK_OUTPUT_MAX - 1024);
        fixture_send_text(fixture, fd, too_large);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
}

static void test_more(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, "{\"method\":\"org.example.test.Many\",\"more\":true}");
        fixture_send_text(fixture, fd, NOTHING);
        fixture_turn(fixture);
        /* Stopped by back-pressure. */
        g_assert_cmpuint(fixture->n_sent, <, 500);
        for (unsigned i = 0; i < 1000; i++) {
                g_autofree char *reply = fixture_read(fixture, fd);
                g_autofree char *start = g_strdup_printf("{\"parameters\":{\"n\":%u,", i);

                g_assert_true(g_str_has_prefix(reply, start));
                g_assert_cmpint(g_str_has_suffix(reply, "\"},\"continues\":true}"), ==, i < 999);
        }
        fixture_expect(fixture, fd, DONE);
}

static void test_more_gone(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        auto_fd other_fd = fixture_connect(fixture);

        fixture_send_text(fixture, fd, "{\"method\":\"org.example.test.Many\",\"more\":true}");
        fixture_turn(fixture);
        fd = fd_close(fd);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->many_gone, ==, 1);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);

        /* The same when the server goes. */
        fixture_send_text(
                fixture, other_fd, "{\"method\":\"org.example.test.Many\",\"more\":true}");
        fixture_turn(fixture);
        varlink_server_free(g_steal_pointer(&fixture->server));
        g_assert_cmpuint(fixture->many_gone, ==, 2);
}

/* A peer that sends calls without end does not keep others waiting. */
static void test_fairness(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        g_autoptr(GString) calls = g_string_new(NULL);
        auto_fd flood_fd = fixture_connect(fixture);
        auto_fd fd = fixture_connect(fixture);
        unsigned n_turns = 0;

        fixture_turn(fixture);
        for (unsigned i = 0; i < 1500; i++)
                g_string_append_len(calls, NOTHING_ONEWAY, strlen(NOTHING_ONEWAY) + 1);
        fixture_send(fixture, flood_fd, calls->str, calls->len);
        fixture_send_text(fixture, fd, HOLD);
        while (!fixture->held) {
                (void) g_main_context_iteration(fixture->context, FALSE);
                n_turns++;
        }
        g_assert_cmpuint(n_turns, <=, 3);
        g_assert_cmpuint(fixture->n_calls, <, 100);
        fixture_turn(fixture);
        g_assert_cmpuint(fixture->n_calls, ==, 1500);
}

static void test_out_of_band(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        if (send(fd, "x", 1, MSG_OOB) < 0) {
                g_test_skip("this kernel has no out-of-band data on local sockets");
                return;
        }
        fixture_expect_closed(fixture, fd);
}

/* A caller's own thread of replies, cut off at any byte, harms nobody. */
static void test_cut_off(void) {
        static const char text[] = NOTHING;
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        unsigned n_fds = 0;

        for (size_t i = 0; i <= sizeof(text); i++) {
                auto_fd fd = fixture_connect(fixture);

                fixture_send(fixture, fd, text, MIN(i, sizeof(text)));
                fixture_turn(fixture);
                fd = fd_close(fd);
                fixture_turn(fixture);
                g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
                if (i == 0)
                        n_fds = fixture_count_fds();
                g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/connection/one-byte-at-a-time", test_one_byte_at_a_time);
        g_test_add_func("/varlink/connection/message-size", test_message_size);
        g_test_add_func("/varlink/connection/bad-messages", test_bad_messages);
        g_test_add_func("/varlink/connection/pipelining", test_pipelining);
        g_test_add_func("/varlink/connection/order", test_order);
        g_test_add_func("/varlink/connection/oneway", test_oneway);
        g_test_add_func("/varlink/connection/oneway-and-close", test_oneway_and_close);
        g_test_add_func("/varlink/connection/half-close", test_half_close);
        g_test_add_func("/varlink/connection/half-close-reading", test_half_close_reading);
        g_test_add_func("/varlink/connection/gone-while-held", test_gone_while_held);
        g_test_add_func(
                "/varlink/connection/server-freed-while-held", test_server_freed_while_held);
        g_test_add_func("/varlink/connection/back-pressure", test_back_pressure);
        g_test_add_func("/varlink/connection/output-limit", test_output_limit);
        g_test_add_func("/varlink/connection/output-max", test_output_max);
        g_test_add_func("/varlink/connection/more", test_more);
        g_test_add_func("/varlink/connection/more-gone", test_more_gone);
        g_test_add_func("/varlink/connection/fairness", test_fairness);
        g_test_add_func("/varlink/connection/out-of-band", test_out_of_band);
        g_test_add_func("/varlink/connection/cut-off", test_cut_off);
        return g_test_run();
}
