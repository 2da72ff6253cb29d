/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The policy with some of it switched off, and a look into it: for tests and measurements only.
 * policy/policy.c has these functions. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/policy/policy.h"
#include "daemon/policy/rules.h"

typedef struct PolicyTest {
        uint32_t rules_off;   /* POLICY_RULE_*: do not judge; the canary does not ask for them */
        uint64_t unavailable; /* as if the kernel did not have these: POLICY_AVAILABLE() */
        bool without_loop_helper; /* as before 5.17 */
} PolicyTest;

#define POLICY_AVAILABLE_PATH                                                             \
        (POLICY_AVAILABLE(PROGRAM_PATH_MKNOD) | POLICY_AVAILABLE(PROGRAM_PATH_MKDIR) |    \
         POLICY_AVAILABLE(PROGRAM_PATH_SYMLINK) | POLICY_AVAILABLE(PROGRAM_PATH_RENAME) | \
         POLICY_AVAILABLE(PROGRAM_PATH_CHOWN) | POLICY_AVAILABLE(PROGRAM_PATH_CHMOD))

/* As policy_open(). */
int policy_open_for_test(const PolicyConfig *config, const PolicyTest *test, Policy **ret_policy);

/* Rules that do not judge this record, at once and until it is lent again; the overlay rule knows
 * no records. */
void policy_skip_rules_for_test(Policy *policy, uint32_t record, uint32_t rules);

/* Whether the kernel's map of holders has an entry of this namespace; one pass over the entries
 * that are to be dropped, as is made in intervals. */
bool policy_has_holder_for_test(const Policy *policy, uint64_t userns_inode);
void policy_drop_dead_holders_for_test(Policy *policy);
