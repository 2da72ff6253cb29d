/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/unit/varlink-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/util/fd.h"

#define MANY_TOTAL 1000u
#define MANY_TEXT_SIZE 4096u

static const char test_interface[] = //
        "interface org.example.test\n"
        "type Colour (red, green)\n"
        "type Inner (depth: int, note: ?string)\n"
        "method Echo(text: string, number: ?int, flag: ?bool, colour: ?Colour, list: ?[]string, "
        "inner: ?Inner)\n"
        "  -> (text: string, number: ?int, flag: ?bool, list: ?[]string)\n"
        "method Nothing() -> ()\n"
        "method Hold() -> ()\n"
        "method Gated(text: string) -> ()\n"
        "method Absent() -> ()\n"
        "method Forget() -> ()\n"
        "method Large(size: int) -> (text: string)\n"
        "method Many() -> (n: int, text: string)\n"
        "method UseDescriptor(index: int) -> (kind: int)\n"
        "method GiveDescriptor(fail: ?bool, n: ?int) -> (index: int)\n"
        "error Refused()\n";

typedef struct EchoParameters {
        const char *text;
        int64_t number;
        bool has_number;
        bool flag;
        bool has_flag;
        const json_t *list;
        bool has_list;
} EchoParameters;

static const VarlinkField echo_fields[] = {
        { .name = "text",
          .type = VARLINK_FIELD_STRING,
          .offset = offsetof(EchoParameters, text),
          .present_offset = VARLINK_FIELD_REQUIRED },
        { .name = "number",
          .type = VARLINK_FIELD_INT,
          .offset = offsetof(EchoParameters, number),
          .present_offset = offsetof(EchoParameters, has_number) },
        { .name = "flag",
          .type = VARLINK_FIELD_BOOL,
          .offset = offsetof(EchoParameters, flag),
          .present_offset = offsetof(EchoParameters, has_flag) },
        { .name = "list",
          .type = VARLINK_FIELD_STRING_ARRAY,
          .offset = offsetof(EchoParameters, list),
          .present_offset = offsetof(EchoParameters, has_list) },
};

typedef struct NumberParameters {
        int64_t number;
        bool has_number;
        bool fail;
        bool has_fail;
} NumberParameters;

static const VarlinkField size_fields[] = {
        { .name = "size",
          .type = VARLINK_FIELD_INT,
          .offset = offsetof(NumberParameters, number),
          .present_offset = VARLINK_FIELD_REQUIRED },
};

static const VarlinkField index_fields[] = {
        { .name = "index",
          .type = VARLINK_FIELD_INT,
          .offset = offsetof(NumberParameters, number),
          .present_offset = VARLINK_FIELD_REQUIRED },
};

static const VarlinkField give_fields[] = {
        { .name = "fail",
          .type = VARLINK_FIELD_BOOL,
          .offset = offsetof(NumberParameters, fail),
          .present_offset = offsetof(NumberParameters, has_fail) },
        { .name = "n",
          .type = VARLINK_FIELD_INT,
          .offset = offsetof(NumberParameters, number),
          .present_offset = offsetof(NumberParameters, has_number) },
};

static void echo(VarlinkCall *call, const void *parameters, void *userdata) {
        const EchoParameters *echo_parameters = parameters;
        g_autoptr(json_t) reply = json_pack("{s:s}", "text", echo_parameters->text);
        Fixture *fixture = userdata;

        fixture->n_calls++;
        if (echo_parameters->has_number)
                json_object_set_new(reply, "number", json_integer(echo_parameters->number));
        if (echo_parameters->has_flag)
                json_object_set_new(reply, "flag", json_boolean(echo_parameters->flag));
        if (echo_parameters->has_list)
                json_object_set(reply, "list", (json_t *) echo_parameters->list);
        varlink_call_reply(call, g_steal_pointer(&reply));
}

static void nothing(VarlinkCall *call, const void *parameters, void *userdata) {
        Fixture *fixture = userdata;

        fixture->n_calls++;
        varlink_call_reply(call, NULL);
}

