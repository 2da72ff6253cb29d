/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/nsswitch-file.h"
#include "client/nsswitch.h"

#define REST "group: files nsresource\nshadow: files nsresource\n"

/* `enabled` comes of `plain`, stays as it is when enabled again, and goes back to what it was, to
 * the byte. */
static void assert_round_trip(const char *plain, const char *enabled) {
        g_autofree char *text = NULL, *again = NULL, *back = NULL, *message = NULL;

        g_assert_cmpint(nsswitch_edit(plain, true, &text, &message), ==, 0);
        g_assert_cmpstr(text, ==, enabled);
        g_assert_cmpint(nsswitch_edit(text, true, &again, &message), ==, 0);
        g_assert_cmpstr(again, ==, enabled);
        g_assert_cmpint(nsswitch_edit(text, false, &back, &message), ==, 0);
        g_assert_cmpstr(back, ==, plain);
}

/* One passwd line, with the others in place. */
static void assert_line(const char *plain, const char *enabled) {
        g_autofree char *from = g_strconcat(plain, "\ngroup: files\nshadow: files\n", NULL);
        g_autofree char *to = g_strconcat(enabled, "\n", REST, NULL);

        assert_round_trip(from, to);
}

static void test_debian(void) {
        assert_round_trip(
                "# /etc/nsswitch.conf\n#\n# Example: passwd: files\n\n"
                "passwd:         files systemd\ngroup:          files systemd\n"
                "shadow:         files systemd\ngshadow:        files systemd\n\n"
                "hosts:          files mdns4_minimal [NOTFOUND=return] dns\nnetworks:       "
                "files\n",
                "# /etc/nsswitch.conf\n#\n# Example: passwd: files\n\n"
                "passwd:         files nsresource systemd\ngroup:          files nsresource "
                "systemd\n"
                "shadow:         files nsresource systemd\ngshadow:        files systemd\n\n"
                "hosts:          files mdns4_minimal [NOTFOUND=return] dns\nnetworks:       "
                "files\n");
}

static void test_lines(void) {
        assert_line("passwd: files", "passwd: files nsresource");
        assert_line("passwd:files", "passwd:files nsresource");
        assert_line("  passwd :\tfiles\t systemd ", "  passwd :\tfiles nsresource\t systemd ");
        assert_line("passwd: compat systemd", "passwd: compat nsresource systemd");
        assert_line("passwd: sss files systemd", "passwd: sss files nsresource systemd");
        assert_line("passwd: files # systemd", "passwd: files nsresource # systemd");
        assert_line("passwd: files# x: y", "passwd: files nsresource# x: y");
        assert_line("passwd: systemd", "passwd: nsresource systemd");
        /* in front of systemd, wherever files is */
        assert_line("passwd: systemd files", "passwd: nsresource systemd files");
        assert_line("passwd: files sss systemd", "passwd: files nsresource sss systemd");
}

/* What `files` answered decides what comes next: nobody may stand between. */
static void test_actions(void) {
        assert_line(
                "passwd: files [SUCCESS=merge] systemd",
                "passwd: nsresource files [SUCCESS=merge] systemd");
        assert_line(
                "passwd:  files [!UNAVAIL=return]", "passwd:  nsresource files [!UNAVAIL=return]");
        assert_line(
                "passwd: files[NOTFOUND=return UNAVAIL=continue]systemd",
                "passwd: nsresource files[NOTFOUND=return UNAVAIL=continue]systemd");
        assert_line(
                "passwd: files systemd [notfound=Return] ldap",
                "passwd: files nsresource systemd [notfound=Return] ldap");
}

static void test_missing_lines(void) {
        assert_round_trip(
                "", "passwd: files nsresource # added by nsresourcectl\n"
                    "group: files nsresource # added by nsresourcectl\n"
                    "shadow: files nsresource # added by nsresourcectl\n");
        assert_round_trip(
                "passwd: files\ngroup: files\n",
                "passwd: files nsresource\ngroup: files nsresource\n"
                "shadow: files nsresource # added by nsresourcectl\n");
}

/* A last line without its newline keeps going without. */
static void test_no_newline(void) {
        assert_round_trip(
                "passwd: files\ngroup: files\nshadow: files",
                "passwd: files nsresource\ngroup: files nsresource\nshadow: files nsresource");
}

static void assert_disabled(const char *from, const char *wanted) {
        g_autofree char *text = NULL, *message = NULL;

        g_assert_cmpint(nsswitch_edit(from, false, &text, &message), ==, 0);
        g_assert_cmpstr(text, ==, wanted);
}

