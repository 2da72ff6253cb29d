/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/rules.h"

#include <glib.h>

#define P(program) POLICY_AVAILABLE(PROGRAM_##program)

static const PolicyProgramInfo programs[PROGRAM_COUNT] = {
        [PROGRAM_PATH_MKNOD] = { .name = "policy_path_mknod", .hook = "path_mknod" },
        [PROGRAM_PATH_MKDIR] = { .name = "policy_path_mkdir", .hook = "path_mkdir" },
        [PROGRAM_PATH_SYMLINK] = { .name = "policy_path_symlink", .hook = "path_symlink" },
        [PROGRAM_PATH_RENAME] = { .name = "policy_path_rename",
                                  .hook = "path_rename",
                                  .n_args = 5 },
        [PROGRAM_INODE_INIT_SECURITY] = { .name = "policy_inode_init_security",
                                          .hook = "inode_init_security" },
        [PROGRAM_INODE_MKDIR] = { .name = "policy_inode_mkdir", .hook = "inode_mkdir" },
        [PROGRAM_INODE_MKNOD] = { .name = "policy_inode_mknod", .hook = "inode_mknod" },
        [PROGRAM_INODE_SYMLINK] = { .name = "policy_inode_symlink", .hook = "inode_symlink" },
        [PROGRAM_INODE_CREATE] = { .name = "policy_inode_create", .hook = "inode_create" },
        [PROGRAM_FILE_OPEN] = { .name = "policy_file_open", .hook = "file_open" },
        [PROGRAM_INODE_LINK] = { .name = "policy_inode_link", .hook = "inode_link" },
        [PROGRAM_INODE_SETATTR_IDMAP] = { .name = "policy_inode_setattr_idmap",
                                          .hook = "inode_setattr",
                                          .n_args = 3 },
        [PROGRAM_INODE_SETATTR] = { .name = "policy_inode_setattr",
                                    .hook = "inode_setattr",
                                    .n_args = 2 },
        [PROGRAM_PATH_CHOWN] = { .name = "policy_path_chown", .hook = "path_chown" },
        [PROGRAM_PATH_CHMOD] = { .name = "policy_path_chmod", .hook = "path_chmod" },
        [PROGRAM_INODE_SET_ACL] = { .name = "policy_inode_set_acl", .hook = "inode_set_acl" },
        [PROGRAM_INODE_SETXATTR] = { .name = "policy_inode_setxattr",
                                     .hook = "inode_setxattr",
                                     .n_args = 6 },
        [PROGRAM_FILE_IOCTL] = { .name = "policy_file_ioctl", .hook = "file_ioctl" },
        [PROGRAM_FILE_IOCTL_COMPAT] = { .name = "policy_file_ioctl_compat",
                                        .hook = "file_ioctl_compat" },
        [PROGRAM_SB_KERN_MOUNT] = { .name = "policy_sb_kern_mount", .hook = "sb_kern_mount" },
        [PROGRAM_SHM_ALLOC_SECURITY] = { .name = "policy_shm_alloc_security",
                                         .hook = "shm_alloc_security" },
        [PROGRAM_SEM_ALLOC_SECURITY] = { .name = "policy_sem_alloc_security",
                                         .hook = "sem_alloc_security" },
        [PROGRAM_MSG_QUEUE_ALLOC_SECURITY] = { .name = "policy_msg_queue_alloc_security",
                                               .hook = "msg_queue_alloc_security" },
        [PROGRAM_KEY_PERMISSION] = { .name = "policy_key_permission", .hook = "key_permission" },
        [PROGRAM_KEY_ALLOC] = { .name = "policy_key_alloc", .hook = "key_alloc" },
        [PROGRAM_FILE_SET_FOWNER] = { .name = "policy_file_set_fowner", .hook = "file_set_fowner" },
        [PROGRAM_FILE_SEND_SIGIOTASK] = { .name = "policy_file_send_sigiotask",
                                          .hook = "file_send_sigiotask" },
        [PROGRAM_TASK_FIX_SETUID] = { .name = "policy_task_fix_setuid", .hook = "task_fix_setuid" },
        [PROGRAM_DEATH] = { .name = "policy_death",
                            .hook = "retire_userns_sysctls",
                            .is_tracing = true },
        [PROGRAM_BIRTH] = { .name = "policy_birth",
                            .hook = "setup_userns_sysctls",
                            .is_tracing = true },
        [PROGRAM_DEATH_KPROBE] = { .name = "policy_death_kprobe",
                                   .hook = "retire_userns_sysctls",
                                   .is_tracing = true,
                                   .is_kprobe = true },
        [PROGRAM_BIRTH_KPROBE] = { .name = "policy_birth_kprobe",
                                   .hook = "setup_userns_sysctls",
                                   .is_tracing = true,
                                   .is_kprobe = true },
};

#define NO_PATH_NOTE                                                                               \
        "this kernel has no path hooks: an ID-mapped mount of a file system other than ext4, xfs " \
        "and tmpfs is refused too"
#define NO_PATH_REMEDY "a kernel with CONFIG_SECURITY_PATH"
#define NO_HOOK "this kernel does not have the hook"
#define NO_HOOK_REMEDY "a kernel with CONFIG_BPF_LSM, 5.14 or newer"

