/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lender's policy: as the daemon opens it, or with rules left out (tests only);
 * lender-policy-none.c for builds without BPF. */

#include "daemon/policy/policy.h"

/* `without`: names of rules, with commas between them, that are not to judge; NULL: none of them.
 * 0 only if the policy is in force. */
int lender_policy_open(const PolicyConfig *config, const char *without, Policy **ret_policy);

/* Rules, their names with commas between, that do not judge a record until it is lent again.  Not
 * for overlay: a mount is judged without a record. */
int lender_policy_skip(Policy *policy, uint32_t record, const char *names);
