/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the kernel still keeps anything by UID, for whoever has the UID next.  What a namespace's
 * end does not take with it hangs on one account of each real UID (user_struct): descriptors that
 * were sent over Unix sockets and that nobody has received, pages of pipes, pinned pages (perf,
 * AF_XDP, io_uring, MSG_ZEROCOPY), watches of epoll, and whatever a later kernel counts there.  A
 * process outside can keep any of them as high as it likes, and the next to have the UID could pass
 * no descriptor, got pipes of two pages, and so on.
 *
 * Keys are charged to a place of their own, for as long as they are: whoever makes one hold another
 * by its number alone (KEYCTL_RESTRICT_KEYRING) keeps it.  /proc/key-users has them all, but
 * reading it takes time with the square of their number, and anybody with a range can make that
 * large.
 *
 * The account is there as long as anything refers to it, and a new one is made for who becomes the
 * UID when there is none.  So a child takes each UID in turn as its real one, under the policy's
 * eyes (policy_trial_uid()), which refuses those that are known already, and asks for a keyring,
 * which the policy refuses by one error or another.  That is exact: of what was not refused there
 * was nothing that anybody could find later, and nothing comes while nobody has the UID.
 *
 * The policy knows the child by its effective UID, so that there is nothing to be written down of
 * it, and nothing to be cleaned away when it is killed.  Without a policy all UIDs would seem to be
 * clean: at the begin of each turn the child makes an account of its own and wants to be refused.
 *
 * An account is taken away a moment after its last process, when all processors have passed through
 * the kernel's scheduler; so the child asks a few times before it says that a UID is known.
 *
 * Limit: whoever asks for the priority of all processes of a UID (getpriority(2), ioprio_get(2))
 * holds its account meanwhile, and needs no permission.  Two processors that do nothing else keep a
 * range back, and its account charged, for as long as they do.  An open file of the last holder's
 * looks the same, and must be waited for: what it is sent over a socket for is counted for its
 * opener.
 *
 * The child keeps CAP_SETUID alone, and cannot be traced.  Whoever has the UID that it is trying
 * could end it, as a kill by its real UID; it comes to no result then.  It is in a session of its
 * own: no file of the last holder's that signals a process group (F_SETOWN) reaches it.  Knows
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

typedef struct UidTrialsConfig {
        uint32_t effective_uid; /* policy_trial_uid(); 0: nothing is found out */
        /* Take a real UID, in the child: 0 or negative errno.  NULL: the kernel is asked (else:
         * tests). */
        int (*become)(uint32_t uid, void *userdata);
        /* Get a keyring as the real UID, in the child: -ENOKEY: it is charged for none, -EDQUOT: it
         * is.  NULL: as above. */
        int (*get_key)(void *userdata);
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
        UID_TRIAL_HAS_KEYS,
        UID_TRIAL_UNKNOWN,   /* the child did not come to an end, or was not watched */
        UID_TRIAL_NOT_TRIED, /* there was none */
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
