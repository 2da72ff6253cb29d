/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/used-ids.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "tests/unit/unit.h"

#define SLOT 65536u

/* what is in use */

#define POOL_START 0x90000000u /* no pool of a daemon that runs here */
#define POOL_SLOTS 64u

static void mark(uint32_t slot, void *userdata) {
        gboolean *used = userdata;

        g_assert_cmpuint(slot, <, POOL_SLOTS);
        used[slot] = TRUE;
}

static void count_id(uint32_t id, uint32_t n_ids, void *userdata) {
        unsigned *n = userdata;

        g_assert_cmpuint(n_ids, ==, 1);
        if (id >= POOL_START && id < POOL_START + 3)
                n[id - POOL_START]++;
}

static void find_used(gboolean used[static POOL_SLOTS]) {
        memset(used, 0, POOL_SLOTS * sizeof(gboolean));
        g_assert_cmpint(used_ids_find_slots(POOL_START, POOL_SLOTS, mark, used), ==, 0);
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

static void write_map(pid_t pid, const char *name, uint32_t first, uint32_t n_ids) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, name);
        g_autofree char *line = g_strdup_printf("0 %u %u\n", first, n_ids);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(write(fd, line, strlen(line)), ==, (ssize_t) strlen(line));
        g_assert_cmpint(close(fd), ==, 0);
}

/* A process that makes a user namespace as this UID and GID, without maps. */
static pid_t namespace_new(uid_t uid, gid_t gid) {
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
                    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWUSER) < 0 ||
                    write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        (void) close(ready[0]);
        (void) close(ready[1]);
        return pid;
}

static void namespace_end(pid_t pid) {
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* Of a process in another user namespace what that maps counts, though the process has none of it.
 */
static void test_namespaces(void) {
        gboolean used[POOL_SLOTS];
        pid_t pid;

        if (!unit_need_root())
                return;
        pid = namespace_new(0, 0);
        find_used(used);
        g_assert_false(used[11]);
        write_map(pid, "uid_map", POOL_START + 11 * SLOT + 65535, 1 + SLOT);
        write_map(pid, "gid_map", POOL_START + 20 * SLOT, 1);
        find_used(used);
        for (unsigned i = 0; i < POOL_SLOTS; i++)
                g_assert_cmpint(used[i], ==, i == 11 || i == 12 || i == 20);
        namespace_end(pid);

        /* Whoever made it still has what it had. */
        pid = namespace_new(POOL_START + 25 * SLOT, POOL_START + 26 * SLOT);
        find_used(used);
        for (unsigned i = 0; i < POOL_SLOTS; i++)
                g_assert_cmpint(used[i], ==, i == 25 || i == 26);
        namespace_end(pid);

        /* Where root maps all there is only the status says what the process has. */
        pid = namespace_new(0, 0);
        write_map(pid, "uid_map", 0, UINT32_MAX);
        find_used(used);
        for (unsigned i = 0; i < POOL_SLOTS; i++)
                g_assert_false(used[i]);
        namespace_end(pid);
}

/* A user's control group says so even where no process of theirs runs. */
static void test_slices(void) {
        static const struct {
                const char *before, *after;
        } names[] = {
                { "user-", ".slice" },   { "user-", "x.slice" }, { "user-x", ".slice" },
                { "user-", ".service" }, { "user", ".slice" },
        };
        gboolean used[POOL_SLOTS];

        if (!unit_need_root())
                return;
        g_assert_cmpint(mount("test-used-ids", "/sys/fs/cgroup", "tmpfs", 0, NULL), ==, 0);
        g_assert_cmpint(g_mkdir("/sys/fs/cgroup/user.slice", 0755), ==, 0);
        for (size_t i = G_N_ELEMENTS(names); i > 0; i--) {
                g_autofree char *name = g_strdup_printf(
                        "%s%u%s", names[i - 1].before, POOL_START + 9 * SLOT + 5,
                        names[i - 1].after);
                g_autofree char *path = g_build_filename("/sys/fs/cgroup/user.slice", name, NULL);

                find_used(used);
                g_assert_false(used[9]);
                g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
        }
        find_used(used);
        g_assert_true(used[9]);
        g_assert_cmpint(umount2("/sys/fs/cgroup", MNT_DETACH), ==, 0);
}

static void test_homes(void) {
        unsigned n[3] = { 0 };

        if (!unit_need_root())
                return;
        g_assert_cmpint(mount("test-used-ids", "/home", "tmpfs", 0, NULL), ==, 0);
        g_assert_cmpint(g_mkdir("/home/alice", 0755), ==, 0);
        g_assert_cmpint(g_mkdir("/home/bob", 0755), ==, 0);
        g_assert_cmpint(chown("/home/alice", POOL_START, POOL_START + 1), ==, 0);
        /* A link's target is somewhere else, and may hang. */
        g_assert_cmpint(symlink("/home/bob", "/home/link"), ==, 0);
        g_assert_cmpint(chown("/home/bob", POOL_START + 2, 0), ==, 0);
        g_assert_cmpint(used_ids_find_homes(count_id, n), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(n); i++)
                g_assert_cmpuint(n[i], ==, 1);
        g_assert_cmpint(umount2("/home", MNT_DETACH), ==, 0);
}

/* In folders of our own, so that they are there on any machine. */
static void test_leftovers(void) {
        static const struct {
                const char *above, *folder;
        } places[] = { { "/run", "/run/user" }, { "/var/lib", "/var/lib/systemd/linger" } };
        gboolean used[POOL_SLOTS];

        if (!unit_need_root())
                return;
        for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
                g_autofree char *name = g_strdup_printf(
                        "%s/%u", places[i].folder, POOL_START + (7 + i) * SLOT + 1000);
                g_autofree char *other = g_strdup_printf("%s/user%u", places[i].folder, POOL_START);

                g_assert_cmpint(mount("test-used-ids", places[i].above, "tmpfs", 0, NULL), ==, 0);
                g_assert_cmpint(g_mkdir_with_parents(name, 0700), ==, 0);
                g_assert_cmpint(g_mkdir(other, 0700), ==, 0);
                find_used(used);
                g_assert_true(used[7 + i]);
                g_assert_false(used[0]);
                g_assert_cmpint(umount2(places[i].above, MNT_DETACH), ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        /* What is mounted here is nobody else's. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                g_error("no mount namespace: %s", g_strerror(errno));
        g_test_add_func("/used-ids/processes", test_processes);
        g_test_add_func("/used-ids/namespaces", test_namespaces);
        g_test_add_func("/used-ids/leftovers", test_leftovers);
        g_test_add_func("/used-ids/slices", test_slices);
        g_test_add_func("/used-ids/homes", test_homes);
        return g_test_run();
}
