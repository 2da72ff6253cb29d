/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/foreign-ids.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

typedef struct Fixture {
        char *etc;
        GString *found;
} Fixture;

static char *path_of(const Fixture *f, const char *name) {
        return g_build_filename(f->etc, name, NULL);
}

static void set_up(Fixture *f, gconstpointer data) {
        f->etc = g_dir_make_tmp("test-foreign-ids-XXXXXX", NULL);
        g_assert_nonnull(f->etc);
        f->found = g_string_new(NULL);
}

static const char *const names[] = { "sssd/conf.d/b.conf",
                                     "sssd/conf.d/c.txt",
                                     "sssd/conf.d",
                                     "sssd/sssd.conf",
                                     "sssd",
                                     "samba/smb.conf",
                                     "samba",
                                     "login.defs" };

static void tear_down(Fixture *f, gconstpointer data) {
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = path_of(f, names[i]);

                (void) g_remove(path);
        }
        g_assert_cmpint(g_rmdir(f->etc), ==, 0);
        g_free(f->etc);
        g_string_free(f->found, TRUE);
}

static void write_file(Fixture *f, const char *name, const char *text) {
        g_autofree char *path = path_of(f, name), *folder = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void note(const char *source, const IdRange *range, int error, void *userdata) {
        Fixture *f = userdata;

        if (range)
                g_string_append_printf(f->found, "%s %u-%u\n", source, range->first, range->last);
        else if (error == 0)
                g_string_append_printf(f->found, "%s ?\n", source);
        else
                g_string_append_printf(
                        f->found, "%s %s\n", source + strlen(f->etc) + 1, g_strerror(error));
}

static void check(Fixture *f, const char *expected) {
        g_string_truncate(f->found, 0);
        foreign_ids_find(f->etc, note, f);
        g_assert_cmpstr(f->found->str, ==, expected);
}

static void test_nothing(Fixture *f, gconstpointer data) {
        check(f, "");
}

static void test_sssd(Fixture *f, gconstpointer data) {
        write_file(
                f, "sssd/sssd.conf",
                "[sssd]\nmin_id = 5\n[domain/ad.example]\nid_provider = ad\n"
                "[domain/plain]\nid_provider = ldap\n min_id=700000 \n# max_id = 5\nmax_id=800000\n"
                "[domain/ranges]\nldap_id_mapping = True\nldap_idmap_range_min = 0x100000\n"
                "ldap_idmap_range_max=2000000\n"
                "[domain/ipa]\nid_provider = ipa\n"
                "[domain/posix]\nid_provider = ad\nldap_id_mapping = false\n"
                "[domain/local]\nid_provider = files\n"
                "[domain/odd]\nmin_id = many\nmax_id = 10\n");
        check(f, "domain ad.example of sssd.conf 200000-2000200000\n"
                 "domain plain of sssd.conf 700000-800000\n"
                 "domain ranges of sssd.conf 1048576-2000000\n"
                 "domain ipa of sssd.conf ?\n"
                 "domain posix of sssd.conf ?\n"
                 "domain odd of sssd.conf ?\n");

        write_file(f, "sssd/conf.d/b.conf", "[domain/ipa]\nldap_min_id=9\nldap_max_id=10\n");
        write_file(f, "sssd/conf.d/c.txt", "[domain/no]\nmin_id=9\nmax_id=10\n");
        write_file(f, "sssd/sssd.conf", "[domain/ipa]\nid_provider = ipa\n");
        check(f, "domain ipa of sssd.conf 9-10\n");
}

static void test_samba(Fixture *f, gconstpointer data) {
        write_file(
                f, "samba/smb.conf",
                "[global]\n  idmap config * : backend = tdb\n\tIdmap Config * : range = 3000-7999\n"
                "; idmap config X : range = 1-2\n idmap config SAMDOM:range=10000 - 999999\n"
                "idmap config Y : range = all\n");
        check(f, "idmap config * of smb.conf 3000-7999\n"
                 "idmap config samdom of smb.conf 10000-999999\n");
}

static void test_login_defs(Fixture *f, gconstpointer data) {
        write_file(f, "login.defs", "UID_MAX 700000\nSUB_GID_MIN 5\nGID_MIN 70000\n");
        check(f, "useradd, for users (login.defs) 1000-700000\n"
                 "useradd, for subuid blocks (login.defs) 100000-600100000\n"
                 "useradd, for subgid blocks (login.defs) 5-600100000\n");
}

static void test_unreadable(Fixture *f, gconstpointer data) {
        g_autofree char *path = path_of(f, "login.defs");

        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
        check(f, "login.defs Is a directory\n");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/foreign-ids/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("nothing", test_nothing);
        ADD("sssd", test_sssd);
        ADD("samba", test_samba);
        ADD("login-defs", test_login_defs);
        ADD("unreadable", test_unreadable);
        return g_test_run();
}
