/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "tests/unit/varlink-fixture.h"

#define LOOK_MAX 65536u

typedef struct Pair {
        int sender, receiver;
        VarlinkPeek *peek;
} Pair;

static void pair_clear(Pair *pair) {
        pair->sender = fd_close(pair->sender);
        pair->receiver = fd_close(pair->receiver);
        g_clear_pointer(&pair->peek, varlink_peek_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static Pair pair_new(void) {
        Pair pair = { .sender = -1, .receiver = -1 };
        int fds[2];

        g_assert_cmpint(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
        pair.sender = fds[0];
        pair.receiver = fds[1];
        g_assert_cmpint(varlink_peek_new(&pair.peek), ==, 0);
        return pair;
}

/* Send one piece, with one descriptor or none. */
static void send_piece(const Pair *pair, const char *data, size_t size, bool descriptor) {
        if (descriptor)
                fixture_send_fds(NULL, pair->sender, data, size, 1);
        else
                fixture_send(NULL, pair->sender, data, size);
}

static void check_look(
        const Pair *pair, size_t max, const char *data, size_t size, bool descriptors) {
        VarlinkPeekResult result;

        g_assert_cmpint(varlink_peek_look(pair->peek, pair->receiver, max, &result), ==, 0);
        g_assert_cmpuint(result.size, ==, size);
        g_assert_cmpint(result.descriptors, ==, descriptors);
        g_assert_cmpint(memcmp(result.data, data, size), ==, 0);
}

static void consume(const Pair *pair, size_t size) {
        g_autofree char *data = g_malloc(size);

        g_assert_cmpint(recv(pair->receiver, data, size, 0), ==, size);
}

static void test_plain(void) {
        g_auto(Pair) pair = pair_new();
        VarlinkPeekResult result;

        g_assert_cmpint(
                varlink_peek_look(pair.peek, pair.receiver, LOOK_MAX, &result), ==, -EAGAIN);
        send_piece(&pair, "abc", 3, false);
        send_piece(&pair, "def", 3, false);
        check_look(&pair, LOOK_MAX, "abcdef", 6, false);
        check_look(&pair, 4, "abcd", 4, false);
        check_look(&pair, LOOK_MAX, "abcdef", 6, false);
        consume(&pair, 6);
        shutdown(pair.sender, SHUT_WR);
        check_look(&pair, LOOK_MAX, "", 0, false);
}

/* Whatever lies in front of the descriptors is free of them to the byte. */
static void test_descriptors(void) {
        g_auto(Pair) pair = pair_new();

        send_piece(&pair, "abc", 3, false);
        send_piece(&pair, "de", 2, false);
        send_piece(&pair, "fghi", 4, true);
        send_piece(&pair, "jkl", 3, false);
        send_piece(&pair, "m", 1, true);
        send_piece(&pair, "n", 1, true);
        check_look(&pair, LOOK_MAX, "abcde", 5, false);
        check_look(&pair, 5, "abcde", 5, false);
        check_look(&pair, 2, "ab", 2, false);
        consume(&pair, 1);
        check_look(&pair, LOOK_MAX, "bcde", 4, false);
        consume(&pair, 4);
        check_look(&pair, LOOK_MAX, "fghi", 4, true);
        check_look(&pair, 1, "fghi", 4, true);
        /* The first byte takes the descriptors along. */
        consume(&pair, 1);
        check_look(&pair, LOOK_MAX, "ghijkl", 6, false);
        consume(&pair, 6);
        check_look(&pair, LOOK_MAX, "m", 1, true);
        consume(&pair, 1);
        check_look(&pair, LOOK_MAX, "n", 1, true);
}

/* Random pieces: each byte is seen once, in order, and on the right side. */
static void test_random(void) {
        g_auto(Pair) pair = pair_new();
        g_autoptr(GByteArray) sent =
                g_byte_array_new(); /* 1: first byte of a piece with descriptors, 2: others of it */
        g_autofree char *zeros = g_malloc0(4096);
        size_t done = 0;

        for (unsigned round = 0; round < 3000; round++) {
                VarlinkPeekResult result;

                for (int n = g_test_rand_int_range(0, 4); n > 0; n--) {
                        size_t size =
                                (size_t) g_test_rand_int_range(1, g_test_rand_bit() ? 10 : 4000);
                        bool descriptor = g_test_rand_int_range(0, 3) == 0;

                        if (sent->len - done + size > 30000)
                                break;
                        send_piece(&pair, zeros, size, descriptor);
                        for (size_t i = 0; i < size; i++)
                                g_byte_array_append(
                                        sent, (const guint8 *) (!descriptor ? "\0" : i ? "\2" : "\1"), 1);
                }
                if (varlink_peek_look(
                            pair.peek, pair.receiver, (size_t) g_test_rand_int_range(1, 5000),
                            &result) < 0) {
                        g_assert_cmpuint(done, ==, sent->len);
                        continue;
                }
                g_assert_cmpuint(result.size, >, 0);
                g_assert_cmpint(result.descriptors, ==, sent->data[done] == 1);
                for (size_t i = 1; i < result.size && !result.descriptors; i++)
                        g_assert_cmpint(sent->data[done + i], ==, 0);
                for (size_t i = 1; i < result.size && result.descriptors; i++)
                        g_assert_cmpint(sent->data[done + i], ==, 2);
                consume(&pair, result.size);
                done += result.size;
                /* What is left of a piece has no descriptors any more. */
                for (size_t i = done; i < sent->len && sent->data[i] == 2; i++)
                        sent->data[i] = 0;
        }
}

static void test_large_pieces(void) {
        g_auto(Pair) pair = pair_new();
        g_autofree char *zeros = g_malloc0(LOOK_MAX + 1);
        VarlinkPeekResult result;

        send_piece(&pair, zeros, LOOK_MAX, false);
        send_piece(&pair, "x", 1, true);
        check_look(&pair, LOOK_MAX, zeros, LOOK_MAX, false);
        consume(&pair, LOOK_MAX);
        check_look(&pair, LOOK_MAX, "x", 1, true);
        consume(&pair, 1);
        send_piece(&pair, zeros, LOOK_MAX + 1, true);

        /* The kernel cuts up what is that large; descriptors go with the first part. */
        g_assert_cmpint(varlink_peek_look(pair.peek, pair.receiver, 1, &result), ==, 0);
        g_assert_cmpuint(result.size, >=, 4096);
        g_assert_true(result.descriptors);
        consume(&pair, result.size);
        g_assert_cmpint(varlink_peek_look(pair.peek, pair.receiver, LOOK_MAX, &result), ==, 0);
        g_assert_false(result.descriptors);
}

/* Looking neither takes nor leaks descriptors. */
static void test_no_leak(void) {
        unsigned n_before = fixture_count_fds();

        for (unsigned i = 0; i < 3; i++) {
                g_auto(Pair) pair = pair_new();

                fixture_send_fds(NULL, pair.sender, "abc", 3, 253);
                for (unsigned j = 0; j < 100; j++)
                        check_look(&pair, LOOK_MAX, "abc", 3, true);
                g_assert_cmpuint(fixture_count_fds(), ==, n_before + 2);
        }
        g_assert_cmpuint(fixture_count_fds(), ==, n_before);
}

static bool holds(const Pair *pair) {
        shutdown(pair->receiver, SHUT_RDWR);
        return varlink_peek_holds_descriptors(pair->peek, pair->receiver);
}

static void test_holds_descriptors(void) {
        g_auto(Pair) none = pair_new();
        g_auto(Pair) plain = pair_new();
        g_auto(Pair) first = pair_new();
        g_auto(Pair) behind = pair_new();
        g_auto(Pair) urgent = pair_new();
        g_autofree char *zeros = g_malloc0(LOOK_MAX);

        g_assert_false(holds(&none));
        send_piece(&plain, zeros, LOOK_MAX, false);
        g_assert_false(holds(&plain));
        send_piece(&first, "x", 1, true);
        g_assert_true(holds(&first));
        send_piece(&behind, zeros, LOOK_MAX, false);
        send_piece(&behind, "x", 1, true);
        g_assert_true(holds(&behind));
        if (send(urgent.sender, "x", 1, MSG_OOB) == 1)
                g_assert_true(holds(&urgent));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/peek/plain", test_plain);
        g_test_add_func("/varlink/peek/descriptors", test_descriptors);
        g_test_add_func("/varlink/peek/random", test_random);
        g_test_add_func("/varlink/peek/large-pieces", test_large_pieces);
        g_test_add_func("/varlink/peek/no-leak", test_no_leak);
        g_test_add_func("/varlink/peek/holds-descriptors", test_holds_descriptors);
        return g_test_run();
}
