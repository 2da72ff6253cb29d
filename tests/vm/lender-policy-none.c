/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/lender-policy.h"

#include <errno.h>

int lender_policy_open(const PolicyConfig *config, const char *without, Policy **ret_policy) {
        return -EOPNOTSUPP;
}

int lender_policy_skip(Policy *policy, uint32_t record, const char *names) {
        return -EOPNOTSUPP;
}
