/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "daemon/userns/sweep.h"
#include "tests/unit/unit.h"

#define USER 4711u

static UsernsIdentity identify(int fd) {
        UsernsIdentity own, identity;
        bool is_own;
        uid_t owner;

        g_assert_cmpint(userns_self(&own), ==, 0);
        g_assert_cmpint(userns_inspect(fd, &own, &identity, &owner, &is_own), ==, 0);
        return identity;
}

static int dead(const UsernsProbe *probe);

/* The kernel lets go of a namespace some grace periods after the last user. */
static int check_soon(UsernsProbe *probe, const UsernsIdentity *identity, int wanted) {
        int r = -1;

        for (unsigned i = 0; i < 300; i++) {
                g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
                r = userns_probe_check(probe, identity);
                if (r == wanted)
                        break;
                g_usleep(10 * 1000);
        }
        return r;
}

/* Until the kernel has let go of whatever nothing has kept from before on: a namespace that goes
 * now goes after that. */
static void wait_for_ends(UsernsProbe *probe) {
        UnitUserns userns = unit_userns_new(USER);
        UsernsIdentity identity = identify(userns.fd);

        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        unit_userns_clear(&userns);
        g_assert_cmpint(check_soon(probe, &identity, dead(probe)), ==, dead(probe));
}

/* The children that swept are reaped on the loop. */
static gboolean has_other_fds(gconstpointer n) {
        return unit_count_fds() != GPOINTER_TO_UINT(n);
}

static void wait_for_fds(unsigned n) {
        g_assert_true(unit_run_while(has_other_fds, GUINT_TO_POINTER(n), 60000));
}

/* A probe as the kernel allows it, or, if it allows no more than `proof`, as that. */
static UsernsProbe *probe_new(gconstpointer data) {
        UsernsProof proof = GPOINTER_TO_UINT(data);
        UsernsProbe *probe;

        g_assert_cmpint(userns_probe_new(&probe), ==, 0);
        g_test_message("this kernel: %s", userns_probe_describe(probe));
        if (proof == USERNS_PROOF_SWEEP ||
            (proof == USERNS_PROOF_HINTS && !userns_probe_sweeps(probe))) {
                userns_probe_free(probe);
                g_assert_cmpint(userns_probe_new_with(proof, &probe), ==, 0);
        }
        return probe;
}

/* What is answered for a dead namespace. */
static int dead(const UsernsProbe *probe) {
        return strcmp(userns_probe_describe(probe), "file handles") == 0 ? USERNS_E_DEAD
                                                                         : USERNS_E_UNKNOWN;
}

static void test_life_and_death(gconstpointer data) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity identity, self;
        UnitUserns userns;
        unsigned n_fds;

        if (!unit_need_root())
                return;
        /* Those of the test before. */
        while (waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
                (void) g_main_context_iteration(NULL, FALSE);
        n_fds = unit_count_fds();
        probe = probe_new(data);
        wait_for_fds(n_fds);
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        g_assert_cmpint(userns_self(&self), ==, 0);

        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        wait_for_fds(n_fds + 1);

        /* A descriptor keeps it. */
        unit_userns_kill(&userns);
        wait_for_ends(probe);
        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        if (dead(probe) == USERNS_E_DEAD || userns_probe_sweeps(probe))
                g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        else
                g_assert_cmpint(userns_probe_check(probe, &identity), !=, USERNS_E_DEAD);

        unit_userns_clear(&userns);
        g_assert_cmpint(check_soon(probe, &identity, dead(probe)), ==, dead(probe));
        wait_for_fds(n_fds);
}

/* Inode numbers come back: the old namespace is dead all the same. */
static void test_inode_of_another(void) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity identity;
        UnitUserns userns;

        if (!unit_need_root())
                return;
        probe = probe_new(GUINT_TO_POINTER(USERNS_PROOF_HANDLES));
        if (dead(probe) != USERNS_E_DEAD) {
                unit_skip("ns-handles", "the end of a namespace cannot be proven here");
                return;
        }
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        identity.id += UINT64_C(1) << 40;
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, USERNS_E_DEAD);
        identity.id = 0; /* registered by a kernel without ids */
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, USERNS_E_UNKNOWN);
        unit_userns_clear(&userns);
}

