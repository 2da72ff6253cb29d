/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/cgroup/cgroup.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "daemon/cgroup/walk.h"
#include "daemon/cgroup/remove.h"
#include "lib/util/fd.h"
#include "tests/unit/unit.h"

#define OWNER 400001u
#define LENT 524288u

static const char *const parts[] = { ".", "cgroup.procs", "cgroup.subtree_control",
                                     "cgroup.threads" };

typedef struct Fixture {
        CgroupTree *tree;
        char *folder; /* a control group of the test's, through the host's mount */
        uint64_t id;
} Fixture;

static gboolean find_mount(char **ret_path) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 6);

                if (strstr(*line, " - cgroup2 ") && g_str_equal(words[3], "/")) {
                        *ret_path = g_strdup(words[4]);
                        return TRUE;
                }
        }
        return FALSE;
}

static uint64_t id_of(const char *path) {
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        return st.st_ino;
}

static gboolean fixture_set_up(Fixture *f) {
        g_autofree char *mount = NULL;

        *f = (Fixture){ NULL };
        if (!unit_need_root())
                return FALSE;
        if (cgroup_tree_new(&f->tree) != 0 || !find_mount(&mount)) {
                unit_skip("cgroup2", "no cgroup2 file system");
                return FALSE;
        }
        f->folder = g_build_filename(mount, "nsr-test-XXXXXX", NULL);
        if (!mkdtemp(f->folder)) {
                unit_skip("cgroup2", "no control group can be made");
                return FALSE;
        }
        f->id = id_of(f->folder);
        return TRUE;
}

static void fixture_tear_down(Fixture *f) {
        g_assert_cmpint(rmdir(f->folder), ==, 0);
        cgroup_tree_free(f->tree);
        g_free(f->folder);
}

static void set_part(const Fixture *f, unsigned i, uid_t uid, gid_t gid, mode_t mode) {
        g_autofree char *path = g_build_filename(f->folder, parts[i], NULL);

        g_assert_cmpint(chown(path, uid, gid), ==, 0);
        g_assert_cmpint(chmod(path, mode), ==, 0);
}

static void assert_part(const Fixture *f, unsigned i, uid_t uid, gid_t gid, mode_t mode) {
        g_autofree char *path = g_build_filename(f->folder, parts[i], NULL);
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, uid);
        g_assert_cmpuint(st.st_gid, ==, gid);
        g_assert_cmpuint(st.st_mode & 07777, ==, mode);
}

static void test_open(void) {
        g_autoptr(Cgroup) cgroup = NULL;
        g_autofree char *mount = NULL, *below = NULL;
        uint64_t id;
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, 0);
        g_assert_cmpuint(cgroup_id(cgroup), ==, f.id);
        g_assert_true(cgroup_belongs_to(cgroup, 0));
        g_assert_false(cgroup_belongs_to(cgroup, OWNER));
        g_clear_pointer(&cgroup, cgroup_free);

        /* The root, by its number. */
        g_assert_true(find_mount(&mount));
        g_assert_cmpint(cgroup_open(f.tree, id_of(mount), &cgroup), ==, CGROUP_E_ROOT);
        /* Numbers of nothing, and of a file in a control group. */
        g_assert_cmpint(cgroup_open(f.tree, 0, &cgroup), !=, 0);
        g_assert_cmpint(cgroup_open(f.tree, UINT64_MAX, &cgroup), ==, CGROUP_E_GONE);
        below = g_build_filename(f.folder, "cgroup.procs", NULL);
        g_assert_cmpint(cgroup_open(f.tree, id_of(below), &cgroup), !=, 0);
        g_clear_pointer(&below, g_free);

        /* One that was removed, and made again under its name. */
        below = g_build_filename(f.folder, "below", NULL);
        g_assert_cmpint(mkdir(below, 0755), ==, 0);
        id = id_of(below);
        g_assert_cmpint(rmdir(below), ==, 0);
        g_assert_cmpint(mkdir(below, 0755), ==, 0);
        g_assert_cmpint(cgroup_open(f.tree, id, &cgroup), ==, CGROUP_E_GONE);
        g_assert_cmpint(rmdir(below), ==, 0);
        g_assert_null(cgroup);
        fixture_tear_down(&f);
}

