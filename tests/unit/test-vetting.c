/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/vetting.h"

#include <grp.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mount.h>
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

/* what is in use */

#define POOL_START 0x90000000u /* no pool of a daemon that runs here */
#define POOL_SLOTS 64u

static void mark(uint32_t slot, void *userdata) {
        gboolean *used = userdata;

        g_assert_cmpuint(slot, <, POOL_SLOTS);
        used[slot] = TRUE;
}

static void find_used(gboolean used[static POOL_SLOTS]) {
        memset(used, 0, POOL_SLOTS * sizeof(gboolean));
        g_assert_cmpint(vetting_find_used(POOL_START, POOL_SLOTS, mark, used), ==, 0);
}

static void *thread_run(void *data) {
        const int *ready = data;

        /* This thread only: the C library's function would change all. */
        (void) syscall(SYS_setresuid, POOL_START + 5 * SLOT, POOL_START + 5 * SLOT, 0);
        (void) !write(*ready, "x", 1);
        for (;;)
                (void) pause();
        return NULL;
}

static void be_somebody(const int *ready) {
        gid_t groups[] = { POOL_START + 3 * SLOT + 65535, POOL_START + POOL_SLOTS * SLOT };
        pthread_t thread;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setgroups(G_N_ELEMENTS(groups), groups) < 0 ||
            setresgid(POOL_START + 2 * SLOT, 0, POOL_START - 1) < 0 ||
            setresuid(0, 0, POOL_START) < 0 ||
            pthread_create(&thread, NULL, thread_run, (void *) ready) != 0)
                _exit(1);
        for (;;)
                (void) pause();
}

static void test_processes(void) {
        static const unsigned wanted[] = { 0, 2, 3, 5 };
        gboolean used[POOL_SLOTS];
        int ready[2];
        char byte;
        pid_t pid;

        if (!unit_need_root())
                return;
        find_used(used);
        for (unsigned i = 0; i < POOL_SLOTS; i++)
                g_assert_false(used[i]);

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0)
                be_somebody(&ready[1]);
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        find_used(used);
        for (unsigned i = 0; i < POOL_SLOTS; i++) {
                gboolean expected = FALSE;

                for (unsigned k = 0; k < G_N_ELEMENTS(wanted); k++)
                        expected |= wanted[k] == i;
                g_assert_cmpint(used[i], ==, expected);
        }
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        find_used(used);
        g_assert_false(used[0]);
}

static void test_leftovers(void) {
        static const char *const folders[] = { "/run/user", "/var/lib/systemd/linger" };
        gboolean used[POOL_SLOTS];

        if (!unit_need_root())
                return;
        for (unsigned i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *name =
                        g_strdup_printf("%s/%u", folders[i], POOL_START + (7 + i) * SLOT + 1000);
                g_autofree char *other = g_strdup_printf("%s/user%u", folders[i], POOL_START);

                if (g_access(folders[i], F_OK) < 0) {
                        g_test_message("no %s here", folders[i]);
                        continue;
                }
                g_assert_cmpint(mount("test-vetting", folders[i], "tmpfs", 0, NULL), ==, 0);
                g_assert_cmpint(g_mkdir(name, 0700), ==, 0);
                g_assert_cmpint(g_mkdir(other, 0700), ==, 0);
                find_used(used);
                g_assert_true(used[7 + i]);
                g_assert_false(used[0]);
                g_assert_cmpint(umount2(folders[i], MNT_DETACH), ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        /* What is mounted here is nobody else's. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                g_error("no mount namespace: %s", g_strerror(errno));
#define ADD(name, func) g_test_add("/vetting/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("claim", test_claim);
        ADD("taken-by-nspawn", test_taken_by_nspawn);
        ADD("stale-file", test_stale_file);
        ADD("claimed-in-etc", test_claimed_in_etc);
        ADD("number-of-slots", test_number_of_slots);
        ADD("lock-folder", test_lock_folder);
        g_test_add_func("/vetting/processes", test_processes);
        g_test_add_func("/vetting/leftovers", test_leftovers);
        return g_test_run();
}
