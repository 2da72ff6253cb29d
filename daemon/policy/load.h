/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The BPF object: its maps and programs, loaded and attached as far as this kernel goes.  Knows
 * nothing of pins and of what the records mean.  Private to daemon/policy. */

#include <stdint.h>

#include "daemon/policy/for-test.h"
#include "daemon/policy/rules.h"

typedef enum PolicyMap {
        MAP_RECORDS,
        MAP_HOLDERS,
        MAP_CONTROL,
        MAP_EVENTS,
        MAP_SETTERS,
        MAP_USES,
        MAP_COUNT
} PolicyMap;

/* Descriptors of none of them. */
#define POLICY_NO_MAPS \
        { -1, -1, -1, -1, -1, -1 }

typedef struct PolicyMapInfo {
        const char *name;
        uint32_t type, key_size, value_size, flags;
        uint32_t max_entries; /* 0: what policy_map_entries() says */
} PolicyMapInfo;

const PolicyMapInfo *policy_map_info(PolicyMap map);

/* One a record and one for the canary, or one a slot. */
uint32_t policy_map_entries(PolicyMap map, uint32_t n_slots, uint32_t n_records);

struct bpf_link;
struct policy_bpf;

typedef struct PolicyObject {
        struct policy_bpf *skeleton;
        struct bpf_link *links[PROGRAM_COUNT];
        uint64_t available; /* what the kernel has, less what could not be attached */
        char *problem;      /* why nothing could be loaded */
        const char *remedy;
} PolicyObject;

typedef struct PolicyLoad {
        uint32_t pool_start, n_slots, n_records;
        PolicyTest test;
        int map_fds[MAP_COUNT]; /* of an earlier daemon, to be shared; -1: make new ones */
} PolicyLoad;

/* Load and attach what this kernel has.  0 also when that is nothing: then `problem` says why.
 */
int policy_object_load(const PolicyLoad *load, PolicyObject *ret_object);
void policy_object_clear(PolicyObject *object);
int policy_object_map_fd(const PolicyObject *object, PolicyMap map);
int policy_object_program_fd(const PolicyObject *object, PolicyProgram program);

/* How often the kernel had to skip a program. */
uint64_t policy_object_missed(const PolicyObject *object);
