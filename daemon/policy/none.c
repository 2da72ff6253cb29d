/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/policy.h"

/* Builds without libbpf, clang or bpftool: every rule is inactive, and says so. */

struct Policy {
        PolicyRule rules[1];
};

int policy_open(const PolicyConfig *config, Policy **ret_policy) {
        Policy *policy = g_new(Policy, 1);

        *policy = (Policy){
                .rules = { {
                        .name = "all",
                        .needed = true,
                        .reason = config->enforce ? "this build has no kernel policy"
                                                  : "Enforcement=none",
                        .remedy = config->enforce ? "build with libbpf, clang and bpftool "
                                                    "(configure's summary names what was missing)"
                                                  : "set Enforcement=required in nsresourced.conf",
                } },
        };
        *ret_policy = policy;
        return POLICY_E_UNSUPPORTED;
}

void policy_free(Policy *policy) {
        g_free(policy);
}

bool policy_is_enforcing(const Policy *policy) {
        return false;
}

const PolicyRule *policy_rules(const Policy *policy, size_t *ret_n_rules) {
        *ret_n_rules = G_N_ELEMENTS(policy->rules);
        return policy->rules;
}

bool policy_was_adopted(const Policy *policy) {
        return false;
}

bool policy_has_predecessor(const Policy *policy) {
        return false;
}

int policy_settle(Policy *policy) {
        return 0;
}

int policy_split(Policy *policy, uint32_t slot, uint32_t first_single) {
        return 0;
}

int policy_protect(
        Policy *policy, uint32_t first_record, uint32_t n_records, uint64_t userns_inode) {
        return 0;
}

int policy_orphan(Policy *policy, uint32_t first_record, uint32_t n_records) {
        return 0;
}

int policy_unprotect(Policy *policy, uint32_t first_record, uint32_t n_records) {
        return 0;
}

bool policy_sees_ends(const Policy *policy) {
        return false;
}

int policy_slot(Policy *policy, uint32_t record, uint64_t *ret_userns_inode) {
        *ret_userns_inode = 0;
        return 0;
}

void policy_forget_uses(Policy *policy, uint32_t first_record, uint32_t n_records) {
}

bool policy_was_used(const Policy *policy, uint32_t record, uint32_t chunk) {
        return true;
}

uint32_t policy_trial_uid(const Policy *policy) {
        return 0;
}
