/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "nss/pack.h"

#include <glib.h>
#include <string.h>

/* 22 November 2026, noon. */
#define BIRTH (UINT64_C(1795348800) * 1000 * 1000)

static TableAnswer make_answer(void) {
        TableAnswer answer = {
                .id = 600005,
                .offset = 5,
                .range = { .kind = TABLE_KIND_RANGE,
                           .owner_uid = 1000,
                           .birth_usec = BIRTH,
                           .start = 600000,
                           .size = 65536,
                           .name = "1000-web" },
        };

        return answer;
}

static void test_passwd(void) {
        TableAnswer answer = make_answer();
        struct passwd passwd;
        char buffer[256];

        g_assert_true(nss_pack_passwd(&answer, buffer, sizeof(buffer), &passwd));
        g_assert_cmpstr(passwd.pw_name, ==, "ns-1000-web-5");
        g_assert_cmpstr(passwd.pw_passwd, ==, "x");
        g_assert_cmpuint(passwd.pw_uid, ==, 600005);
        g_assert_cmpuint(passwd.pw_gid, ==, 600005);
        g_assert_cmpstr(
                passwd.pw_gecos, ==, "User 5 of namespace 1000-web of UID 1000 since 2026-11-22");
        g_assert_cmpstr(passwd.pw_dir, ==, "/");
        g_assert_cmpstr(passwd.pw_shell, ==, "/usr/sbin/nologin");
}

static void test_group(void) {
        TableAnswer answer = make_answer();
        struct group group;
        char buffer[64];

        g_assert_true(nss_pack_group(&answer, buffer, sizeof(buffer), &group));
        g_assert_cmpstr(group.gr_name, ==, "ns-1000-web-5");
        g_assert_cmpstr(group.gr_passwd, ==, "x");
        g_assert_cmpuint(group.gr_gid, ==, 600005);
        g_assert_null(group.gr_mem[0]);
}

static void test_shadow(void) {
        TableAnswer answer = make_answer();
        struct spwd shadow;
        char buffer[64];

        g_assert_true(nss_pack_shadow(&answer, buffer, sizeof(buffer), &shadow));
        g_assert_cmpstr(shadow.sp_namp, ==, "ns-1000-web-5");
        g_assert_cmpstr(shadow.sp_pwdp, ==, "!*");
        g_assert_cmpint(shadow.sp_lstchg, ==, -1);
        g_assert_cmpint(shadow.sp_expire, ==, 1);
        g_assert_cmpint(shadow.sp_min, ==, -1);
        g_assert_cmpint(shadow.sp_max, ==, -1);
        g_assert_cmpint(shadow.sp_warn, ==, -1);
        g_assert_cmpint(shadow.sp_inact, ==, -1);
}

static bool is_within(const void *pointer, size_t n, const char *buffer, size_t size) {
        const char *p = pointer;

        return p >= buffer && p + n <= buffer + size;
}

static bool text_is_within(const char *text, const char *buffer, size_t size) {
        return is_within(text, 1, buffer, size) && is_within(text, strlen(text) + 1, buffer, size);
}

/* Every size from none to enough, at every alignment, in memory of just that size (sanitizers see
 * the rest). */
static void test_buffers(void) {
        TableAnswer answer = make_answer();
        static const char fill = 0x5a;

        for (size_t shift = 0; shift < 16; shift++) {
                size_t n_fit[3] = { 0 };

                for (size_t size = 0; size < 200; size++) {
                        g_autofree char *memory = g_malloc(shift + size + 1);
                        char *buffer = memory + shift;
                        struct passwd passwd;
                        struct group group;
                        struct spwd shadow;

                        memset(&passwd, fill, sizeof(passwd));
                        memset(memory, fill, shift + size + 1);
                        if (nss_pack_passwd(&answer, buffer, size, &passwd)) {
                                n_fit[0]++;
                                g_assert_true(text_is_within(passwd.pw_name, buffer, size));
                                g_assert_true(text_is_within(passwd.pw_passwd, buffer, size));
                                g_assert_true(text_is_within(passwd.pw_gecos, buffer, size));
                                g_assert_true(text_is_within(passwd.pw_dir, buffer, size));
                                g_assert_true(text_is_within(passwd.pw_shell, buffer, size));
                        } else {
                                g_assert_cmpuint(n_fit[0], ==, 0);
                                for (size_t i = 0; i < sizeof(passwd); i++)
                                        g_assert_cmpint(((char *) &passwd)[i], ==, fill);
                        }
                        if (nss_pack_group(&answer, buffer, size, &group)) {
                                n_fit[1]++;
                                g_assert_true(text_is_within(group.gr_name, buffer, size));
                                g_assert_true(text_is_within(group.gr_passwd, buffer, size));
                                g_assert_cmpuint((uintptr_t) group.gr_mem % sizeof(char *), ==, 0);
                                g_assert_true(
                                        is_within(group.gr_mem, sizeof(char *), buffer, size));
                        }
                        if (nss_pack_shadow(&answer, buffer, size, &shadow)) {
                                n_fit[2]++;
                                g_assert_true(text_is_within(shadow.sp_namp, buffer, size));
                                g_assert_true(text_is_within(shadow.sp_pwdp, buffer, size));
                        }
                        for (size_t i = 0; i < shift; i++)
                                g_assert_cmpint(memory[i], ==, fill);
                        g_assert_cmpint(buffer[size], ==, fill);
                }
                /* 14 + 2 + 58 + 2 + 18 bytes; 8 + 14 + 2 and the padding; 14 + 3. */
                g_assert_cmpuint(n_fit[0], ==, 200 - 94);
                g_assert_cmpuint(n_fit[1], >=, 200 - 24 - 7);
                g_assert_cmpuint(n_fit[1], <=, 200 - 24);
                g_assert_cmpuint(n_fit[2], ==, 200 - 17);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nss-pack/passwd", test_passwd);
        g_test_add_func("/nss-pack/group", test_group);
        g_test_add_func("/nss-pack/shadow", test_shadow);
        g_test_add_func("/nss-pack/buffers", test_buffers);
        return g_test_run();
}
