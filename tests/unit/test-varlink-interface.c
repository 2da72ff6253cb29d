/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/interface.h"

#include <errno.h>
#include <string.h>

#include "lib/interfaces/interfaces.h"
#include "lib/varlink/dispatch.h"

static const char text[] = //
        "# A comment\r\n"
        "interface org.example-1.test\n"
        "type Colour (red, green)\n"
        "type Node (value: int, next: ?Node)\n"
        "type Both(colour: Colour,colours:[]Colour)\n"
        "method All(b: bool, i: int, f: float, s: string, o: object, e: (up, down), st: (x: int),\n"
        "  n: Node, a: []int, aa: [][]string, m: [string]int, an: []?int, both: ?Both) # why\n"
        "  -> (r: ?int)\n"
        "method type() -> ()\n"
        "error Wrong (field: string)\n";

static void test_parse(void) {
        g_autoptr(VarlinkInterface) interface = NULL;
        unsigned line = 0;

        /* A method's name begins with a capital letter. */
        g_assert_cmpint(varlink_interface_parse(text, &interface, &line), ==, -EINVAL);
        g_assert_cmpuint(line, ==, 9);
}

static VarlinkInterface *parse_good(void) {
        g_autofree char *good = g_strdup(text);
        VarlinkInterface *interface = NULL;

        memcpy(strstr(good, "method type"), "method Type", strlen("method Type"));
        g_assert_cmpint(varlink_interface_parse(good, &interface, NULL), ==, 0);
        return interface;
}

static void test_find(void) {
        g_autoptr(VarlinkInterface) interface = parse_good();

        g_assert_cmpstr(varlink_interface_name(interface), ==, "org.example-1.test");
        g_assert_nonnull(varlink_interface_find_method(interface, "All"));
        g_assert_null(varlink_interface_find_method(interface, "Colour"));
        g_assert_null(varlink_interface_find_method(interface, "all"));
}

static void test_bad_texts(void) {
        static const char *const cases[] = {
                "",
                "# only a comment",
                "interface",
                "interface \n",
                "interface test",
                "interfaceorg.example.test",
                "interface org.example.test x",
                "interface org.example.test\ninterface org.example.test",
                "interface org.example.test\ntype",
                "interface org.example.test\ntype T",
                "interface org.example.test\ntype T int",
                "interface org.example.test\ntype T (a: int",
                "interface org.example.test\ntype T (a: int,)",
                "interface org.example.test\ntype T (a: int b: int)",
                "interface org.example.test\ntype T (a: int, a: int)",
                "interface org.example.test\ntype T (a: int, b)",
                "interface org.example.test\ntype T (a, b: int)",
                "interface org.example.test\ntype T (a, a)",
                "interface org.example.test\ntype T (1: int)",
                "interface org.example.test\ntype T (a: integer)",
                "interface org.example.test\ntype T (a: Unknown)",
                "interface org.example.test\ntype T (a: ??int)",
                "interface org.example.test\ntype T (a: [int]int)",
                "interface org.example.test\ntype T (a: [])",
                "interface org.example.test\ntype T (a: int)\ntype T (b: int)",
                "interface org.example.test\ntype T (a: int)\nerror T ()",
                "interface org.example.test\nmethod M () -> ()\nmethod M () -> ()",
                "interface org.example.test\nmethod M () -> (a)\n",
                "interface org.example.test\nmethod M ()",
                "interface org.example.test\nmethod M () ->",
                "interface org.example.test\nmethod M (a, b) -> ()",
                "interface org.example.test\nmethod M () - > ()",
                "interface org.example.test\nerror E",
                "interface org.example.test\nerror E (a)",
                "interface org.example.test\nerror e ()",
                "interface org.example.test\nthing T ()",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                VarlinkInterface *interface = NULL;

                g_test_message("%s", cases[i]);
                g_assert_cmpint(varlink_interface_parse(cases[i], &interface, NULL), ==, -EINVAL);
                g_assert_null(interface);
        }
}

/* A type within `n` arrays, which counts as one level more. */
static int parse_depth(unsigned n) {
        g_autoptr(GString) deep = g_string_new("interface org.example.test\ntype T (a: ");
        g_autoptr(VarlinkInterface) interface = NULL;

        for (unsigned i = 0; i < n; i++)
                g_string_append(deep, "[]");
        g_string_append(deep, "int)");
        return varlink_interface_parse(deep->str, &interface, NULL);
}

static void test_depth(void) {
        g_assert_cmpint(parse_depth(VARLINK_INTERFACE_DEPTH_MAX - 1), ==, 0);
        g_assert_cmpint(parse_depth(VARLINK_INTERFACE_DEPTH_MAX), ==, -EINVAL);
}

