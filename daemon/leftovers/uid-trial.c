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
#include "lib/util/turns.h"

struct UidTrials {
        UidTrialsConfig config;
        Turns *turns;
};

struct UidTrial {
        UidTrials *trials;
        uint32_t account;
        UidTrialInterval *intervals;
        size_t n;
        UidTrialProgress *progress, before; /* shared with the child; at the begin of this turn */
        Turn *turn;
        Child *child;
        guint deadline, start_source;
        UidTrialDoneFunc done;
        void *userdata;
};

UidTrials *uid_trials_new(const UidTrialsConfig *config) {
        UidTrials *trials = g_new(UidTrials, 1);

        *trials = (UidTrials){
                .config = *config,
                .turns = turns_new(
                        LIMIT_UID_TRIALS, LIMIT_UID_TRIALS_PER_ACCOUNT,
                        LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT),
        };
        return trials;
}

void uid_trials_free(UidTrials *trials) {
        if (!trials)
                return;
        turns_free(trials->turns);
        g_free(trials);
}

static void trial_stop(UidTrial *trial) {
        if (trial->child)
                child_forget(trial->child);
        trial->child = NULL;
        g_clear_handle_id(&trial->deadline, g_source_remove);
        g_clear_handle_id(&trial->start_source, g_source_remove);
}

void uid_trial_free(UidTrial *trial) {
        if (!trial)
                return;
        trial_stop(trial);
        g_clear_pointer(&trial->turn, turn_free);
        if (trial->progress)
                (void) munmap(trial->progress, sizeof(*trial->progress));
        g_free(trial->intervals);
        g_free(trial);
}

/* Its place is given back first: whoever is told may start the next one. */
static void trial_report(UidTrial *trial) {
        UidTrialFound found = trial->progress->found;

        trial_stop(trial);
        g_clear_pointer(&trial->turn, turn_free);
        trial->done(&found, trial->userdata);
}

static int trial_ask_for_turn(UidTrial *trial);

/* At the end of a turn: with all UIDs, or after its time.  A child that has not tried even one was
 * killed, or could not. */
static void on_exited(Child *child, void *userdata) {
        UidTrial *trial = userdata;
        const UidTrialProgress *now = trial->progress;

        trial->child = NULL;
        g_clear_handle_id(&trial->deadline, g_source_remove);
        if (now->found.what == UID_TRIAL_UNKNOWN &&
            (now->interval != trial->before.interval || now->offset != trial->before.offset)) {
                g_clear_pointer(&trial->turn, turn_free);
                if (trial_ask_for_turn(trial) == 0)
                        return;
        }
        trial_report(trial);
}

/* Nothing that it calls waits for anybody; but it can be stopped, by root. */
static gboolean on_deadline(gpointer userdata) {
        UidTrial *trial = userdata;

        trial->deadline = 0;
        child_kill(trial->child);
        return G_SOURCE_REMOVE;
}

static gboolean on_start(gpointer userdata) {
        UidTrial *trial = userdata;
        const UidTrialTask task = {
                .parent = getpid(),
                .effective_uid = trial->trials->config.effective_uid,
                .become = trial->trials->config.become,
                .get_key = trial->trials->config.get_key,
                .userdata = trial->trials->config.userdata,
                .intervals = trial->intervals,
                .n = trial->n,
                .progress = trial->progress,
        };

        trial->start_source = 0;
        trial->before = *trial->progress;
        if (child_new(NULL, 0, uid_trial_child, &task, on_exited, trial, &trial->child) < 0)
                trial_report(trial);
        else
                trial->deadline = g_timeout_add(LIMIT_UID_TRIAL_MSEC, on_deadline, trial);
        return G_SOURCE_REMOVE;
}

/* Not at once: a report may come of it, and uid_trial_new() has not returned. */
static void on_turn(Turn *turn, void *userdata) {
        UidTrial *trial = userdata;

        trial->start_source = g_timeout_add(0, on_start, trial);
}

static int trial_ask_for_turn(UidTrial *trial) {
        int r = turns_take(trial->trials->turns, trial->account, on_turn, trial, &trial->turn);

        return r == TURNS_E_FULL ? UID_TRIAL_E_FULL : r;
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
                .n = n,
                .done = done,
                .userdata = userdata,
        };
        progress =
                mmap(NULL, sizeof(*trial->progress), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (progress == MAP_FAILED)
                return -errno;
        trial->progress = progress;
        trial->progress->found.what = UID_TRIAL_UNKNOWN;
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
                break;
        }
        return g_strdup("it could not be found out whether the kernel still knows its UIDs");
}
