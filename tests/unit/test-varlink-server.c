/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/interfaces/interfaces.h"
#include "lib/util/fd.h"
#include "lib/varlink/listener.h"
#include "tests/unit/varlink-fixture.h"

#define CALL(name, parameters) \
        "{\"method\":\"org.example.test." name "\",\"parameters\":" parameters "}"
#define ERROR(id, parameters) \
        "{\"error\":\"org.varlink.service." id "\",\"parameters\":" parameters "}"
#define INVALID(field) ERROR("InvalidParameter", "{\"parameter\":\"" field "\"}")

static void test_calls(void) {
        static const struct {
                const char *call, *reply;
        } cases[] = {
                { CALL("Echo", "{\"text\":\"a\"}"), "{\"parameters\":{\"text\":\"a\"}}" },
                { CALL("Echo", "{\"text\":\"ä\",\"number\":-3,\"flag\":false,\"list\":[\"x\"]}"),
                  "{\"parameters\":{\"text\":\"ä\",\"number\":-3,\"flag\":false,\"list\":[\"x\"]}"
                  "}" },
                { CALL("Echo", "{\"text\":\"a\",\"number\":\"42\"}"),
                  "{\"parameters\":{\"text\":\"a\",\"number\":42}}" },
                { CALL("Echo", "{\"text\":\"a\",\"number\":null,\"flag\":null,\"colour\":null,"
                               "\"list\":null,"
                               "\"inner\":null}"),
                  "{\"parameters\":{\"text\":\"a\"}}" },
                { CALL("Nothing", "{}"), "{}" },
                { CALL("Nothing", "null"), "{}" },
                { "{\"method\":\"org.example.test.Nothing\"}", "{}" },
                { "{\"method\":\"org.example.test.Nothing\",\"more\":true}", "{}" },
                { "{\"method\":\"org.example.test.Nothing\",\"more\":false,\"oneway\":false}",
                  "{}" },

                { CALL("Echo", "{}"), INVALID("text") },
                { CALL("Echo", "{\"text\":null}"), INVALID("text") },
                { CALL("Echo", "{\"text\":1}"), INVALID("text") },
                { CALL("Echo", "{\"text\":\"a\\u0000b\"}"), INVALID("text") },
                { CALL("Echo", "{\"text\":\"a\",\"colour\":\"blue\"}"), INVALID("colour") },
                { CALL("Echo", "{\"text\":\"a\",\"list\":[1]}"), INVALID("list") },
                { CALL("Echo", "{\"text\":\"a\",\"inner\":{}}"), INVALID("depth") },
                { CALL("Echo", "{\"text\":\"a\",\"other\":1}"), INVALID("other") },
                { CALL("Echo", "{\"text\":\"a\",\"other\":null}"), INVALID("other") },
                { CALL("Echo", "{\"text\":\"a\",\"number\":9223372036854775808}"),
                  INVALID("number") },
                { CALL("Echo", "{\"text\":\"a\",\"number\":1.5}"), INVALID("number") },
                { CALL("Nothing", "{\"x\":1}"), INVALID("x") },
                { "{\"method\":\"org.example.test.Nothing\",\"upgrade\":true}",
                  INVALID("upgrade") },

                { CALL("None", "{}"),
                  ERROR("MethodNotFound", "{\"method\":\"org.example.test.None\"}") },
                { "{\"method\":\"org.example.other.Echo\"}",
                  ERROR("MethodNotFound", "{\"method\":\"org.example.other.Echo\"}") },
                { "{\"method\":\"\"}", ERROR("MethodNotFound", "{\"method\":\"\"}") },
                { CALL("Absent", "{}"),
                  ERROR("MethodNotImplemented", "{\"method\":\"org.example.test.Absent\"}") },
                { CALL("Many", "{}"), "{\"error\":\"org.varlink.service.ExpectedMore\"}" },
                { CALL("Forget", "{}"), "{\"error\":\"io.systemd.System\",\"parameters\":{"
                                        "\"origin\":\"linux\",\"errno\":131,"
                                        "\"errnoName\":\"ENOTRECOVERABLE\"}}" },
                { "{\"method\":\"org.varlink.service.GetInfo\"}",
                  "{\"parameters\":{\"vendor\":\"vendor\",\"product\":\"product\",\"version\":"
                  "\"1\","
                  "\"url\":\"https://example.org/"
                  "\",\"interfaces\":[\"io.systemd\",\"org.example.test\","
                  "\"org.varlink.service\"]}}" },
                { "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
                  "\"interface\":\"org.example.none\"}}",
                  ERROR("InterfaceNotFound", "{\"interface\":\"org.example.none\"}") },
                { "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
                  INVALID("interface") },
        };
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                fixture_send_text(fixture, fd, cases[i].call);
                fixture_expect(fixture, fd, cases[i].reply);
                g_assert_cmpuint(fixture->n_answered, ==, i + 1);
        }
}

