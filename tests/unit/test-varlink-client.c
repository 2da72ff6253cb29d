/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "tests/unit/varlink-fixture.h"

/* The client blocks, so the server runs in a thread of its own until `stop`. */
typedef struct Served {
        Fixture *fixture;
        GThread *thread;
        int stop;
} Served;

static gpointer serve(gpointer data) {
        Served *served = data;

        while (!g_atomic_int_get(&served->stop)) {
                fixture_turn(served->fixture);
                g_usleep(500);
        }
        return NULL;
}

static void served_start(Served *served) {
        served->fixture = fixture_new(NULL);
        served->thread = g_thread_new("server", serve, served);
}

static void served_stop(Served *served) {
        g_atomic_int_set(&served->stop, 1);
        g_thread_join(served->thread);
        fixture_free(served->fixture);
}

static void check_call(
        VarlinkClient *client, const char *method, json_t *take_parameters, const int *fds,
        size_t n_fds, const char *expected_error, const char *expected) {
        g_autoptr(json_t) parameters = take_parameters;
        g_autoptr(json_t) reply = NULL;
        g_autofree char *error = NULL;
        char *text;

        g_assert_cmpint(
                varlink_client_call(client, method, parameters, fds, n_fds, &reply, &error), ==, 0);
        g_assert_cmpstr(error, ==, expected_error);
        text = json_dumps(reply, JSON_COMPACT);
        g_assert_cmpstr(text, ==, expected);
        free(text);
}

/* The server closes what it was sent after it has answered, in its own time. */
static void expect_n_fds(unsigned n) {
        for (unsigned i = 0; i < 20000 && fixture_count_fds() != n; i++)
                g_usleep(1000);
        g_assert_cmpuint(fixture_count_fds(), ==, n);
}

static void test_call(void) {
        g_autoptr(VarlinkClient) client = NULL;
        Served served = { 0 };
        auto_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const int fds[] = { fd, fd, STDERR_FILENO };
        g_autofree char *large = g_strnfill(60000, 'x');
        unsigned n_fds;

        served_start(&served);
        g_assert_cmpint(varlink_client_connect(served.fixture->path, 20000, &client), ==, 0);
        check_call(client, "org.example.test.Nothing", NULL, NULL, 0, NULL, "{}");
        n_fds = fixture_count_fds();
        check_call(
                client, "org.example.test.Echo", json_pack("{s:s}", "text", "ä"), NULL, 0, NULL,
                "{\"text\":\"ä\"}");
        check_call(
                client, "org.example.test.None", NULL, NULL, 0,
                "org.varlink.service.MethodNotFound", "{\"method\":\"org.example.test.None\"}");
        check_call(
                client, "org.example.test.UseDescriptor", json_pack("{s:i}", "index", 2), fds, 3,
                NULL, "{\"kind\":102}");
        check_call(
                client, "org.example.test.Nothing", json_pack("{s:s}", "text", large), NULL, 0,
                "org.varlink.service.InvalidParameter", "{\"parameter\":\"text\"}");
        g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
        expect_n_fds(n_fds);
        g_assert_cmpint(
                varlink_client_call(client, "a.b.C", NULL, fds, 254, NULL, NULL), ==, -E2BIG);
        served_stop(&served);
}

static void test_more(void) {
        g_autoptr(VarlinkClient) client = NULL;
        Served served = { 0 };
        bool continues = true;

        served_start(&served);
        g_assert_cmpint(varlink_client_connect(served.fixture->path, 20000, &client), ==, 0);
        g_assert_cmpint(varlink_client_next(client, NULL, NULL, NULL), ==, -ENODATA);
        g_assert_cmpint(varlink_client_call_more(client, "org.example.test.Many", NULL), ==, 0);
        g_assert_cmpint(
                varlink_client_call(client, "org.example.test.Nothing", NULL, NULL, 0, NULL, NULL),
                ==, -EBUSY);
        for (int i = 0; i < 1000; i++) {
                g_autoptr(json_t) reply = NULL;
                g_autofree char *error = NULL;

                g_assert_cmpint(varlink_client_next(client, &reply, &error, &continues), ==, 0);
                g_assert_null(error);
                g_assert_cmpint(json_integer_value(json_object_get(reply, "n")), ==, i);
                g_assert_cmpint(continues, ==, i < 999);
        }
        check_call(client, "org.example.test.Nothing", NULL, NULL, 0, NULL, "{}");
        served_stop(&served);
}

