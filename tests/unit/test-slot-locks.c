/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/slot-locks.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/vetting.h"
#include "lib/util/fd.h"

/* systemd-nspawn's side is played here: what it was seen to do, see host/vetting.c. */

#define SLOT 65536u

typedef struct Fixture {
        char *folder, *path;
        SlotLocks *locks;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused) {
        f->folder = g_dir_make_tmp("test-slot-locks-XXXXXX", NULL);
        f->path = g_build_filename(f->folder, "nspawn-uid", NULL);
        g_assert_cmpint(slot_locks_open(f->path, -1, &f->locks), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer unused) {
        g_autoptr(GDir) dir = g_dir_open(f->path, 0, NULL);
        const char *name;

        slot_locks_free(f->locks);
        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *file = g_build_filename(f->path, name, NULL);

                g_assert_cmpint(g_remove(file), ==, 0);
        }
        g_assert_cmpint(g_rmdir(f->path), ==, 0);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->path);
}

static char *file_of(const Fixture *f, uint32_t start) {
        return g_strdup_printf("%s/%u", f->path, start);
}

static bool exists(const Fixture *f, uint32_t start) {
        g_autofree char *path = file_of(f, start);

        return g_access(path, F_OK) == 0;
}

/* The descriptor of its lock, or -1 if nspawn would pick another range. */
static int nspawn_lock(const Fixture *f, uint32_t start) {
        g_autofree char *path = file_of(f, start);

        for (;;) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                auto_fd fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                struct stat st;

                g_assert_cmpint(fd, >=, 0);
                if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                        g_assert_cmpint(errno, ==, EAGAIN);
                        return -1;
                }
                g_assert_cmpint(fstat(fd, &st), ==, 0);
                if (st.st_nlink > 0)
                        return g_steal_fd(&fd);
        }
}

static void nspawn_unlock(const Fixture *f, uint32_t start, int take_fd) {
        g_autofree char *path = file_of(f, start);

        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(close(take_fd), ==, 0);
}

/* Try it, and put everything back. */
static bool nspawn_finds_it_free(const Fixture *f, uint32_t start) {
        int fd = nspawn_lock(f, start);

        if (fd >= 0)
                nspawn_unlock(f, start, fd);
        return fd >= 0;
}

static void test_hold(Fixture *f, gconstpointer unused) {
        g_assert_true(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 9 * SLOT, false), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_false(nspawn_finds_it_free(f, 9 * SLOT));
        g_assert_true(nspawn_finds_it_free(f, 10 * SLOT));

        slot_locks_drop(f->locks, 8 * SLOT);
        g_assert_true(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_false(nspawn_finds_it_free(f, 9 * SLOT));
        g_assert_false(exists(f, 8 * SLOT));
        slot_locks_drop(f->locks, 8 * SLOT);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
}

static void test_taken(Fixture *f, gconstpointer unused) {
        g_autofree char *folder = file_of(f, 9 * SLOT), *link = file_of(f, 10 * SLOT);
        int fd = nspawn_lock(f, 8 * SLOT);

        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, SLOT_LOCKS_E_TAKEN);
        /* What is not ours stays. */
        slot_locks_drop(f->locks, 8 * SLOT);
        g_assert_true(exists(f, 8 * SLOT));
        nspawn_unlock(f, 8 * SLOT, fd);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);

        g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 9 * SLOT, false), ==, SLOT_LOCKS_E_TAKEN);
        g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 10 * SLOT, false), ==, SLOT_LOCKS_E_TAKEN);
}

/* What is left of a killed nspawn is a file without a lock. */
static void test_stale_file(Fixture *f, gconstpointer unused) {
        int fd = nspawn_lock(f, 8 * SLOT);

        g_assert_cmpint(close(fd), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        slot_locks_drop(f->locks, 8 * SLOT);
        g_assert_false(exists(f, 8 * SLOT));
}

/* From the vetting's lock to ours there is no moment without one, not even for who has opened the
 * vetting's file. */
static void test_from_claim(Fixture *f, gconstpointer unused) {
        g_autofree char *path = file_of(f, 8 * SLOT);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        VettingClaim *claim = NULL, *second = NULL;
        g_autoptr(HostIds) ids = NULL;
        auto_fd early = -1;
        struct stat st;

        g_assert_cmpint(host_ids_new(f->folder, &ids), ==, 0);
        g_assert_cmpint(vetting_claim(ids, f->path, 8 * SLOT, SLOT, &claim), ==, 0);
        early = open(path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(early, >=, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, true), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(fcntl(early, F_OFD_SETLK, &lock), ==, -1);
        vetting_claim_free(claim);

        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(fcntl(early, F_OFD_SETLK, &lock), ==, 0);
        g_assert_cmpint(fstat(early, &st), ==, 0);
        g_assert_cmpuint(st.st_nlink, ==, 0); /* nspawn begins again with the name */
        g_assert_cmpint(vetting_claim(ids, f->path, 8 * SLOT, SLOT, &second), ==, VETTING_E_TAKEN);
        slot_locks_drop(f->locks, 8 * SLOT);
        g_assert_cmpint(vetting_claim(ids, f->path, 8 * SLOT, SLOT, &second), ==, 0);
        vetting_claim_free(second);
}

/* A descriptor that somebody kept holds everything while we are away, and is taken back. */
static void test_kept(Fixture *f, gconstpointer unused) {
        bool is_new = false;
        auto_fd kept = dup(slot_locks_fd(f->locks, &is_new));

        g_assert_true(is_new);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_clear_pointer(&f->locks, slot_locks_free);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));

        g_assert_cmpint(slot_locks_open(f->path, g_steal_fd(&kept), &f->locks), ==, 0);
        (void) slot_locks_fd(f->locks, &is_new);
        g_assert_false(is_new);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);

        /* Nobody kept it: the locks were gone, and come back. */
        g_clear_pointer(&f->locks, slot_locks_free);
        g_assert_cmpint(slot_locks_open(f->path, -1, &f->locks), ==, 0);
        (void) slot_locks_fd(f->locks, &is_new);
        g_assert_true(is_new);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
}