/* Put there by hand. */
static void test_disable(void) {
        assert_disabled(
                "passwd: files nsresource [NOTFOUND=continue] [UNAVAIL=continue] systemd\n",
                "passwd: files systemd\n");
        assert_disabled("passwd: nsresource  files\n", "passwd: files\n");
        assert_disabled("passwd: files systemd nsresource", "passwd: files systemd");
        assert_disabled("hosts: nsresource\n", "hosts: nsresource\n");
        assert_disabled("#passwd: nsresource\n", "#passwd: nsresource\n");
}

static void assert_refused(const char *text, const char *start) {
        NsswitchState states[NSSWITCH_N_DATABASES];
        char *edited = NULL;

        for (unsigned i = 0; i < 3; i++) {
                g_autofree char *message = NULL;
                int r;

                r = i == 2 ? nsswitch_state(text, states, &message)
                           : nsswitch_edit(text, i == 0, &edited, &message);
                /* what is only about where to put it does not keep from the rest */
                if (r == 0 && i > 0 && strstr(text, "ldap"))
                        continue;
                g_assert_cmpint(r, ==, NSSWITCH_E_SYNTAX);
                g_assert_true(g_str_has_prefix(message, start));
        }
        g_free(edited);
}

static void test_refused(void) {
        assert_refused("passwd files\n", "line 1: there is no colon");
        assert_refused("# ok\n\nhosts: dns\nfoo\n", "line 4: there is no colon");
        assert_refused("passwd: files\npasswd: files\n", "line 2: the same database again");
        assert_refused("a b: files\n", "line 1: more than one word");
        assert_refused("passwd: files [NOTFOUND=return\n", "line 1: a [ without its ]");
        assert_refused("passwd: files [NOTFOUND=leave]\n", "line 1: an action list of unknown");
        assert_refused("passwd: files [FOUND=return]\n", "line 1: an action list of unknown");
        assert_refused("passwd: files []\n", "line 1: an action list of unknown");
        assert_refused("passwd: [NOTFOUND=return] files\n", "line 1: starts with an action");
        assert_refused("passwd: fi/les\n", "line 1: a service with unusual");
        assert_refused("passwd: fil\xc3\xa4s\n", "line 1: a service with unusual");
        assert_refused("group: files\npasswd: ldap\n", "line 2: neither files nor systemd");
        assert_refused("passwd: # files\ngroup: ldap\n", "line 1: neither files nor systemd");
}

static void assert_states(
        const char *text, NsswitchState passwd, NsswitchState group, NsswitchState shadow) {
        NsswitchState states[NSSWITCH_N_DATABASES];
        g_autofree char *message = NULL;

        g_assert_cmpint(nsswitch_state(text, states, &message), ==, 0);
        g_assert_cmpint(states[NSSWITCH_PASSWD], ==, passwd);
        g_assert_cmpint(states[NSSWITCH_GROUP], ==, group);
        g_assert_cmpint(states[NSSWITCH_SHADOW], ==, shadow);
}

static void test_states(void) {
        assert_states("", NSSWITCH_DISABLED, NSSWITCH_DISABLED, NSSWITCH_DISABLED);
        assert_states(
                "passwd: files nsresource systemd\ngroup: systemd nsresource\n# shadow: "
                "nsresource\n",
                NSSWITCH_ENABLED, NSSWITCH_LATE, NSSWITCH_DISABLED);
        assert_states(
                "passwd: nsresource2 files\nshadow: nsresource", NSSWITCH_DISABLED,
                NSSWITCH_DISABLED, NSSWITCH_ENABLED);
}

/* the file */

