/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_call(const char *text, VarlinkCallMessage *ret_message) {
        return varlink_call_message_parse(text, strlen(text), ret_message);
}

static void test_call(void) {
        g_auto(VarlinkCallMessage) message = { 0 };

        g_assert_cmpint(
                parse_call(
                        " {\"parameters\":{\"a\":1},\"method\":\"x.y.Z\",\"more\":true}\n",
                        &message),
                ==, 0);
        g_assert_cmpstr(message.method, ==, "x.y.Z");
        g_assert_true(message.more);
        g_assert_false(message.oneway);
        g_assert_false(message.upgrade);
        g_assert_cmpint(json_integer_value(json_object_get(message.parameters, "a")), ==, 1);
}

static void test_call_nulls(void) {
        g_auto(VarlinkCallMessage) message = { 0 };

        g_assert_cmpint(
                parse_call(
                        "{\"method\":\"x.y.Z\",\"parameters\":null,\"oneway\":null,\"more\":false,"
                        "\"upgrade\":true}",
                        &message),
                ==, -EBADMSG);
        g_assert_cmpint(
                parse_call(
                        "{\"method\":\"x.y.Z\",\"parameters\":null,\"oneway\":null,\"upgrade\":"
                        "true}",
                        &message),
                ==, 0);
        g_assert_null(message.parameters);
        g_assert_true(message.upgrade);
}

static void test_bad_calls(void) {
        static const char *const cases[] = {
                "",
                " ",
                "null",
                "1",
                "\"method\"",
                "[]",
                "{",
                "{}",
                "{\"method\":\"x.y.Z\"",
                "{\"method\":\"x.y.Z\"}}",
                "{\"method\":\"x.y.Z\"} x",
                "{\"method\":\"x.y.Z\"}{\"method\":\"x.y.Z\"}",
                "{\"method\":\"x.y.Z\",}",
                "{'method':'x.y.Z'}",
                "{\"method\":null}",
                "{\"method\":1}",
                "{\"method\":\"x.y.Z\\u0000\"}",
                "{\"method\":\"x.y.Z\",\"method\":\"x.y.Z\"}",
                "{\"method\":\"x.y.Z\",\"parameters\":[]}",
                "{\"method\":\"x.y.Z\",\"parameters\":\"a\"}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":1,\"a\":2}}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":{\"b\":1,\"b\":1}}}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\\u0000b\":1}}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":1e999}}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":\"\xff\"}}",
                "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":NaN}}",
                "{\"method\":\"x.y.Z\",\"other\":1}",
                "{\"method\":\"x.y.Z\",\"other\":null}",
                "{\"method\":\"x.y.Z\",\"continues\":false}",
                "{\"method\":\"x.y.Z\",\"more\":1}",
                "{\"method\":\"x.y.Z\",\"more\":\"true\"}",
                "{\"method\":\"x.y.Z\",\"more\":true,\"oneway\":true}",
                "{\"method\":\"x.y.Z\",\"more\":true,\"oneway\":false}",
                "{\"method\":\"x.y.Z\",\"upgrade\":true,\"more\":false}",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(VarlinkCallMessage) message = { 0 };

                g_test_message("%s", cases[i]);
                g_assert_cmpint(parse_call(cases[i], &message), ==, -EBADMSG);
                g_assert_null(message.object);
        }
}

/* Integers that do not fit stay reals, the others in the same message stay integers. */
static void test_large_integers(void) {
        g_auto(VarlinkCallMessage) message = { 0 };
        json_t *parameters;

        g_assert_cmpint(
                parse_call(
                        "{\"method\":\"x.y.Z\",\"parameters\":{\"big\":18446744073709551616,\"n\":-"
                        "7,"
                        "\"in\":[{\"m\":9}],\"most\":9223372036854775807}}",
                        &message),
                ==, 0);
        parameters = message.parameters;
        g_assert_true(json_is_real(json_object_get(parameters, "big")));
        g_assert_cmpint(json_integer_value(json_object_get(parameters, "n")), ==, -7);
        g_assert_cmpint(
                json_integer_value(
                        json_object_get(json_array_get(json_object_get(parameters, "in"), 0), "m")),
                ==, 9);
}

