/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/vetting.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "tests/unit/unit.h"

#define SLOT 65536u

typedef struct Fixture {
        char *folder, *etc, *locks;
        HostIds *ids;
        unsigned n_fds;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
        g_autofree char *subuid = NULL;

        f->folder = g_dir_make_tmp("test-vetting-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
        f->etc = g_build_filename(f->folder, "etc", NULL);
        f->locks = g_build_filename(f->folder, "nspawn-uid", NULL);
        g_assert_cmpint(g_mkdir(f->etc, 0755), ==, 0);
        subuid = g_build_filename(f->etc, "subuid", NULL);
        g_assert_true(
                g_file_set_contents(subuid, "1000:720895:1\n", -1, NULL)); /* slot 10's last */
        g_assert_cmpint(host_ids_new(f->etc, &f->ids), ==, 0);
        f->n_fds = unit_count_fds();
}

static void tear_down(Fixture *f, gconstpointer data) {
        g_autofree char *subuid = g_build_filename(f->etc, "subuid", NULL);

        g_assert_cmpuint(unit_count_fds(), ==, f->n_fds);
        host_ids_free(f->ids);
        (void) g_unlink(subuid);
        (void) g_rmdir(f->etc);
        if (g_access(f->locks, F_OK) == 0)
                g_assert_cmpint(g_rmdir(f->locks), ==, 0); /* nothing was left in it */
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->etc);
        g_free(f->locks);
}

static gboolean lock_exists(Fixture *f, uint32_t start) {
        g_autofree char *path = g_strdup_printf("%s/%u", f->locks, start);

        return g_access(path, F_OK) == 0;
}

/* As nspawn takes it.  Returns -1 if it is taken. */
static int lock_as_nspawn(Fixture *f, uint32_t start) {
        g_autofree char *path = g_strdup_printf("%s/%u", f->locks, start);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd;

        (void) g_mkdir(f->locks, 0755);
        fd = open(path, O_RDWR | O_CREAT | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC, 0600);
        g_assert_cmpint(fd, >=, 0);
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
                return fd;
        close(fd);
        return -1;
}

static void unlock_as_nspawn(Fixture *f, uint32_t start, int fd) {
        g_autofree char *path = g_strdup_printf("%s/%u", f->locks, start);

        g_assert_cmpint(g_unlink(path), ==, 0);
        close(fd);
}

static void test_claim(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL, *second = NULL;

        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, 0);
        g_assert_true(lock_exists(f, 8 * SLOT));
        g_assert_cmpint(lock_as_nspawn(f, 8 * SLOT), ==, -1);
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &second), ==, VETTING_E_TAKEN);
        g_assert_null(second);
        vetting_claim_free(claim);
        g_assert_false(lock_exists(f, 8 * SLOT));
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, 0);
        vetting_claim_free(claim);
}

static void test_taken_by_nspawn(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL;
        int fd = lock_as_nspawn(f, 9 * SLOT);

        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 9 * SLOT, SLOT, &claim), ==, VETTING_E_TAKEN);
        /* Of several slots, none is kept. */
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 8 * SLOT, 2 * SLOT, &claim), ==, VETTING_E_TAKEN);
        g_assert_false(lock_exists(f, 8 * SLOT));
        g_assert_true(lock_exists(f, 9 * SLOT));
        unlock_as_nspawn(f, 9 * SLOT, fd);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, 2 * SLOT, &claim), ==, 0);
        vetting_claim_free(claim);
}

/* What is left of a killed nspawn is a file without a lock. */
static void test_stale_file(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL;

        close(lock_as_nspawn(f, 8 * SLOT));
        g_assert_true(lock_exists(f, 8 * SLOT));
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, 0);
        vetting_claim_free(claim);
}

static void test_claimed_in_etc(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL;

        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 10 * SLOT, SLOT, &claim), ==, VETTING_E_TAKEN);
        /* A part of a slot is lent with all of it. */
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 10 * SLOT, 2, &claim), ==, VETTING_E_TAKEN);
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 9 * SLOT, SLOT + 1, &claim), ==, VETTING_E_TAKEN);
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 11 * SLOT - 1, 1, &claim), ==, VETTING_E_TAKEN);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 10 * SLOT, 1, &claim), ==, 0);
        vetting_claim_free(claim);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 11 * SLOT, SLOT, &claim), ==, 0);
        vetting_claim_free(claim);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 9 * SLOT, SLOT, &claim), ==, 0);
        vetting_claim_free(claim);
}

static void test_number_of_slots(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL;

        g_assert_cmpint(vetting_claim(f->ids, f->locks, 16 * SLOT, 16 * SLOT, &claim), ==, 0);
        g_assert_true(lock_exists(f, 31 * SLOT));
        vetting_claim_free(claim);
        claim = NULL;
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 16 * SLOT, 16 * SLOT + 1, &claim), ==, -EINVAL);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 16 * SLOT, 0, &claim), ==, -EINVAL);
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, UINT32_MAX - SLOT, 2 * SLOT, &claim), ==, -EINVAL);
        g_assert_null(claim);
}

static void test_lock_folder(Fixture *f, gconstpointer data) {
        VettingClaim *claim = NULL;
        g_autofree char *target = g_build_filename(f->folder, "elsewhere", NULL);
        g_autofree char *link = g_strdup_printf("%s/%u", f->locks, 8 * SLOT);

        /* Links are not followed, neither for the folder nor for a file. */
        g_assert_cmpint(g_mkdir(target, 0755), ==, 0);
        g_assert_cmpint(symlink(target, f->locks), ==, 0);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, -ENOTDIR);
        g_assert_cmpint(g_unlink(f->locks), ==, 0);
        g_assert_cmpint(g_mkdir(f->locks, 0755), ==, 0);
        g_assert_cmpint(symlink(target, link), ==, 0);
        g_assert_cmpint(
                vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, VETTING_E_TAKEN);
        g_assert_cmpint(g_unlink(link), ==, 0);

        /* Nor is one that others may write to. */
        g_assert_cmpint(chmod(f->locks, 0777), ==, 0);
        g_assert_cmpint(vetting_claim(f->ids, f->locks, 8 * SLOT, SLOT, &claim), ==, -EPERM);
        g_assert_cmpint(g_rmdir(target), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vetting/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("claim", test_claim);
        ADD("taken-by-nspawn", test_taken_by_nspawn);
        ADD("stale-file", test_stale_file);
        ADD("claimed-in-etc", test_claimed_in_etc);
        ADD("number-of-slots", test_number_of_slots);
        ADD("lock-folder", test_lock_folder);
        return g_test_run();
}
