/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/uid-trial.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "daemon/limits.h"
#include "tests/unit/failing-forks.h"
#include "tests/unit/unit.h"

/* What the policy refuses is proven in tests/vm (policy-uids.c); here a function stands in for it,
 * which takes each UID as the child would, and refuses those that a test says are known.  Runs in a
 * PID namespace of its own, and with UIDs of which the machine has nothing. */

#define EFFECTIVE 0x70000000u
#define START 0x23450000u
#define POISONED (START + 100)
/* Many turns on any machine. */
#define LONG 0x30000000u
#define WAIT_MSEC 60000

/* Shared with the child. */
typedef struct Kernel {
        uint32_t known;             /* this UID is ... */
        int n_known;                /* ... for so many calls; -1: always */
        bool is_unwatched;          /* there is no policy */
        uint32_t n_calls, error_at; /* this call fails with EAGAIN; 0: none */
        uint32_t charged;           /* this UID is charged for keys, for ... */
        int n_charged;              /* ... so many calls; -1: always */
        int without_keys;           /* errno for everybody: what a kernel without keys, or without
                                     * a rule for them, says; -1: a key is given */
} Kernel;

typedef struct Fixture {
        Kernel *kernel;
        UidTrials *trials;
        UidTrial *trial;
        gboolean done;
        UidTrialFound found;
} Fixture;

static int become(uint32_t uid, void *userdata) {
        Kernel *kernel = userdata;
        /* Of this child: it has a copy of its own. */
        static uint32_t last, last_but_one;
        bool is_own = last == EFFECTIVE && uid == last_but_one;

        if (++kernel->n_calls == kernel->error_at)
                return -EAGAIN;
        /* Without CAP_SETUID, or a call that the kernel refuses, nothing would be tried at all. */
        if (syscall(SYS_setresuid, uid, -1, -1) < 0)
                return -errno;
        if (uid == kernel->known && kernel->n_known != 0) {
                kernel->n_known--;
                return -EUSERS;
        }
        if (is_own && !kernel->is_unwatched)
                return -EUSERS;
        last_but_one = last;
        last = uid;
        return 0;
}

