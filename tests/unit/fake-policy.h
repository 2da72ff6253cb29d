/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* daemon/policy/policy.h without a kernel: linked in libpolicy.la's place, it enforces nothing,
 * remembers what it was told, and lets a test act in the moment between protection and map. */

#include "daemon/policy/policy.h"

typedef struct FakePolicy {
        int protect_result;
        void (*on_protect)(uint32_t first_record, uint32_t n_records, void *userdata);
        void *userdata;
        unsigned n_protected, n_unprotected, n_orphaned;
        uint32_t last_record, last_n_records;
        int slot;                        /* what policy_slot() says of every record, or ... */
        uint8_t *slots;                  /* ... of each, POLICY_SLOT_*; kept by the other calls */
        void (*on_step)(void *userdata); /* before and after what takes protection off */
        unsigned n_forgotten;            /* slots whose notes of uses were */
        uint32_t unused_from;            /* this chunk of UIDs and all behind it; 0: none */
        unsigned n_split;
        uint32_t split_slot, split_first_single;
} FakePolicy;

/* The one that policy_*() act on. */
FakePolicy *fake_policy(Policy *policy);