static void test_file(void) {
        g_autofree char *folder = g_dir_make_tmp("nsresource-nsswitch-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "nsswitch.conf", NULL);
        g_autofree char *link = g_build_filename(folder, "link", NULL);
        g_autofree char *missing = NULL, *text = NULL;
        g_autoptr(NsswitchFile) file = NULL, other = NULL;
        struct stat before, after;

        g_assert_cmpint(nsswitch_file_read(path, &missing), ==, 0);
        g_assert_cmpstr(missing, ==, "");
        g_assert_true(g_file_set_contents(path, "old, and longer\n", -1, NULL));
        g_assert_cmpint(chmod(path, 0640), ==, 0);
        g_assert_cmpint(stat(path, &before), ==, 0);

        /* a new file with the old one's mode: who reads it now reads all of the old one */
        g_assert_cmpint(nsswitch_file_open(path, &file), ==, 0);
        g_assert_cmpint(nsswitch_file_replace(file, "new\n"), ==, 0);
        g_assert_cmpint(stat(path, &after), ==, 0);
        g_assert_true(before.st_ino != after.st_ino);
        g_assert_cmpuint(after.st_mode, ==, before.st_mode);
        g_assert_cmpint(nsswitch_file_read(path, &text), ==, 0);
        g_assert_cmpstr(text, ==, "new\n");

        /* somebody else's, and left alone */
        g_assert_cmpint(symlink(path, link), ==, 0);
        g_assert_cmpint(nsswitch_file_open(link, &other), ==, NSSWITCH_FILE_E_LINK);

        g_assert_true(g_file_set_contents(path, "a\0b", 3, NULL));
        g_assert_cmpint(nsswitch_file_read(path, &text), ==, -EINVAL);
        g_assert_cmpint(unlink(link), ==, 0);
        g_assert_cmpint(unlink(path), ==, 0);
        /* nothing else was left */
        g_assert_cmpint(rmdir(folder), ==, 0);
}

/* What is at the path changes between the steps: nothing of the one file comes into the other. */
static void test_exchange(void) {
        g_autofree char *folder = g_dir_make_tmp("nsresource-nsswitch-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "nsswitch.conf", NULL);
        g_autofree char *secret = g_build_filename(folder, "secret", NULL);
        g_autofree char *text = NULL, *replaced = NULL, *kept = NULL;
        g_autoptr(NsswitchFile) file = NULL;
        struct stat st;

        g_assert_true(g_file_set_contents(path, "public\n", -1, NULL));
        g_assert_cmpint(chmod(path, 0644), ==, 0);
        g_assert_true(g_file_set_contents(secret, "secret\n", -1, NULL));
        g_assert_cmpint(chmod(secret, 0600), ==, 0);

        g_assert_cmpint(nsswitch_file_open(path, &file), ==, 0);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(symlink("secret", path), ==, 0);
        g_assert_cmpint(nsswitch_file_text(file, &text), ==, 0);
        g_assert_cmpstr(text, ==, "public\n");
        /* the other way round: a secret read from one that was closed, and an open one put there */
        nsswitch_file_free(g_steal_pointer(&file));
        g_assert_cmpint(nsswitch_file_open(secret, &file), ==, 0);
        g_assert_cmpint(rename(path, secret), ==, 0);
        g_assert_true(g_file_set_contents(path, "public\n", -1, NULL));
        g_assert_cmpint(unlink(secret), ==, 0);
        g_assert_cmpint(link(path, secret), ==, 0);
        g_assert_cmpint(nsswitch_file_replace(file, "edited secret\n"), ==, 0);
        g_assert_cmpint(stat(secret, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
        g_assert_cmpint(nsswitch_file_read(secret, &replaced), ==, 0);
        g_assert_cmpstr(replaced, ==, "edited secret\n");
        /* what had been linked there is another file */
        g_assert_cmpint(nsswitch_file_read(path, &kept), ==, 0);
        g_assert_cmpstr(kept, ==, "public\n");
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(unlink(secret), ==, 0);
        g_assert_cmpint(rmdir(folder), ==, 0);
}

static void test_folders(void) {
        g_autofree char *folder = g_dir_make_tmp("nsresource-nsswitch-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "nsswitch.conf", NULL);
        static const mode_t bad[] = { 0720, 0702, 01777, 0770 };
        static const mode_t good[] = { 0700, 0755, 0711 };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(NsswitchFile) file = NULL;

                g_assert_cmpint(chmod(folder, bad[i]), ==, 0);
                g_assert_cmpint(nsswitch_file_open(path, &file), ==, NSSWITCH_FILE_E_FOLDER);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autoptr(NsswitchFile) file = NULL;

                g_assert_cmpint(chmod(folder, good[i]), ==, 0);
                g_assert_cmpint(nsswitch_file_open(path, &file), ==, 0);
        }
        g_assert_cmpint(rmdir(folder), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nsswitch/debian", test_debian);
        g_test_add_func("/nsswitch/lines", test_lines);
        g_test_add_func("/nsswitch/actions", test_actions);
        g_test_add_func("/nsswitch/missing-lines", test_missing_lines);
        g_test_add_func("/nsswitch/no-newline", test_no_newline);
        g_test_add_func("/nsswitch/disable", test_disable);
        g_test_add_func("/nsswitch/refused", test_refused);
        g_test_add_func("/nsswitch/states", test_states);
        g_test_add_func("/nsswitch/file", test_file);
        g_test_add_func("/nsswitch/exchange", test_exchange);
        g_test_add_func("/nsswitch/folders", test_folders);
        return g_test_run();
}
