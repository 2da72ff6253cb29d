/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/leftovers.h"

#include "tests/unit/leftovers-fixture.h"

/* who else has the IDs */

static char *nothing_touched_file(void) {
        return g_strdup("536870912");
}

/* Of the range: a process and a file; whether they are as they were after a look that found `what`,
 * and go once `undo` was called. */
typedef struct Claimed {
        pid_t pid;
        char *file;
} Claimed;

static Claimed claimed_new(Fixture *f) {
        static const Identity identity = { .ruid = START, .euid = START, .suid = START };
        Claimed claimed = { process_new(&identity), nothing_touched_file() };
        g_autofree char *folder = path_in(f->run_user, claimed.file);

        make_file(f->linger, claimed.file);
        g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
        return claimed;
}

static void claimed_is_untouched(Fixture *f, const Claimed *claimed) {
        g_assert_cmpint(waitpid(claimed->pid, NULL, WNOHANG), ==, 0);
        g_assert_true(there(f->linger, claimed->file));
        g_assert_true(there(f->run_user, claimed->file));
}

static void claimed_goes(Fixture *f, Claimed *claimed) {
        g_assert_true(remove_range(f));
        g_assert_true(was_killed(claimed->pid));
        g_assert_false(there(f->linger, claimed->file));
        g_assert_false(there(f->run_user, claimed->file));
        g_free(claimed->file);
}

