/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/lender-policy.h"

#include <errno.h>
#include <glib.h>

#include "daemon/policy/for-test.h"
#include "daemon/policy/rules.h"

static int rule_bits(const char *names, uint32_t *ret_bits) {
        g_auto(GStrv) wanted = g_strsplit(names, ",", -1);
        size_t n;
        const PolicyRuleInfo *rules = policy_rule_info(0, &n);

        *ret_bits = 0;
        for (char **name = wanted; *name; name++) {
                size_t i = 0;
                while (i < n && !g_str_equal(rules[i].name, *name))
                        i++;
                if (i == n)
                        return -ENOENT;
                *ret_bits |= rules[i].bit;
        }
        return 0;
}

int lender_policy_open(const PolicyConfig *config, const char *without, Policy **ret_policy) {
        PolicyTest test = { 0 };
        int r;

        if (!without)
                r = policy_open(config, ret_policy);
        else {
                r = rule_bits(without, &test.rules_off);
                if (r == 0)
                        r = policy_open_for_test(config, &test, ret_policy);
        }
        return r < 0 ? r : policy_is_enforcing(*ret_policy) || without ? 0 : -EOPNOTSUPP;
}

int lender_policy_skip(Policy *policy, uint32_t record, const char *names) {
        uint32_t bits;
        int r = rule_bits(names, &bits);

        if (r == 0)
                policy_skip_rules_for_test(policy, record, bits);
        return r;
}
