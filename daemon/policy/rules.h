/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which programs enforce which rule, by what the kernel has: tables and the choice from them.
 * Knows nothing of how programs are loaded.  Private to daemon/policy and to tests. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/policy-abi.h"

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

/* What a kernel has: one bit a program, and more. */
#define POLICY_AVAILABLE(program) (UINT64_C(1) << (program))
/* inode_setattr is told the owner that goes to disk. */
#define POLICY_AVAILABLE_OWNER_ON_DISK (UINT64_C(1) << 62)
/* It has BPF programs on security hooks at all. */
#define POLICY_AVAILABLE_LSM (UINT64_C(1) << 61)
/* An ACL meets the mount's ID map only after inode_setxattr was asked. */
#define POLICY_AVAILABLE_ACL_PASSES_MOUNT_LATER (UINT64_C(1) << 60)
/* file_ioctl is asked for 32-bit programs, too: there is no other hook. */
#define POLICY_AVAILABLE_ONE_IOCTL (UINT64_C(1) << 59)
/* There is no btrfs, and it cannot be loaded, either. */
#define POLICY_AVAILABLE_NO_BTRFS (UINT64_C(1) << 58)
#define POLICY_AVAILABLE_NO_KEYS (UINT64_C(1) << 57)

/* What is no program. */
#define POLICY_AVAILABLE_OTHER                                                  \
        (POLICY_AVAILABLE_OWNER_ON_DISK | POLICY_AVAILABLE_LSM |                \
         POLICY_AVAILABLE_ACL_PASSES_MOUNT_LATER | POLICY_AVAILABLE_ONE_IOCTL | \
         POLICY_AVAILABLE_NO_BTRFS | POLICY_AVAILABLE_NO_KEYS)

#define POLICY_RULES_MAX 16

typedef struct PolicyRuleInfo {
        const char *name;
        uint32_t bit; /* POLICY_RULE_*, 0: not one that refuses */
        bool needed;  /* Enforcement = required does not go without it */
        /* Sets of programs, best first; the first that is available whole is taken.  A set may also
         * ask for POLICY_AVAILABLE_OTHER.  `note`: what is not as good with it. */
        struct {
                uint64_t programs;
                const char *note;
        } variants[4];
        const char *missing, *remedy; /* when no set is available */
} PolicyRuleInfo;

const PolicyRuleInfo *policy_rule_info(size_t index, size_t *ret_n);

/* The index of the variant to take of a rule, or -1. */
int policy_rule_variant(const PolicyRuleInfo *rule, uint64_t available);