/* Take from a stopped process the descriptor whose link ends in `suffix`. */
static int take_descriptor(pid_t pid, const char *suffix) {
        int pidfd = (int) syscall(SYS_pidfd_open, pid, 0), fd = -1;

        g_assert_cmpint(pidfd, >=, 0);
        for (int i = 0; i < 64 && fd < 0; i++) {
                g_autofree char *link = g_strdup_printf("/proc/%d/fd/%d", (int) pid, i);
                g_autofree char *target = g_file_read_link(link, NULL);

                if (target && g_str_has_suffix(target, suffix))
                        fd = (int) syscall(SYS_pidfd_getfd, pidfd, i, 0);
        }
        close(pidfd);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

/* Kept alive by nothing but the credentials of an open file: never called dead. */
static void test_inactive(gconstpointer data) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity identity;
        UnitUserns userns;
        int fd, status;
        pid_t pid;

        if (!unit_need_root())
                return;
        probe = probe_new(data);
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        pid = fork();
        if (pid == 0) {
                if (setns(userns.fd, CLONE_NEWUSER) < 0 ||
                    open("/proc/self/status", O_RDONLY | O_CLOEXEC) < 0)
                        _exit(1);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) raise(SIGSTOP);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, WUNTRACED), ==, pid);
        g_assert_true(WIFSTOPPED(status));
        fd = take_descriptor(pid, "/status");
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        unit_userns_clear(&userns);
        wait_for_ends(probe);
        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        if (dead(probe) == USERNS_E_DEAD)
                g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        else
                g_assert_cmpint(userns_probe_check(probe, &identity), !=, USERNS_E_DEAD);
        close(fd);
        g_assert_cmpint(check_soon(probe, &identity, dead(probe)), ==, dead(probe));
}

static int nest_and_wait(void *data) {
        if (unshare(CLONE_NEWUSER) < 0)
                return 1;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) !write(*(int *) data, "x", 1);
        for (;;)
                (void) pause();
}

/* All that is left is a process in a namespace below. */
static void test_sweep_sees_ancestors(void) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity identity;
        UnitUserns userns;
        g_autofree char *path = NULL;
        int ready[2], fd;
        char byte;
        pid_t pid;

        if (!unit_need_root())
                return;
        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &probe), ==, 0);
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        for (unsigned i = 0; i < 2; i++) {
                g_autofree char *map =
                        g_strdup_printf("/proc/%d/%s", (int) userns.pid, i ? "uid_map" : "gid_map");

                fd = open(map, O_WRONLY | O_CLOEXEC);
                g_assert_cmpint(write(fd, "0 4711 1\n", 9), ==, 9);
                close(fd);
        }
        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0)
                _exit(unit_join_and_run(userns.fd, USER, nest_and_wait, &ready[1]));
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        unit_userns_clear(&userns);

        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_cmpint(check_soon(probe, &identity, USERNS_E_UNKNOWN), ==, USERNS_E_UNKNOWN);
}

static void test_sweep_sees_mounts(void) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity identity;
        UnitUserns userns;
        g_autofree char *source = NULL;
        char path[] = "/tmp/test-userns-probe-XXXXXX";
        int fd;

        if (!unit_need_root())
                return;
        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &probe), ==, 0);
        fd = mkstemp(path);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        source = g_strdup_printf("/proc/%d/ns/user", (int) userns.pid);
        g_assert_cmpint(mount(source, path, NULL, MS_BIND, NULL), ==, 0);
        unit_userns_clear(&userns);

        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        g_assert_cmpint(umount2(path, MNT_DETACH), ==, 0);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(check_soon(probe, &identity, USERNS_E_UNKNOWN), ==, USERNS_E_UNKNOWN);
}

