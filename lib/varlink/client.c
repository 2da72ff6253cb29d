/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/util/fd.h"
#include "lib/varlink/message.h"
#include "lib/varlink/output.h"

#define READ_SIZE 65536u

struct VarlinkClient {
        int fd;
        int timeout_ms;
        GByteArray *input;
        guint scanned; /* bytes of `input` known to hold no NUL */
        bool more;     /* answers are expected from varlink_client_next() */
        bool broken;   /* a call failed half-way: what comes next cannot be told apart */
};

/* waiting */

static int64_t deadline_new(const VarlinkClient *client) {
        return client->timeout_ms < 0 ? -1
                                      : g_get_monotonic_time() + client->timeout_ms * INT64_C(1000);
}

static int wait_for(const VarlinkClient *client, short events, int64_t deadline_us) {
        struct pollfd poll_fd = { .fd = client->fd, .events = events };
        int timeout_ms = -1, n;

        if (deadline_us >= 0) {
                int64_t left_us = deadline_us - g_get_monotonic_time();

                if (left_us <= 0)
                        return -ETIMEDOUT;
                timeout_ms = (int) MIN((left_us + 999) / 1000, INT_MAX);
        }
        n = poll(&poll_fd, 1, timeout_ms);
        if (n < 0 && errno != EINTR)
                return -errno;
        return 0;
}

static int connect_socket(VarlinkClient *client, const struct sockaddr_un *address) {
        int64_t deadline_us = deadline_new(client);

        /* A full backlog is EAGAIN, and nothing tells when it has room again. */
        while (connect(client->fd, (const struct sockaddr *) address, sizeof(*address)) < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (deadline_us >= 0 && g_get_monotonic_time() >= deadline_us)
                        return -ETIMEDOUT;
                g_usleep(10 * 1000);
        }
        return 0;
}

int varlink_client_connect(const char *path, int timeout_ms, VarlinkClient **ret_client) {
        g_autoptr(VarlinkClient) client = g_new(VarlinkClient, 1);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        *client = (VarlinkClient){
                .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                .timeout_ms = timeout_ms,
                .input = g_byte_array_new(),
        };
        if (client->fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        r = connect_socket(client, &address);
        if (r < 0)
                return r;
        *ret_client = g_steal_pointer(&client);
        return 0;
}

void varlink_client_free(VarlinkClient *client) {
        if (!client)
                return;
        client->fd = fd_close(client->fd);
        g_byte_array_unref(client->input);
        g_free(client);
}

/* sending */

static int write_output(VarlinkClient *client, VarlinkOutput *output) {
        int64_t deadline_us = deadline_new(client);

        for (;;) {
                int r = varlink_output_write(output, client->fd);

                if (r == 0 && output->size > 0)
                        r = wait_for(client, POLLOUT, deadline_us);
                if (r < 0)
                        return r == -EPIPE ? -ECONNRESET : r;
                if (output->size == 0)
                        return 0;
        }
}

static int send_call(
        VarlinkClient *client, const char *method, json_t *parameters, bool more, const int *fds,
        size_t n_fds) {
        VarlinkOutput output = VARLINK_OUTPUT_INIT;
        char *text;
        size_t size;
        int r;

        if (client->broken)
                return -ECONNRESET;
        if (client->more)
                return -EBUSY;
        if (n_fds > VARLINK_OUTPUT_DESCRIPTORS_MAX)
                return -E2BIG;
        r = varlink_call_message_format(method, parameters, more, &text, &size);
        if (r < 0)
                return r;
        varlink_output_add_borrowed(&output, text, size, fds, n_fds);
        r = write_output(client, &output);
        varlink_output_clear(&output);
        client->broken = r < 0;
        return r;
}

/* receiving */

static int read_more(VarlinkClient *client, int64_t deadline_us) {
        guint size = client->input->len;
        ssize_t n;
        int r;

        if (size >= VARLINK_CLIENT_MESSAGE_MAX)
                return -EMSGSIZE;
        r = wait_for(client, POLLIN, deadline_us);
        if (r < 0)
                return r;
        g_byte_array_set_size(client->input, size + READ_SIZE);
        n = recv(client->fd, client->input->data + size, READ_SIZE, MSG_DONTWAIT);
        g_byte_array_set_size(client->input, size + (guint) MAX(n, 0));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        return n == 0 ? -ECONNRESET : 0;
}

static int read_reply(VarlinkClient *client, VarlinkReplyMessage *ret_reply) {
        int64_t deadline_us = deadline_new(client);
        const uint8_t *nul = NULL;
        guint size;
        int r;

        for (;;) {
                guint n = client->input->len - client->scanned;

                if (n > 0)
                        nul = memchr(client->input->data + client->scanned, '\0', n);
                if (nul)
                        break;
                client->scanned = client->input->len;
                r = read_more(client, deadline_us);
                if (r < 0)
                        return r;
        }
        size = (guint) (nul - client->input->data);
        if (varlink_reply_message_parse((const char *) client->input->data, size, ret_reply) < 0)
                return -EPROTO;
        (void) g_byte_array_remove_range(client->input, 0, size + 1);
        client->scanned = 0;
        return 0;
}

static int take_reply(
        VarlinkClient *client, json_t **ret_parameters, char **ret_error, bool *ret_continues) {
        g_auto(VarlinkReplyMessage) reply = { 0 };
        int r;

        r = client->broken ? -ECONNRESET : read_reply(client, &reply);
        if (r == 0 && reply.continues && !client->more)
                r = -EPROTO;
        if (r < 0) {
                client->broken = true;
                return r;
        }
        *ret_parameters = reply.parameters ? json_incref(reply.parameters) : json_object();
        *ret_error = g_strdup(reply.error);
        *ret_continues = reply.continues;
        return 0;
}

int varlink_client_call(
        VarlinkClient *client, const char *method, json_t *parameters, const int *fds, size_t n_fds,
        json_t **ret_parameters, char **ret_error) {
        bool continues;
        int r;

        r = send_call(client, method, parameters, false, fds, n_fds);
        if (r < 0)
                return r;
        return take_reply(client, ret_parameters, ret_error, &continues);
}

int varlink_client_call_more(VarlinkClient *client, const char *method, json_t *parameters) {
        int r;

        r = send_call(client, method, parameters, true, NULL, 0);
        if (r < 0)
                return r;
        client->more = true;
        return 0;
}

int varlink_client_next(
        VarlinkClient *client, json_t **ret_parameters, char **ret_error, bool *ret_continues) {
        int r;

        if (!client->more)
                return -ENODATA;
        r = take_reply(client, ret_parameters, ret_error, ret_continues);
        if (r < 0)
                return r;
        client->more = *ret_continues;
        return 0;
}
