/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/fd-send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <glib.h>

int fd_send(int socket, const void *data, size_t size, const int *fds, size_t n) {
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        union {
                char space[CMSG_SPACE(FD_SEND_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = { .align = {
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS,
                              .cmsg_len = CMSG_LEN(n * sizeof(int)),
                      } };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(n * sizeof(int)),
        };

        g_assert(n > 0 && n <= FD_SEND_MAX);
        memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
        return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