static void on_refreshed(int result, void *userdata) {
        *(int *) userdata = result;
}

static void wait_for_result(const int *result) {
        gint64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

        while (*result == 1 && g_get_monotonic_time() < end)
                (void) g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(*result, ==, 0);
}

/* While the child sweeps, the loop goes on, what was seen before counts, and a namespace that comes
 * in between is not taken for one that has gone. */
static void test_younger_than_the_sweep(void) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity self, young = { .inode = 4711 }, next = { .inode = 4712 };
        int result = 1;

        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &probe), ==, 0);
        g_assert_cmpint(userns_self(&self), ==, 0);
        g_assert_cmpint(userns_probe_start_refresh(probe, on_refreshed, &result), ==, 0);
        g_assert_cmpint(
                userns_probe_start_refresh(probe, on_refreshed, &result), ==, USERNS_E_BUSY);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, USERNS_E_UNKNOWN);
        userns_probe_note(probe, &young);
        g_assert_cmpint(userns_probe_check(probe, &young), ==, 0);
        wait_for_result(&result);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &young), ==, 0);

        /* The next sweep has it to see. */
        userns_probe_note(probe, &next);
        result = 1;
        g_assert_cmpint(userns_probe_start_refresh(probe, on_refreshed, &result), ==, 0);
        wait_for_result(&result);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &young), ==, USERNS_E_UNKNOWN);
        g_assert_cmpint(userns_probe_check(probe, &next), ==, USERNS_E_UNKNOWN);

        /* Freed while a child sweeps. */
        g_assert_cmpint(userns_probe_start_refresh(probe, on_refreshed, &result), ==, 0);
}

/* What the child says, run as it is. */
static GHashTable *sweep_with(uint64_t descriptors_max, uint64_t mount_bytes_max) {
        GHashTable *seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        UsernsIdentity self;
        uint64_t number = 1;
        int ends[2];
        pid_t pid;

        g_assert_cmpint(userns_self(&self), ==, 0);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                UsernsSweepTask task = {
                        .parent = getppid(),
                        .own_inode = self.inode,
                        .descriptors_max = descriptors_max,
                        .mount_bytes_max = mount_bytes_max,
                };

                (void) dup2(ends[1], 0);
                (void) syscall(SYS_close_range, 3, ~0u, 0);
                userns_sweep_run(&task);
        }
        close(ends[1]);
        while (number != 0) {
                g_assert_cmpint(read(ends[0], &number, sizeof(number)), ==, sizeof(number));
                if (number != 0)
                        g_assert_true(g_hash_table_add(seen, g_memdup2(&number, sizeof(number))));
        }
        close(ends[0]);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        return seen;
}

/* As USER, in a mount namespace of its own and with descriptors to spare; holds the namespace by a
 * mount and nothing else, or by a descriptor. */
static pid_t hold_behind(int userns_fd, bool by_mount, unsigned n_before) {
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", userns_fd);

                if (by_mount && unshare(CLONE_NEWNS) < 0)
                        _exit(1);
                for (unsigned i = 0; i < n_before; i++)
                        if (by_mount ? mount("/proc/self/status", "/proc/version", NULL, MS_BIND,
                                             NULL) < 0
                                     : open("/dev/null", O_RDONLY) < 0)
                                _exit(1);
                if (by_mount && (mount(source, "/proc/version", NULL, MS_BIND, NULL) < 0))
                        _exit(1);
                if (!by_mount && dup(userns_fd) < 0)
                        _exit(1);
                close(userns_fd);
                if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0)
                        _exit(1);
                /* Forgotten at the change. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        return pid;
}

static bool is_seen(GHashTable *seen, const UsernsIdentity *identity) {
        return g_hash_table_contains(seen, &identity->inode);
}

/* Of an account's descriptors and mounts no more than the limit are looked at; of another
 * account's, and of all processes' own namespaces, whatever there is. */
