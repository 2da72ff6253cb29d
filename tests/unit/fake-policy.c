/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/unit/fake-policy.h"

struct Policy {
        FakePolicy fake;
};

FakePolicy *fake_policy(Policy *policy) {
        return &policy->fake;
}

int policy_open(const PolicyConfig *config, Policy **ret_policy) {
        *ret_policy = g_new0(Policy, 1);
        return 0;
}

void policy_free(Policy *policy) {
        g_free(policy);
}

bool policy_is_enforcing(const Policy *policy) {
        return true;
}

const PolicyRule *policy_rules(const Policy *policy, size_t *ret_n_rules) {
        *ret_n_rules = 0;
        return NULL;
}

bool policy_was_adopted(const Policy *policy) {
        return true;
}

bool policy_has_predecessor(const Policy *policy) {
        return false;
}

int policy_settle(Policy *policy) {
        return 0;
}

int policy_split(Policy *policy, uint32_t slot, uint32_t first_single) {
        policy->fake.split_slot = slot;
        policy->fake.split_first_single = first_single;
        policy->fake.n_split++;
        return 0;
}

int policy_protect(
        Policy *policy, uint32_t first_record, uint32_t n_records, uint64_t userns_inode) {
        FakePolicy *fake = &policy->fake;

        fake->last_record = first_record;
        fake->last_n_records = n_records;
        fake->n_protected++;
        for (uint32_t i = 0; fake->slots && i < n_records; i++)
                fake->slots[first_record + i] = POLICY_SLOT_LENT;
        if (fake->on_protect)
                fake->on_protect(first_record, n_records, fake->userdata);
        return fake->protect_result;
}

static void fake_policy_change(
        FakePolicy *fake, uint32_t first_record, uint32_t n_records, uint8_t slot) {
        for (uint32_t i = 0; i < n_records; i++) {
                if (fake->on_step)
                        fake->on_step(fake->userdata);
                if (fake->slots)
                        fake->slots[first_record + i] = slot;
                if (fake->on_step)
                        fake->on_step(fake->userdata);
        }
}

int policy_orphan(Policy *policy, uint32_t first_record, uint32_t n_records) {
        policy->fake.n_orphaned++;
        fake_policy_change(&policy->fake, first_record, n_records, POLICY_SLOT_ORPHANED);
        return 0;
}

int policy_unprotect(Policy *policy, uint32_t first_record, uint32_t n_records) {
        policy->fake.n_unprotected++;
        fake_policy_change(&policy->fake, first_record, n_records, POLICY_SLOT_FREE);
        return 0;
}

bool policy_sees_ends(const Policy *policy) {
        return true;
}

int policy_slot(Policy *policy, uint32_t record, uint64_t *ret_userns_inode) {
        *ret_userns_inode = 0;
        return policy->fake.slots ? policy->fake.slots[record] : policy->fake.slot;
}

void policy_forget_uses(Policy *policy, uint32_t first_record, uint32_t n_records) {
        policy->fake.n_forgotten += n_records;
}

bool policy_was_used(const Policy *policy, uint32_t record, uint32_t chunk) {
        return !policy->fake.unused_from || chunk < policy->fake.unused_from;
}

uint32_t policy_trial_uid(const Policy *policy) {
        return 0;
}
