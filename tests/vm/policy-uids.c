/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/policy-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/policy/for-test.h"
#include "daemon/leftovers/uid-trial.h"

/* What is noted of the UIDs that a range was used by, and the trial of whether the kernel still
 * knows them. */

#define OTHER_UID (3u * POLICY_UIDS_PER_CHUNK + 5u)
#define KEYS_UID (9u * POLICY_UIDS_PER_CHUNK + 5u)
#define EVERYBODY_MAY_ALL 0x3f3f3f3f
#define MEASURED 3u /* times */
#define CHUNKS (TABLE_SLOT_SIZE / POLICY_UIDS_PER_CHUNK)

typedef struct Result {
        bool done;
        UidTrialFound found;
} Result;

static void on_done(const UidTrialFound *found, void *userdata) {
        *(Result *) userdata = (Result){ .done = true, .found = *found };
}

static UidTrialFound try_interval(uint32_t effective_uid, uint32_t start, uint32_t n) {
        g_autoptr(UidTrials) trials =
                uid_trials_new(&(UidTrialsConfig){ .effective_uid = effective_uid });
        g_autoptr(UidTrial) trial = NULL;
        const UidTrialInterval interval = { start, n };
        Result result = {};

        if (uid_trial_new(trials, 0, &interval, 1, on_done, &result, &trial) != 0)
                die("a trial");
        while (!result.done)
                (void) g_main_context_iteration(NULL, TRUE);
        return result.found;
}

/* The kernel forgets what was used last when all processors have passed through its scheduler, and
 * a daemon would look again. */
static bool gets_clean(uint32_t effective_uid, uint32_t start, uint32_t n) {
        UidTrialFound found = { .what = UID_TRIAL_KNOWN };

        for (unsigned i = 0; i < 100 && found.what == UID_TRIAL_KNOWN; i++)
                found = try_interval(effective_uid, start, n);
        if (found.what != UID_TRIAL_CLEAN)
                printf("# found %d, UID %u\n", found.what, found.uid);
        return found.what == UID_TRIAL_CLEAN;
}

static int keyctl(int command, long a, long b, long c) {
        return (int) syscall(SYS_keyctl, command, a, b, c, 0);
}

/* Other users of the range, too: one that nobody becomes, but for whom a keyring is made. */
static void body_become(int socket, const void *userdata) {
        int keyring = keyctl(KEYCTL_GET_PERSISTENT, KEYS_UID, KEY_SPEC_PROCESS_KEYRING, 0);
        char byte = 0;

        if (keyring < 0 || setresuid(OTHER_UID, OTHER_UID, OTHER_UID) < 0)
                byte = (char) errno;
        (void) !write(socket, &byte, 1);
        body_wait(socket, NULL);
}

static unsigned count_used(const Policy *policy, uint32_t record) {
        unsigned n = 0;

        for (uint32_t i = 0; i < CHUNKS; i++)
                n += policy_was_used(policy, record, i);
        return n;
}

static void test_notes(Policy *policy, const Namespace *ns) {
        char byte = 1;

        tap(count_used(policy, SLOT) == CHUNKS, "without notes, all of a slot counts as used");
        policy_forget_uses(policy, SLOT, 1);
        (void) policy_protect(policy, SLOT, 1, ns->inode);
        tap(count_used(policy, SLOT) == 0, "nobody has become a UID of a slot that is just lent");
        namespace_go(ns);
        tap(read(ns->socket, &byte, 1) == 1 && byte == 0,
            "the holder becomes two of its UIDs, and makes a keyring for a third");
        tap(count_used(policy, SLOT) == 3 && policy_was_used(policy, SLOT, 0) &&
                    policy_was_used(policy, SLOT, OTHER_UID / POLICY_UIDS_PER_CHUNK) &&
                    policy_was_used(policy, SLOT, KEYS_UID / POLICY_UIDS_PER_CHUNK),
            "their chunks are noted, and no other");
        policy_forget_uses(policy, SLOT, 1);
        tap(count_used(policy, SLOT) == 3, "notes of what is lent are not forgotten");
        tap(count_used(policy, POOL_SLOTS) == CHUNKS, "single IDs count as used");
}

/* By processes of the host. */
static bool becomes(uint32_t effective, uint32_t uid, int *ret_error) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (setresuid((uid_t) -1, effective, 0) < 0 || seteuid(0) < 0)
                        _exit(99);
                /* With the capabilities of root. */
                _exit(setresuid(uid, effective, 0) < 0 ? errno : 0);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                die("a process");
        *ret_error = WEXITSTATUS(status);
        return *ret_error == 0;
}