static void test_connect(void) {
        g_autofree char *longest = g_strnfill(200, 'x');
        VarlinkClient *client = NULL;

        g_assert_cmpint(varlink_client_connect("/nonexistent/socket", 1000, &client), ==, -ENOENT);
        g_assert_cmpint(varlink_client_connect(longest, 1000, &client), ==, -ENAMETOOLONG);
        g_assert_null(client);
}

/* A server that answers each connection with fixed bytes, or with nothing. */
typedef struct Canned {
        char *folder, *path;
        int listen_fd;
        const char *answer;
        size_t size;
        GThread *thread;
} Canned;

static gpointer answer_canned(gpointer data) {
        Canned *canned = data;
        auto_fd fd = accept4(canned->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        char buffer[4096];

        g_assert_cmpint(recv(fd, buffer, sizeof(buffer), 0), >, 0);
        for (size_t i = 0; i < canned->size; i++)
                g_assert_cmpint(send(fd, canned->answer + i, 1, MSG_NOSIGNAL), ==, 1);
        if (canned->answer) {
                shutdown(fd, SHUT_WR);
                return NULL;
        }
        /* No answer: wait until the client has given up. */
        while (recv(fd, buffer, sizeof(buffer), 0) > 0)
                ;
        return NULL;
}

static int call_canned(const char *answer, size_t size, int timeout_ms, char **ret_error) {
        Canned canned = { .answer = answer, .size = size };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_autoptr(json_t) parameters = NULL;
        VarlinkClient *client = NULL;
        int r;

        canned.folder = g_dir_make_tmp("varlink-XXXXXX", NULL);
        canned.path = g_build_filename(canned.folder, "socket", NULL);
        canned.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_strlcpy(address.sun_path, canned.path, sizeof(address.sun_path));
        g_assert_cmpint(
                bind(canned.listen_fd, (struct sockaddr *) &address, sizeof(address)), ==, 0);
        g_assert_cmpint(listen(canned.listen_fd, 1), ==, 0);
        canned.thread = g_thread_new("canned", answer_canned, &canned);
        g_assert_cmpint(varlink_client_connect(canned.path, timeout_ms, &client), ==, 0);
        r = varlink_client_call(client, "a.b.C", NULL, NULL, 0, &parameters, ret_error);
        if (r < 0) {
                /* Nothing more can be had from it. */
                g_assert_cmpint(
                        varlink_client_call(client, "a.b.C", NULL, NULL, 0, &parameters, ret_error),
                        ==, -ECONNRESET);
        }
        varlink_client_free(client);
        g_thread_join(canned.thread);
        fd_close(canned.listen_fd);
        g_assert_cmpint(unlink(canned.path), ==, 0);
        g_assert_cmpint(rmdir(canned.folder), ==, 0);
        g_free(canned.path);
        g_free(canned.folder);
        return r;
}

static void test_answers(void) {
        static const struct {
                const char *answer;
                size_t size;
                int result;
                const char *error;
        } cases[] = {
#define ANSWER(text) .answer = text, .size = sizeof(text)
                { ANSWER("{}"), .result = 0 },
                { ANSWER("{\"parameters\":{}}"), .result = 0 },
                { ANSWER("{\"error\":\"a.b.E\"}"), .result = 0, .error = "a.b.E" },
                { ANSWER("{\"continues\":true}"), .result = -EPROTO },
                { ANSWER("{\"other\":1}"), .result = -EPROTO },
                { ANSWER("{"), .result = -EPROTO },
                { ANSWER(""), .result = -EPROTO },
                { .answer = "", .size = 0, .result = -ECONNRESET },
                { .answer = "{}", .size = 2, .result = -ECONNRESET },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *error = NULL;

                g_assert_cmpint(
                        call_canned(cases[i].answer, cases[i].size, 20000, &error), ==,
                        cases[i].result);
                g_assert_cmpstr(error, ==, cases[i].error);
        }
}

static void test_timeout(void) {
        g_autofree char *error = NULL;
        int64_t started_us = g_get_monotonic_time();

        g_assert_cmpint(call_canned(NULL, 0, 100, &error), ==, -ETIMEDOUT);
        g_assert_cmpint(g_get_monotonic_time() - started_us, >=, 100 * 1000);
        g_assert_cmpint(g_get_monotonic_time() - started_us, <, 10 * G_USEC_PER_SEC);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/client/call", test_call);
        g_test_add_func("/varlink/client/more", test_more);
        g_test_add_func("/varlink/client/connect", test_connect);
        g_test_add_func("/varlink/client/answers", test_answers);
        g_test_add_func("/varlink/client/timeout", test_timeout);
        return g_test_run();
}