static int get_key(void *userdata) {
        Kernel *kernel = userdata;

        if (kernel->without_keys != 0)
                return kernel->without_keys < 0 ? 0 : -kernel->without_keys;
        if (getuid() != kernel->charged || kernel->n_charged == 0)
                return -ENOKEY;
        kernel->n_charged--;
        return -EDQUOT;
}

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        UidTrialsConfig config = { .effective_uid = EFFECTIVE,
                                   .become = become,
                                   .get_key = get_key };

        f->kernel =
                mmap(NULL, sizeof(*f->kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
        g_assert_true(f->kernel != MAP_FAILED);
        config.userdata = f->kernel;
        f->trials = uid_trials_new(&config);
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        uid_trial_free(f->trial);
        uid_trials_free(f->trials);
        (void) munmap(f->kernel, sizeof(*f->kernel));
}

static void done(const UidTrialFound *found, void *userdata) {
        Fixture *f = userdata;

        g_assert_false(f->done);
        f->done = TRUE;
        f->found = *found;
}

static void start(Fixture *f, const UidTrialInterval *intervals, size_t n) {
        f->done = FALSE;
        g_clear_pointer(&f->trial, uid_trial_free);
        g_assert_cmpint(uid_trial_new(f->trials, 1000, intervals, n, done, f, &f->trial), ==, 0);
        g_assert_false(f->done);
}

static UidTrialWhat try(Fixture *f, uint32_t first, uint32_t n) {
        const UidTrialInterval interval = { first, n };

        start(f, &interval, 1);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        return f->found.what;
}

/* Run it with the UID, in a process that has ended when this returns. */
static void run_as(uint32_t uid, void (*run)(int fd), int fd) {
        int status;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                if (syscall(SYS_setresuid, uid, uid, uid) < 0)
                        _exit(1);
                run(fd);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_clean(Fixture *f, gconstpointer unused) {
        unsigned n_fds;

        g_assert_cmpint(try(f, START, 1), ==, UID_TRIAL_CLEAN);
        g_clear_pointer(&f->trial, uid_trial_free);
        n_fds = unit_count_fds();
        /* Again and again: what it does leaves nothing. */
        for (unsigned i = 0; i < 5; i++)
                g_assert_cmpint(try(f, START, 50), ==, UID_TRIAL_CLEAN);
        g_clear_pointer(&f->trial, uid_trial_free);
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
}

static void test_known(Fixture *f, gconstpointer unused) {
        g_autofree char *text = NULL, *wanted = NULL;

        f->kernel->known = POISONED;
        f->kernel->n_known = -1;
        g_assert_cmpint(try(f, POISONED - 20, 20), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(try(f, POISONED + 1, 20), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(try(f, POISONED - 20, 40), ==, UID_TRIAL_KNOWN);
        g_assert_cmpuint(f->found.uid, ==, POISONED);
        text = uid_trial_describe(&f->found);
        wanted = g_strdup_printf(
                "UID %u is still known to the kernel: descriptors in flight, pipes or the like",
                POISONED);
        g_assert_cmpstr(text, ==, wanted);
        /* Also the first, by which the policy is known to watch. */
        g_assert_cmpint(try(f, POISONED, 1), ==, UID_TRIAL_KNOWN);
        f->kernel->n_known = 0;
        g_assert_cmpint(try(f, POISONED - 20, 40), ==, UID_TRIAL_CLEAN);
}

static void test_keys(Fixture *f, gconstpointer unused) {
        g_autofree char *text = NULL, *wanted = NULL;

        f->kernel->charged = POISONED;
        f->kernel->n_charged = -1;
        g_assert_cmpint(try(f, POISONED - 20, 20), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(try(f, POISONED - 20, 40), ==, UID_TRIAL_HAS_KEYS);
        g_assert_cmpuint(f->found.uid, ==, POISONED);
        text = uid_trial_describe(&f->found);
        wanted = g_strdup_printf("UID %u is still charged for keys", POISONED);
        g_assert_cmpstr(text, ==, wanted);
        g_assert_cmpint(try(f, POISONED, 1), ==, UID_TRIAL_HAS_KEYS);
}

/* The kernel takes a moment to forget. */
static void test_soon_forgotten(Fixture *f, gconstpointer unused) {
        f->kernel->known = POISONED;
        f->kernel->n_known = 3;
        f->kernel->charged = POISONED + 1;
        f->kernel->n_charged = 3;
        g_assert_cmpint(try(f, POISONED - 20, 40), ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(f->kernel->n_known, ==, 0);
        g_assert_cmpint(f->kernel->n_charged, ==, 0);
}

/* Where nothing is refused, nothing is clean. */
static void test_unwatched(Fixture *f, gconstpointer unused) {
        g_autoptr(UidTrials) real = NULL;
        g_autofree char *text = NULL;

        f->kernel->is_unwatched = true;
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_UNKNOWN);
        text = uid_trial_describe(&f->found);
        g_assert_cmpstr(
                text, ==, "it could not be found out whether the kernel still knows its UIDs");
        f->kernel->is_unwatched = false;
        f->kernel->without_keys = -1;
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_UNKNOWN);
        f->kernel->without_keys = ENOSYS;
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_CLEAN);
        f->kernel->without_keys = 0;
        /* So it is with this machine's kernel, which has no policy; and without an effective UID
         * that it could know. */
        g_clear_pointer(&f->trial, uid_trial_free);
        g_clear_pointer(&f->trials, uid_trials_free);
        f->trials = uid_trials_new(&(UidTrialsConfig){ .effective_uid = EFFECTIVE });
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_UNKNOWN);
        g_clear_pointer(&f->trial, uid_trial_free);
        g_clear_pointer(&f->trials, uid_trials_free);
        f->kernel->is_unwatched = false;
        f->trials = uid_trials_new(
                &(UidTrialsConfig){ .become = become, .get_key = get_key, .userdata = f->kernel });
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_UNKNOWN);
}

/* What is neither clean nor known. */
static void test_error(Fixture *f, gconstpointer unused) {
        f->kernel->error_at = 1;
        g_assert_cmpint(try(f, START, 10), ==, UID_TRIAL_UNKNOWN);
}

/* Several intervals, the last UID of the last one. */
static void test_intervals(Fixture *f, gconstpointer unused) {
        const UidTrialInterval intervals[] = { { START, 1 }, { START + 64, 3 }, { POISONED, 1 } };

        f->kernel->known = POISONED;
        f->kernel->n_known = -1;
        start(f, intervals, 2);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_CLEAN);
        /* Each once, and two for the policy. */
        g_assert_cmpuint(f->kernel->n_calls, ==, 4 + 2);
        start(f, intervals, 3);
        g_assert_true(unit_run_until(&f->done, WAIT_MSEC));
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_KNOWN);
        g_assert_cmpuint(f->found.uid, ==, POISONED);
}

static pid_t only_child(void) {
        for (;;) {
                g_autoptr(GArray) children = unit_find_children();

                if (children->len == 1)
                        return g_array_index(children, pid_t, 0);
                (void) g_main_context_iteration(NULL, FALSE);
        }
}

/* A whole slot takes more than a turn: accounts get theirs in between, and nothing is tried twice.
 */
static void test_turns(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, LONG };
        g_autoptr(UidTrial) other = NULL;
        Fixture g = {};
        pid_t first;

        start(f, &slot, 1);
        first = only_child();
        g_assert_cmpint(
                uid_trial_new(
                        f->trials, 1000, &(UidTrialInterval){ START + LONG, 1 }, 1, done, &g,
                        &other),
                ==, 0);
        /* One at a time of one account, and in the end of the long one's turn the other has its. */
        g_assert_true(unit_run_until(&g.done, WAIT_MSEC));
        g_assert_false(f->done);
        g_assert_cmpint(g.found.what, ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(only_child(), !=, first);
}

