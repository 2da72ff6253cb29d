/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/uid-trial.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/leftovers/uid-trial-child.h"
#include "lib/util/child.h"
#include "lib/util/worker-pool.h"

struct UidTrials {
        UidTrialsConfig config;
        WorkerPool *pool;
};

struct UidTrial {
        UidTrials *trials;
        uint32_t account;
        UidTrialInterval *intervals;
        UidTrialProgress *progress, before; /* shared with the child; at the begin of this turn */
        UidTrialTask child_data;
        WorkerTask *task;
        UidTrialDoneFunc done;
        void *userdata;
};

UidTrials *uid_trials_new(const UidTrialsConfig *config) {
        UidTrials *trials = g_new(UidTrials, 1);
        /* Nothing that a child calls waits for anybody; but it can be stopped, by root. */
        const WorkerPoolConfig pool = {
                .max = LIMIT_UID_TRIALS,
                .max_per_account = LIMIT_UID_TRIALS_PER_ACCOUNT,
                .max_waiting_per_account = LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT,
                .msec = LIMIT_UID_TRIAL_MSEC,
        };

        *trials = (UidTrials){ .config = *config, .pool = worker_pool_new(&pool) };
        return trials;
}

void uid_trials_free(UidTrials *trials) {
        if (!trials)
                return;
        worker_pool_free(trials->pool);
        g_free(trials);
}

void uid_trial_free(UidTrial *trial) {
        if (!trial)
                return;
        worker_task_free(trial->task);
        if (trial->progress)
                (void) munmap(trial->progress, sizeof(*trial->progress));
        g_free(trial->intervals);
        g_free(trial);
}

static int trial_ask_for_turn(UidTrial *trial);

/* At the end of a turn: with all UIDs, or after its time.  A child that has not tried even one was
 * killed, or could not. */
static void on_event(WorkerTask *task, int result, void *userdata) {
        UidTrial *trial = userdata;
        const UidTrialProgress *now = trial->progress;
        UidTrialFound found = now->found;

        g_clear_pointer(&trial->task, worker_task_free);
        if (found.what == UID_TRIAL_UNKNOWN &&
            (now->interval != trial->before.interval || now->offset != trial->before.offset)) {
                result = trial_ask_for_turn(trial);
                if (result == 0)
                        return;
        }
        if (found.what == UID_TRIAL_UNKNOWN && result < 0)
                found.what = UID_TRIAL_NOT_TRIED;
        trial->done(&found, trial->userdata);
}

static int trial_ask_for_turn(UidTrial *trial) {
        const WorkerRequest request = {
                .account = trial->account,
                .fd = -1,
                .run = uid_trial_child,
                .data = &trial->child_data,
                .event = on_event,
                .userdata = trial,
        };
        int r;

        trial->before = *trial->progress;
        r = worker_pool_ask(trial->trials->pool, &request, &trial->task);
        return r == WORKER_E_BUSY ? UID_TRIAL_E_FULL : r;
}

int uid_trial_new(
        UidTrials *trials, uint32_t account, const UidTrialInterval *intervals, size_t n,
        UidTrialDoneFunc done, void *userdata, UidTrial **ret_trial) {
        g_autoptr(UidTrial) trial = g_new(UidTrial, 1);
        void *progress;
        int r;

        g_assert(n > 0);
        *trial = (UidTrial){
                .trials = trials,
                .account = account,
                .intervals = g_memdup2(intervals, n * sizeof(*intervals)),
                .done = done,
                .userdata = userdata,
        };
        r = child_share(sizeof(*trial->progress), &progress);
        if (r < 0)
                return r;
        trial->progress = progress;
        trial->progress->found.what = UID_TRIAL_UNKNOWN;
        trial->child_data = (UidTrialTask){
                .parent = getpid(),
                .effective_uid = trials->config.effective_uid,
                .become = trials->config.become,
                .get_key = trials->config.get_key,
                .userdata = trials->config.userdata,
                .intervals = trial->intervals,
                .n = n,
                .progress = progress,
        };
        r = trial_ask_for_turn(trial);
        if (r == 0)
                *ret_trial = g_steal_pointer(&trial);
        return r;
}

char *uid_trial_describe(const UidTrialFound *found) {
        switch (found->what) {
        case UID_TRIAL_CLEAN:
                return g_strdup("nothing");
        case UID_TRIAL_KNOWN:
                return g_strdup_printf(
                        "UID %u is still known to the kernel: descriptors in flight, pipes or the "
                        "like",
                        found->uid);
        case UID_TRIAL_HAS_KEYS:
                return g_strdup_printf("UID %u is still charged for keys", found->uid);
        case UID_TRIAL_UNKNOWN:
        case UID_TRIAL_NOT_TRIED:
                break;
        }
        return g_strdup("it could not be found out whether the kernel still knows its UIDs");
}