static void write_to(const char *path, const char *text) {
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

static void move_to(const char *folder) {
        g_autofree char *path = g_build_filename(folder, "cgroup.procs", NULL);

        write_to(path, "0");
}

static void test_ours(void) {
        g_autoptr(Cgroup) cgroup = NULL;
        g_autofree char *below = NULL, *mount = NULL;
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        g_assert_true(find_mount(&mount));
        below = g_build_filename(f.folder, "below", NULL);
        g_assert_cmpint(mkdir(below, 0755), ==, 0);
        move_to(below);
        g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, CGROUP_E_OURS);
        g_assert_cmpint(cgroup_open(f.tree, id_of(below), &cgroup), ==, CGROUP_E_OURS);
        move_to(mount);
        g_assert_cmpint(rmdir(below), ==, 0);
        fixture_tear_down(&f);
}

/* Who has the directory but not all of the files could have processes killed that they cannot kill
 * themselves, or switch on controllers that were kept from them. */
static void test_owned_in_part(void) {
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        for (unsigned missing = 0; missing <= G_N_ELEMENTS(parts); missing++) {
                g_autoptr(Cgroup) cgroup = NULL;

                for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
                        set_part(&f, i, i == missing ? 0 : OWNER, 0, i == 0 ? 0755 : 0644);
                g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, 0);
                g_assert_cmpint(
                        cgroup_belongs_to(cgroup, OWNER), ==, missing == G_N_ELEMENTS(parts));
                g_assert_false(cgroup_belongs_to(cgroup, 0));
        }
        fixture_tear_down(&f);
}

static void test_hand_over(void) {
        g_autoptr(Cgroup) cgroup = NULL;
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, 0);
        g_assert_cmpint(cgroup_hand_over(cgroup, LENT, LENT + 1), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
                assert_part(&f, i, LENT, LENT + 1, i == 0 ? 0755 : 0644);
        fixture_tear_down(&f);
}

/* The directory is removed after it was opened, and made again: the new one is nobody's business.
 */
static void test_made_again(void) {
        g_autoptr(Cgroup) cgroup = NULL;
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, 0);
        g_assert_cmpint(rmdir(f.folder), ==, 0);
        g_assert_cmpint(mkdir(f.folder, 0700), ==, 0);
        (void) cgroup_hand_over(cgroup, LENT, LENT);
        assert_part(&f, 0, 0, 0, 0700);
        for (unsigned i = 1; i < G_N_ELEMENTS(parts); i++)
                assert_part(&f, i, 0, 0, 0644);
        fixture_tear_down(&f);
}

/* From now on fchown(fd, LENT, ...) is refused with EACCES. */
static void refuse_chown(int fd) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchown, 0, 5),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) fd, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LENT, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { G_N_ELEMENTS(code), code };

        g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
        g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), ==, 0);
}

static int find_fd(const char *suffix) {
        for (int fd = 3; fd < 256; fd++) {
                g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
                g_autofree char *target = g_file_read_link(path, NULL);

                if (target && g_str_has_suffix(target, suffix))
                        return fd;
        }
        return -1;
}