/* Another account does not wait for it. */
static void test_accounts(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, LONG };
        g_autoptr(UidTrial) other = NULL;
        Fixture g = {};
        pid_t pid;

        start(f, &slot, 1);
        pid = only_child();
        g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
        g_assert_cmpint(
                uid_trial_new(
                        f->trials, 1001, &(UidTrialInterval){ START + LONG, 10 }, 1, done, &g,
                        &other),
                ==, 0);
        g_assert_true(unit_run_until(&g.done, WAIT_MSEC));
        g_assert_cmpint(g.found.what, ==, UID_TRIAL_CLEAN);
        g_assert_false(f->done);
}

/* MAX and MAX + 1 of what waits for one account. */
static void test_full(Fixture *f, gconstpointer unused) {
        const UidTrialInterval one = { START, 1 };
        g_autoptr(GPtrArray) trials =
                g_ptr_array_new_with_free_func((GDestroyNotify) uid_trial_free);
        UidTrial *trial = NULL;
        int r;

        for (unsigned i = 0;
             i < LIMIT_UID_TRIALS_PER_ACCOUNT + LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT; i++) {
                r = uid_trial_new(f->trials, 1000, &one, 1, done, f, &trial);
                g_assert_cmpint(r, ==, 0);
                g_ptr_array_add(trials, g_steal_pointer(&trial));
        }
        g_assert_cmpint(
                uid_trial_new(f->trials, 1000, &one, 1, done, f, &trial), ==, UID_TRIAL_E_FULL);
        g_assert_cmpint(uid_trial_new(f->trials, 1001, &one, 1, done, f, &trial), ==, 0);
        g_ptr_array_add(trials, trial);
}

/* No child when its turn comes: nothing that the account has done. */
static void test_not_tried(Fixture *f, gconstpointer unused) {
        const UidTrialInterval one = { START, 1 };
        Fixture first = {};
        UidTrial *trial;

        g_assert_cmpint(uid_trial_new(f->trials, 1000, &one, 1, done, &first, &trial), ==, 0);
        start(f, &one, 1);
        forks_fail = true;
        while (!f->done)
                (void) g_main_context_iteration(NULL, TRUE);
        forks_fail = false;
        g_assert_true(first.done);
        g_assert_cmpint(first.found.what, ==, UID_TRIAL_CLEAN);
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_NOT_TRIED);
        uid_trial_free(trial);
}

/* Nor for the next of its turns, which it needs. */
static void test_tried_in_part(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, LONG };

        start(f, &slot, 1);
        forks_fail = true;
        while (!f->done)
                (void) g_main_context_iteration(NULL, TRUE);
        forks_fail = false;
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_NOT_TRIED);
}

/* Killed before it has done anything: nobody knows. */
static void test_killed(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { START, LONG };

        start(f, &slot, 1);
        while (!f->done) {
                g_assert_cmpint(kill(only_child(), SIGKILL), ==, 0);
                (void) g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpint(f->found.what, ==, UID_TRIAL_UNKNOWN);
}

/* While it has a lent UID, whoever else has that UID can neither trace nor copy it. */
static void try_to_trace(int pid) {
        errno = 0;
        if (syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, pid, NULL, NULL) == 0 || errno != EPERM)
                _exit(1);
        /* It is in a session and group of its own: no signal to ours reaches it. */
        if (getpgid(pid) != pid || getsid(pid) != pid)
                _exit(2);
}

static void test_untraceable(Fixture *f, gconstpointer unused) {
        const UidTrialInterval slot = { POISONED, 1u << 31 };
        g_autofree char *path = NULL, *status = NULL;
        pid_t pid;

        start(f, &slot, 1);
        pid = only_child();
        path = g_strdup_printf("/proc/%d/status", (int) pid);
        do {
                g_clear_pointer(&status, g_free);
                g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
        } while (!strstr(status, "\nCapEff:\t0000000000000080\n"));
        g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000080\n"));
        g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
        run_as(POISONED, try_to_trace, pid);
}

static int run_tests(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/uid-trial/clean", test_clean },
                { "/uid-trial/known", test_known },
                { "/uid-trial/keys", test_keys },
                { "/uid-trial/soon-forgotten", test_soon_forgotten },
                { "/uid-trial/unwatched", test_unwatched },
                { "/uid-trial/error", test_error },
                { "/uid-trial/intervals", test_intervals },
                { "/uid-trial/turns", test_turns },
                { "/uid-trial/accounts", test_accounts },
                { "/uid-trial/full", test_full },
                { "/uid-trial/not-tried", test_not_tried },
                { "/uid-trial/tried-in-part", test_tried_in_part },
                { "/uid-trial/killed", test_killed },
                { "/uid-trial/untraceable", test_untraceable },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}

int main(int argc, char **argv) {
        int status = -1;
        pid_t pid;

        if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
                g_printerr("Bail out! needs root and namespaces of its own\n");
                return 77;
        }
        pid = fork();
        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("proc", "/proc", "proc", 0, NULL) < 0)
                        _exit(99);
                exit(run_tests(argc, argv));
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                return 99;
        _exit(WEXITSTATUS(status));
}