static void expect_done(Fixture *fixture, int fd) {
        fixture_send_text(fixture, fd, "{\"method\":\"org.example.test.Nothing\"}");
        fixture_expect(fixture, fd, "{}");
}

static void test_description(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);
        g_autofree char *reply = NULL;
        g_autoptr(json_t) object = NULL;
        const char *description = NULL;

        fixture_send_text(
                fixture, fd,
                "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
                "\"interface\":\"org.varlink.service\"}}");
        reply = fixture_read(fixture, fd);
        object = json_loads(reply, 0, NULL);
        g_assert_cmpint(
                json_unpack(object, "{s:{s:s}}", "parameters", "description", &description), ==, 0);
        g_assert_cmpstr(description, ==, interface_org_varlink_service);
}

/* What does not fit the description is refused first, then by the gate. */
static void test_gate(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd fd = fixture_connect(fixture);

        fixture->gate = "org.example.test.Refused";
        fixture_send_text(fixture, fd, CALL("Gated", "{}"));
        fixture_expect(fixture, fd, INVALID("text"));
        g_assert_cmpstr(fixture->answered_field, ==, "text");
        fixture_send_text(fixture, fd, CALL("Gated", "{\"text\":\"\"}"));
        fixture_expect(fixture, fd, "{\"error\":\"org.example.test.Refused\"}");
        g_assert_cmpstr(fixture->answered_error, ==, "org.example.test.Refused");
        g_assert_null(fixture->answered_field);
        g_assert_cmpuint(fixture->n_calls, ==, 0);
        fixture->gate = NULL;
        fixture_send_text(fixture, fd, CALL("Gated", "{\"text\":\"\"}"));
        fixture_expect(fixture, fd, "{}");
        g_assert_null(fixture->answered_error);
}

/* 3 for an account, 5 in all. */
static void small_caps(VarlinkServerConfig *config) {
        config->connections_per_account_max = 3;
        config->connections_max = 5;
}

static void test_account_cap(void) {
        g_autoptr(Fixture) fixture = fixture_new(small_caps);
        auto_fd first_fd = fixture_connect(fixture);
        auto_fd second_fd = fixture_connect(fixture);
        auto_fd third_fd = fixture_connect(fixture);
        auto_fd fourth_fd = -1, fifth_fd = -1, other_fd = -1;

        expect_done(fixture, third_fd);
        fourth_fd = fixture_connect(fixture);
        fixture_expect_closed(fixture, fourth_fd);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 3);

        fixture->account = 78;
        other_fd = fixture_connect(fixture);
        expect_done(fixture, other_fd);

        /* Room again. */
        fixture->account = 77;
        second_fd = fd_close(second_fd);
        fixture_turn(fixture);
        fifth_fd = fixture_connect(fixture);
        expect_done(fixture, fifth_fd);
        expect_done(fixture, first_fd);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 4);
}

static int connect_as(Fixture *fixture, uint32_t account) {
        int fd;

        fixture->account = account;
        fd = fixture_connect(fixture);
        fixture_turn(fixture);
        return fd;
}

/* At the cap for all, the one longest without a call makes room, unless its call is being dealt
 * with. */
