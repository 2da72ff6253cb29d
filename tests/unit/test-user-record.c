/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "userdb/privileges.h"
#include "userdb/user-filter.h"
#include "userdb/user-record.h"

static const TableAnswer answer = {
        .id = 0x80000 + 65535,
        .offset = 65535,
        .range = { .start = 0x80000,
                   .size = 65536,
                   .owner_uid = 1000,
                   .birth_usec = UINT64_C(1795305600000000),
                   .name = "1000-Web" },
};

static void assert_json(json_t *take_value, const char *expected) {
        g_autoptr(json_t) value = take_value, wanted = json_loads(expected, 0, NULL);
        g_autofree char *text = json_dumps(value, JSON_SORT_KEYS);

        g_assert_nonnull(wanted);
        if (!json_equal(value, wanted))
                g_error("got %s, wanted %s", text, expected);
}

static void test_user(void) {
        TableAnswer single = answer;

        assert_json(
                user_record_new(&answer),
                "{\"userName\": \"ns-1000-Web-65535\", \"uid\": 589823, \"gid\": 589823,"
                " \"realName\": \"User 65535 of namespace 1000-Web of UID 1000 since 2026-11-22\","
                " \"homeDirectory\": \"/\", \"shell\": \"/usr/sbin/nologin\", \"locked\": true,"
                " \"disposition\": \"container\", \"service\": \"io.systemd.NamespaceResource\"}");

        single.range.size = 1;
        g_assert_cmpstr(user_record_disposition(&single), ==, "dynamic");
}

static void test_group(void) {
        assert_json(
                group_record_new(&answer),
                "{\"groupName\": \"ns-1000-Web-65535\", \"gid\": 589823,"
                " \"description\": \"Group 65535 of namespace 1000-Web of UID 1000 since "
                "2026-11-22\","
                " \"disposition\": \"container\", \"service\": \"io.systemd.NamespaceResource\"}");
}

static bool matches(const UserFilterFields *fields) {
        UserFilter filter;

        g_assert_null(user_filter_fold(fields, &filter));
        return user_filter_matches(&filter, &answer);
}

static bool fuzzy(const char *text) {
        g_autoptr(json_t) names = json_pack("[s]", text);

        return matches(&(UserFilterFields){ .fuzzy_names = names });
}

static void test_fuzzy(void) {
        g_autoptr(json_t) many = json_array();
        UserFilterFields fields = { .fuzzy_names = many };
        UserFilter filter;

        g_assert_true(fuzzy("web"));
        g_assert_true(fuzzy("WEB-655"));
        g_assert_true(fuzzy("of uid 1000"));
        g_assert_true(fuzzy(""));
        /* misspelt by four, by five */
        g_assert_true(fuzzy("ns-1000-Wxx-655xx"));
        g_assert_false(fuzzy("ns-1000-xxx-655xx"));
        g_assert_true(fuzzy("ns-1000-Web-65535abcd"));
        g_assert_false(fuzzy("ns-1000-Web-65535abcde"));
        g_assert_false(fuzzy("root"));
        g_assert_false(fuzzy("a name that is far longer than any user name of ours, by a lot"));

        /* none given: nothing fits; up to the limit, and one more */
        g_assert_false(matches(&fields));
        for (unsigned i = 0; i < USER_FILTER_FUZZY_MAX; i++)
                json_array_append_new(
                        many, json_string(i + 1 < USER_FILTER_FUZZY_MAX ? "zz" : "web"));
        g_assert_true(matches(&fields));
        json_array_append_new(many, json_string("zz"));
        g_assert_cmpstr(user_filter_fold(&fields, &filter), ==, "fuzzyNames");
}

/* A text as long as any record's is looked at, one more byte is refused, whatever its place; and
 * none of the filter has been written then. */
static void test_lengths(void) {
        static const struct {
                const char *field;
                size_t max;
                size_t offset;
        } cases[] = {
                { "fuzzyNames", USER_FILTER_FUZZY_TEXT_MAX,
                  offsetof(UserFilterFields, fuzzy_names) },
                { "dispositionMask", USER_FILTER_DISPOSITION_TEXT_MAX,
                  offsetof(UserFilterFields, dispositions) },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *longest = g_strnfill(cases[i].max, 'Q');
                g_autofree char *longer = g_strnfill(cases[i].max + 1, 'Q');
                g_autoptr(json_t) fits = json_pack("[s, s]", "x", longest);
                g_autoptr(json_t) beyond = json_pack("[s, s]", "x", longer);
                UserFilter filter, untouched;
                UserFilterFields fields = {};

                *(const json_t **) ((char *) &fields + cases[i].offset) = fits;
                g_assert_false(matches(&fields));
                *(const json_t **) ((char *) &fields + cases[i].offset) = beyond;
                memset(&filter, 0xa5, sizeof(filter));
                memset(&untouched, 0xa5, sizeof(untouched));
                g_assert_cmpstr(user_filter_fold(&fields, &filter), ==, cases[i].field);
                g_assert_cmpmem(&filter, sizeof(filter), &untouched, sizeof(untouched));
        }
}

