/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/uid-trial-child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"

/* An account that only waits to be taken away is gone by then, also on a busy machine.  What is
 * refused holds the account itself until the kernel's next grace period: so each pause is twice the
 * one before it, 0.13 seconds together. */
#define ASKS_MAX 7u
#define PAUSE_MSEC_FIRST 2

static int64_t now_msec(void) {
        struct timespec now = {};

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* With an effective UID that has no meaning but to the policy, and CAP_SETUID. */
static int give_up_privilege(const UidTrialTask *task) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct setuid[_LINUX_CAPABILITY_U32S_3] = {
                { .effective = 1u << CAP_SETUID, .permitted = 1u << CAP_SETUID },
        };

        if (syscall(CHILD_SETRESUID, -1, task->effective_uid, 0) < 0 ||
            syscall(SYS_capset, &header, setuid) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        child_die_with(task->parent);
        return 0;
}

static int become(const UidTrialTask *task, uint32_t uid) {
        if (task->become)
                return task->become(uid, task->userdata);
        return syscall(CHILD_SETRESUID, uid, -1, -1) < 0 ? -errno : 0;
}

static int get_key(const UidTrialTask *task) {
        if (task->get_key)
                return task->get_key(task->userdata);
        return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) < 0 ? -errno
                                                                                           : 0;
}

/* -EUSERS: it is known, -EDQUOT: it has keys. */
static int ask_once(const UidTrialTask *task, uint32_t uid) {
        int r = become(task, uid);

        if (r == 0)
                r = get_key(task);
        if (r == 0)
                return -EIO; /* nobody has refused it */
        /* A kernel without keys has no such call. */
        return r == -ENOKEY || r == -ENOSYS ? 0 : r;
}

static bool is_still_there(int r) {
        return r == -EUSERS || r == -EDQUOT;
}

static int try_uid(const UidTrialTask *task, uint32_t uid) {
        struct timespec pause = { .tv_nsec = PAUSE_MSEC_FIRST * 1000 * 1000 };
        int r = ask_once(task, uid);

        for (unsigned i = 1; is_still_there(r) && i < ASKS_MAX; i++) {
                (void) nanosleep(&pause, NULL);
                pause.tv_nsec *= 2;
                r = ask_once(task, uid);
        }
        return r;
}

/* Whether the policy refuses a UID that is known: the one that this process has, whose account a
 * pipe keeps while it has another. */
static bool is_watched(const UidTrialTask *task, uint32_t uid) {
        auto_fd reader = -1, writer = -1;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return false;
        reader = ends[0];
        writer = ends[1];
        return become(task, task->effective_uid) == 0 && become(task, uid) == -EUSERS;
}

static int try_next(const UidTrialTask *task, uint32_t uid, bool is_first) {
        UidTrialProgress *progress = task->progress;
        int r = try_uid(task, uid);

        if (is_still_there(r)) {
                progress->found =
                        (UidTrialFound){ r == -EUSERS ? UID_TRIAL_KNOWN : UID_TRIAL_HAS_KEYS, uid };
                return r;
        }
        if (r == 0 && is_first && !is_watched(task, uid))
                return -EIO;
        return r;
}

static int try_all(const UidTrialTask *task) {
        int64_t end = now_msec() + LIMIT_UID_TRIAL_TURN_MSEC;
        UidTrialProgress *progress = task->progress;
        bool is_first = true;

        for (; progress->interval < task->n; progress->interval++, progress->offset = 0) {
                const UidTrialInterval *interval = &task->intervals[progress->interval];

                for (; progress->offset < interval->n; progress->offset++) {
                        int r;

                        if (!is_first && now_msec() >= end)
                                return 0;
                        r = try_next(task, interval->start + progress->offset, is_first);
                        if (r < 0)
                                return r;
                        is_first = false;
                }
        }
        progress->found = (UidTrialFound){ .what = UID_TRIAL_CLEAN };
        return 0;
}

void uid_trial_child(const void *data) {
        const UidTrialTask *task = data;

        child_die_with(task->parent);
        if (task->effective_uid == 0 || setsid() < 0 || give_up_privilege(task) < 0)
                _exit(1);
        _exit(try_all(task) < 0);
}