static void test_total_cap(void) {
        g_autoptr(Fixture) fixture = fixture_new(small_caps);
        auto_fd busy_fd = connect_as(fixture, 1);
        auto_fd half_fd = connect_as(fixture, 2);
        auto_fd idle_fd = connect_as(fixture, 3);
        auto_fd active_fd = connect_as(fixture, 4);
        auto_fd last_fd = connect_as(fixture, 5);
        auto_fd sixth_fd = -1, seventh_fd = -1, eighth_fd = -1;

        fixture_send_text(fixture, busy_fd, CALL("Hold", "{}"));
        fixture_turn(fixture);
        expect_done(fixture, half_fd);
        expect_done(fixture, idle_fd);
        expect_done(fixture, active_fd);
        expect_done(fixture, last_fd);
        /* Bytes that are no call yet do not count. */
        fixture_send(fixture, half_fd, "{", 1);
        expect_done(fixture, active_fd);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 5);

        sixth_fd = connect_as(fixture, 6);
        fixture_expect_closed(fixture, half_fd);
        expect_done(fixture, sixth_fd);
        seventh_fd = connect_as(fixture, 7);
        fixture_expect_closed(fixture, idle_fd);
        eighth_fd = connect_as(fixture, 8);
        fixture_expect_closed(fixture, last_fd);
        expect_done(fixture, seventh_fd);
        expect_done(fixture, eighth_fd);
        expect_done(fixture, active_fd);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 5);
        varlink_call_reply(fixture->held, NULL);
        varlink_call_unref(g_steal_pointer(&fixture->held));
        fixture_expect(fixture, busy_fd, "{}");
}

/* All of them busy: the newcomer is refused. */
static void test_total_cap_busy(void) {
        g_autoptr(Fixture) fixture = fixture_new(small_caps);
        VarlinkCall *held[5] = { 0 };
        int fds[5];
        auto_fd sixth_fd = -1;

        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = connect_as(fixture, i);
                fixture_send_text(fixture, fds[i], CALL("Hold", "{}"));
                fixture_turn(fixture);
                held[i] = g_steal_pointer(&fixture->held);
                g_assert_nonnull(held[i]);
        }
        sixth_fd = connect_as(fixture, 9);
        fixture_expect_closed(fixture, sixth_fd);
        for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
                varlink_call_reply(held[i], NULL);
                varlink_call_unref(held[i]);
                fixture_expect(fixture, fds[i], "{}");
                fd_close(fds[i]);
        }
}

/* Descriptors run out: idle connections make room; when there is none, waiting peers are served
 * later. */
static void test_short_of_descriptors(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        auto_fd idle_fd = fixture_connect(fixture);
        auto_fd second_fd = -1, third_fd = -1;
        struct rlimit before, limit;
        int probe_fd;

        fixture_turn(fixture);
        second_fd = fixture_connect(fixture);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        probe_fd = fcntl(second_fd, F_DUPFD_CLOEXEC, 3);
        limit = before;
        limit.rlim_cur = (rlim_t) probe_fd;
        fd_close(probe_fd);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        expect_done(fixture, second_fd);
        fixture_expect_closed(fixture, idle_fd);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);

        fixture_send_text(fixture, second_fd, CALL("Hold", "{}"));
        fixture_turn(fixture);
        idle_fd = fd_close(idle_fd);
        third_fd = fixture_connect(fixture);
        fixture_send_text(fixture, third_fd, CALL("Nothing", "{}"));
        fixture_turn(fixture); /* ends: the listening socket is not polled for a while */
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 1);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
        fixture_expect(fixture, third_fd, "{}");
}

/* More connections at once than a turn takes: all are served, and none is left behind. */
static void test_flood(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        unsigned n_before = fixture_count_fds();
        int fds[128 + 40];

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = fixture_connect(fixture);
                fixture_send(fixture, fds[i], "{", 1);
        }
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 128);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                fd_close(fds[i]);
        fixture_turn(fixture);
        g_assert_cmpuint(varlink_server_n_connections(fixture->server), ==, 0);
        g_assert_cmpuint(fixture->n_idle, ==, 1);
        g_assert_cmpuint(fixture_count_fds(), ==, n_before);
}

