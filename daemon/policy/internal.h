/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the policy-*.c files share with each other and with tests; nobody else includes it.
 *
 *      policy/policy.c          the contract: records, holders, events
 *      policy/rules.c    which program enforces which rule, by what the kernel offers
 *      policy/load.c     the BPF object: loaded, attached
 *      policy/pins.c     the pin folder: what to trust in it, how it is replaced
 *      policy/canary.c   tries every rule; knows no libbpf */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "bpf/policy-abi.h"
#include "daemon/policy/policy.h"

/* ---- programs and rules (policy/rules.c) ---- */

typedef enum PolicyProgram {
        PROGRAM_PATH_MKNOD,
        PROGRAM_PATH_MKDIR,
        PROGRAM_PATH_SYMLINK,
        PROGRAM_PATH_RENAME,
        PROGRAM_INODE_INIT_SECURITY,
        PROGRAM_INODE_MKDIR,
        PROGRAM_INODE_MKNOD,
        PROGRAM_INODE_SYMLINK,
        PROGRAM_INODE_CREATE,
        PROGRAM_FILE_OPEN,
        PROGRAM_INODE_LINK,
        PROGRAM_INODE_SETATTR_IDMAP,
        PROGRAM_INODE_SETATTR,
        PROGRAM_PATH_CHOWN,
        PROGRAM_PATH_CHMOD,
        PROGRAM_INODE_SET_ACL,
        PROGRAM_INODE_SETXATTR,
        PROGRAM_FILE_IOCTL,
        PROGRAM_FILE_IOCTL_COMPAT,
        PROGRAM_SB_KERN_MOUNT,
        PROGRAM_SHM_ALLOC_SECURITY,
        PROGRAM_SEM_ALLOC_SECURITY,
        PROGRAM_MSG_QUEUE_ALLOC_SECURITY,
        PROGRAM_KEY_PERMISSION,
        PROGRAM_KEY_ALLOC,
        PROGRAM_FILE_SET_FOWNER,
        PROGRAM_FILE_SEND_SIGIOTASK,
        PROGRAM_TASK_FIX_SETUID,
        PROGRAM_DEATH,
        PROGRAM_BIRTH,
        PROGRAM_DEATH_KPROBE,
        PROGRAM_BIRTH_KPROBE,
        PROGRAM_COUNT
} PolicyProgram;

typedef struct PolicyProgramInfo {
        const char *name; /* in the object */
        const char *hook; /* as the kernel calls it */
        bool is_tracing;  /* hook is a kernel function, else a security hook */
        bool is_kprobe;
        unsigned n_args; /* the program is for a hook with so many arguments; 0: any number */
} PolicyProgramInfo;

const PolicyProgramInfo *policy_program_info(PolicyProgram program);

/* What a kernel offers: one bit a program, and more. */
#define POLICY_OFFER(program) (UINT64_C(1) << (program))
#define POLICY_OFFER_OWNER_ON_DISK \
        (UINT64_C(1) << 62)                  /* inode_setattr is told the owner that goes to disk */
#define POLICY_OFFER_LSM (UINT64_C(1) << 61) /* it has BPF programs on security hooks at all */
#define POLICY_OFFER_ACL_PASSES_MOUNT_LATER                   \
        (UINT64_C(1) << 60) /* after inode_setxattr was asked \
                             */
#define POLICY_OFFER_ONE_IOCTL                                                          \
        (UINT64_C(1)                                                                    \
         << 59) /* file_ioctl is asked for 32-bit programs, too: there is no other hook \
                 */
#define POLICY_OFFER_NO_BTRFS (UINT64_C(1) << 58) /* nor can it be loaded */
#define POLICY_OFFER_NO_KEYS (UINT64_C(1) << 57)

/* What is no program. */
#define POLICY_OFFERS_OTHER                                                                    \
        (POLICY_OFFER_OWNER_ON_DISK | POLICY_OFFER_LSM | POLICY_OFFER_ACL_PASSES_MOUNT_LATER | \
         POLICY_OFFER_ONE_IOCTL | POLICY_OFFER_NO_BTRFS | POLICY_OFFER_NO_KEYS)

#define POLICY_RULES_MAX 16