static void hold(VarlinkCall *call, const void *parameters, void *userdata) {
        Fixture *fixture = userdata;

        fixture->n_sent_when_held = fixture->n_sent;
        /* One at a time. */
        if (fixture->held)
                varlink_call_errno(call, EBUSY);
        else
                fixture->held = varlink_call_ref(call);
}

static void forget(VarlinkCall *call, const void *parameters, void *userdata) {
}

static const char *gate(VarlinkCall *call, void *userdata) {
        return ((Fixture *) userdata)->gate;
}

static void large(VarlinkCall *call, const void *parameters, void *userdata) {
        size_t size = (size_t) ((const NumberParameters *) parameters)->number;
        g_autofree char *text = g_strnfill(size, 'x');

        varlink_call_reply(call, json_pack("{s:s}", "text", text));
}

static void many(VarlinkCall *call, void *userdata) {
        g_autofree char *text = g_strnfill(MANY_TEXT_SIZE, 'x');
        Fixture *fixture = userdata;

        if (varlink_call_is_gone(call)) {
                fixture->many_gone++;
                varlink_call_reply(call, NULL);
                varlink_call_unref(call);
                return;
        }
        while (fixture->n_sent < MANY_TOTAL) {
                json_t *one = json_pack("{s:i, s:s}", "n", (int) fixture->n_sent, "text", text);

                if (++fixture->n_sent == MANY_TOTAL) {
                        varlink_call_reply(call, one);
                        varlink_call_unref(call);
                        return;
                }
                if (varlink_call_reply_more(call, one, many, userdata) < 0)
                        return;
        }
}

static void start_many(VarlinkCall *call, const void *parameters, void *userdata) {
        ((Fixture *) userdata)->n_sent = 0;
        many(varlink_call_ref(call), userdata);
}

static void use_descriptor(VarlinkCall *call, const void *parameters, void *userdata) {
        int64_t index = ((const NumberParameters *) parameters)->number;
        VarlinkDescriptor *descriptor = varlink_call_descriptor(call, index);

        if (!descriptor) {
                varlink_call_errno(call, -ENXIO);
                return;
        }
        g_assert_cmpint(fcntl(descriptor->fd, F_GETFD), >=, 0);
        varlink_call_reply(call, json_pack("{s:i}", "kind", (int) descriptor->kind));
}

static void give_descriptor(VarlinkCall *call, const void *parameters, void *userdata) {
        const NumberParameters *give = parameters;
        int64_t index = -1;

        for (int64_t i = 0; i < (give->has_number ? give->number : 1); i++)
                if (varlink_call_push_descriptor(
                            call, open("/dev/null", O_RDONLY | O_CLOEXEC), &index) < 0) {
                        varlink_call_errno(call, -E2BIG);
                        return;
                }
        if (give->fail)
                varlink_call_error(call, "org.example.test.Refused", NULL);
        else
                varlink_call_reply(call, json_pack("{s:i}", "index", (int) index));
}

#define METHOD(method_name, ...) \
        { .name = "org.example.test." method_name, __VA_ARGS__ }
#define FIELDS(table, type) \
        .fields = table, .n_fields = G_N_ELEMENTS(table), .parameters_size = sizeof(type)

static const VarlinkMethod methods[] = {
        METHOD("Echo", FIELDS(echo_fields, EchoParameters), .handle = echo),
        METHOD("Nothing", .handle = nothing),
        METHOD("Hold", .handle = hold),
        METHOD("Gated", .handle = nothing, .gate = gate),
        METHOD("Absent", .handle = NULL),
        METHOD("Forget", .handle = forget),
        METHOD("Large", FIELDS(size_fields, NumberParameters), .handle = large),
        METHOD("Many", .handle = start_many, .requires_more = true),
        METHOD("UseDescriptor", FIELDS(index_fields, NumberParameters), .handle = use_descriptor),
        METHOD("GiveDescriptor", FIELDS(give_fields, NumberParameters), .handle = give_descriptor),
};

