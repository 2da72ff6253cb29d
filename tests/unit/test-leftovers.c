/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/leftovers.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "daemon/limits.h"
#include "tests/unit/leftovers-fixture.h"

static void test_processes(Fixture *f, gconstpointer unused) {
        static const Identity inside[] = {
                { "UIDs", .ruid = START, .euid = START, .suid = START },
                { "different ones", .ruid = START, .euid = START + SIZE - 1, .suid = START + 1 },
                { "GIDs as well", .ruid = START, .euid = START, .suid = START, .rgid = START },
        };
        static const Identity outside[] = {
                { "root" },
                { "before", .ruid = START - 1, .euid = START - 1, .suid = START - 1 },
                { "behind", .ruid = START + SIZE, .rgid = START + SIZE },
                { "group before", .group = START - 1 },
                { "group behind", .group = START + SIZE },
        };
        pid_t in[G_N_ELEMENTS(inside)], out[G_N_ELEMENTS(outside)];

        for (size_t i = 0; i < G_N_ELEMENTS(inside); i++)
                in[i] = process_new(&inside[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
                out[i] = process_new(&outside[i]);
        g_assert_true(remove_range(f));
        for (size_t i = 0; i < G_N_ELEMENTS(inside); i++) {
                g_test_message("%s", inside[i].what);
                g_assert_true(was_killed(in[i]));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(outside); i++) {
                g_test_message("%s", outside[i].what);
                g_assert_false(was_killed(out[i]));
        }
}

/* Whoever has an ID of the range somewhere, and others too, is somebody else: not ended, and the
 * range is not clean. */
static void test_processes_of_others(Fixture *f, gconstpointer unused) {
        static const Identity others[] = {
                { "real UID", .ruid = START },
                { "effective UID", .euid = START + 1 },
                { "saved UID", .suid = START + SIZE - 1 },
                { "file system UID", .fsuid = START + 2 },
                { "two of three", .ruid = START, .euid = START },
                { "all but the saved", .ruid = START, .euid = START, .suid = 1000 },
                { "real GID", .rgid = START },
                { "effective GID", .egid = START + 1 },
                { "saved GID", .sgid = START + SIZE - 1 },
                { "file system GID", .fsgid = START + 2 },
                { "all GIDs", .ruid = 1000, .euid = 1000, .suid = 1000, .rgid = START,
                  .egid = START, .sgid = START },
                { "group", .group = START + 77 },
                { "a server's thread", .fsuid = START, .in_thread = true },
                { "a thread", .ruid = START, .euid = START, .suid = START, .in_thread = true },
                { "a server with all UIDs", .ruid = START, .euid = START, .suid = START,
                  .keep_capabilities = true },
                { "another slot's", .ruid = START, .euid = START, .suid = START + SIZE },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                pid_t pid = process_new(&others[i]);
                g_autofree char *text = NULL;
                LeftoversFound found;

                g_test_message("%s", others[i].what);
                make_file(f->linger, "536870912");
                g_assert_cmpint(look_at_range(f), ==, LEFTOVERS_PROCESS_OF_OTHERS);
                found = g_array_index(f->found, LeftoversFound, 0);
                g_assert_cmpint((pid_t) found.number, ==, pid);
                text = leftovers_describe(&found);
                g_assert_nonnull(strstr(text, "and is not only of the range"));
                /* As long as it runs, nothing of the range is removed. */
                g_assert_true(there(f->linger, "536870912"));
                g_assert_false(was_killed(pid));
                g_assert_true(remove_range(f));
                g_assert_false(there(f->linger, "536870912"));
        }
}

/* In a namespace that somebody made with the ID, capabilities say nothing of the host. */
static void test_process_in_namespace(Fixture *f, gconstpointer unused) {
        static const Identity identity = { "namespace", .ruid = START, .euid = START, .suid = START,
                                           .in_namespace = true };
        pid_t pid = process_new(&identity);

        g_assert_true(remove_range(f));
        g_assert_true(was_killed(pid));
}

/* A zombie does nothing any more, and its parent may never look. */
static void test_zombie(Fixture *f, gconstpointer unused) {
        const Identity identity = { .ruid = START, .euid = START, .suid = START };
        pid_t pid = process_new(&identity);

        kill(pid, SIGTERM);
        g_assert_cmpint(waitid(P_PID, (id_t) pid, &(siginfo_t){}, WEXITED | WNOWAIT), ==, 0);
        g_assert_true(remove_range(f));
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* One that forks and ends all the time is never where it was seen.  Whatever was answered: clean
 * means that there is none. */
static void test_forks_away(Fixture *f, gconstpointer unused) {
        const Identity identity = { .ruid = START, .euid = START, .suid = START };
        int alive[2];
        bool clean;
        pid_t pid;
        char byte;

        g_assert_cmpint(pipe2(alive, O_CLOEXEC | O_NONBLOCK), ==, 0);
        pid = fork();
        if (pid == 0) {
                take(&identity);
                for (;;)
                        if (fork() != 0)
                                _exit(0);
        }
        close(alive[1]);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        do
                clean = remove_range(f);
        while (!clean);
        /* Each generation holds the other end. */
        g_assert_cmpint(read(alive[0], &byte, 1), ==, 0);
        close(alive[0]);
}

/* IPC */

typedef struct Objects {
        int shm, sem, msg;
} Objects;

union semun {
        int val;
        struct semid_ds *buf;
};

static void objects_new(Objects *o) {
        o->shm = shmget(IPC_PRIVATE, 4096, 0600);
        o->sem = semget(IPC_PRIVATE, 1, 0600);
        o->msg = msgget(IPC_PRIVATE, 0600);
        g_assert_true(o->shm >= 0 && o->sem >= 0 && o->msg >= 0);
}

/* Made by root and given away: the new owner alone tells. */
static void objects_give(const Objects *o, uid_t uid, gid_t gid) {
        struct shmid_ds shm = { .shm_perm = { .uid = uid, .gid = gid } };
        struct semid_ds sem = { .sem_perm = { .uid = uid, .gid = gid } };
        struct msqid_ds msg = { .msg_perm = { .uid = uid, .gid = gid }, .msg_qbytes = 1024 };

        g_assert_cmpint(shmctl(o->shm, IPC_SET, &shm), ==, 0);
        g_assert_cmpint(semctl(o->sem, 0, IPC_SET, (union semun){ .buf = &sem }), ==, 0);
        g_assert_cmpint(msgctl(o->msg, IPC_SET, &msg), ==, 0);
}

/* Made with these IDs, then given to root: the creator alone tells. */
static void objects_make_as(Objects *o, uid_t uid, gid_t gid) {
        g_assert_cmpint(syscall(SYS_setresgid, -1, gid, -1), ==, 0);
        g_assert_cmpint(syscall(SYS_setresuid, -1, uid, -1), ==, 0);
        objects_new(o);
        g_assert_cmpint(syscall(SYS_setresuid, -1, 0, -1), ==, 0);
        g_assert_cmpint(syscall(SYS_setresgid, -1, 0, -1), ==, 0);
        objects_give(o, 0, 0);
}

static unsigned objects_count(const Objects *o) {
        struct shmid_ds shm;
        struct semid_ds sem;
        struct msqid_ds msg;

        return (unsigned) (shmctl(o->shm, IPC_STAT, &shm) == 0) +
               (semctl(o->sem, 0, IPC_STAT, (union semun){ .buf = &sem }) == 0) +
               (msgctl(o->msg, IPC_STAT, &msg) == 0);
}

static void objects_remove(const Objects *o) {
        (void) shmctl(o->shm, IPC_RMID, NULL);
        (void) semctl(o->sem, 0, IPC_RMID);
        (void) msgctl(o->msg, IPC_RMID, NULL);
}

static void test_ipc(Fixture *f, gconstpointer unused) {
        enum { OWNER, BOTH, GROUP, BEFORE, BEHIND, ROOT, COUNT };
        Objects o[COUNT];

        objects_new(&o[OWNER]);
        objects_give(&o[OWNER], START, 0);
        objects_make_as(&o[BOTH], START + SIZE - 1, START);
        objects_give(&o[BOTH], START + SIZE - 1, START);
        /* Its owner lets in whom they like. */
        objects_new(&o[GROUP]);
        objects_give(&o[GROUP], 0, START + 5);
        objects_make_as(&o[BEFORE], START - 1, START - 1);
        objects_new(&o[BEHIND]);
        objects_give(&o[BEHIND], START + SIZE, START + SIZE);
        objects_new(&o[ROOT]);

        g_assert_true(remove_range(f));
        for (size_t i = 0; i < COUNT; i++)
                g_assert_cmpuint(objects_count(&o[i]), ==, i < GROUP ? 0 : 3);
        for (size_t i = 0; i < COUNT; i++)
                objects_remove(&o[i]);
}

/* Made by the range and given away by root: whoever has it now keeps it, and the range waits, for
 * its next holder would have the maker's rights. */
static void test_ipc_of_others(Fixture *f, gconstpointer unused) {
        static const uint32_t makers[][2] = { { START + SIZE - 1, 0 }, { 0, START + 5 } };

        for (size_t i = 0; i < G_N_ELEMENTS(makers); i++) {
                Objects o;

                objects_make_as(&o, makers[i][0], makers[i][1]);
                g_assert_cmpint(look_at_range(f), ==, LEFTOVERS_IPC);
                g_assert_cmpuint(objects_count(&o), ==, 3);
                objects_remove(&o);
                g_assert_true(remove_range(f));
        }
}

/* Memory that somebody has attached goes with them; it is nobody's of the range any more. */
static void test_attached_memory(Fixture *f, gconstpointer unused) {
        struct shmid_ds given = { .shm_perm = { .uid = START, .gid = START } }, now;
        int id = shmget(IPC_PRIVATE, 4096, 0600);
        void *memory = shmat(id, NULL, 0);

        g_assert_cmpint(shmctl(id, IPC_SET, &given), ==, 0);
        g_assert_true(remove_range(f));
        g_assert_cmpint(shmctl(id, IPC_STAT, &now), ==, 0);
        g_assert_cmpuint(now.shm_perm.uid, ==, 0);
        g_assert_cmpuint(now.shm_perm.mode & 0777, ==, 0);
        g_assert_cmpint(shmdt(memory), ==, 0);
        g_assert_cmpint(shmctl(id, IPC_STAT, &now), ==, -1);
}

static bool has_queue(const char *name) {
        mqd_t queue = mq_open(name, O_RDONLY);

        if (queue < 0)
                return false;
        mq_close(queue);
        return true;
}

static void make_queue(const char *name, uid_t uid, gid_t gid) {
        mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);

        g_assert_cmpint(queue, >=, 0);
        g_assert_cmpint(fchown(queue, uid, gid), ==, 0);
        mq_close(queue);
}

static void test_posix_queues(Fixture *f, gconstpointer unused) {
        make_queue("/owner", START, 0);
        make_queue("/group", 0, START + SIZE - 1);
        make_queue("/before", START - 1, START - 1);
        make_queue("/behind", START + SIZE, START + SIZE);
        g_assert_true(remove_range(f));
        g_assert_false(has_queue("/owner"));
        g_assert_true(has_queue("/group"));
        g_assert_cmpint(mq_unlink("/group"), ==, 0);
        g_assert_true(has_queue("/before"));
        g_assert_true(has_queue("/behind"));
        g_assert_cmpint(mq_unlink("/before"), ==, 0);
        g_assert_cmpint(mq_unlink("/behind"), ==, 0);
}

/* files */

static void test_linger(Fixture *f, gconstpointer unused) {
        static const char *const inside[] = {
                "536870912",
                "536936447", /* the first and the last ID */
                "ns-1000-web-0",
                "ns-1000-web-65535",
                "nsresource-536870912", /* its first ID, while its slot had no other name */
        };
        static const char *const outside[] = {
                "536870911",      "536936448",     "alice",      "ns-1000-web-65536",
                "ns-1000-webs-0", "ns-1000-web-x", "ns-1000-we", "ns-1000-we-0",
                "1000-web-0",     "ns-1000-web-",  "0536870912", "nsresource-536936448",

                "nsresource-web",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(inside); i++)
                make_file(f->linger, inside[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
                make_file(f->linger, outside[i]);
        g_assert_true(remove_range(f));
        for (size_t i = 0; i < G_N_ELEMENTS(inside); i++)
                g_assert_false(there(f->linger, inside[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
                g_assert_true(there(f->linger, outside[i]));
}

/* A user's folder as logind makes it, with what its user may have put there. */
static void fill_run_user(Fixture *f, const char *name) {
        g_autofree char *path = path_in(f->run_user, name), *deep = NULL, *link = NULL;
        g_autofree char *mount_point = path_in(path, "doc"), *up = path_in(path, "up");
        GString *below = g_string_new(path);

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        /* Below the mount as well as on it. */
        make_file(path, "below");
        g_assert_cmpint(mount("tmpfs", path, "tmpfs", 0, NULL), ==, 0);
        make_file(path, "bus");
        g_assert_cmpint(g_mkdir(mount_point, 0700), ==, 0);
        g_assert_cmpint(mount("tmpfs", mount_point, "tmpfs", 0, NULL), ==, 0);
        make_file(mount_point, "file");
        for (unsigned i = 0; i < 100; i++)
                g_string_append(below, "/d");
        deep = g_string_free(below, FALSE);
        g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
        link = path_in(path, "link");
        g_assert_cmpint(symlink(f->linger, link), ==, 0);
        g_assert_cmpint(symlink("../..", up), ==, 0);
}

static void test_run_user(Fixture *f, gconstpointer unused) {
        fill_run_user(f, "536870912");
        fill_run_user(f, "536936448");
        make_file(f->linger, "alice");
        g_assert_true(remove_range(f));
        g_assert_false(there(f->run_user, "536870912"));
        g_assert_true(there(f->run_user, "536936448/doc/file"));
        g_assert_true(there(f->linger, "alice"));
}

/* No tmpfs on it: what its user made in the folder itself. */
static void test_run_user_tree(Fixture *f, gconstpointer unused) {
        g_autofree char *path = path_in(f->run_user, "536870912"), *link = path_in(path, "link"),
                        *mount_point = path_in(path, "a/b/c/doc"), *outside = NULL;

        g_assert_cmpint(g_mkdir_with_parents(mount_point, 0700), ==, 0);
        g_assert_cmpint(mount("tmpfs", mount_point, "tmpfs", 0, NULL), ==, 0);
        make_file(path, "a/b/file");
        make_file(mount_point, "file");
        outside = path_in(f->folder, "outside");
        g_assert_cmpint(g_mkdir(outside, 0700), ==, 0);
        make_file(outside, "file");
        g_assert_cmpint(symlink(outside, link), ==, 0);
        g_assert_true(remove_range(f));
        g_assert_false(there(f->run_user, "536870912"));
        g_assert_true(there(outside, "file"));
}

/* The folder itself is a link: it goes, what it leads to stays. */
static void test_run_user_is_link(Fixture *f, gconstpointer unused) {
        g_autofree char *path = path_in(f->run_user, "536870912");

        make_file(f->linger, "alice");
        g_assert_cmpint(symlink(f->linger, path), ==, 0);
        g_assert_true(remove_range(f));
        g_assert_false(there(f->run_user, "536870912"));
        g_assert_true(there(f->linger, "alice"));
}

static void test_missing_folders(Fixture *f, gconstpointer unused) {
        g_assert_cmpint(g_rmdir(f->run_user), ==, 0);
        g_assert_cmpint(g_rmdir(f->linger), ==, 0);
        g_assert_true(remove_range(f));
}

/* What is mounted where its user could mount is not entered: not when there is more of it than is
 * undone in one go, nor by way of a mount that hides it. */
static void test_run_user_many_mounts(Fixture *f, gconstpointer unused) {
        g_autofree char *path = path_in(f->run_user, "536870912"), *outside = NULL, *point = NULL;

        outside = path_in(f->folder, "outside");
        g_assert_cmpint(g_mkdir(outside, 0700), ==, 0);
        make_file(outside, "file");
        point = path_in(path, "d");
        g_assert_cmpint(g_mkdir_with_parents(point, 0700), ==, 0);
        make_file(path, "bus");
        for (unsigned i = 0; i < 200; i++)
                g_assert_cmpint(mount(outside, point, NULL, MS_BIND, NULL), ==, 0);
        while (!remove_range(f))
                g_assert_true(there(outside, "file"));
        g_assert_true(there(outside, "file"));
        g_assert_false(there(f->run_user, "536870912"));
}

/* The answer */

/* What cannot be removed keeps its own range, and no other, in whatever order they were given. */
static void test_busy(Fixture *f, gconstpointer unused) {
        const LeftoversRange ranges[] = {
                { .start = START + 2 * SIZE, .size = SIZE },
                { .start = START, .size = SIZE },
                { .start = START + 4 * SIZE, .size = 1 },
                { .start = START + SIZE, .size = SIZE },
        };
        g_autofree char *path = path_in(f->run_user, "536936448");

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        g_assert_cmpint(mount(f->run_user, f->run_user, NULL, MS_BIND, NULL), ==, 0);
        g_assert_cmpint(
                mount(NULL, f->run_user, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
        remove_all(f, ranges, G_N_ELEMENTS(ranges));
        for (guint i = 0; i < f->found->len; i++)
                g_assert_cmpint(what_of(f, i), ==, i == 3 ? LEFTOVERS_RUN_USER : LEFTOVERS_NOTHING);

        g_assert_cmpint(umount2(f->run_user, MNT_DETACH), ==, 0);
        remove_all(f, ranges, G_N_ELEMENTS(ranges));
        for (guint i = 0; i < f->found->len; i++)
                g_assert_cmpint(what_of(f, i), ==, LEFTOVERS_NOTHING);
}

/* Who cannot look does not know. */
static void test_cannot_look(Fixture *f, gconstpointer unused) {
        f->config.proc_folder = "/nonexistent";
        use_config(f);
        g_assert_false(remove_range(f));
        f->config.proc_folder = "/proc";
        f->config.mount_namespace = "/nonexistent";
        use_config(f);
        g_assert_false(remove_range(f));
        f->config.mount_namespace = "/proc/self/ns/mnt";
        use_config(f);
        g_assert_true(remove_range(f));
}

/* What is seen, and what is removed, is what the host has there. */
static void test_mount_namespace(Fixture *f, gconstpointer unused) {
        g_autofree char *path = path_in(f->run_user, "536870912"), *ns = NULL, *seen = NULL;
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || mount("tmpfs", f->run_user, "tmpfs", 0, NULL) < 0 ||
                    mkdir(path, 0700) < 0 || mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
                        _exit(1);
                report_and_wait(ready[1]);
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        close(ready[1]);
        ns = g_strdup_printf("/proc/%d/ns/mnt", (int) pid);
        seen = g_strdup_printf("/proc/%d/root%s", (int) pid, path);
        g_assert_cmpint(access(seen, F_OK), ==, 0);
        f->config.mount_namespace = ns;
        use_config(f);
        g_assert_true(remove_range(f));
        g_assert_cmpint(access(seen, F_OK), ==, -1);
        g_assert_false(was_killed(pid));
}

/* A whole pool in one look. */
static void test_many(Fixture *f, gconstpointer unused) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange));
        const uint32_t last = START + 27999 * SIZE;
        const Identity identity = { .ruid = last + 1, .euid = last, .suid = last },
                       outside = { .ruid = START + 28000 * SIZE };
        pid_t inside_pid, outside_pid;

        for (uint32_t i = 28000; i > 0; i--) {
                LeftoversRange range = { .start = START + (i - 1) * SIZE, .size = SIZE };

                g_array_append_val(ranges, range);
        }
        inside_pid = process_new(&identity);
        outside_pid = process_new(&outside);
        remove_all(f, (const LeftoversRange *) (void *) ranges->data, ranges->len);
        for (guint i = 0; i < f->found->len; i++)
                g_assert_cmpint(what_of(f, i), ==, LEFTOVERS_NOTHING);
        g_assert_true(was_killed(inside_pid));
        g_assert_false(was_killed(outside_pid));
}

/* Children that hang are given up at the deadline, and there are only so many of them. */
static void test_deadline(Fixture *f, gconstpointer unused) {
        const LeftoversRange range = { .start = START, .size = SIZE };
        Fixture others[LIMIT_LEFTOVERS_JOINT] = {};
        g_autoptr(GArray) children = NULL;

        g_assert_cmpint(leftovers_prepare(f->leftovers), ==, 0);
        for (size_t i = 0; i < LIMIT_LEFTOVERS_JOINT; i++) {
                others[i].found = g_array_new(FALSE, FALSE, sizeof(LeftoversFound));
                g_assert_cmpint(
                        leftovers_remove(
                                f->leftovers, LEFTOVERS_OF_ALL, &range, 1, done, &others[i]),
                        ==, 0);
        }
        children = unit_find_children();
        g_assert_cmpuint(children->len, ==, LIMIT_LEFTOVERS_JOINT);
        for (guint i = 0; i < children->len; i++)
                kill(g_array_index(children, pid_t, i), SIGSTOP);
        g_assert_cmpint(
                leftovers_remove(f->leftovers, LEFTOVERS_OF_ALL, &range, 1, done, f), ==,
                LEFTOVERS_E_BUSY);
        for (size_t i = 0; i < LIMIT_LEFTOVERS_JOINT; i++) {
                g_assert_true(unit_run_until(&others[i].done, WAIT_MSEC));
                g_array_unref(others[i].found);
        }
        /* Each place is free again when its child has been reaped. */
        f->done = FALSE;
        while (leftovers_remove(f->leftovers, LEFTOVERS_OF_ALL, &range, 1, done, f) != 0)
                (void) g_main_context_iteration(NULL, TRUE);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpint(what_of(f, 0), ==, LEFTOVERS_NOTHING);
}

/* Nobody is told of what is given up. */
static void test_freed(Fixture *f, gconstpointer unused) {
        const LeftoversRange range = { .start = START, .size = SIZE };

        g_assert_cmpint(
                leftovers_remove(f->leftovers, LEFTOVERS_OF_ALL, &range, 1, done, f), ==, 0);
        g_clear_pointer(&f->leftovers, leftovers_free);
        for (;;) {
                g_autoptr(GArray) children = unit_find_children();

                if (children->len == 0)
                        break;
                (void) g_main_context_iteration(NULL, TRUE);
        }
        g_assert_false(f->done);
}

int main(int argc, char **argv) {
        static const LeftoversTest tests[] = {
                { "/leftovers/processes", test_processes },
                { "/leftovers/processes-of-others", test_processes_of_others },
                { "/leftovers/process-in-namespace", test_process_in_namespace },
                { "/leftovers/zombie", test_zombie },
                { "/leftovers/forks-away", test_forks_away },
                { "/leftovers/ipc", test_ipc },
                { "/leftovers/ipc-of-others", test_ipc_of_others },
                { "/leftovers/attached-memory", test_attached_memory },
                { "/leftovers/posix-queues", test_posix_queues },
                { "/leftovers/linger", test_linger },
                { "/leftovers/run-user", test_run_user },
                { "/leftovers/run-user-tree", test_run_user_tree },
                { "/leftovers/run-user-is-link", test_run_user_is_link },
                { "/leftovers/run-user-many-mounts", test_run_user_many_mounts },
                { "/leftovers/missing-folders", test_missing_folders },
                { "/leftovers/busy", test_busy },
                { "/leftovers/cannot-look", test_cannot_look },
                { "/leftovers/mount-namespace", test_mount_namespace },
                { "/leftovers/many", test_many },
                { "/leftovers/deadline", test_deadline },
                { "/leftovers/freed", test_freed },
        };

        return run_isolated(argc, argv, tests, G_N_ELEMENTS(tests));
}
