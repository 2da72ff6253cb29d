/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/host-ids.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "daemon/limits.h"

typedef struct Fixture {
        char *etc;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
        f->etc = g_dir_make_tmp("test-host-ids-XXXXXX", NULL);
        g_assert_nonnull(f->etc);
}

static void remove_file(Fixture *f, const char *name) {
        g_autofree char *path = g_build_filename(f->etc, name, NULL);

        (void) g_remove(path);
}

static void tear_down(Fixture *f, gconstpointer data) {
        remove_file(f, "passwd");
        remove_file(f, "group");
        remove_file(f, "subuid");
        remove_file(f, "subgid");
        remove_file(f, "login.defs");
        g_assert_cmpint(g_rmdir(f->etc), ==, 0);
        g_free(f->etc);
}

static void write_bytes(Fixture *f, const char *name, const char *text, size_t size) {
        g_autofree char *path = g_build_filename(f->etc, name, NULL);

        g_assert_true(g_file_set_contents(path, text, (gssize) size, NULL));
}

static void write_file(Fixture *f, const char *name, const char *text) {
        write_bytes(f, name, text, strlen(text));
}

static HostIds *load(Fixture *f) {
        HostIds *ids;

        g_assert_cmpint(host_ids_new(f->etc, &ids), ==, 0);
        return ids;
}

static void test_empty(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = load(f);
        uint32_t uid, gid;

        g_assert_cmpuint(host_ids_account(ids, 1000), ==, 1000);
        g_assert_false(host_ids_claims(ids, 0, UINT32_MAX));
        g_assert_false(host_ids_has_name(ids, "root"));
        g_assert_false(host_ids_find_user(ids, "root", &uid, &gid));
        g_assert_cmpint(host_ids_refresh(ids), ==, 0);
}

static void test_users_and_groups(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = NULL;
        uint32_t uid = 0, gid = 0;

        write_file(
                f, "passwd",
                "root:x:0:0:root:/root:/bin/sh\n"
                "# comment:x:50:50::/:/bin/sh\n"
                "alice:x:1000:1001:Alice:/home/alice:/bin/sh\n"
                "alice:x:7:7::/:\n"
                "short:x\n"
                "\n"
                ":x:60:60::/:\n"
                "+nis:x:61:61::/:\n"
                "zeros:x:0070:70::/:\n"
                "negative:x:-5:1::/:\n"
                "huge:x:4294967296:1::/:\n"
                "largest:x:4294967295:80::/:\n"
                "last:x:90:91::/:");
        write_file(f, "group", "root:x:0:\nstaff:x:50000:alice\nbroken:x:fifty:\n");
        ids = load(f);
        g_assert_true(host_ids_has_name(ids, "root"));
        g_assert_true(host_ids_has_name(ids, "staff"));
        g_assert_true(host_ids_has_name(ids, "last"));
        g_assert_false(host_ids_has_name(ids, "short"));
        g_assert_false(host_ids_has_name(ids, "broken"));
        g_assert_false(host_ids_has_name(ids, "+nis"));
        g_assert_false(host_ids_has_name(ids, ""));

        g_assert_true(host_ids_find_user(ids, "alice", &uid, &gid));
        g_assert_cmpuint(uid, ==, 1000);
        g_assert_cmpuint(gid, ==, 1001);
        g_assert_false(host_ids_find_user(ids, "staff", &uid, &gid));
        g_assert_false(host_ids_find_user(ids, "negative", &uid, &gid));

        g_assert_true(host_ids_claims(ids, 1000, 1));
        g_assert_true(host_ids_claims(ids, 1001, 1));
        g_assert_false(host_ids_claims(ids, 1002, 1));
        g_assert_true(host_ids_claims(ids, 7, 1));
        g_assert_true(host_ids_claims(ids, 70, 1));
        g_assert_true(host_ids_claims(ids, 91, 1));
        g_assert_true(host_ids_claims(ids, 50000, 1));
        g_assert_true(host_ids_claims(ids, 40000, 10001));
        g_assert_false(host_ids_claims(ids, 40000, 10000));
        g_assert_false(host_ids_claims(ids, 50, 20));
        g_assert_true(host_ids_claims(ids, UINT32_MAX, 1));
        g_assert_true(host_ids_claims(ids, 60000, UINT32_MAX));
        g_assert_false(host_ids_claims(ids, 1000, 0));
}