static void test_sweep_is_bounded(gconstpointer data) {
        bool by_mount = GPOINTER_TO_UINT(data);
        UnitUserns hidden, plain;
        UsernsIdentity hidden_identity, plain_identity;
        pid_t greedy;

        if (!unit_need_root())
                return;
        plain = unit_userns_new(USER);
        plain_identity = identify(plain.fd);
        /* The last, lest others inherit the descriptor. */
        hidden = unit_userns_new(USER + 10);
        hidden_identity = identify(hidden.fd);
        greedy = hold_behind(hidden.fd, by_mount, 200);
        unit_userns_clear(&hidden);

        for (unsigned limited = 0; limited < 2; limited++) {
                g_autoptr(GHashTable) seen = sweep_with(
                        limited && !by_mount ? 100 : 1 << 20, limited && by_mount ? 4096 : 1 << 24);

                g_assert_cmpint(is_seen(seen, &hidden_identity), ==, !limited);
                g_assert_true(is_seen(seen, &plain_identity));
        }
        kill(greedy, SIGKILL);
        g_assert_cmpint(waitpid(greedy, NULL, 0), ==, greedy);
        unit_userns_clear(&plain);
}

/* What root's processes hold is all looked at. */
static void test_sweep_sees_roots(void) {
        UsernsIdentity identity;
        UnitUserns held;

        if (!unit_need_root())
                return;
        held = unit_userns_new(USER);
        identity = identify(held.fd);
        unit_userns_kill(&held);
        {
                g_autoptr(GHashTable) seen = sweep_with(0, 0);

                g_assert_true(is_seen(seen, &identity));
        }
        unit_userns_clear(&held);
}

static void test_not_swept_yet(void) {
        g_autoptr(UsernsProbe) probe = NULL;
        UsernsIdentity self;

        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &probe), ==, 0);
        g_assert_cmpint(userns_self(&self), ==, 0);
        g_assert_true(userns_probe_sweeps(probe));
        g_assert_cmpint(userns_probe_check(probe, &self), ==, USERNS_E_UNKNOWN);
        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, 0);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                UsernsProof proof;
        } modes[] = {
                { "handles", USERNS_PROOF_HANDLES },
                { "hints", USERNS_PROOF_HINTS },
                { "sweep", USERNS_PROOF_SWEEP },
        };

        g_test_init(&argc, &argv, NULL);
        /* What is mounted here is nobody else's. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                g_error("no mount namespace: %s", g_strerror(errno));
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                gconstpointer proof = GUINT_TO_POINTER(modes[i].proof);
                g_autofree char *life =
                        g_strdup_printf("/userns-probe/life-and-death/%s", modes[i].name);
                g_autofree char *inactive =
                        g_strdup_printf("/userns-probe/inactive/%s", modes[i].name);

                g_test_add_data_func(life, proof, test_life_and_death);
                g_test_add_data_func(inactive, proof, test_inactive);
        }
        g_test_add_func("/userns-probe/inode-of-another", test_inode_of_another);
        g_test_add_func("/userns-probe/sweep-sees-ancestors", test_sweep_sees_ancestors);
        g_test_add_func("/userns-probe/sweep-sees-mounts", test_sweep_sees_mounts);
        g_test_add_func("/userns-probe/younger-than-the-sweep", test_younger_than_the_sweep);
        g_test_add_data_func(
                "/userns-probe/sweep-is-bounded/descriptors", GUINT_TO_POINTER(false),
                test_sweep_is_bounded);
        g_test_add_data_func(
                "/userns-probe/sweep-is-bounded/mounts", GUINT_TO_POINTER(true),
                test_sweep_is_bounded);
        g_test_add_func("/userns-probe/sweep-sees-roots", test_sweep_sees_roots);
        g_test_add_func("/userns-probe/not-swept-yet", test_not_swept_yet);
        return g_test_run();
}
