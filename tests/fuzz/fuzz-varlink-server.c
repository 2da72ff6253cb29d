/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <glib.h>

#include "lib/util/fd.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/varlink-fixture.h"

#define PIECES_MAX 64u

static void read_all(int fd) {
        char buffer[65536];

        while (recv(fd, buffer, sizeof(buffer), 0) > 0)
                ;
}

/* What came with the piece before: turns of the server, reads of the peer, a receiver that comes
 * back. */
static void act(Fixture *fixture, int fd, unsigned actions) {
        fixture->receive_mode = actions & 16  ? RECEIVE_REFUSE
                                : actions & 8 ? RECEIVE_LATER
                                              : RECEIVE_NOW;
        if (actions & 1)
                fixture_turn(fixture);
        if (actions & 2)
                read_all(fd);
        if ((actions & 4) && fixture->receiving)
                fixture_receive(fixture, actions & 32 ? -ETIMEDOUT : 0);
}

/* Pieces for a server: two bytes of length (the high bit: with a descriptor), one of actions, the
 * bytes. */
static void send_pieces(Fixture *fixture, int fd, const uint8_t *data, size_t size) {
        for (unsigned i = 0; i < PIECES_MAX && size > 3; i++) {
                size_t n = (size_t) (data[0] & 0x7f) << 8 | data[1];
                bool descriptor = data[0] & 0x80;
                unsigned actions = data[2];

                data += 3;
                size -= 3;
                n = MIN(n, size);
                if (n > 0 && descriptor)
                        fixture_try_send_fds(fd, (const char *) data, n, 1);
                else if (n > 0)
                        (void) send(fd, data, n, MSG_NOSIGNAL);
                data += n;
                size -= n;
                act(fixture, fd, actions);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        unsigned n_fds = fixture_count_fds();
        Fixture *fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        send_pieces(fixture, fd, data, size);
        if (size % 2)
                shutdown(fd, SHUT_WR);
        else
                fd = fd_close(fd);
        for (unsigned i = 0; i < PIECES_MAX + 2; i++) {
                fixture_turn(fixture);
                if (fd >= 0)
                        read_all(fd);
                if (fixture->receiving)
                        fixture_receive(fixture, 0);
                if (fixture->held) {
                        varlink_call_reply(fixture->held, NULL);
                        varlink_call_unref(g_steal_pointer(&fixture->held));
                }
        }
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
        fixture_free(fixture);
        fd = fd_close(fd);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds);
        return 0;
}