static void test_blocks(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = NULL;

        write_file(f, "passwd", "alice:x:1000:1000::/:\nbob:x:1001:1001::/:\n");
        write_file(
                f, "subuid",
                "alice:100000:65536\n"
                "bob:150000:65536\n" /* the first wins where they overlap */
                "1001:300000:10\n"
                "unknown:400000:65536\n"
                "alice:0x80000:65536\n"
                "alice:700000:0\n"
                "alice:710000:-1\n"
                "alice:4294967290:1000000000000\n"
                "alice:720000\n");
        write_file(f, "subgid", "alice:900000:100\n");
        ids = load(f);
        g_assert_cmpuint(host_ids_account(ids, 99999), ==, 99999);
        g_assert_cmpuint(host_ids_account(ids, 100000), ==, 1000);
        g_assert_cmpuint(host_ids_account(ids, 160000), ==, 1000);
        g_assert_cmpuint(host_ids_account(ids, 165535), ==, 1000);
        g_assert_cmpuint(host_ids_account(ids, 165536), ==, 1001);
        g_assert_cmpuint(host_ids_account(ids, 215535), ==, 1001);
        g_assert_cmpuint(host_ids_account(ids, 215536), ==, 215536);
        g_assert_cmpuint(host_ids_account(ids, 300009), ==, 1001);
        g_assert_cmpuint(host_ids_account(ids, 300010), ==, 300010);
        g_assert_cmpuint(host_ids_account(ids, 400000), ==, 400000);
        g_assert_cmpuint(host_ids_account(ids, 465535), ==, 400000);
        g_assert_cmpuint(host_ids_account(ids, 0x80005), ==, 1000);
        g_assert_cmpuint(host_ids_account(ids, 4294967295), ==, 1000);
        g_assert_cmpuint(host_ids_account(ids, 900000), ==, 900000);

        g_assert_true(host_ids_claims(ids, 0x80000, 65536));
        g_assert_true(host_ids_claims(ids, 215535, 1));
        g_assert_false(host_ids_claims(ids, 215536, 1));
        g_assert_false(host_ids_claims(ids, 700000, 100000));
        g_assert_true(host_ids_claims(ids, 900099, 1));
        g_assert_false(host_ids_claims(ids, 900100, 1));
        g_assert_true(host_ids_claims(ids, 4294967290, 6));
        g_assert_false(host_ids_claims(ids, 4294967289, 1));
}

/* An ID's owner is that of the first line it is in, whatever lies over and under that. */
static void test_overlapping_blocks(Fixture *f, gconstpointer data) {
        enum { N = 200, IDS = 1000 };
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(HostIds) ids = NULL;
        uint32_t owners[IDS];

        for (unsigned i = 0; i < IDS; i++)
                owners[i] = 10000 + i;
        for (unsigned i = 0; i < N; i++) {
                uint32_t start = (uint32_t) g_test_rand_int_range(0, IDS);
                uint32_t size = (uint32_t) g_test_rand_int_range(1, i < N / 2 ? 20 : 200);

                g_string_append_printf(text, "%u:%u:%u\n", i + 1, 10000 + start, size);
                for (uint32_t id = start; id < MIN(start + size, IDS); id++)
                        if (owners[id] == 10000 + id)
                                owners[id] = i + 1;
        }
        write_file(f, "subuid", text->str);
        ids = load(f);
        for (unsigned i = 0; i < IDS; i++) {
                g_assert_cmpuint(host_ids_account(ids, 10000 + i), ==, owners[i]);
                g_assert_true(host_ids_claims(ids, 10000 + i, 1) == (owners[i] != 10000 + i));
        }
}

static void test_root_is_nobodys(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = NULL;

        write_file(f, "subuid", "1000:0:65536\n");
        ids = load(f);
        g_assert_cmpuint(host_ids_account(ids, 0), ==, 0);
        g_assert_cmpuint(host_ids_account(ids, 1), ==, 1000);
}