static const char good_values[] = "{'b':true,'i':1,'f':1.5,'s':'x','o':{'q':[1]},'e':'up','st':{'x'"
                                  ":1},'n':{'value':1},'a':[],"
                                  "'aa':[['x'],[]],'m':{'k':1},'an':[null,1]}";

static void check_values(const char *field, const char *value, const char *expected_field) {
        g_autoptr(VarlinkInterface) interface = parse_good();
        const VarlinkInterfaceMethod *method = varlink_interface_find_method(interface, "All");
        g_autofree char *values = g_strdelimit(g_strdup(good_values), "'", '"');
        g_autofree char *changed = g_strdelimit(g_strdup(value ? value : "null"), "'", '"');
        g_autoptr(json_t) object = json_loads(values, 0, NULL);
        const char *wrong = NULL;

        g_assert_nonnull(object);
        if (field) {
                json_t *new_value = json_loads(changed, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

                g_assert_nonnull(new_value);
                json_object_set_new(object, field, new_value);
        }
        g_test_message("%s: %s", field ? field : "-", changed);
        g_assert_cmpint(
                varlink_interface_method_accepts(method, object, &wrong), ==,
                expected_field == NULL);
        g_assert_cmpstr(wrong, ==, expected_field);
}

static void test_values(void) {
        static const struct {
                const char *field, *value, *wrong;
        } cases[] = {
                { NULL, NULL, NULL },
                { "b", "1", "b" },
                { "b", "'true'", "b" },
                { "b", "null", "b" },
                { "i", "'12'", NULL },
                { "i", "'-12'", NULL },
                { "i", "'-9223372036854775808'", NULL },
                { "i", "'9223372036854775807'", NULL },
                { "i", "'9223372036854775808'", "i" },
                { "i", "'-9223372036854775809'", "i" },
                { "i", "'012'", "i" },
                { "i", "'+1'", "i" },
                { "i", "' 1'", "i" },
                { "i", "'1\\u0000'", "i" },
                { "i", "''", "i" },
                { "i", "'-'", "i" },
                { "i", "'0x1'", "i" },
                { "i", "1.0", NULL },
                { "i", "-65536.0", NULL },
                { "i", "-0.0", NULL },
                { "i", "1e3", NULL },
                { "i", "9007199254740991.0", NULL },
                { "i", "1.5", "i" },
                { "i", "1e-3", "i" },
                { "i", "9007199254740992.0", "i" },
                { "i", "-9007199254740992.0", "i" },
                { "i", "1e300", "i" },
                { "i", "'1.0'", "i" },
                { "i", "true", "i" },
                { "i", "{}", "i" },
                { "f", "1", NULL },
                { "f", "'1.5'", "f" },
                { "s", "''", NULL },
                { "s", "'\\u0000'", "s" },
                { "s", "[]", "s" },
                { "o", "[]", "o" },
                { "o", "{}", NULL },
                { "o", "{'a':{'b':['\\u0000']}}", "o" },
                { "e", "'down'", NULL },
                { "e", "'Up'", "e" },
                { "e", "0", "e" },
                { "e", "''", "e" },
                { "st", "{}", "x" },
                { "st", "{'x':1,'y':1}", "y" },
                { "st", "1", "st" },
                { "n", "{'value':1,'next':{'value':2,'next':null}}", NULL },
                { "n", "{'value':1,'next':{'value':'x'}}", "value" },
                { "n", "{'value':1,'next':{}}", "value" },
                { "n", "{'value':1,'next':3}", "next" },
                { "a", "[1,'2']", NULL },
                { "a", "[1,null]", "a" },
                { "a", "{}", "a" },
                { "aa", "[['x'],[1]]", "aa" },
                { "aa", "['x']", "aa" },
                { "m", "{'k':null}", "m" },
                { "m", "[]", "m" },
                { "an", "[null,'x']", "an" },
                { "both", "null", NULL },
                { "both", "{'colour':'red','colours':['green']}", NULL },
                { "both", "{'colour':'blue','colours':[]}", "colour" },
                { "both", "{'colour':'red','colours':['blue']}", "colours" },
                { "both", "{'colour':'red','colours':[1]}", "colours" },
                { "zz", "1", "zz" },
                { "zz", "null", "zz" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                check_values(cases[i].field, cases[i].value, cases[i].wrong);
}

/* The first field of the description is the one that is named. */
static void test_missing(void) {
        g_autoptr(VarlinkInterface) interface = parse_good();
        const VarlinkInterfaceMethod *method = varlink_interface_find_method(interface, "All");
        const char *wrong = NULL;

        g_assert_false(varlink_interface_method_accepts(method, NULL, &wrong));
        g_assert_cmpstr(wrong, ==, "b");
}

static void test_own_texts(void) {
        static const char *const texts[] = {
                interface_io_systemd,
                interface_io_systemd_NamespaceResource,
                interface_io_systemd_UserDatabase,
                interface_org_nsresource_Manager,
                interface_org_varlink_service,
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(VarlinkInterface) interface = NULL;

                g_assert_cmpint(varlink_interface_parse(texts[i], &interface, NULL), ==, 0);
        }
}

typedef struct Parameters {
        const char *string;
        int64_t integer;
        const json_t *array;
        const json_t *object;
        bool boolean, has_boolean;
} Parameters;

static const VarlinkField fields[] = {
        { .name = "s",
          .type = VARLINK_FIELD_STRING,
          .offset = offsetof(Parameters, string),
          .present_offset = VARLINK_FIELD_REQUIRED },
        { .name = "i",
          .type = VARLINK_FIELD_INT,
          .offset = offsetof(Parameters, integer),
          .present_offset = VARLINK_FIELD_OPTIONAL },
        { .name = "a",
          .type = VARLINK_FIELD_STRING_ARRAY,
          .offset = offsetof(Parameters, array),
          .present_offset = VARLINK_FIELD_OPTIONAL },
        { .name = "o",
          .type = VARLINK_FIELD_OBJECT,
          .offset = offsetof(Parameters, object),
          .present_offset = VARLINK_FIELD_OPTIONAL },
        { .name = "b",
          .type = VARLINK_FIELD_BOOL,
          .offset = offsetof(Parameters, boolean),
          .present_offset = offsetof(Parameters, has_boolean) },
};

static void test_dispatch(void) {
        g_autoptr(json_t) object = json_pack(
                "{s:s, s:s, s:[s], s:{}, s:b}", "s", "x", "i", "-7", "a", "y", "o", "b", 0);
        g_autoptr(json_t) nulls =
                json_pack("{s:s, s:n, s:n, s:n, s:n}", "s", "x", "i", "a", "o", "b");
        Parameters parameters = { .boolean = true };
        const char *wrong = NULL;

        g_assert_cmpint(
                varlink_dispatch(fields, G_N_ELEMENTS(fields), object, &parameters, &wrong), ==, 0);
        g_assert_cmpstr(parameters.string, ==, "x");
        g_assert_cmpint(parameters.integer, ==, -7);
        g_assert_cmpuint(json_array_size(parameters.array), ==, 1);
        g_assert_nonnull(parameters.object);
        g_assert_false(parameters.boolean);
        g_assert_true(parameters.has_boolean);

        parameters = (Parameters){ 0 };
        g_assert_cmpint(
                varlink_dispatch(fields, G_N_ELEMENTS(fields), nulls, &parameters, &wrong), ==, 0);
        g_assert_null(parameters.array);
        g_assert_false(parameters.has_boolean);
        g_assert_null(wrong);
}

static void test_dispatch_refuses(void) {
        static const struct {
                const char *object, *wrong;
        } cases[] = {
                { "{}", "s" },
                { "{\"s\":1}", "s" },
                { "{\"s\":\"\",\"i\":1.5}", "i" },
                { "{\"s\":\"\",\"a\":[1]}", "a" },
                { "{\"s\":\"\",\"a\":{}}", "a" },
                { "{\"s\":\"\",\"o\":[]}", "o" },
                { "{\"s\":\"\",\"b\":0}", "b" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(json_t) object = json_loads(cases[i].object, 0, NULL);
                Parameters parameters = { 0 };
                const char *wrong = NULL;

                g_assert_cmpint(
                        varlink_dispatch(fields, G_N_ELEMENTS(fields), object, &parameters, &wrong),
                        ==, -EINVAL);
                g_assert_cmpstr(wrong, ==, cases[i].wrong);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/varlink/interface/parse", test_parse);
        g_test_add_func("/varlink/interface/find", test_find);
        g_test_add_func("/varlink/interface/bad-texts", test_bad_texts);
        g_test_add_func("/varlink/interface/depth", test_depth);
        g_test_add_func("/varlink/interface/values", test_values);
        g_test_add_func("/varlink/interface/missing", test_missing);
        g_test_add_func("/varlink/interface/own-texts", test_own_texts);
        g_test_add_func("/varlink/dispatch/fills", test_dispatch);
        g_test_add_func("/varlink/dispatch/refuses", test_dispatch_refuses);
        return g_test_run();
}
