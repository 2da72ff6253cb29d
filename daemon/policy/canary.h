/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the kernel refuses what it should: tries every rule.  Knows no libbpf.  Private to
 * daemon/policy. */

#include <stdint.h>

#include "bpf/policy-abi.h"

typedef struct PolicyCanary {
        volatile struct policy_record *record; /* the canary's, shared with the kernel */
        uint32_t first_id;                     /* of POLICY_CANARY_IDS */
        uint32_t rules;                        /* POLICY_RULE_* to try */
        uint32_t stand_in;                     /* of these, what the last line stands in for */
        /* Enter the namespace as a holder of lent IDs; the record's cookie is set. */
        int (*lend)(uint32_t userns_inode, void *userdata);
        void *userdata;
} PolicyCanary;

typedef struct PolicyCanaryResult {
        uint32_t userns_inode;
        int results[16]; /* by number of the rule's bit: 0: not refused; EPERM: refused; else what
                            came instead */
} PolicyCanaryResult;

int policy_canary_run(const PolicyCanary *canary, PolicyCanaryResult *ret_result);