/* Deeper than the parser goes. */
static void test_depth(void) {
        g_auto(VarlinkCallMessage) message = { 0 };
        g_autoptr(GString) text = g_string_new("{\"method\":\"x.y.Z\",\"parameters\":{\"a\":");

        for (unsigned i = 0; i < 20000; i++)
                g_string_append_c(text, '[');
        for (unsigned i = 0; i < 20000; i++)
                g_string_append_c(text, ']');
        g_string_append(text, "}}");
        g_assert_cmpint(parse_call(text->str, &message), ==, -EBADMSG);
}

static void test_reply(void) {
        static const char *const bad[] = {
                "{\"parameters\":{},\"x\":1}",
                "{\"error\":1}",
                "{\"parameters\":1}",
                "{\"continues\":1}",
                "{\"error\":\"a.B\",\"continues\":true}",
                "[]",
                "x",
        };
        g_auto(VarlinkReplyMessage) message = { 0 };
        g_auto(VarlinkReplyMessage) empty = { 0 };
        static const char good[] =
                "{\"error\":\"a.B\",\"parameters\":{\"c\":1},\"continues\":null}";

        g_assert_cmpint(varlink_reply_message_parse(good, strlen(good), &message), ==, 0);
        g_assert_cmpstr(message.error, ==, "a.B");
        g_assert_nonnull(message.parameters);
        g_assert_false(message.continues);
        g_assert_cmpint(varlink_reply_message_parse("{}", 2, &empty), ==, 0);
        g_assert_null(empty.error);
        g_assert_null(empty.parameters);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_auto(VarlinkReplyMessage) none = { 0 };

                g_assert_cmpint(
                        varlink_reply_message_parse(bad[i], strlen(bad[i]), &none), ==, -EBADMSG);
        }
}

static void check_text(char *take_text, size_t size, const char *expected) {
        g_assert_cmpstr(take_text, ==, expected);
        g_assert_cmpuint(size, ==, strlen(expected) + 1);
        free(take_text);
}

static void test_format(void) {
        g_autoptr(json_t) parameters = json_pack("{s:i}", "a", 1);
        size_t size;
        char *text;

        g_assert_cmpint(varlink_call_message_format("x.y.Z", NULL, false, &text, &size), ==, 0);
        check_text(text, size, "{\"method\":\"x.y.Z\"}");
        g_assert_cmpint(
                varlink_call_message_format("x.y.Z", parameters, true, &text, &size), ==, 0);
        check_text(text, size, "{\"method\":\"x.y.Z\",\"parameters\":{\"a\":1},\"more\":true}");
        g_assert_cmpint(varlink_reply_message_format(NULL, NULL, false, &text, &size), ==, 0);
        check_text(text, size, "{}");
        g_assert_cmpint(varlink_reply_message_format(NULL, parameters, true, &text, &size), ==, 0);
        check_text(text, size, "{\"parameters\":{\"a\":1},\"continues\":true}");
        g_assert_cmpint(varlink_reply_message_format("a.B", NULL, false, &text, &size), ==, 0);
        check_text(text, size, "{\"error\":\"a.B\"}");
        g_assert_cmpint(
                varlink_call_message_format("\xff", NULL, false, &text, &size), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/message/call", test_call);
        g_test_add_func("/varlink/message/call-nulls", test_call_nulls);
        g_test_add_func("/varlink/message/bad-calls", test_bad_calls);
        g_test_add_func("/varlink/message/large-integers", test_large_integers);
        g_test_add_func("/varlink/message/depth", test_depth);
        g_test_add_func("/varlink/message/reply", test_reply);
        g_test_add_func("/varlink/message/format", test_format);
        return g_test_run();
}
