/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel keeps by UID, for whoever has the UID next.  Beside all that a namespace's end
 * takes with it, each UID has one count (user_struct) of
 *
 *   - descriptors that it sent over Unix sockets and nobody has received,
 *   - pages of pipes that it made, also while only others have them open (/proc/PID/fd),
 *   - pages that were pinned for it: rings of perf, AF_XDP memory, MSG_ZEROCOPY.
 *
 * A process outside can keep any of them as high as it likes, and the next to have the UID could
 * pass no descriptor, got pipes of two pages, and so on.  No file says how high they are, so a
 * child takes each UID in turn and does the smallest thing that its limit would refuse if the count
 * were not zero: the limit of descriptors and of locked memory is its own; of pipes it makes as
 * many as the system's limit leaves a UID that has none.
 *
 * A UID that was found without anything stays so while nobody has it: all three begin with a
 * process of that UID.  (It has to be without anything: a single pipe that is kept can be made
 * larger, by whoever has it, long after.)  So the last step before a range is free is early enough,
 * and what is lent costs no client any time.
 *
 * While it is tried a UID has pipes of ours: two trials must not be of the same.
 *
 * The child keeps CAP_SETUID alone, which with a UID that is nobody's else is what makes it
 * untraceable; it is in a session of its own, so that no file of the last holder's that signals a
 * process group (F_SETOWN) reaches it; and it ends without anything left in flight or open.  Knows
 * nothing of the table, namespaces or the policy. */

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct UidTrials UidTrials;
typedef struct UidTrial UidTrial;

/* Outcomes. */
enum {
        UID_TRIAL_E_FULL = 1, /* LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT */
};

/* LIMIT_UID_TRIALS children at most, accounts in turns. */
UidTrials *uid_trials_new(void);

/* Each trial must have been freed before. */
void uid_trials_free(UidTrials *trials);

typedef struct UidTrialInterval {
        uint32_t start, n;
} UidTrialInterval;

typedef enum UidTrialWhat {
        UID_TRIAL_CLEAN,
        UID_TRIAL_DESCRIPTORS,
        UID_TRIAL_PIPES,
        UID_TRIAL_LOCKED_MEMORY,
        UID_TRIAL_UNKNOWN, /* the child did not come to an end */
} UidTrialWhat;

typedef struct UidTrialFound {
        UidTrialWhat what;
        uint32_t uid; /* the first that is not clean */
} UidTrialFound;

/* For people, printable ASCII. */
char *uid_trial_describe(const UidTrialFound *found);

/* Called once, from the main loop.  The trial may be freed in it. */
typedef void (*UidTrialDoneFunc)(const UidTrialFound *found, void *userdata);

/* Try all these UIDs on the account's turn, which may take more than one. */
int uid_trial_new(
        UidTrials *trials, uint32_t account, const UidTrialInterval *intervals, size_t n,
        UidTrialDoneFunc done, void *userdata, UidTrial **ret_trial);

/* Ends it without a call of `done`, if that was not called yet. */
void uid_trial_free(UidTrial *trial);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(UidTrials, uid_trials_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UidTrial, uid_trial_free)
