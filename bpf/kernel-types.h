/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's types, as far as the policy reads them: fields only, in any order.
 * preserve_access_index makes each access a relocation that the loader resolves from the running
 * kernel's BTF.  A name with ___ is a flavour: the same kernel type as it looks in other versions.
 */

#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        __u32 val;
} kuid_t;

typedef struct {
        __u32 val;
} kgid_t;

struct uid_gid_extent {
        __u32 first;       /* the ID inside: for a mount, the one on disk */
        __u32 lower_first; /* the ID outside: for a mount, the one that processes see */
        __u32 count;
};

/* nr_extents moved; it is found by name. */
struct uid_gid_map {
        __u32 nr_extents;
        union {
                struct uid_gid_extent extent[5];
                struct {
                        struct uid_gid_extent *forward; /* sorted by first */
                        struct uid_gid_extent *reverse; /* sorted by lower_first */
                };
        };
};

struct ns_common {
        unsigned int inum;
};

struct user_namespace {
        struct uid_gid_map uid_map;
        struct uid_gid_map gid_map;
        struct user_namespace *parent;
        struct ns_common ns;
};

typedef struct {
        int counter;
} atomic_t;

typedef struct refcount_struct {
        atomic_t refs;
} refcount_t;

/* All that the kernel counts by real UID. */
struct user_struct {
        refcount_t __count;
};

struct cred {
        kuid_t uid, euid, fsuid;
        kgid_t egid, fsgid;
        struct user_struct *user;
        struct user_namespace *user_ns;
};

struct key_type {
        const char *name;
};

struct key_user {
        refcount_t usage;
};

struct key {
        struct key_user *user;
        kuid_t uid; /* who it is charged to */
        struct key_type *type;
        char *description;
};

enum key_need_perm {
        KEY_NEED_WRITE,
        KEY_NEED_LINK,
        KEY_NEED_SETATTR,
};

struct ipc_namespace {
        struct user_namespace *user_ns;
};

struct nsproxy {
        struct ipc_namespace *ipc_ns;
};

struct task_struct {
        const struct cred
                *cred; /* subjective: what override_creds() and io_uring personalities set */
        struct nsproxy *nsproxy;
};

struct file_system_type {
        const char *name;
};

struct super_block {
        unsigned long s_flags;
        unsigned long s_magic;
        struct file_system_type *s_type;
        struct user_namespace *s_user_ns;
        void *s_fs_info;
};

struct inode {
        unsigned short i_mode;
        kuid_t i_uid;
        kgid_t i_gid;
        unsigned int i_nlink;
        struct super_block *i_sb;
};

struct qstr {
        const unsigned char *name;
};

struct dentry {
        struct inode *d_inode;
        struct qstr d_name;
};

/* From 6.10 on; earlier ones see the flavour below. */
struct mnt_idmap {
        struct uid_gid_map uid_map;
        struct uid_gid_map gid_map;
};

/* 6.2 to 6.9 */
struct mnt_idmap___owner {
        struct user_namespace *owner;
};

struct vfsmount {
        struct super_block *mnt_sb;
        struct mnt_idmap *mnt_idmap; /* from 6.2 on */
};

/* up to 6.1 */
struct vfsmount___userns {
        struct user_namespace *mnt_userns;
};

struct path {
        struct vfsmount *mnt;
        struct dentry *dentry;
};

struct file {
        unsigned int f_flags;
        struct inode *f_inode;
        struct path f_path;
        const struct cred *f_cred; /* who opened it */
};

/* Whom an open file signals, and on whose behalf. */
struct fown_struct {
        struct file *file; /* from 6.12 on; earlier ones see the flavour below */
        kuid_t uid, euid;
};

struct file___with_owner {
        struct fown_struct f_owner;
};

/* ia_vfsuid: from 6.0 on, the owner as seen through the mount; before, ia_uid is what goes to disk.
 */
struct iattr {
        unsigned int ia_valid;
        unsigned short ia_mode;
        kuid_t ia_uid;
        kgid_t ia_gid;
};

struct iattr___vfsuid {
        kuid_t ia_vfsuid;
        kgid_t ia_vfsgid;
};

struct posix_acl_entry {
        short e_tag;
        unsigned short e_perm;
        kuid_t e_uid;
};

struct posix_acl {
        unsigned int a_count;
        struct posix_acl_entry a_entries[0];
};

/* Overlayfs, usually a module: known only if it was loaded before the policy. */
struct ovl_layer {
        struct vfsmount *mnt;
};

struct ovl_fs {
        struct ovl_layer *layers; /* the first is the upper one */
};

#pragma clang attribute pop

/* Only passed through. */
struct kern_ipc_perm;