static uint32_t account(const VarlinkPeer *peer, void *userdata) {
        g_assert_cmpint(peer->uid, ==, getuid());
        g_assert_cmpint(peer->gid, ==, getgid());
        g_assert_cmpint(peer->pid, ==, getpid());
        return ((Fixture *) userdata)->account;
}

static void answered(
        const VarlinkCall *call, const char *error_id, const char *field, void *userdata) {
        Fixture *fixture = userdata;

        g_free(fixture->answered_error);
        g_free(fixture->answered_field);
        fixture->answered_error = g_strdup(error_id);
        fixture->answered_field = g_strdup(field);
        fixture->n_answered++;
}

static int receive(VarlinkConnection *connection, int fd, size_t n_bytes, void *userdata) {
        Fixture *fixture = userdata;

        if (fixture->receive_mode == RECEIVE_REFUSE)
                return -EMFILE;
        g_assert_null(fixture->receiving);
        fixture->n_receives++;
        fixture->receiving = connection;
        fixture->receiving_fd = dup(fd);
        fixture->n_offered = n_bytes;
        if (fixture->receive_mode == RECEIVE_NOW)
                fixture_receive(fixture, 0);
        return 0;
}

static void discard(int take_fd, uint32_t peer_account, void *userdata) {
        Fixture *fixture = userdata;

        g_assert_cmpuint(peer_account, ==, fixture->account);
        fixture->n_discarded++;
        fd_close(take_fd);
}

static void count_idle(void *userdata) {
        ((Fixture *) userdata)->n_idle++;
}

Fixture *fixture_new(void (*change)(VarlinkServerConfig *config)) {
        static const char *const interfaces[] = { test_interface };
        Fixture *fixture = g_new0(Fixture, 1);
        VarlinkServerConfig config = {
                .vendor = "vendor",
                .product = "product",
                .version = "1",
                .url = "https://example.org/",
                .interfaces = interfaces,
                .n_interfaces = G_N_ELEMENTS(interfaces),
                .methods = methods,
                .n_methods = G_N_ELEMENTS(methods),
                .account = account,
                .receive = receive,
                .discard = discard,
                .answered = answered,
                .userdata = fixture,
        };

        if (change)
                change(&config);
        fixture->receiving_fd = -1;
        fixture->account = 77;
        fixture->context = g_main_context_new();
        fixture->folder = g_dir_make_tmp("varlink-XXXXXX", NULL);
        g_assert_nonnull(fixture->folder);
        fixture->path = g_build_filename(fixture->folder, "socket", NULL);
        g_assert_cmpint(varlink_server_new(&config, fixture->context, &fixture->server), ==, 0);
        varlink_server_set_idle(fixture->server, count_idle, fixture);
        g_assert_cmpint(varlink_server_listen_path(fixture->server, fixture->path, 0666), ==, 0);
        return fixture;
}

void fixture_free(Fixture *fixture) {
        if (!fixture)
                return;
        varlink_server_free(fixture->server);
        varlink_call_unref(fixture->held);
        if (fixture->receiving)
                fixture_receive(fixture, -ECANCELED);
        g_main_context_unref(fixture->context);
        g_assert_cmpint(unlink(fixture->path), ==, 0);
        g_assert_cmpint(rmdir(fixture->folder), ==, 0);
        g_free(fixture->path);
        g_free(fixture->folder);
        g_free(fixture->answered_error);
        g_free(fixture->answered_field);
        g_free(fixture);
}