static void test_trial(Policy *policy, Namespace *ns) {
        uint32_t mark = policy_trial_uid(policy);
        UidTrialFound found;
        int pipe_fds[2], error;
        pid_t pid;

        /* The first has the keyring of its process. */
        tap(gets_clean(mark, LENT + 1, 2 * POLICY_UIDS_PER_CHUNK),
            "what nobody is any more is clean");
        found = try_interval(mark, LENT + OTHER_UID, 4);
        tap(found.what == UID_TRIAL_KNOWN && found.uid == LENT + OTHER_UID,
            "a UID that a process has is known");
        tap(!becomes(mark, LENT + OTHER_UID, &error) && error == EUSERS,
            "it is refused to who has the effective UID, by EUSERS");
        tap(becomes(mark + 1, LENT + OTHER_UID, &error), "and to nobody else");
        tap(becomes(mark, UNLENT, &error) && becomes(mark, 1000, &error),
            "nor is what is not lent");
        namespace_end(ns);
        tap(gets_clean(mark, LENT, TABLE_SLOT_SIZE), "after the end all of it is clean");

        /* One page of one pipe. */
        if (pipe(pipe_fds) < 0)
                die("pipe");
        pid = fork();
        if (pid == 0) {
                int own[2];

                _exit(setresuid(LENT + 9, LENT + 9, LENT + 9) < 0 || pipe(own) < 0 ||
                      write(pipe_fds[1], &own[0], sizeof(int)) != sizeof(int) || pause() < 0);
        }
        {
                char path[64];
                int number, kept;

                if (read(pipe_fds[0], &number, sizeof(number)) != sizeof(number))
                        die("read");
                (void) snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
                kept = open(path, O_RDONLY | O_CLOEXEC);
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                tap(gets_clean(mark, LENT, 9), "its neighbours get clean");
                found = try_interval(mark, LENT + 9, 1);
                tap(kept >= 0 && found.what == UID_TRIAL_KNOWN && found.uid == LENT + 9,
                    "a pipe that others have keeps its maker's UID known");
                policy_skip_rules_for_test(policy, SLOT, POLICY_RULE_UIDS);
                found = try_interval(mark, LENT, TABLE_SLOT_SIZE);
                tap(found.what == UID_TRIAL_UNKNOWN, "without the rule nothing is found out");
                policy_skip_rules_for_test(policy, SLOT, 0);
                (void) close(kept);
        }
        tap(gets_clean(mark, LENT, TABLE_SLOT_SIZE), "and without the pipe it is clean");
        tap(try_interval(0, LENT, 1).what == UID_TRIAL_UNKNOWN &&
                    try_interval(mark + 1, LENT, 1).what == UID_TRIAL_UNKNOWN,
            "who is not watched finds out nothing");
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
}

/* A key in a keyring of ours, which the rule would refuse. */
static void test_trial_of_keys(Policy *policy) {
        uint32_t mark = policy_trial_uid(policy);
        int keyring = keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0), status;
        UidTrialFound found;
        pid_t pid;

        if (keyring < 0 || keyctl(KEYCTL_SETPERM, keyring, EVERYBODY_MAY_ALL, 0) < 0)
                die("a keyring");
        policy_skip_rules_for_test(policy, SLOT, POLICY_RULE_KEYS);
        pid = fork();
        if (pid == 0)
                _exit(setresuid(LENT + 11, LENT + 11, LENT + 11) < 0 ||
                      syscall(SYS_add_key, "user", "left", "x", 1, keyring) < 0);
        if (waitpid(pid, &status, 0) != pid || status != 0)
                die("a key");
        found = try_interval(mark, LENT + 11, 1);
        tap(found.what == UID_TRIAL_UNKNOWN, "without the rule for keys nothing is found out");
        policy_skip_rules_for_test(policy, SLOT, 0);
        tap(gets_clean(mark, LENT, 11), "neighbours of who is charged for a key get clean");
        for (unsigned i = 0; i < 100; i++) {
                found = try_interval(mark, LENT + 11, 1);
                if (found.what != UID_TRIAL_KNOWN)
                        break;
        }
        tap(found.what == UID_TRIAL_HAS_KEYS && found.uid == LENT + 11,
            "a UID that is charged for a key has keys");
        if (keyctl(KEYCTL_CLEAR, keyring, 0, 0) < 0)
                die("clear");
        do
                found = try_interval(mark, LENT, TABLE_SLOT_SIZE);
        while (found.what == UID_TRIAL_HAS_KEYS);
        tap(found.what == UID_TRIAL_CLEAN, "and none when the key is gone");
}

void test_uids(Policy *policy) {
        Namespace ns = namespace_new(LENT, body_become, NULL);

        test_notes(policy, &ns);
        test_trial(policy, &ns);
        test_trial_of_keys(policy);
        (void) policy_unprotect(policy, SLOT, 1);
}

/* ---- what it costs ---- */

static int64_t spent_by_children(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_CHILDREN, &usage);
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
               usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void measure(const Policy *policy, const char *what, uint32_t start, uint32_t n) {
        int64_t before = spent_by_children(), floor, trial;
        pid_t pid = fork();

        /* The floor: as many times the cheapest call that changes a process's credentials. */
        if (pid == 0) {
                for (uint32_t i = 0; i < n; i++)
                        if (setfsuid(i & 1) < 0)
                                _exit(1);
                _exit(0);
        }
        (void) waitpid(pid, NULL, 0);
        floor = spent_by_children() - before;
        before = spent_by_children();
        if (try_interval(policy_trial_uid(policy), start, n).what != UID_TRIAL_CLEAN)
                die("not clean");
        trial = spent_by_children() - before;
        printf("# %s: %u UIDs in %d us; as many changes of the file system UID in %d us\n", what, n,
               (int) trial, (int) floor);
}

void measure_uids(Policy *policy) {
        Namespace ns = namespace_new(LENT, body_wait, NULL);

        (void) policy_protect(policy, SLOT, 2 * MEASURED, ns.inode);
        namespace_end(&ns);
        /* Other UIDs each time: the kernel has not forgotten the last ones yet. */
        for (uint32_t i = 0; i < MEASURED; i++) {
                uint32_t start = LENT + 2 * i * TABLE_SLOT_SIZE;

                measure(policy, "one UID of a slot was used", start, POLICY_UIDS_PER_CHUNK);
                measure(policy, "a container's users", start + POLICY_UIDS_PER_CHUNK,
                        3 * POLICY_UIDS_PER_CHUNK);
                measure(policy, "a whole slot", start + TABLE_SLOT_SIZE, TABLE_SLOT_SIZE);
        }
        (void) policy_unprotect(policy, SLOT, 2 * MEASURED);
}
