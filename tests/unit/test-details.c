/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/details.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_RECORDS 10u

typedef struct Fixture {
        char *folder, *path;
        Details *details;
} Fixture;

static const DetailsKey key = { .userns_inode = 1, .userns_id = 2, .birth_usec = 3 };

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        f->folder = g_dir_make_tmp("test-details-XXXXXX", NULL);
        f->path = g_build_filename(f->folder, "details", NULL);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &f->details), ==, 0);
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        details_free(f->details);
        (void) g_remove(f->path);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->path);
        g_free(f->folder);
}

static void reopen(Fixture *f) {
        g_clear_pointer(&f->details, details_free);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &f->details), ==, 0);
}

static uint32_t count(Fixture *f, uint32_t record, const DetailsKey *of) {
        uint64_t ids[DETAILS_CGROUPS_MAX];
        uint32_t n;

        g_assert_cmpint(details_cgroups(f->details, record, of, ids, &n), ==, 0);
        return n;
}

static void test_limit(Fixture *f, gconstpointer unused) {
        uint64_t ids[DETAILS_CGROUPS_MAX];
        uint32_t n;

        for (uint64_t id = 1; id <= DETAILS_CGROUPS_MAX; id++)
                g_assert_cmpint(details_add_cgroup(f->details, 9, &key, id), ==, 0);
        g_assert_cmpint(
                details_add_cgroup(f->details, 9, &key, DETAILS_CGROUPS_MAX + 1), ==,
                DETAILS_E_FULL);
        g_assert_cmpint(details_add_cgroup(f->details, 9, &key, 7), ==, DETAILS_E_EXISTS);
        g_assert_cmpint(details_remove_cgroup(f->details, 9, &key, 7), ==, 0);
        g_assert_cmpint(details_remove_cgroup(f->details, 9, &key, 7), ==, 0);
        reopen(f);
        g_assert_cmpint(details_cgroups(f->details, 9, &key, ids, &n), ==, 0);
        g_assert_cmpuint(n, ==, DETAILS_CGROUPS_MAX - 1);
        for (uint32_t i = 0; i < n; i++)
                g_assert_cmpuint(ids[i], ==, i < 6 ? i + 1 : i + 2);
        for (uint32_t record = 0; record < 9; record++)
                g_assert_cmpuint(count(f, record, &key), ==, 0);
}

static void test_key(Fixture *f, gconstpointer unused) {
        DetailsKey other = key;

        g_assert_cmpint(details_add_cgroup(f->details, 0, &key, 5), ==, 0);
        other.birth_usec++;
        g_assert_cmpuint(count(f, 0, &other), ==, 0);
        g_assert_cmpuint(count(f, 0, &key), ==, 1);
        g_assert_cmpint(details_add_cgroup(f->details, 0, &other, 5), ==, 0);
        g_assert_cmpuint(count(f, 0, &key), ==, 0);
}

static void test_untrusted(Fixture *f, gconstpointer unused) {
        Details *details = NULL;

        g_assert_cmpint(details_open(f->path, N_RECORDS + 1, &details), ==, -EBADMSG);
        g_assert_cmpint(chmod(f->path, 0644), ==, 0);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &details), ==, -EBADMSG);
        g_assert_cmpint(chmod(f->path, 0600), ==, 0);
        g_assert_cmpint(truncate(f->path, 1000), ==, 0);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &details), ==, -EBADMSG);
        g_assert_cmpint(g_remove(f->path), ==, 0);
        g_assert_cmpint(symlink("/etc/passwd", f->path), ==, 0);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &details), ==, -EBADMSG);
        g_assert_cmpint(g_remove(f->path), ==, 0);
        g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
        g_assert_cmpint(details_open(f->path, N_RECORDS, &details), ==, -EBADMSG);
        g_assert_null(details);
}

/* Whenever the writer is killed, each entry is what it was or what it was to be. */
static void test_killed(Fixture *f, gconstpointer unused) {
        unsigned n_found = 0;

        for (unsigned round = 0; round < 50; round++) {
                int begun[2];
                char byte;
                pid_t pid;

                g_assert_cmpint(pipe(begun), ==, 0);
                pid = fork();
                g_assert_cmpint(pid, >=, 0);
                if (pid == 0)
                        for (;;) {
                                uint64_t id = 1;

                                while (details_add_cgroup(f->details, 3, &key, id) == 0)
                                        id++;
                                (void) !write(begun[1], "x", begun[1] >= 0);
                                begun[1] = -1;
                                while (--id > 0)
                                        (void) details_remove_cgroup(f->details, 3, &key, id);
                        }
                close(begun[1]);
                g_assert_cmpint(read(begun[0], &byte, 1), ==, 1);
                close(begun[0]);
                g_usleep(round * 37); /* a moment, not a wait */
                g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
                {
                        uint64_t ids[DETAILS_CGROUPS_MAX];
                        uint32_t n;

                        g_assert_cmpint(details_cgroups(f->details, 3, &key, ids, &n), ==, 0);
                        n_found += n;
                        for (uint32_t i = 0; i < n; i++)
                                g_assert_cmpuint(ids[i], ==, i + 1);
                        for (uint32_t i = 0; i < n; i++)
                                (void) details_remove_cgroup(f->details, 3, &key, i + 1);
                }
        }
        g_assert_cmpuint(n_found, >, 0);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/details/limit", test_limit },
                { "/details/key", test_key },
                { "/details/untrusted", test_untrusted },
                { "/details/killed", test_killed },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}