static const PolicyRuleInfo rules[] = {
        {
                .name = "make",
                .bit = POLICY_RULE_MAKE,
                .needed = true,
                .variants = { { P(PATH_MKNOD) | P(PATH_MKDIR) | P(PATH_SYMLINK) },
                              { P(INODE_CREATE) | P(INODE_MKNOD) | P(INODE_MKDIR) |
                                        P(INODE_SYMLINK),
                                NO_PATH_NOTE } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "tmpfile",
                .bit = POLICY_RULE_TMPFILE,
                .needed = true,
                .variants = { { P(FILE_OPEN) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "resurrect",
                .bit = POLICY_RULE_RESURRECT,
                .needed = true,
                .variants = { { P(INODE_LINK) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "chown",
                .bit = POLICY_RULE_CHOWN,
                .needed = true,
                .variants = { { P(INODE_SETATTR_IDMAP) },
                              { P(INODE_SETATTR) | POLICY_AVAILABLE_OWNER_ON_DISK },
                              { P(PATH_CHOWN) },
                              { P(INODE_SETATTR), "this kernel has no path hooks: changing owners "
                                                  "through an ID-mapped mount "
                                                  "is refused too" } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "mode",
                .bit = POLICY_RULE_MODE,
                .needed = true,
                .variants = { { P(INODE_SETATTR_IDMAP) },
                              { P(INODE_SETATTR) | POLICY_AVAILABLE_OWNER_ON_DISK },
                              { P(PATH_CHMOD) },
                              { P(INODE_SETATTR) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "whiteout",
                .bit = POLICY_RULE_WHITEOUT,
                .needed = true,
                .variants = { { P(PATH_RENAME) },
                              { P(INODE_INIT_SECURITY), "no hook of this kernel tells of "
                                                        "whiteouts: refused on ext4, xfs and "
                                                        "tmpfs only" } },
                .missing = NO_HOOK,
                .remedy = NO_PATH_REMEDY,
        },
        {
                .name = "overlay",
                .bit = POLICY_RULE_OVERLAY,
                .needed = true,
                .variants = { { P(SB_KERN_MOUNT) | P(INODE_MKDIR) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "subvolume",
                .bit = POLICY_RULE_SUBVOLUME,
                .needed = true,
                .variants = { { P(FILE_IOCTL) | P(FILE_IOCTL_COMPAT) },
                              { P(FILE_IOCTL) | POLICY_AVAILABLE_ONE_IOCTL },
                              { P(FILE_IOCTL) | POLICY_AVAILABLE_NO_BTRFS,
                                "calls of 32-bit programs are not seen, but there is no btrfs "
                                "here" } },
                .missing = "calls of 32-bit programs to btrfs are not seen: this kernel has "
                           "file_ioctl_compat, but not for BPF programs",
                .remedy =
                        "a kernel whose types tell of bpf_lsm_file_ioctl_compat; or one without "
                        "btrfs (/proc/filesystems) that loads no modules (kernel.modules_disabled)",
        },
        {
                .name = "acl",
                .bit = POLICY_RULE_ACL,
                .needed = true,
                .variants = { { P(INODE_SET_ACL) }, { P(INODE_SETXATTR) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "ipc",
                .bit = POLICY_RULE_IPC,
                .needed = true,
                .variants = { { P(SHM_ALLOC_SECURITY) | P(SEM_ALLOC_SECURITY) |
                                P(MSG_QUEUE_ALLOC_SECURITY) | P(INODE_CREATE) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "keys",
                .bit = POLICY_RULE_KEYS,
                .needed = true,
                .variants = { { P(KEY_PERMISSION) | P(KEY_ALLOC) },
                              { POLICY_AVAILABLE_NO_KEYS, "this kernel has no keys" } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "signal",
                .bit = POLICY_RULE_SIGNAL,
                .needed = true,
                .variants = { { P(FILE_SET_FOWNER) | P(FILE_SEND_SIGIOTASK) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "uids",
                .bit = POLICY_RULE_UIDS,
                .needed = true,
                .variants = { { P(TASK_FIX_SETUID) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "last-line",
                .bit = POLICY_RULE_LAST_LINE,
                .variants = { { P(INODE_INIT_SECURITY) } },
                .missing = NO_HOOK,
                .remedy = NO_HOOK_REMEDY,
        },
        {
                .name = "death",
                .variants = { { P(DEATH) }, { P(DEATH_KPROBE) } },
                .missing = "the kernel's function cannot be traced",
                .remedy = "a kernel with CONFIG_FUNCTION_TRACER and BTF, or CONFIG_KPROBES; "
                          "without it ends are found by "
                          "looking, later",
        },
        {
                .name = "birth",
                .variants = { { P(BIRTH) }, { P(BIRTH_KPROBE) } },
                .missing = "the kernel's function cannot be traced",
                .remedy = "a kernel with CONFIG_FUNCTION_TRACER and BTF, or CONFIG_KPROBES",
        },
};
G_STATIC_ASSERT(G_N_ELEMENTS(rules) == POLICY_RULES_MAX);

const PolicyProgramInfo *policy_program_info(PolicyProgram program) {
        return &programs[program];
}

const PolicyRuleInfo *policy_rule_info(size_t index, size_t *ret_n) {
        if (ret_n)
                *ret_n = G_N_ELEMENTS(rules);
        return index < G_N_ELEMENTS(rules) ? &rules[index] : NULL;
}

int policy_rule_variant(const PolicyRuleInfo *rule, uint64_t available) {
        for (size_t i = 0; i < G_N_ELEMENTS(rule->variants); i++)
                if (rule->variants[i].programs && (rule->variants[i].programs & ~available) == 0)
                        return (int) i;
        return -1;
}