static bool disposition(const char *text) {
        g_autoptr(json_t) names = json_pack("[s,s]", "regular", text);

        return matches(&(UserFilterFields){ .dispositions = names });
}

static void test_filters(void) {
        g_autoptr(json_t) none = json_array(), many = json_array();
        UserFilterFields fields = { .dispositions = many };
        UserFilter filter;

        g_assert_true(matches(&(UserFilterFields){}));
        g_assert_false(matches(&(UserFilterFields){ .uuid = "00" }));
        g_assert_true(disposition("container"));
        g_assert_false(disposition("dynamic"));
        g_assert_false(disposition("Container"));
        g_assert_false(matches(&(UserFilterFields){ .dispositions = none }));
        for (unsigned i = 0; i < USER_FILTER_DISPOSITIONS_MAX; i++)
                json_array_append_new(
                        many,
                        json_string(
                                i + 1 < USER_FILTER_DISPOSITIONS_MAX ? "regular" : "container"));
        g_assert_true(matches(&fields));
        json_array_append_new(many, json_string("regular"));
        g_assert_cmpstr(user_filter_fold(&fields, &filter), ==, "dispositionMask");

#define BETWEEN(low, high)           \
        matches(&(UserFilterFields){ \
                .has_minimum = true, .minimum = (low), .has_maximum = true, .maximum = (high) })
        g_assert_true(BETWEEN(589823, 589823));
        g_assert_false(BETWEEN(589824, UINT32_MAX));
        g_assert_false(BETWEEN(0, 589822));
        g_assert_true(BETWEEN(INT64_MIN, INT64_MAX));
        g_assert_false(BETWEEN(INT64_MAX, INT64_MIN));
#undef BETWEEN
}

static void assert_found(const char *passwd, unsigned uid, unsigned gid) {
        g_autofree char *path = NULL;
        uid_t found_uid = 1;
        gid_t found_gid = 1;
        int fd = g_file_open_tmp("nsresource-passwd-XXXXXX", &path, NULL);

        g_assert_cmpint(fd, >=, 0);
        g_assert_true(write(fd, passwd, strlen(passwd)) == (ssize_t) strlen(passwd));
        g_assert_cmpint(close(fd), ==, 0);
        privileges_find_user(path, "nsresource", &found_uid, &found_gid);
        g_assert_cmpuint(found_uid, ==, uid);
        g_assert_cmpuint(found_gid, ==, gid);
        g_assert_cmpint(unlink(path), ==, 0);
}

static void test_find_user(void) {
        uid_t uid;
        gid_t gid;

        assert_found("root:x:0:0::/:\nnsresource:x:981:982::/:/bin/false\n", 981, 982);
        assert_found("nsresource:x:981:982::/:\nnsresource:x:5:5::/:\n", 981, 982);
        assert_found("", 65534, 65534);
        assert_found("nsresource2:x:981:982::/:\nxnsresource:x:981:982::/:\n", 65534, 65534);
        /* root is nobody to become */
        assert_found("nsresource:x:0:982::/:\n", 65534, 65534);
        assert_found("nsresource:x:981:0::/:\n", 65534, 65534);
        /* lines that are none */
        assert_found("nsresource\nnsresource:x:a:b::/:\nnsresource:x:7:8::/:/x\n", 7, 8);
        privileges_find_user("/nonexistent/passwd", "nsresource", &uid, &gid);
        g_assert_cmpuint(uid, ==, PRIVILEGES_NOBODY);
        g_assert_cmpuint(gid, ==, PRIVILEGES_NOBODY);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/user-record/user", test_user);
        g_test_add_func("/user-record/group", test_group);
        g_test_add_func("/user-filter/fuzzy", test_fuzzy);
        g_test_add_func("/user-filter/lengths", test_lengths);
        g_test_add_func("/user-filter/filters", test_filters);
        g_test_add_func("/privileges/find-user", test_find_user);
        return g_test_run();
}
