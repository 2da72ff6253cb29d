/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util/fd.h"

static char *make_folder(void) {
        char *path = g_dir_make_tmp("test-file-XXXXXX", NULL);

        g_assert_nonnull(path);
        return path;
}

static void test_read_bound(void) {
        g_autofree char *folder = make_folder(), *path = g_build_filename(folder, "f", NULL);
        g_autofree char *text = NULL, *untouched = NULL;
        size_t size = 0;

        g_assert_true(g_file_set_contents(path, "0123456789", 10, NULL));
        g_assert_cmpint(file_read(AT_FDCWD, path, 10, &text, &size), ==, 0);
        g_assert_cmpuint(size, ==, 10);
        g_assert_cmpstr(text, ==, "0123456789");
        g_assert_cmpint(file_read(AT_FDCWD, path, 9, &untouched, &size), ==, -EFBIG);
        g_assert_null(untouched);
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(file_read(AT_FDCWD, path, 10, &untouched, &size), ==, -ENOENT);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_make_directory(void) {
        g_autofree char *folder = make_folder(), *path = g_build_filename(folder, "d", NULL);
        g_autofree char *link = g_build_filename(folder, "l", NULL);
        struct stat st;

        g_assert_cmpint(file_make_directory(path, 0755), ==, 0);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0755);
        g_assert_cmpint(file_make_directory(path, 0755), ==, 0);

        g_assert_cmpint(symlink(path, link), ==, 0);
        g_assert_cmpint(file_make_directory(link, 0755), ==, -ENOTDIR);
        g_assert_cmpint(g_chmod(path, 0777), ==, 0);
        g_assert_cmpint(file_make_directory(path, 0755), ==, -EPERM);

        g_assert_cmpint(g_unlink(link), ==, 0);
        g_assert_cmpint(g_rmdir(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_find_prefix(void) {
        /* What a pattern would take for a set of characters is a name like any other. */
        g_autofree char *above = make_folder(), *folder = g_build_filename(above, "[x]*", NULL);
        g_autofree char *path = g_build_filename(folder, "table.set-aside.2", NULL);
        g_autofree char *found = NULL, *none = NULL, *untouched = NULL;

        g_assert_cmpint(file_find_prefix(folder, "table", &untouched), ==, -ENOENT);
        g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, "", 0, NULL));

        g_assert_cmpint(file_find_prefix(folder, "table.set-aside", &found), ==, 0);
        g_assert_cmpstr(found, ==, "table.set-aside.2");
        g_assert_cmpint(file_find_prefix(folder, "table.set-aside.3", &none), ==, 0);
        g_assert_null(none);
        g_assert_cmpint(file_find_prefix(path, "table", &untouched), ==, -ENOTDIR);
        g_assert_null(untouched);

        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
        g_assert_cmpint(g_rmdir(above), ==, 0);
}

/* A folder that cannot be read has no end. */
static void test_next_entry(void) {
        DIR *folder = opendir("/");
        struct dirent *entry = NULL;

        g_assert_nonnull(folder);
        do
                g_assert_cmpint(file_next_entry(folder, &entry), ==, 0);
        while (entry);
        rewinddir(folder);
        g_assert_cmpint(dup2(STDERR_FILENO, dirfd(folder)), ==, dirfd(folder));
        g_assert_cmpint(file_next_entry(folder, &entry), ==, -ENOTDIR);
        g_assert_cmpint(closedir(folder), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/file/read-bound", test_read_bound);
        g_test_add_func("/file/make-directory", test_make_directory);
        g_test_add_func("/file/next-entry", test_next_entry);
        g_test_add_func("/file/find-prefix", test_find_prefix);
        return g_test_run();
}