static void write_record(const char *folder, const char *name, const char *text) {
        g_autofree char *path = path_in(folder, name);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_record(const char *folder, const char *name) {
        g_autofree char *path = path_in(folder, name);

        g_assert_cmpint(g_unlink(path), ==, 0);
}

static void test_logind(Fixture *f, gconstpointer unused) {
        static const struct {
                const char *folder, *name, *text;
                bool ours;
        } records[] = {
                { "users", "536870912", "NAME=carol\nSTATE=active\n", false },
                { "users", "536870912", "# private\nNAME=carol", false },
                { "users", "536870912", "STATE=active\n", false },
                { "users", "536870913", "NAME=ns-1000-web-0\n", false },
                { "users", "536870912", "NAME=ns-1000-weber-0\n", false },
                { "users", "536870913", "NAME=ns-1000-web-1\nSTATE=lingering\n", true },
                { "users", "536870912", "NAME=nsresource-536870912\n", true },
                { "users", "536936448", "NAME=carol\n", true },
                { "users", "x", "NAME=carol\n", true },
                { "sessions", "c1", "UID=536870912\nUSER=carol\n", false },
                { "sessions", "c1", "USER=carol\nACTIVE=1\nUID=536936447\n", false },
                { "sessions", "c1", "UID=536870912\n", false },
                { "sessions", "c1", "USER=ns-1000-web-7\nUID=536870919\n", true },
                { "sessions", "c1", "USER=carol\nUID=1000\n", true },
                { "sessions", "c1", "USER=carol\n", true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(records); i++) {
                Claimed claimed = claimed_new(f);
                g_autofree char *folder = path_in(f->logind, records[i].folder);

                g_test_message("%s", records[i].text);
                write_record(folder, records[i].name, records[i].text);
                if (!records[i].ours) {
                        g_assert_cmpint(look_at_range(f), ==, LEFTOVERS_USER_OF_OTHERS);
                        claimed_is_untouched(f, &claimed);
                        remove_record(folder, records[i].name);
                        claimed_goes(f, &claimed);
                } else {
                        claimed_goes(f, &claimed);
                        remove_record(folder, records[i].name);
                }
        }
}

/* Beside sessions are FIFOs that nobody writes to, and what cannot be read is nobody's knowledge.
 */
static void test_logind_fifo(Fixture *f, gconstpointer unused) {
        g_autofree char *fifo = path_in(f->sessions, "c1.ref");

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        g_assert_true(remove_range(f));
        g_assert_cmpint(rmdir(f->users), ==, 0);
        g_assert_true(remove_range(f));
        make_file(f->logind, "users");
        g_assert_cmpint(look_at_range(f), ==, LEFTOVERS_UNKNOWN);
}

/* Who has been given an ID after the caller asked is not known to it. */
static void test_files_changed(Fixture *f, gconstpointer unused) {
        static const char *const files[] = { "passwd", "group", "subuid", "subgid" };
        const LeftoversRange range = { .start = START, .size = SIZE };

        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                Claimed claimed = claimed_new(f);

                g_assert_cmpint(leftovers_prepare(f->leftovers), ==, 0);
                make_file(f->etc, files[i]);
                f->done = FALSE;
                g_assert_cmpint(
                        leftovers_remove(f->leftovers, LEFTOVERS_OF_ALL, &range, 1, done, f), ==,
                        0);
                g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
                g_assert_cmpint(what_of(f, 0), ==, LEFTOVERS_UNKNOWN);
                claimed_is_untouched(f, &claimed);
                claimed_goes(f, &claimed);
        }
}

/* keys */

static void test_keys(Fixture *f, gconstpointer unused) {
        g_autofree char *file = path_in(f->folder, "key-users");
        g_autoptr(GString) text = g_string_new(NULL);

        f->config.key_users_file = file;
        use_config(f);
        g_assert_true(remove_range(f)); /* no such file: a kernel without keys */
        /* As the kernel writes it, and more than is read at a time. */
        for (unsigned i = 0; i < 40000; i++)
                g_string_append_printf(text, "%5u:     2 2/2 1/200 9/20000\n", 1000 + i);
        g_assert_true(g_file_set_contents(file, text->str, -1, NULL));
        g_assert_true(remove_range(f));
        g_string_append_printf(text, "%5u:     1 1/1 1/200 9/20000\n", START + SIZE);
        g_assert_true(g_file_set_contents(file, text->str, -1, NULL));
        g_assert_true(remove_range(f));
        g_string_append_printf(text, "%5u:     1 1/1 1/200 9/20000\n", START + SIZE - 1);
        g_assert_true(g_file_set_contents(file, text->str, -1, NULL));
        g_assert_cmpint(look_at_range(f), ==, LEFTOVERS_KEYS);
        g_assert_cmpuint(g_array_index(f->found, LeftoversFound, 0).id, ==, START + SIZE - 1);
}

/* The kernel's own file: a key that one of the range made in a keyring of ours. */
static void test_real_key(Fixture *f, gconstpointer unused) {
        int32_t keyring = (int32_t) syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, NULL), key;
        /* Keys are the whole machine's: another run of this test is not to be met. */
        const LeftoversRange range = {
                .start = START + SIZE * (uint32_t) g_random_int_range(1000, 8000), .size = SIZE
        };
        const uid_t uid = range.start + 3;

        f->config.key_users_file = "/proc/key-users";
        use_config(f);
        g_assert_cmpint(keyring, >, 0);
        g_assert_cmpint(syscall(SYS_keyctl, 5 /* SETPERM */, keyring, 0x3f3f3f3f), ==, 0);
        g_assert_cmpint(syscall(SYS_setresuid, uid, uid, 0), ==, 0);
        key = (int32_t) syscall(SYS_add_key, "user", "left", "x", 1, keyring);
        g_assert_cmpint(syscall(SYS_setresuid, 0, 0, 0), ==, 0);
        g_assert_cmpint(key, >, 0);
        remove_all(f, &range, 1);
        g_assert_cmpint(what_of(f, 0), ==, LEFTOVERS_KEYS);
        g_assert_cmpuint(g_array_index(f->found, LeftoversFound, 0).id, ==, uid);
        g_assert_cmpint(syscall(SYS_keyctl, 7 /* CLEAR */, keyring), ==, 0);
        do /* the kernel takes them off by and by */
                remove_all(f, &range, 1);
        while (what_of(f, 0) == LEFTOVERS_KEYS);
        g_assert_cmpint(what_of(f, 0), ==, LEFTOVERS_NOTHING);
}

int main(int argc, char **argv) {
        static const LeftoversTest tests[] = {
                { "/leftovers/logind", test_logind },
                { "/leftovers/logind-fifo", test_logind_fifo },
                { "/leftovers/files-changed", test_files_changed },
                { "/leftovers/keys", test_keys },
                { "/leftovers/real-key", test_real_key },
        };

        return run_isolated(argc, argv, tests, G_N_ELEMENTS(tests));
}