/* In a process of its own, which ends: a filter stays. */
static void hand_over_refused(const Fixture *f, unsigned refused) {
        g_autoptr(Cgroup) cgroup = NULL;
        g_autofree char *base = g_path_get_basename(f->folder);
        g_autofree char *name =
                refused == 0 ? g_strdup(base) : g_build_filename(base, parts[refused], NULL);
        int status;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                int fd;

                if (cgroup_open(f->tree, f->id, &cgroup) != 0)
                        _exit(1);
                fd = find_fd(name);
                if (fd < 0)
                        _exit(2);
                refuse_chown(fd);
                _exit(cgroup_hand_over(cgroup, LENT, LENT) == -EACCES ? 0 : 3);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

/* What was changed has again what each had, whatever that was. */
static void test_undone(void) {
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        for (unsigned refused = 0; refused < G_N_ELEMENTS(parts); refused++) {
                for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
                        set_part(&f, i, OWNER + i, OWNER + 10 + i, (i == 0 ? 0710 : 0600) + i);
                hand_over_refused(&f, refused);
                for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
                        assert_part(&f, i, OWNER + i, OWNER + 10 + i, (i == 0 ? 0710 : 0600) + i);
        }
        fixture_tear_down(&f);
}

/* What root mounts over a name, in whatever mount, is not met either. */
static void test_mounted_over(void) {
        g_autoptr(Cgroup) cgroup = NULL;
        g_autofree char *procs = NULL, *secret = NULL;
        struct stat st;
        Fixture f;
        int fd;

        if (!fixture_set_up(&f))
                return;
        procs = g_build_filename(f.folder, "cgroup.procs", NULL);
        fd = g_file_open_tmp("nsr-test-XXXXXX", &secret, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(mount(secret, procs, NULL, MS_BIND, NULL), ==, 0);
        g_assert_cmpint(cgroup_open(f.tree, f.id, &cgroup), ==, 0);
        g_assert_cmpint(cgroup_hand_over(cgroup, LENT, LENT), ==, 0);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
        g_assert_cmpint(umount2(procs, MNT_DETACH), ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
                assert_part(&f, i, LENT, LENT, i == 0 ? 0755 : 0644);
        close(fd);
        unlink(secret);
        fixture_tear_down(&f);
}

/* removing */

typedef struct Removed {
        gboolean done;
        bool gone;
} Removed;

static void on_removed(bool gone, void *userdata) {
        *(Removed *) userdata = (Removed){ TRUE, gone };
}

/* The number is recorded, but the control group has never become the range's, or somebody has taken
 * it back. */
static void test_remove_others(void) {
        static const CgroupRange lent[] = { { LENT, 65536 }, { LENT + 131072, 65536 } };
        g_autofree char *kept = NULL, *gone = NULL, *procs = NULL, *number = NULL;
        Removed removed = { FALSE };
        CgroupRemoval *removal = NULL;
        uint64_t ids[2];
        Fixture f;
        pid_t pid;

        if (!fixture_set_up(&f))
                return;
        kept = g_build_filename(f.folder, "kept", NULL);
        gone = g_build_filename(f.folder, "gone", NULL);
        g_assert_cmpint(mkdir(kept, 0755), ==, 0);
        g_assert_cmpint(mkdir(gone, 0755), ==, 0);
        g_assert_cmpint(chown(kept, OWNER, OWNER), ==, 0);
        g_assert_cmpint(chown(gone, LENT + 131072, 0), ==, 0);
        ids[0] = id_of(kept);
        ids[1] = id_of(gone);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        procs = g_build_filename(kept, "cgroup.procs", NULL);
        number = g_strdup_printf("%d", (int) pid);
        write_to(procs, number);

        g_assert_cmpint(
                cgroup_remove(f.tree, 0, ids, 2, lent, 2, on_removed, &removed, &removal), ==, 0);
        g_assert_true(unit_run_until(&removed.done, 120000));
        g_assert_true(removed.gone);
        g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
        g_assert_true(g_file_test(kept, G_FILE_TEST_IS_DIR));
        g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, 0); /* it lives */

        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(rmdir(kept), ==, 0);
        fixture_tear_down(&f);
}

static pid_t process_in(const char *folder, const char *threaded, uid_t uid) {
        g_autofree char *procs = g_build_filename(folder, "cgroup.procs", NULL);
        g_autofree char *threads = g_build_filename(threaded, "cgroup.threads", NULL);
        g_autofree char *number = NULL;
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe(ready), ==, 0);
        pid = fork();
        if (pid == 0) {
                if (setresuid(uid, uid, uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
                    write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        close(ready[1]);
        number = g_strdup_printf("%d", (int) pid);
        write_to(procs, number);
        write_to(threads, number);
        return pid;
}

static bool has_ended(pid_t pid) {
        for (unsigned i = 0; i < 600; i++) {
                if (waitpid(pid, NULL, WNOHANG) == pid)
                        return true;
                g_usleep(100000);
        }
        return false;
}

static bool remove_threaded(const Fixture *f, uint64_t id) {
        static const CgroupRange lent = { LENT, 65536 };
        Removed removed = { FALSE };
        CgroupRemoval *removal = NULL;

        g_assert_cmpint(
                cgroup_remove(f->tree, 0, &id, 1, &lent, 1, on_removed, &removed, &removal), ==, 0);
        g_assert_true(unit_run_until(&removed.done, 120000));
        return removed.gone;
}

/* A threaded control group refuses cgroup.kill: what is all the range's in it is killed, and
 * nothing that has a thread of somebody else's. */
static void test_remove_threaded(void) {
        g_autofree char *box = NULL, *threaded = NULL, *below = NULL, *type = NULL;
        pid_t lent, deep, other;
        Fixture f;
        uint64_t id;

        if (!fixture_set_up(&f))
                return;
        box = g_build_filename(f.folder, "box", NULL);
        threaded = g_build_filename(box, "threaded", NULL);
        below = g_build_filename(threaded, "below", NULL);
        g_assert_cmpint(mkdir(box, 0755), ==, 0);
        g_assert_cmpint(mkdir(threaded, 0755), ==, 0);
        type = g_build_filename(threaded, "cgroup.type", NULL);
        write_to(type, "threaded");
        g_assert_cmpint(mkdir(below, 0755), ==, 0);
        g_free(type);
        type = g_build_filename(below, "cgroup.type", NULL);
        write_to(type, "threaded");
        g_assert_cmpint(chown(threaded, LENT, LENT), ==, 0);
        id = id_of(threaded);
        lent = process_in(box, threaded, LENT + 7);
        deep = process_in(box, below, LENT);
        other = process_in(box, threaded, OWNER);

        g_assert_false(remove_threaded(&f, id));
        g_assert_cmpint(waitpid(other, NULL, WNOHANG), ==, 0); /* it lives */
        g_assert_true(has_ended(lent));
        g_assert_true(has_ended(deep));
        kill(other, SIGKILL);
        g_assert_cmpint(waitpid(other, NULL, 0), ==, other);
        lent = process_in(box, threaded, LENT);
        g_assert_true(remove_threaded(&f, id));
        g_assert_true(has_ended(lent));
        g_assert_false(g_file_test(threaded, G_FILE_TEST_EXISTS));
        g_assert_cmpint(rmdir(box), ==, 0);
        fixture_tear_down(&f);
}

/* walking for what was not handed over */

typedef struct Walked {
        gboolean done;
        bool clean[3];
} Walked;

static void on_walked(const bool *clean, size_t n, void *userdata) {
        Walked *walked = userdata;

        g_assert_false(walked->done);
        g_assert_cmpuint(n, ==, 3);
        memcpy(walked->clean, clean, n * sizeof(*clean));
        walked->done = TRUE;
}

/* Of three ranges, in no order. */
static const CgroupRange ranges[] = { { LENT + 65536, 65536 }, { LENT, 65536 }, { 700000, 1 } };

static void walk(const Fixture *f, bool first, bool second, bool third) {
        Walked walked = { FALSE };
        CgroupWalk *under_way = NULL;

        g_assert_cmpint(cgroup_walk(f->tree, ranges, 3, on_walked, &walked, &under_way), ==, 0);
        g_assert_true(unit_run_until(&walked.done, 120000));
        g_assert_cmpint(walked.clean[0], ==, first);
        g_assert_cmpint(walked.clean[1], ==, second);
        g_assert_cmpint(walked.clean[2], ==, third);
}

static char *make(const char *parent, const char *name, uid_t uid, gid_t gid) {
        char *path = g_build_filename(parent, name, NULL);

        g_assert_cmpint(mkdir(path, 0755), ==, 0);
        g_assert_cmpint(chown(path, uid, gid), ==, 0);
        return path;
}

static gboolean exists(const char *path) {
        return g_file_test(path, G_FILE_TEST_IS_DIR);
}

static void test_walk(void) {
        g_autofree char *pub = NULL, *leaf = NULL, *top = NULL, *others = NULL, *below = NULL;
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        walk(&f, true, true, true);

        pub = make(f.folder, "pub", OWNER, OWNER);
        others = make(pub, "others", LENT - 1, LENT - 1);
        leaf = make(pub, "leaf", LENT + 65535, OWNER);
        top = make(pub, "top", LENT + 65536, LENT + 65536);
        below = g_strdup(top);
        for (unsigned i = 0; i < 300; i++) {
                char *next = make(below, "d", i % 2 ? LENT : 700000, 0);

                g_free(below);
                below = next;
        }
        walk(&f, true, true, true);
        g_assert_false(exists(leaf));
        g_assert_false(exists(top));
        g_assert_true(exists(others));
        g_assert_cmpint(rmdir(others), ==, 0);
        g_assert_cmpint(rmdir(pub), ==, 0);
        fixture_tear_down(&f);
}

/* What is in it is somebody's of whom nobody knows whether they are the range's. */
static void test_walk_busy(void) {
        g_autofree char *with_process = NULL, *with_folder = NULL, *folder = NULL, *group = NULL,
                        *lent = NULL, *deep = NULL, *procs = NULL, *number = NULL;
        Fixture f;
        pid_t pid;

        if (!fixture_set_up(&f))
                return;
        with_process = make(f.folder, "with-process", LENT, LENT);
        with_folder = make(f.folder, "with-folder", LENT + 65536, LENT + 65536);
        folder = make(with_folder, "folder", OWNER, OWNER);
        /* The walk goes below what is another's, too. */
        deep = make(folder, "deep", 700000, 700000);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        procs = g_build_filename(with_process, "cgroup.procs", NULL);
        number = g_strdup_printf("%d", (int) pid);
        write_to(procs, number);
        walk(&f, false, false, true);
        g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, 0); /* it lives */
        g_assert_true(exists(with_process));
        g_assert_true(exists(folder));
        g_assert_false(exists(deep));

        /* When they have gone. */
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(rmdir(folder), ==, 0);
        walk(&f, true, true, true);
        g_assert_false(exists(with_process));
        g_assert_false(exists(with_folder));

        /* A host user's, with a group of the range: theirs, but not to be lent again. */
        group = make(f.folder, "group", OWNER, 700000);
        walk(&f, true, true, false);
        g_assert_true(exists(group));
        g_assert_cmpint(rmdir(group), ==, 0);
        lent = make(f.folder, "lent", 700000, 700000);
        /* What root has mounted over one keeps it, and hides nothing. */
        g_assert_cmpint(mount("/usr", lent, NULL, MS_BIND, NULL), ==, 0);
        walk(&f, true, true, false);
        g_assert_cmpint(umount2(lent, MNT_DETACH), ==, 0);
        walk(&f, true, true, true);
        g_assert_false(exists(lent));
        fixture_tear_down(&f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        /* Mounts of ours are nobody else's. */
        if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
                (void) mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        g_test_add_func("/cgroup/open", test_open);
        g_test_add_func("/cgroup/ours", test_ours);
        g_test_add_func("/cgroup/owned-in-part", test_owned_in_part);
        g_test_add_func("/cgroup/hand-over", test_hand_over);
        g_test_add_func("/cgroup/made-again", test_made_again);
        g_test_add_func("/cgroup/undone", test_undone);
        g_test_add_func("/cgroup/mounted-over", test_mounted_over);
        g_test_add_func("/cgroup/remove-others", test_remove_others);
        g_test_add_func("/cgroup/remove-threaded", test_remove_threaded);
        g_test_add_func("/cgroup/walk", test_walk);
        g_test_add_func("/cgroup/walk-busy", test_walk_busy);
        return g_test_run();
}