void fixture_receive(Fixture *fixture, int result) {
        g_autofree char *data = g_malloc(fixture->n_offered);
        g_autofree VarlinkDescriptor *descriptors = NULL;
        g_autofree char *control = g_malloc(CMSG_SPACE(sizeof(int) * 253));
        struct iovec iov = { .iov_base = data, .iov_len = fixture->n_offered };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = CMSG_SPACE(sizeof(int) * 253),
        };
        struct cmsghdr *header;
        ssize_t n = 0;
        size_t n_fds = 0;

        if (result == 0) {
                n = recvmsg(fixture->receiving_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
                g_assert_cmpint(n, >, 0);
                header = CMSG_FIRSTHDR(&message);
                g_assert_nonnull(header);
                n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                descriptors = g_new0(VarlinkDescriptor, n_fds);
                for (size_t i = 0; i < n_fds; i++) {
                        memcpy(&descriptors[i].fd, CMSG_DATA(header) + i * sizeof(int),
                               sizeof(int));
                        descriptors[i].kind = (unsigned) i + 100;
                }
        }
        fixture->receiving_fd = fd_close(fixture->receiving_fd);
        varlink_connection_received(
                g_steal_pointer(&fixture->receiving), result, (size_t) n, descriptors, n_fds);
}

void fixture_turn(Fixture *fixture) {
        while (g_main_context_iteration(fixture->context, FALSE))
                ;
}

/* A turn for every wait; fails when that has gone on for too long. */
static void wait_turn(Fixture *fixture, int64_t started_us) {
        g_assert_cmpint(
                g_get_monotonic_time() - started_us, <, FIXTURE_DEADLINE_S * G_USEC_PER_SEC);
        (void) g_main_context_iteration(fixture->context, FALSE);
}

int fixture_connect(Fixture *fixture) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int64_t started_us = g_get_monotonic_time();

        g_assert_cmpint(fd, >=, 0);
        g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
        while (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                g_assert_cmpint(errno, ==, EAGAIN);
                wait_turn(fixture, started_us);
        }
        return fd;
}

ssize_t fixture_try_send_fds(int fd, const char *data, size_t size, size_t n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * 253)];
        } control = { 0 };
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        auto_fd null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (size_t i = 0; i < n_fds; i++)
                memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &null_fd, sizeof(int));
        return sendmsg(fd, &message, MSG_NOSIGNAL);
}

void fixture_send_fds(Fixture *fixture, int fd, const char *data, size_t size, size_t n_fds) {
        int64_t started_us = g_get_monotonic_time();
        ssize_t n;

        while ((n = fixture_try_send_fds(fd, data, size, n_fds)) < 0) {
                g_assert_cmpint(errno, ==, EAGAIN);
                wait_turn(fixture, started_us);
        }
        fixture_send(fixture, fd, data + n, size - (size_t) n);
}

void fixture_send(Fixture *fixture, int fd, const char *data, size_t size) {
        int64_t started_us = g_get_monotonic_time();

        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EPIPE)
                        return;
                if (n < 0) {
                        g_assert_cmpint(errno, ==, EAGAIN);
                        wait_turn(fixture, started_us);
                        continue;
                }
                data += n;
                size -= (size_t) n;
        }
}

void fixture_send_text(Fixture *fixture, int fd, const char *text) {
        fixture_send(fixture, fd, text, strlen(text) + 1);
}

char *fixture_read(Fixture *fixture, int fd) {
        g_autoptr(GString) text = g_string_new(NULL);
        int64_t started_us = g_get_monotonic_time();

        for (;;) {
                char c;
                ssize_t n = recv(fd, &c, 1, 0);

                if (n < 0 && errno == EAGAIN) {
                        wait_turn(fixture, started_us);
                        continue;
                }
                if (n == 0 || (n < 0 && errno == ECONNRESET)) {
                        g_assert_cmpuint(text->len, ==, 0);
                        return NULL;
                }
                g_assert_cmpint(n, ==, 1);
                if (c == '\0')
                        return g_string_free(g_steal_pointer(&text), FALSE);
                g_string_append_c(text, c);
        }
}

void fixture_expect(Fixture *fixture, int fd, const char *text) {
        g_autofree char *reply = fixture_read(fixture, fd);

        g_assert_cmpstr(reply, ==, text);
}

void fixture_expect_closed(Fixture *fixture, int fd) {
        fixture_expect(fixture, fd, NULL);
}

unsigned fixture_count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        g_assert_nonnull(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}