static void test_listen_path(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        g_autofree char *file = g_build_filename(fixture->folder, "file", NULL);
        g_autofree char *stale = g_build_filename(fixture->folder, "stale", NULL);
        g_autofree char *none = g_build_filename(fixture->folder, "none", "socket", NULL);
        g_autofree char *longest = g_strnfill(200, 'x');
        struct stat status;
        mode_t umask_before = umask(077);
        int stale_fd = -1;

        g_assert_true(g_file_set_contents(file, "x", 1, NULL));
        g_assert_cmpint(
                varlink_server_listen_path(fixture->server, fixture->path, 0600), ==, -EADDRINUSE);
        g_assert_cmpint(varlink_server_listen_path(fixture->server, file, 0600), ==, -EADDRINUSE);
        g_assert_cmpint(varlink_server_listen_path(fixture->server, none, 0600), ==, -ENOENT);
        g_assert_cmpint(
                varlink_server_listen_path(fixture->server, longest, 0600), ==, -ENAMETOOLONG);

        g_assert_cmpint(varlink_listener_bind(stale, 0600, &stale_fd), ==, 0);
        fd_close(stale_fd);
        g_assert_cmpint(varlink_server_listen_path(fixture->server, stale, 0666), ==, 0);
        g_assert_cmpint(stat(stale, &status), ==, 0);
        g_assert_cmpint(status.st_mode & 07777, ==, 0666);
        g_assert_cmpint(umask(umask_before), ==, 077);
        g_assert_cmpint(unlink(stale), ==, 0);
        g_assert_cmpint(unlink(file), ==, 0);
}

static void test_listen_fd(void) {
        g_autoptr(Fixture) fixture = fixture_new(NULL);
        int unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int datagram_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        unsigned n_fds = fixture_count_fds();

        g_assert_cmpint(varlink_server_listen_fd(fixture->server, unix_fd), ==, -EINVAL);
        g_assert_cmpint(varlink_server_listen_fd(fixture->server, datagram_fd), ==, -EINVAL);
        g_assert_cmpint(varlink_server_listen_fd(fixture->server, null_fd), ==, -ENOTSOCK);
        g_assert_cmpuint(fixture_count_fds(), ==, n_fds - 3);
}

static int try_config(const char *interface, const char *method) {
        const char *const interfaces[] = { interface };
        const VarlinkMethod methods[] = { { .name = method } };
        const VarlinkServerConfig config = {
                .interfaces = interfaces,
                .n_interfaces = 1,
                .methods = methods,
                .n_methods = 1,
        };
        VarlinkServer *server;
        int r;

        r = varlink_server_new(&config, NULL, &server);
        if (r == 0)
                varlink_server_free(server);
        return r;
}

static void test_config(void) {
        static const char text[] = "interface a.b\nmethod M() -> ()\n";

        g_assert_cmpint(try_config(text, "a.b.M"), ==, 0);
        g_assert_cmpint(try_config("interface a.b\nmethod", "a.b.M"), ==, -EINVAL);
        g_assert_cmpint(try_config(text, "a.b.N"), ==, -EINVAL);
        g_assert_cmpint(try_config(text, "a.c.M"), ==, -EINVAL);
        g_assert_cmpint(try_config(text, "M"), ==, -EINVAL);
        /* An interface twice. */
        g_assert_cmpint(try_config("interface org.varlink.service", "a.b.M"), ==, -EINVAL);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/server/calls", test_calls);
        g_test_add_func("/varlink/server/description", test_description);
        g_test_add_func("/varlink/server/gate", test_gate);
        g_test_add_func("/varlink/server/account-cap", test_account_cap);
        g_test_add_func("/varlink/server/total-cap", test_total_cap);
        g_test_add_func("/varlink/server/total-cap-busy", test_total_cap_busy);
        g_test_add_func("/varlink/server/short-of-descriptors", test_short_of_descriptors);
        g_test_add_func("/varlink/server/flood", test_flood);
        g_test_add_func("/varlink/server/listen-path", test_listen_path);
        g_test_add_func("/varlink/server/listen-fd", test_listen_fd);
        g_test_add_func("/varlink/server/config", test_config);
        return g_test_run();
}
