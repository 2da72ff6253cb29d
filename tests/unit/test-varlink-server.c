/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
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
                { CALL("Nothing", "{}"), "{\"parameters\":{}}" },
                { CALL("Nothing", "null"), "{\"parameters\":{}}" },
                { "{\"method\":\"org.example.test.Nothing\"}", "{\"parameters\":{}}" },
                { "{\"method\":\"org.example.test.Nothing\",\"more\":true}",
                  "{\"parameters\":{}}" },
                { "{\"method\":\"org.example.test.Nothing\",\"more\":false,\"oneway\":false}",
                  "{\"parameters\":{}}" },

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
                { CALL("Many", "{}"), ERROR("ExpectedMore", "{}") },
                { CALL("Forget", "{}"), "{\"error\":\"io.systemd.System\",\"parameters\":{"
                                        "\"origin\":\"linux\",\"errno\":131,"
                                        "\"errnoName\":\"ENOTRECOVERABLE\"}}" },
                { "{\"method\":\"org.varlink.service.GetInfo\"}",
                  "{\"parameters\":{\"vendor\":\"vendor\",\"product\":\"product\",\"version\":"
                  "\"1\","
                  "\"url\":\"https://example.org/\",\"interfaces\":[\"org.example.test\","
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

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/server/calls", test_calls);
        return g_test_run();
}
