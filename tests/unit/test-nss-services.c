/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include <glib.h>

#include "lib/util/nss-services.h"

static bool has_module(const char *text) {
        g_auto(GStrv) services = nss_services(text, "passwd");

        return g_strv_contains((const char *const *) services, "nsresource");
}

/* Whether a host's programs ask our module. */
static void test_module(void) {
        static const char *const with[] = {
                "passwd: nsresource",
                "passwd: files nsresource systemd\n",
                "# comment\n\n\t passwd\t:\tfiles [SUCCESS=merge] nsresource # systemd",
                "passwd:files [NOTFOUND=return]nsresource[!UNAVAIL=return] systemd",
                "passwd: files\ngroup: files\npasswd: files nsresource",
        };
        static const char *const without[] = {
                "",
                "passwd: files systemd\ngroup: files nsresource\n",
                "passwd: files # nsresource",
                "#passwd: files nsresource",
                "passwd: files nsresource2 xnsresource nsresource.x",
                "passwd: files [nsresource",
                "passwd: files [SUCCESS=merge nsresource] systemd",
                "passwd_compat: nsresource",
                "passwd nsresource",
                "passwd: nsresource\npasswd: files systemd",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(with); i++)
                g_assert_true(has_module(with[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(without); i++)
                g_assert_false(has_module(without[i]));
}

static void test_order(void) {
        g_auto(GStrv) services = nss_services(
                "passwd: files[!UNAVAIL=return] sss  [NOTFOUND=return]systemd", "passwd");
        g_autofree char *text = g_strjoinv(",", services);

        g_assert_cmpstr(text, ==, "files,sss,systemd");
}

static void test_file(void) {
        g_autofree char *folder = g_dir_make_tmp("nsresource-services-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "nsswitch.conf", NULL);
        g_auto(GStrv) none = NULL, some = NULL, unread = NULL;

        g_assert_cmpint(nss_services_read(folder, "group", &none), ==, 0);
        g_assert_cmpuint(g_strv_length(none), ==, 0);
        g_assert_true(g_file_set_contents(path, "passwd: a\ngroup: files b\n", -1, NULL));
        g_assert_cmpint(nss_services_read(folder, "group", &some), ==, 0);
        g_assert_cmpstr(some[0], ==, "files");
        g_assert_cmpstr(some[1], ==, "b");
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(symlink(path, path), ==, 0);
        g_assert_cmpint(nss_services_read(folder, "group", &unread), ==, -ELOOP);
        g_assert_null(unread);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(rmdir(folder), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nss-services/module", test_module);
        g_test_add_func("/nss-services/order", test_order);
        g_test_add_func("/nss-services/file", test_file);
        return g_test_run();
}
