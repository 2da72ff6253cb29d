/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/util/fd.h"

/* Calls without a pause, for tests:
 *
 *      flood SOCKET COUNT JSON
 *
 * sends the call COUNT times at once, reads nothing for a while, then prints each answer as a line.
 * With a COUNT of 0 it calls for ever and throws the answers away. */

#define BATCH 64u
#define PAUSE_USEC 500000

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 ||
            g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
                return -EINVAL;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return g_steal_fd(&fd);
}

static int flood_for_ever(int fd, const GByteArray *calls) {
        char answers[65536];
        size_t sent = 0;

        for (;;) {
                struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
                ssize_t n;

                if (poll(&poll_fd, 1, -1) < 0)
                        return -errno;
                if (poll_fd.revents & POLLIN) {
                        n = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);
                        if (n <= 0 && errno != EAGAIN)
                                return -ECONNRESET;
                }
                n = send(fd, calls->data + sent, calls->len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN)
                        return -errno;
                sent = (sent + (size_t) MAX(n, 0)) % calls->len;
        }
}

static int flood_once(int fd, const GByteArray *calls) {
        char answers[65536];
        ssize_t n;

        if (send(fd, calls->data, calls->len, MSG_NOSIGNAL) != (ssize_t) calls->len)
                return -EIO;
        g_usleep(PAUSE_USEC); /* a moment, not a wait: it is slow for that long */
        (void) shutdown(fd, SHUT_WR);
        while ((n = recv(fd, answers, sizeof(answers), 0)) > 0) {
                for (ssize_t i = 0; i < n; i++)
                        if (answers[i] == '\0')
                                answers[i] = '\n';
                (void) fwrite(answers, 1, (size_t) n, stdout);
        }
        return n < 0 ? -errno : 0;
}

int main(int argc, char **argv) {
        g_autoptr(GByteArray) calls = g_byte_array_new();
        auto_fd fd = -1;
        unsigned count;
        int r;

        if (argc != 4)
                return 2;
        count = (unsigned) strtoul(argv[2], NULL, 10);
        for (unsigned i = 0; i < (count > 0 ? count : BATCH); i++)
                g_byte_array_append(calls, (const guint8 *) argv[3], (guint) strlen(argv[3]) + 1);
        fd = connect_to(argv[1]);
        if (fd < 0)
                r = fd;
        else
                r = count > 0 ? flood_once(fd, calls) : flood_for_ever(fd, calls);
        if (r < 0)
                fprintf(stderr, "flood: %s\n", g_strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
