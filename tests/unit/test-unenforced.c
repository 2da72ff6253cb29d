/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/unenforced.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>

static void test_marks(void) {
        g_autofree char *folder = g_dir_make_tmp("test-unenforced-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "unenforced", NULL), *text = NULL;
        Unenforced *unenforced;
        size_t size;

        g_assert_cmpint(unenforced_open(path, &unenforced), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 0);
        g_assert_cmpint(unenforced_mark(unenforced, 0x80000, 1000), ==, 0);
        g_assert_cmpint(unenforced_mark(unenforced, 0x8ffff, 1001), ==, 0);
        g_assert_cmpint(unenforced_mark(unenforced, 0xffffffff, 4000000000), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 2);
        unenforced_free(unenforced);

        g_assert_cmpint(unenforced_open(path, &unenforced), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 2);
        g_assert_true(unenforced_is_marked(unenforced, 0x80001));
        /* The first of those who had single IDs of it. */
        g_assert_cmpuint(unenforced_account(unenforced, 0x80001), ==, 1000);
        g_assert_cmpuint(unenforced_account(unenforced, 0xffff0000), ==, 4000000000);
        g_assert_false(unenforced_is_marked(unenforced, 0x7ffff));
        g_assert_false(unenforced_is_marked(unenforced, 0x90000));
        g_assert_cmpint(unenforced_clear(unenforced, 0x80000), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 1);
        g_assert_cmpint(unenforced_mark(unenforced, 0x80000, 1002), ==, 0);
        g_assert_cmpuint(unenforced_account(unenforced, 0x80000), ==, 1002);
        g_assert_cmpint(unenforced_clear(unenforced, 0x80000), ==, 0);
        unenforced_free(unenforced);

        g_assert_true(g_file_get_contents(path, &text, &size, NULL));
        g_assert_cmpuint(size, ==, 65536 * 9);
        g_assert_cmpmem(text + size - 8, 8, "ee6b2800", 8);
        g_assert_cmpint(text[8], ==, '0');
        g_assert_cmpint(text[65535], ==, '1');
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* A file of an earlier version has no accounts, and gets them. */
static void test_older_file(void) {
        g_autofree char *folder = g_dir_make_tmp("test-unenforced-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "unenforced", NULL);
        g_autofree char *text = g_strnfill(65536, '0'), *now = NULL;
        Unenforced *unenforced = NULL;
        size_t size;

        text[9] = '1';
        g_assert_true(g_file_set_contents(path, text, 65536, NULL));
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 1);
        g_assert_true(unenforced_is_marked(unenforced, 9 * 65536));
        g_assert_cmpuint(unenforced_account(unenforced, 9 * 65536), ==, UNENFORCED_NO_ACCOUNT);
        g_assert_cmpint(unenforced_mark(unenforced, 8 * 65536, 1000), ==, 0);
        unenforced_free(unenforced);

        g_assert_cmpint(unenforced_open(path, &unenforced), ==, 0);
        g_assert_cmpuint(unenforced_count(unenforced), ==, 2);
        g_assert_cmpuint(unenforced_account(unenforced, 8 * 65536), ==, 1000);
        unenforced_free(unenforced);

        g_assert_true(g_file_get_contents(path, &now, &size, NULL));
        g_assert_cmpuint(size, ==, 65536 * 9);
        now[size - 1] = 'g';
        g_assert_true(g_file_set_contents(path, now, (gssize) size, NULL));
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, -EBADMSG);
        g_assert_true(g_file_set_contents(path, now, (gssize) size - 1, NULL));
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, -EBADMSG);
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void test_damaged(void) {
        g_autofree char *folder = g_dir_make_tmp("test-unenforced-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "unenforced", NULL);
        g_autofree char *text = g_strnfill(65536, '0');
        Unenforced *unenforced = NULL;

        g_assert_true(g_file_set_contents(path, text, 65535, NULL));
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, -EBADMSG);
        text[100] = 'x';
        g_assert_true(g_file_set_contents(path, text, 65536, NULL));
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, -EBADMSG);
        text[100] = '1';
        g_assert_true(g_file_set_contents(path, text, 65536, NULL));
        g_assert_cmpint(g_chmod(path, 0666), ==, 0);
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, -EBADMSG);
        g_assert_cmpint(g_chmod(path, 0644), ==, 0);
        g_assert_cmpint(unenforced_open(path, &unenforced), ==, 0);
        unenforced_free(unenforced);
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/unenforced/marks", test_marks);
        g_test_add_func("/unenforced/older-file", test_older_file);
        g_test_add_func("/unenforced/damaged", test_damaged);
        return g_test_run();
}
