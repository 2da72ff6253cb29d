/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the daemon and the child that tries UIDs, which is a copy of a process with a main loop:
 * system calls only, no allocation. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/leftovers/uid-trial.h"

/* Shared: what the child has done so far. */
typedef struct UidTrialProgress {
        size_t interval; /* where to go on, or the number of intervals */
        uint32_t offset;
        UidTrialFound found; /* `what` is not UID_TRIAL_UNKNOWN: this is the end */
} UidTrialProgress;

typedef struct UidTrialTask {
        pid_t parent;
        uint32_t effective_uid;
        int (*become)(uint32_t uid, void *userdata);
        int (*get_key)(void *userdata);
        void *userdata;
        const UidTrialInterval *intervals;
        size_t n;
        UidTrialProgress *progress;
} UidTrialTask;

/* What the child runs; does not return.  Stops after LIMIT_UID_TRIAL_TURN_MSEC. */
void uid_trial_child(const void *task);
