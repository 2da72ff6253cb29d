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

int main(int argc, char **argv) {
        static const LeftoversTest tests[] = {
                { "/leftovers/logind", test_logind },
                { "/leftovers/logind-fifo", test_logind_fifo },
                { "/leftovers/files-changed", test_files_changed },
        };

        return run_isolated(argc, argv, tests, G_N_ELEMENTS(tests));
}
