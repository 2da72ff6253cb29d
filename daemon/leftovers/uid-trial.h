/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the kernel still keeps anything by UID, for whoever has the UID next.  What a namespace's
 * end does not take with it hangs on one account of each real UID (user_struct): descriptors that
 * were sent over Unix sockets and that nobody has received, pages of pipes, pinned pages (perf,
 * AF_XDP, io_uring, MSG_ZEROCOPY), watches of epoll, and whatever a later kernel counts there.  A
 * process outside can keep any of them as high as it likes, and the next to have the UID could pass
 * no descriptor, got pipes of two pages, and so on.
 *
 * The account is there as long as anything refers to it, and a new one is made for who becomes the
 * UID when there is none.  So a child takes each UID in turn as its real one, under the policy's
 * eyes (policy_trial_uid()), which refuses those that are known already.  That is exact: what was
 * not refused had nothing that anybody could find later, and gets nothing while nobody has the UID.
 *
 * The policy knows the child by its effective UID, so that there is nothing to be written down of
 * it, and nothing to be cleaned away when it is killed.  Without a policy all UIDs would seem to be
 * clean: at the begin of each turn the child makes an account of its own and wants to be refused.
 *
 * An account is taken away a moment after its last process, when all processors have passed through
 * the kernel's scheduler; so the child asks a few times before it says that a UID is known.
 *
 * The child keeps CAP_SETUID alone.  Its saved UID is root's, so that no UID of the range or of the
 * policy's can send it a signal, and it cannot be traced.  It is in a session of its own: no file
 * of the last holder's that signals a process group (F_SETOWN) reaches it.  Knows nothing of the
 * table, namespaces or the policy. */

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct UidTrials UidTrials;
typedef struct UidTrial UidTrial;

/* Outcomes. */
enum {
        UID_TRIAL_E_FULL = 1, /* LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT */
};

typedef struct UidTrialsConfig {
        uint32_t effective_uid; /* policy_trial_uid(); 0: nothing is found out */
        /* Take a real UID, in the child: 0 or negative errno.  NULL: the kernel is asked (else:
         * tests). */
        int (*become)(uint32_t uid, void *userdata);
        void *userdata;
} UidTrialsConfig;

/* LIMIT_UID_TRIALS children at most, accounts in turns. */
UidTrials *uid_trials_new(const UidTrialsConfig *config);

/* Each trial must have been freed before. */
void uid_trials_free(UidTrials *trials);

typedef struct UidTrialInterval {
        uint32_t start, n;
} UidTrialInterval;

typedef enum UidTrialWhat {
        UID_TRIAL_CLEAN,
        UID_TRIAL_KNOWN,
        UID_TRIAL_UNKNOWN, /* the child did not come to an end, or was not watched */
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