/* What was kept is not what is there. */
static void test_kept_wrong(Fixture *f, gconstpointer unused) {
        int wrong[] = { open("/dev/null", O_RDWR | O_CLOEXEC), open(f->folder, O_RDONLY), -1 };

        wrong[2] = open(f->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                bool is_new = false;

                g_clear_pointer(&f->locks, slot_locks_free);
                g_assert_cmpint(slot_locks_open(f->path, wrong[i], &f->locks), ==, 0);
                (void) slot_locks_fd(f->locks, &is_new);
                g_assert_true(is_new);
                g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
                g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        }
}

/* A child of a daemon that was killed still has its lock: all is held again, without a moment
 * between, and stays so when that child ends. */
static void test_orphan(Fixture *f, gconstpointer unused) {
        bool is_new;
        auto_fd child = dup(slot_locks_fd(f->locks, &is_new));

        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 9 * SLOT, false), ==, 0);
        g_clear_pointer(&f->locks, slot_locks_free);
        g_assert_cmpint(slot_locks_open(f->path, -1, &f->locks), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        slot_locks_drop(f->locks, 9 * SLOT);
        child = fd_close(child);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_true(nspawn_finds_it_free(f, 9 * SLOT));
}

static bool is_ten(uint32_t start, void *userdata) {
        return start == 10 * SLOT;
}

static void test_drop_others(Fixture *f, gconstpointer unused) {
        int fd = nspawn_lock(f, 11 * SLOT);

        for (uint32_t slot = 8; slot < 11; slot++)
                g_assert_cmpint(slot_locks_hold(f->locks, slot * SLOT, false), ==, 0);
        g_assert_cmpint(slot_locks_drop_others(f->locks, is_ten, NULL), ==, 0);
        g_assert_false(exists(f, 8 * SLOT));
        g_assert_false(exists(f, 9 * SLOT));
        g_assert_false(nspawn_finds_it_free(f, 10 * SLOT));
        g_assert_true(exists(f, 11 * SLOT)); /* not ours */
        nspawn_unlock(f, 11 * SLOT, fd);
}

/* Whoever removes everything from the folder takes what was held, but not what will be. */
static void test_emptied(Fixture *f, gconstpointer unused) {
        g_autofree char *master = g_build_filename(f->path, "nsresource", NULL);

        g_assert_cmpint(g_unlink(master), ==, 0);
        g_assert_cmpint(slot_locks_hold(f->locks, 8 * SLOT, false), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_cmpint(g_access(master, F_OK), ==, 0);
}

/* Whoever can list the folder can keep the kernel's lock of it. */
static void test_not_listed(Fixture *f, gconstpointer unused) {
        struct stat st;

        g_clear_pointer(&f->locks, slot_locks_free);
        g_assert_cmpint(chmod(f->path, 0755), ==, 0);
        g_assert_cmpint(slot_locks_open(f->path, -1, &f->locks), ==, 0);
        g_assert_cmpint(stat(f->path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
}

/* The whole default pool, by one descriptor. */
static void test_many(Fixture *f, gconstpointer unused) {
        struct rlimit old, few;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
        few = (struct rlimit){ .rlim_cur = 64, .rlim_max = old.rlim_max };
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        for (uint32_t slot = 8; slot < 8 + 28664; slot++)
                g_assert_cmpint(slot_locks_hold(f->locks, slot * SLOT, false), ==, 0);
        g_assert_false(nspawn_finds_it_free(f, 8 * SLOT));
        g_assert_false(nspawn_finds_it_free(f, 28671 * SLOT));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
}

static void test_refused(Fixture *f, gconstpointer unused) {
        g_autofree char *master = g_build_filename(f->path, "nsresource", NULL);
        SlotLocks *locks = NULL;

        g_assert_cmpint(g_unlink(master), ==, 0);
        g_assert_cmpint(g_mkdir(master, 0755), ==, 0);
        g_assert_cmpint(slot_locks_open(f->path, -1, &locks), ==, -EISDIR);
        g_assert_cmpint(g_rmdir(master), ==, 0);
        g_assert_cmpint(symlink("/etc/passwd", master), ==, 0);
        g_assert_cmpint(slot_locks_open(f->path, -1, &locks), ==, -ELOOP);
        g_assert_cmpint(g_unlink(master), ==, 0);
        g_assert_cmpint(g_chmod(f->path, 0777), ==, 0);
        g_assert_cmpint(slot_locks_open(f->path, -1, &locks), ==, -EPERM);
        g_assert_cmpint(g_chmod(f->path, 0755), ==, 0);
        g_assert_null(locks);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*run)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/slot-locks/hold", test_hold },
                { "/slot-locks/taken", test_taken },
                { "/slot-locks/stale-file", test_stale_file },
                { "/slot-locks/from-claim", test_from_claim },
                { "/slot-locks/kept", test_kept },
                { "/slot-locks/kept-wrong", test_kept_wrong },
                { "/slot-locks/orphan", test_orphan },
                { "/slot-locks/drop-others", test_drop_others },
                { "/slot-locks/emptied", test_emptied },
                { "/slot-locks/not-listed", test_not_listed },
                { "/slot-locks/many", test_many },
                { "/slot-locks/refused", test_refused },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
        return g_test_run();
}