typedef struct PolicyRuleInfo {
        const char *name;
        uint32_t bit; /* POLICY_RULE_*, 0: not one that refuses */
        bool needed;  /* Enforcement = required does not go without it */
        /* Sets of programs, best first; the first that is offered whole is taken.  A set may also
         * ask for POLICY_OFFERS_OTHER.  `note`: what is not as good with it. */
        struct {
                uint64_t programs;
                const char *note;
        } ways[4];
        const char *missing, *remedy; /* when no set is offered */
} PolicyRuleInfo;

const PolicyRuleInfo *policy_rule_info(size_t index, size_t *ret_n);

/* The index of the way to take for a rule, or -1. */
int policy_rule_way(const PolicyRuleInfo *rule, uint64_t offer);

/* ---- switches for tests ---- */

typedef struct PolicyTest {
        uint32_t rules_off;  /* POLICY_RULE_*: do not judge; the canary does not ask for them */
        uint64_t offers_off; /* as if the kernel did not have these: POLICY_OFFER() */
        bool without_loop_helper; /* as before 5.17 */
} PolicyTest;

#define POLICY_OFFERS_PATH                                                        \
        (POLICY_OFFER(PROGRAM_PATH_MKNOD) | POLICY_OFFER(PROGRAM_PATH_MKDIR) |    \
         POLICY_OFFER(PROGRAM_PATH_SYMLINK) | POLICY_OFFER(PROGRAM_PATH_RENAME) | \
         POLICY_OFFER(PROGRAM_PATH_CHOWN) | POLICY_OFFER(PROGRAM_PATH_CHMOD))

/* As policy_open(). */
int policy_open_for_test(const PolicyConfig *config, const PolicyTest *test, Policy **ret_policy);

/* Rules that do not judge this record, at once and until it is lent again; the overlay rule knows
 * no records. */
void policy_skip_rules_for_test(Policy *policy, uint32_t record, uint32_t rules);

/* Whether the kernel's map of holders has an entry of this namespace; one look at those that nobody
 * holds by, as is made in intervals. */
bool policy_has_holder_for_test(const Policy *policy, uint64_t userns_inode);
void policy_sweep_holders_for_test(Policy *policy);

/* ---- maps, object (policy/load.c) ---- */

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

struct policy_bpf;

typedef struct PolicyObject {
        struct policy_bpf *skeleton;
        struct bpf_link *links[PROGRAM_COUNT];
        uint64_t offer; /* what the kernel offers, less what could not be attached */
        char *problem;  /* why nothing could be loaded */
        const char *remedy;
} PolicyObject;

typedef struct PolicyLoad {
        uint32_t pool_start, n_slots, n_records;
        PolicyTest test;
        int map_fds[MAP_COUNT]; /* of an earlier daemon, to be shared; -1: make new ones */
} PolicyLoad;

/* Load and attach what this kernel offers.  0 also when that is nothing: then `problem` says why.
 */
int policy_object_load(const PolicyLoad *load, PolicyObject *ret_object);
void policy_object_clear(PolicyObject *object);
int policy_object_map_fd(const PolicyObject *object, PolicyMap map);
int policy_object_program_fd(const PolicyObject *object, PolicyProgram program);

/* How often the kernel had to skip a program. */
uint64_t policy_object_missed(const PolicyObject *object);

/* ---- pins (policy/pins.c) ---- */

typedef struct PolicyPins PolicyPins;

/* Look at the pin folder; make it if there is none.  -EPERM, -ENOTDIR, -EMEDIUMTYPE: it cannot be
 * trusted or is not on a bpf file system. */
int policy_pins_open(const PolicyConfig *config, uint32_t n_records, PolicyPins **ret_pins);
void policy_pins_free(PolicyPins *pins);
/* Descriptors of the maps an earlier daemon pinned, all or none (-1); borrowed. */
const int *policy_pins_maps(const PolicyPins *pins);
/* Ranges of another pool are protected by what is pinned. */
bool policy_pins_hold_other_pool(const PolicyPins *pins);
/* Whether there is anything that policy_pins_commit() would take away. */
bool policy_pins_have_old(const PolicyPins *pins);
/* Pin all but the last map beside what is there; commit adds that, which makes the set valid, and
 * takes the old away. */
int policy_pins_write(PolicyPins *pins, const PolicyObject *object);
int policy_pins_commit(PolicyPins *pins, const PolicyObject *object);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PolicyPins, policy_pins_free)

/* ---- canary (policy/canary.c) ---- */

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