static void test_garbage(Fixture *f, gconstpointer data) {
        static const char bytes[] = "a\0b:x:1:1\n\n::::\n:::\nx:y:5\0:6\n\xff\xfe:x:12:12\n:\n\0";
        g_autoptr(HostIds) ids = NULL;
        g_autofree char *noise = g_malloc(100000);

        for (unsigned i = 0; i < 100000; i++)
                noise[i] = (char) g_test_rand_int_range(0, 256);
        write_bytes(f, "passwd", bytes, sizeof(bytes));
        write_bytes(f, "group", noise, 100000);
        write_bytes(f, "subuid", noise, 100000);
        write_bytes(f, "subgid", bytes, sizeof(bytes));
        ids = load(f);
        g_assert_true(host_ids_claims(ids, 5, 1));
        g_assert_true(host_ids_claims(ids, 12, 1));
        g_assert_true(host_ids_has_name(ids, "\xff\xfe"));
}

static void test_largest_file(Fixture *f, gconstpointer data) {
        g_autoptr(GString) text = g_string_sized_new(LIMIT_ETC_FILE_SIZE + 64);
        g_autoptr(HostIds) ids = NULL;
        HostIds *refused = NULL;
        uint32_t n = 0;

        while (text->len < LIMIT_ETC_FILE_SIZE - 64)
                g_string_append_printf(text, "%u:%u:3\n", n, 1000 + 2 * n), n++;
        g_string_append_c(text, '#');
        while (text->len < LIMIT_ETC_FILE_SIZE)
                g_string_append_c(text, '#');
        write_bytes(f, "subuid", text->str, text->len);
        ids = load(f);
        g_assert_cmpuint(host_ids_account(ids, 1000 + 2 * (n - 1)), ==, n - 2);
        g_assert_cmpuint(host_ids_account(ids, 1001 + 2 * (n - 1)), ==, n - 1);

        g_string_append_c(text, '#');
        write_bytes(f, "subuid", text->str, text->len);
        g_assert_cmpint(host_ids_new(f->etc, &refused), ==, -EFBIG);
        /* What was known stays known. */
        g_assert_cmpint(host_ids_refresh(ids), ==, -EFBIG);
        g_assert_true(host_ids_claims(ids, 1000, 1));
}

static void test_refresh(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = load(f);
        g_autofree char *path = g_build_filename(f->etc, "passwd", NULL);
        FILE *file;

        write_file(f, "passwd", "alice:x:1000:1000::/:\n");
        g_assert_false(host_ids_has_name(ids, "alice"));
        g_assert_cmpint(host_ids_refresh(ids), ==, 0);
        g_assert_true(host_ids_has_name(ids, "alice"));

        /* In place, of the same size, within one tick of the clock. */
        file = fopen(path, "r+");
        g_assert_nonnull(file);
        g_assert_cmpint(fputs("carol", file), >=, 0);
        g_assert_cmpint(fclose(file), ==, 0);
        g_assert_cmpint(host_ids_refresh(ids), ==, 0);
        g_assert_true(host_ids_has_name(ids, "carol"));
        g_assert_false(host_ids_has_name(ids, "alice"));

        remove_file(f, "passwd");
        g_assert_cmpint(host_ids_refresh(ids), ==, 0);
        g_assert_false(host_ids_has_name(ids, "carol"));
}

static void check_claimant(
        Fixture *f, HostIds *ids, uint32_t start, uint32_t n_ids, const char *who,
        const char *file) {
        g_autofree char *claimant = NULL, *expected = NULL;

        if (who)
                expected = g_strdup_printf("%s in %s/%s", who, f->etc, file);
        g_assert_cmpint(host_ids_refresh(ids), ==, 0);
        claimant = host_ids_claimant(ids, start, n_ids);
        g_assert_cmpstr(claimant, ==, expected);
        g_assert_cmpint(host_ids_claims(ids, start, n_ids), ==, who != NULL);
}

