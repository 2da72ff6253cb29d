/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-message.h"

#include <errno.h>
#include <sys/socket.h>

int run_message_send(int control, RunMessageType type, int32_t value) {
        const RunMessage message = { .type = type, .value = value };

        return send(control, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int run_message_receive(int control, int flags, RunMessage *ret_message) {
        RunMessage message;
        ssize_t n;

        do
                n = recv(control, &message, sizeof(message), flags);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        if (n == 0)
                return 0;
        if (n != sizeof(message))
                return -EBADMSG;
        *ret_message = message;
        return 1;
}
