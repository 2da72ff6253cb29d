/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns.h"

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

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
        n_fds = unit_count_fds();
        probe = probe_new(data);
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
        userns = unit_userns_new(USER);
        identity = identify(userns.fd);
        g_assert_cmpint(userns_self(&self), ==, 0);

        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &self), ==, 0);
        g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        g_assert_cmpuint(unit_count_fds(), ==, n_fds + 1);

        /* A descriptor keeps it. */
        unit_userns_kill(&userns);
        g_usleep(100 * 1000);
        g_assert_cmpint(userns_probe_refresh(probe), ==, 0);
        if (dead(probe) == USERNS_E_DEAD || userns_probe_sweeps(probe))
                g_assert_cmpint(userns_probe_check(probe, &identity), ==, 0);
        else
                g_assert_cmpint(userns_probe_check(probe, &identity), !=, USERNS_E_DEAD);

        unit_userns_clear(&userns);
        g_assert_cmpint(check_soon(probe, &identity, dead(probe)), ==, dead(probe));
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
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
        g_usleep(200 * 1000);

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
        g_test_add_func("/userns-probe/not-swept-yet", test_not_swept_yet);
        return g_test_run();
}