static void test_claimant(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = load(f);
        g_autofree char *path = g_build_filename(f->etc, "group", NULL);

        check_claimant(f, ids, 0, UINT32_MAX, NULL, NULL);

        write_file(f, "passwd", "alice:x:1000:1001::/:\nev\x1bil\xc3\xa4:x:5000:5000::/:\n");
        write_file(f, "group", "staff:x:2000:\n");
        write_file(f, "subuid", "bob:100000:65536\ncarol:120000:10\n4000:300000:10\n");
        write_file(f, "subgid", "dave:400000:10\n");
        check_claimant(f, ids, 1000, 1, "user alice", "passwd");
        check_claimant(f, ids, 1001, 1, "user alice", "passwd");
        check_claimant(f, ids, 1002, 998, NULL, NULL);
        check_claimant(f, ids, 1002, 999, "group staff", "group");
        check_claimant(f, ids, 5000, 1, "user ev?il??", "passwd");
        check_claimant(f, ids, 65536, 34464, NULL, NULL);
        check_claimant(f, ids, 65536, 34465, "subuid block of bob", "subuid");
        /* Behind one that lies within a larger one that began before. */
        check_claimant(f, ids, 120010, 1, "subuid block of bob", "subuid");
        check_claimant(f, ids, 165535, 100, "subuid block of bob", "subuid");
        check_claimant(f, ids, 165536, 100, NULL, NULL);
        check_claimant(f, ids, 300009, 1, "subuid block of 4000", "subuid");
        check_claimant(f, ids, 400000, 10, "subgid block of dave", "subgid");
        check_claimant(f, ids, 400010, 10, NULL, NULL);
        check_claimant(f, ids, 1000, 0, NULL, NULL);

        remove_file(f, "subgid");
        check_claimant(f, ids, 400000, 10, NULL, NULL);

        remove_file(f, "group");
        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
        g_assert_cmpint(host_ids_refresh(ids), ==, -EISDIR);
}

static void test_reserved(Fixture *f, gconstpointer data) {
        static const IdRange ranges[] = { { 200000, 299999 }, { 5, 5 } };
        g_autoptr(HostIds) ids = load(f);
        g_autofree char *claimant = NULL;

        host_ids_set_reserved(ids, ranges, G_N_ELEMENTS(ranges));
        g_assert_true(host_ids_claims(ids, 299999, 10));
        g_assert_true(host_ids_claims(ids, 5, 1));
        g_assert_false(host_ids_claims(ids, 300000, 10));
        claimant = host_ids_claimant(ids, 100000, 100001);
        g_assert_cmpstr(claimant, ==, "Reserved= of nsresourced.conf");
        /* It is nobody's account. */
        g_assert_cmpuint(host_ids_account(ids, 250000), ==, 250000);

        host_ids_set_reserved(ids, NULL, 0);
        g_assert_false(host_ids_claims(ids, 0, UINT32_MAX));
}

static void test_first_untouched(Fixture *f, gconstpointer data) {
        g_autoptr(HostIds) ids = load(f);
        static const struct {
                const char *text;
                uint32_t first;
        } cases[] = {
                { "", 600100001 },
                { "SUB_UID_MAX 700000000\n", 700000001 },
                { "SUB_UID_MAX 5\nSUB_GID_MAX 700000\n", 700001 },
                { "SUB_UID_MAX 5\n", 600100001 },
                { "SUB_UID_MAX 4294967295\n", UINT32_MAX },
        };
        uint32_t first = 0;

        g_assert_cmpint(host_ids_first_untouched(ids, &first), ==, 0);
        g_assert_cmpuint(first, ==, 600100001);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                write_file(f, "login.defs", cases[i].text);
                g_assert_cmpint(host_ids_first_untouched(ids, &first), ==, 0);
                g_assert_cmpuint(first, ==, cases[i].first);
        }
}

static void test_unreadable(Fixture *f, gconstpointer data) {
        g_autofree char *path = g_build_filename(f->etc, "group", NULL);
        HostIds *ids = NULL;

        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
        g_assert_cmpint(host_ids_new(f->etc, &ids), ==, -EISDIR);
        g_assert_null(ids);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/host-ids/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("empty", test_empty);
        ADD("users-and-groups", test_users_and_groups);
        ADD("blocks", test_blocks);
        ADD("overlapping-blocks", test_overlapping_blocks);
        ADD("root-is-nobodys", test_root_is_nobodys);
        ADD("garbage", test_garbage);
        ADD("largest-file", test_largest_file);
        ADD("refresh", test_refresh);
        ADD("claimant", test_claimant);
        ADD("reserved", test_reserved);
        ADD("first-untouched", test_first_untouched);
        ADD("unreadable", test_unreadable);
        return g_test_run();
}
