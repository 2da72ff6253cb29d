/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/settings.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

#include "daemon/limits.h"

typedef struct Fixture {
        char *folder, *path, *drop_ins;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
        f->folder = g_dir_make_tmp("test-settings-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
        f->path = g_build_filename(f->folder, "test.conf", NULL);
        f->drop_ins = g_build_filename(f->folder, "test.conf.d", NULL);
}

static void tear_down(Fixture *f, gconstpointer data) {
        GDir *folder = g_dir_open(f->drop_ins, 0, NULL);
        const char *name;

        while (folder && (name = g_dir_read_name(folder))) {
                g_autofree char *path = g_build_filename(f->drop_ins, name, NULL);

                g_assert_cmpint(g_unlink(path), ==, 0);
        }
        if (folder)
                g_dir_close(folder);
        (void) g_rmdir(f->drop_ins);
        (void) g_unlink(f->path);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->path);
        g_free(f->drop_ins);
}

static void write_main(Fixture *f, const char *text) {
        g_assert_true(g_file_set_contents(f->path, text, -1, NULL));
}

static void write_drop_in(Fixture *f, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(f->drop_ins, name, NULL);

        g_assert_cmpint(g_mkdir_with_parents(f->drop_ins, 0755), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static Settings load(Fixture *f) {
        g_autofree char *message = NULL;
        Settings settings;
        int r = settings_load(f->path, &settings, &message);

        if (r < 0)
                g_test_message("%s", message);
        g_assert_cmpint(r, ==, 0);
        return settings;
}

static void refuse(Fixture *f, const char *expected) {
        g_autofree char *message = NULL;
        Settings settings;

        g_assert_cmpint(settings_load(f->path, &settings, &message), ==, -EINVAL);
        g_test_message("%s", message);
        g_assert_nonnull(strstr(message, expected));
        g_assert_true(g_str_has_prefix(message, f->folder));
}

static void test_defaults(Fixture *f, gconstpointer data) {
        static const char *const empty[] = { NULL, "", "# nothing\n", "[Pool]\n" };

        for (size_t i = 0; i < G_N_ELEMENTS(empty); i++) {
                Settings settings;

                if (empty[i])
                        write_main(f, empty[i]);
                settings = load(f);
                g_assert_true(settings.enforcement_required);
                g_assert_cmphex(settings.pool_start, ==, 0x80000);
                g_assert_cmpuint(settings.n_slots, ==, 28664);
                g_assert_cmpuint(settings.namespaces_per_user, ==, 256);
                g_assert_cmpuint(settings.ids_per_user, ==, 256 * 65536);
                g_assert_cmpuint(settings.quarantined_per_user, ==, 2048);
                g_assert_false(settings.all_entries);
        }
}

static void test_all_keys(Fixture *f, gconstpointer data) {
        Settings settings;

        write_main(
                f, "[Policy]\nEnforcement=none \n[Pool]\nStart=0x100000\nEnd=1179647\n"
                   "[Limits]\nNamespacesPerUser = 7\nIDsPerUser=18446744073709551615\n"
                   "QuarantinedPerUser=9\n"
                   "[Names]\nSetEntries=all\n");
        settings = load(f);
        g_assert_false(settings.enforcement_required);
        g_assert_cmphex(settings.pool_start, ==, 0x100000);
        g_assert_cmpuint(settings.n_slots, ==, 2);
        g_assert_cmpuint(settings.namespaces_per_user, ==, 7);
        g_assert_cmpuint(settings.ids_per_user, ==, UINT64_MAX);
        g_assert_cmpuint(settings.quarantined_per_user, ==, 9);
        g_assert_true(settings.all_entries);
}

static void check_reserved(Fixture *f, const char *expected) {
        g_autoptr(GString) text = g_string_new(NULL);
        Settings settings = load(f);

        for (uint32_t i = 0; i < settings.n_reserved; i++)
                g_string_append_printf(
                        text, "%u-%u ", settings.reserved[i].first, settings.reserved[i].last);
        g_assert_cmpstr(text->str, ==, expected);
}

static void test_reserved(Fixture *f, gconstpointer data) {
        g_autoptr(GString) most = g_string_new("[Pool]\nReserved=");

        check_reserved(f, "");
        write_main(
                f, "[Limits]\nNamespacesPerUser=7\n[Pool]\n# Reserved=1\n"
                   " Reserved = 200000-2000200000\t0x100000-0x1fffff,5 \nEnd=0x6FFFFFFF\n"
                   "Reserved=4294967295\n[Names]\nSetEntries=all\n[Pool]\nReserved=7-7\n");
        check_reserved(f, "200000-2000200000 1048576-2097151 5-5 4294967295-4294967295 7-7 ");
        write_drop_in(f, "10-a.conf", "[Pool]\nReserved=8\n");
        check_reserved(f, "200000-2000200000 1048576-2097151 5-5 4294967295-4294967295 7-7 8-8 ");
        write_drop_in(f, "20-b.conf", "[Pool]\nReserved=9\nReserved=\nReserved=10-11\n");
        check_reserved(f, "10-11 ");

        for (unsigned i = 0; i < SETTINGS_RESERVED_MAX; i++)
                g_string_append_printf(most, "%u ", i);
        write_drop_in(f, "20-b.conf", "[Pool]\nReserved=\n");
        write_drop_in(f, "30-c.conf", most->str);
        g_assert_cmpuint(load(f).n_reserved, ==, SETTINGS_RESERVED_MAX);
        write_drop_in(f, "40-d.conf", "[Pool]\nReserved=5\n");
        refuse(f, "test.conf.d/40-d.conf: [Pool] Reserved: \"5\" is not FIRST-LAST or one ID");
        write_drop_in(f, "40-d.conf", "");
        for (size_t i = 0; i < 9; i++) {
                static const char *const wrong[] = { "2-1",   "-1",   "1-",         "1-2-3", "a",
                                                     "1 - 2", "0x-1", "4294967296", "1;2" };
                g_autofree char *text =
                        g_strdup_printf("[Pool]\nReserved=\nReserved=%s\n", wrong[i]);
                g_autofree char *expected =
                        g_strdup_printf("[Pool] Reserved: \"%s\" is not", wrong[i]);

                write_drop_in(f, "40-d.conf", text);
                refuse(f, expected);
        }
}

static void test_name_service(Fixture *f, gconstpointer data) {
        g_assert_true(load(f).ask_name_service);
        write_main(f, "[Pool]\nNameService=ignore\n");
        g_assert_false(load(f).ask_name_service);
        write_main(f, "[Pool]\nNameService=ask\n");
        g_assert_true(load(f).ask_name_service);
        write_main(f, "[Pool]\nNameService=no\n");
        refuse(f, "[Pool] NameService: \"no\" is not ask or ignore");
}

static void test_drop_ins(Fixture *f, gconstpointer data) {
        Settings settings;

        write_main(f, "[Limits]\nNamespacesPerUser=1\nIDsPerUser=5\n[Pool]\nStart=0x700000\n");
        write_drop_in(f, "10-a.conf", "[Limits]\nNamespacesPerUser=2\n");
        write_drop_in(f, "20-b.conf", "[Limits]\nNamespacesPerUser=3\n[Pool]\nEnd=0x70FFFF\n");
        write_drop_in(f, "30-c.conf.bak", "[Limits]\nNamespacesPerUser=4\n");
        write_drop_in(f, ".40.conf", "rubbish");
        settings = load(f);
        g_assert_cmpuint(settings.namespaces_per_user, ==, 3);
        g_assert_cmpuint(settings.ids_per_user, ==, 5);
        g_assert_cmpuint(settings.n_slots, ==, 1);

        write_drop_in(f, "50-d.conf", "[Policy]\nEnforcement=maybe\n");
        refuse(f, "test.conf.d/50-d.conf: [Policy] Enforcement: \"maybe\" is not required or none");
}

static void test_refused(Fixture *f, gconstpointer data) {
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "rubbish", "test.conf: " },
                { "Enforcement=none\n", "test.conf: " },
                { "[Policy]\nEnforcment=none\n", "[Policy] Enforcment: no such key" },
                { "[policy]\nEnforcement=none\n", "[policy]: no such group" },
                { "[Policy]\nEnforcement=None\n", "[Policy] Enforcement: \"None\" is not" },
                { "[Policy]\nEnforcement=\n", "[Policy] Enforcement: \"\" is not" },
                { "[Pool]\nStart=-65536\n", "[Pool] Start: \"-65536\" is not" },
                { "[Pool]\nStart=1 048 576\n", "[Pool] Start" },
                { "[Pool]\nStart=4294967296\n", "[Pool] Start" },
                { "[Pool]\nStart=0x80001\n", "[Pool] Start, End: Start and End + 1" },
                { "[Pool]\nEnd=0x80000000\n", "[Pool] Start, End: Start and End + 1" },
                { "[Pool]\nStart=0\n", "must lie in" },
                { "[Pool]\nEnd=0xFFFFFFFF\n", "must lie in" },
                { "[Pool]\nStart=0x80000\nEnd=0x7FFFF\n", "must be above" },
                { "[Pool]\nStart=0x10000\nEnd=0xFFFEFFFF\n", "49152" },
                { "[Limits]\nNamespacesPerUser=0x10\n", "[Limits] NamespacesPerUser" },
                { "[Limits]\nQuarantinedPerUser=-1\n", "[Limits] QuarantinedPerUser" },
                { "[Limits]\nNamespacesPerUser=4294967296\n", "[Limits] NamespacesPerUser" },
                { "[Limits]\nIDsPerUser=18446744073709551616\n", "[Limits] IDsPerUser" },
                { "[Names]\nSetEntries=All\n", "[Names] SetEntries: \"All\" is not first or all" },
                { "[Names]\nSetEntries=\n", "[Names] SetEntries: \"\" is not" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                write_main(f, cases[i].text);
                refuse(f, cases[i].message);
        }
}

static void test_largest_pool(Fixture *f, gconstpointer data) {
        write_main(f, "[Pool]\nStart=0x10000\nEnd=0xC000FFFF\n");
        g_assert_cmpuint(load(f).n_slots, ==, 49152);
        write_main(f, "[Pool]\nStart=0x10000\nEnd=0xC001FFFF\n");
        refuse(f, "49152");
}

static void test_unreadable(Fixture *f, gconstpointer data) {
        g_autofree char *message = NULL, *large = g_strnfill(1024 * 1024 + 1, '\n');
        Settings settings;

        g_assert_cmpint(g_mkdir(f->path, 0755), ==, 0);
        g_assert_cmpint(settings_load(f->path, &settings, &message), ==, -EISDIR);
        g_assert_nonnull(strstr(message, "test.conf: cannot be read"));
        g_assert_cmpint(g_rmdir(f->path), ==, 0);
        g_clear_pointer(&message, g_free);

        write_main(f, large);
        g_assert_cmpint(settings_load(f->path, &settings, &message), ==, -EFBIG);
        large[1024 * 1024] = '\0';
        write_main(f, large);
        load(f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/settings/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("defaults", test_defaults);
        ADD("all-keys", test_all_keys);
        ADD("drop-ins", test_drop_ins);
        ADD("reserved", test_reserved);
        ADD("name-service", test_name_service);
        ADD("refused", test_refused);
        ADD("largest-pool", test_largest_pool);
        ADD("unreadable", test_unreadable);
        return g_test_run();
}
