/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-or-later */
#pragma once

/* What the policy decides by: maps, which IDs are lent and to whom, what outlives, ID maps, upper
 * layers.  Knows no hook; policy.bpf.c says in prose what is refused, and has the hooks. */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/ptrace.h>
#include <stdbool.h>

#include "bpf/kernel-types.h"
#include "bpf/policy-abi.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define LEVELS_MAX 34    /* user namespaces nest 33 deep: 32 below the first, and one to spare */
#define EXTENTS_INLINE 5 /* of an ID map, before the kernel moves them behind a pointer */
#define EXTENTS_MAX 340  /* the kernel's limit */
#define EXTENTS_STEPS 9  /* of a binary search among them */
#define INVALID_ID 0xffffffffu
#define LENT_BY_NOBODY ~0ull

#define SB_KERNMOUNT (1ul << 22)
#define SB_NOUSER (1ul << 31)
#define PROC_SUPER_MAGIC 0x9fa0
#define DEVPTS_SUPER_MAGIC 0x1cd1
#define CGROUP2_SUPER_MAGIC 0x63677270
#define HUGETLBFS_MAGIC 0x958458f6
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

/* Set before the programs are loaded; the verifier then drops what they switch off. */
const volatile __u32 pool_start = 0;
const volatile __u32 pool_size = 0;     /* IDs, with the canary's at the end */
const volatile __u32 pool_slots = 0;    /* without it */
const volatile __u32 canary_record = 0; /* the last record */
const volatile __u32 rules_off = 0;     /* tests only: these rules do not judge */
const volatile bool without_path_hooks = false;
const volatile bool acl_passes_mount_later =
        false; /* 6.1: inode_setxattr comes before the mount's ID map */
const volatile bool without_loop_helper = false; /* tests only: as before 5.17 */

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __type(key, __u32);
        __type(value, struct policy_record);
        __uint(max_entries, 1); /* the loader knows how many */
} records SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __type(key, __u32);
        __type(value, struct policy_holder);
        __uint(max_entries, 1);
} holders SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __type(key, __u32);
        __type(value, struct policy_control);
        __uint(max_entries, 1);
} control SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, POLICY_EVENTS_SIZE);
} events SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __type(key, __u64);
        __type(value, __u64);
        __uint(max_entries, POLICY_SETTERS);
} setters SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __type(key, __u32);
        __type(value, struct policy_uses);
        __uint(max_entries, 1); /* the loader knows how many */
} uses SEC(".maps");

/* The compiler would rather negate a bool, and verifiers of some versions lose track of what that
 * can be. */
static __always_inline int verdict(bool refused) {
        int r = -EPERM;

        if (!refused)
                return 0;
        asm volatile("" : "+r"(r));
        return r;
}

/* ---- lent ---- */

static __always_inline bool in_pool(__u32 id) {
        return id - pool_start < pool_size;
}

/* The record of an ID that is lent and that `rule` judges, or NULL. */
static __noinline struct policy_record *lent_record(__u32 id, __u32 rule) {
        __u32 offset = id - pool_start, index;
        struct policy_record *record;

        if (offset >= pool_size || (rules_off & rule))
                return NULL;
        index = offset / POLICY_SLOT_SIZE;
        if (index == pool_slots)
                index = canary_record;
        record = bpf_map_lookup_elem(&records, &index);
        if (!record)
                return NULL;
        if (record->state == POLICY_RECORD_SPLIT) {
                offset %= POLICY_SLOT_SIZE;
                if (offset >= POLICY_SINGLES_PER_SPLIT)
                        return NULL;
                index = pool_slots + record->first_single + offset;
                record = bpf_map_lookup_elem(&records, &index);
                if (!record)
                        return NULL;
        }
        if (record->state != POLICY_RECORD_LENT && record->state != POLICY_RECORD_ORPHANED)
                return NULL;
        return record->skip_rules & rule ? NULL : record;
}

/* Whom an ID is lent to that `rule` judges, as the cookie of the holder, which is never used again:
 * 0 if it is not lent, LENT_BY_NOBODY if its holder is no more. */
static __noinline __u64 lent_to(__u32 id, __u32 rule) {
        struct policy_record *record = lent_record(id, rule);

        if (!record)
                return 0;
        return record->cookie ?: LENT_BY_NOBODY;
}

/* ---- outlives ---- */

static __always_inline bool holder_lives(__u32 holder, __u64 cookie) {
        struct policy_holder *entry = bpf_map_lookup_elem(&holders, &holder);

        return entry && entry->cookie && entry->cookie == cookie;
}

/* Functions that are not static are verified once a program, and not for each call.  They take
 * addresses as plain numbers and read by probing, also what is found through the private data of
 * overlayfs, of which the verifier knows no type. */
static __always_inline __u64 number_of(const void *pointer) {
        __u64 number = 0;

        (void) bpf_probe_read_kernel(&number, sizeof(number), &pointer);
        return number;
}

__noinline bool is_below(__u64 namespace, __u32 holder) {
        struct user_namespace *ns = (void *) namespace;

        for (int i = 0; i < LEVELS_MAX && ns; i++) {
                if (BPF_CORE_READ(ns, ns.inum) == holder)
                        return true;
                ns = BPF_CORE_READ(ns, parent);
        }
        return false;
}

/* Whether what belongs to `owner` outlives the holder of the record. */
static __noinline bool outlives(struct user_namespace *owner, const struct policy_record *record) {
        __u32 holder = record->holder;

        if (record->state != POLICY_RECORD_LENT || !holder || !is_below(number_of(owner), holder))
                return true;
        return !holder_lives(holder, record->cookie);
}

static __always_inline bool is_exempt(struct super_block *sb) {
        unsigned long flags = BPF_CORE_READ(sb, s_flags);

        if (flags & SB_NOUSER)
                return true;
        switch (BPF_CORE_READ(sb, s_magic)) {
        case PROC_SUPER_MAGIC:
        case DEVPTS_SUPER_MAGIC:
        case CGROUP2_SUPER_MAGIC:
                return true;
        case HUGETLBFS_MAGIC:
                /* memfd and SysV memory of huge pages: the kernel's own superblocks, which no user
                 * can mount, although they do not say so. */
                return flags & SB_KERNMOUNT;
        }
        return false;
}

static __noinline bool is_lent_beyond(__u32 id, struct user_namespace *owner, __u32 rule) {
        struct policy_record *record = lent_record(id, rule);

        return record && outlives(owner, record);
}

__noinline bool is_refused(__u32 uid, __u32 gid, __u64 superblock, __u32 rule) {
        struct super_block *sb = (void *) superblock;
        struct user_namespace *owner;

        if (is_exempt(sb))
                return false;
        owner = BPF_CORE_READ(sb, s_user_ns);
        return is_lent_beyond(uid, owner, rule) || is_lent_beyond(gid, owner, rule);
}

/* An inode of `sb` that belongs, or is to belong, to these IDs on disk. */
static __always_inline int judge(__u32 uid, __u32 gid, struct super_block *sb, __u32 rule) {
        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        return verdict(is_refused(uid, gid, number_of(sb), rule));
}

static __always_inline int judge_inode(struct inode *inode, __u32 rule) {
        __u32 uid = inode->i_uid.val, gid = inode->i_gid.val;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        return judge(uid, gid, inode->i_sb, rule);
}

/* As judge_inode(), for one that is new: no owner at all is as bad as a lent one, unless it only
 * says that the namespace of the file system does not map who owns it. */
static __always_inline int judge_new_inode(struct inode *inode, __u32 rule) {
        struct super_block *sb = inode->i_sb;

        if (inode->i_uid.val == INVALID_ID || inode->i_gid.val == INVALID_ID)
                return verdict(!(rules_off & rule) && !sb->s_user_ns->parent && !is_exempt(sb));
        return judge_inode(inode, rule);
}

/* ---- ID maps ---- */

static __always_inline bool extent_maps(
        const struct uid_gid_extent *extent, __u32 id, bool up, __u32 *ret_id) {
        __u32 from = up ? extent->lower_first : extent->first;
        __u32 to = up ? extent->first : extent->lower_first;

        if (id - from >= extent->count)
                return false;
        *ret_id = to + (id - from);
        return true;
}

/* Extents behind the pointer, sorted by what is looked for. */
static __noinline __u32
map_id_sorted(const struct uid_gid_extent *extents, __u32 n, __u32 id, bool up) {
        __u32 low = 0, high = n, mapped;

        for (int i = 0; i < EXTENTS_STEPS + 1 && low < high; i++) {
                __u32 middle = low + (high - low) / 2;
                struct uid_gid_extent extent;

                if (middle >= EXTENTS_MAX ||
                    bpf_probe_read_kernel(&extent, sizeof(extent), extents + middle))
                        return INVALID_ID;
                if (extent_maps(&extent, id, up, &mapped))
                        return mapped;
                if (id < (up ? extent.lower_first : extent.first))
                        high = middle;
                else
                        low = middle + 1;
        }
        return INVALID_ID;
}

/* Up: from what processes see to what is inside (for a mount: on disk).  Down: the other way. */
__noinline __u32 map_id(__u64 address, __u32 id, bool up) {
        const struct uid_gid_map *map = (const void *) address;
        struct uid_gid_extent extents[EXTENTS_INLINE];
        struct uid_gid_extent *sorted;
        __u32 n, mapped;

        if (bpf_core_read(&n, sizeof(n), &map->nr_extents))
                return INVALID_ID;
        if (n > EXTENTS_INLINE) {
                if (up ? bpf_core_read(&sorted, sizeof(sorted), &map->reverse)
                       : bpf_core_read(&sorted, sizeof(sorted), &map->forward))
                        return INVALID_ID;
                return map_id_sorted(sorted, n, id, up);
        }
        if (bpf_core_read(&extents, sizeof(extents), &map->extent))
                return INVALID_ID;
#pragma clang loop unroll(full)
        for (int i = 0; i < EXTENTS_INLINE; i++)
                if (i < n && extent_maps(&extents[i], id, up, &mapped))
                        return mapped;
        return INVALID_ID;
}

/* From 6.10 on, mounts have ID maps of their own; before, they use those of a namespace. */
static __always_inline bool mounts_have_maps(void) {
        return bpf_core_field_exists(((struct mnt_idmap *) 0)->uid_map);
}

/* What maps IDs between a mount, or a call that tells of one, and the disk. */
struct id_mapping {
        struct mnt_idmap *idmap;   /* if mounts have maps */
        struct user_namespace *ns; /* otherwise */
};

static __always_inline struct id_mapping mapping_of_idmap(struct mnt_idmap *idmap) {
        if (mounts_have_maps())
                return (struct id_mapping){ .idmap = idmap };
        return (struct id_mapping){ .ns = ((struct mnt_idmap___owner *) idmap)->owner };
}

static __always_inline struct id_mapping mapping_of_mount(struct vfsmount *mnt) {
        if (bpf_core_field_exists(mnt->mnt_idmap))
                return mapping_of_idmap(mnt->mnt_idmap);
        return (struct id_mapping){ .ns = ((struct vfsmount___userns *) mnt)->mnt_userns };
}

/* Whether it changes anything on file systems of `owner`. */
static __always_inline bool changes_ids(struct id_mapping mapping, struct user_namespace *owner) {
        if (mounts_have_maps())
                /* The map of a mount without one is empty; one that was set never is. */
                return mapping.idmap && mapping.idmap->uid_map.nr_extents;
        return mapping.ns && mapping.ns->parent && mapping.ns != owner;
}

static __always_inline __u64 uids_of(struct id_mapping mapping) {
        return mounts_have_maps() ? number_of(&mapping.idmap->uid_map)
                                  : number_of(&mapping.ns->uid_map);
}

static __always_inline __u64 gids_of(struct id_mapping mapping) {
        return mounts_have_maps() ? number_of(&mapping.idmap->gid_map)
                                  : number_of(&mapping.ns->gid_map);
}

/* An inode of `sb` that is to belong to these IDs, as seen above the mapping if there is one.  An
 * ID that is not mapped becomes INVALID_ID, and the kernel refuses it itself. */
static __always_inline int judge_through(
        struct id_mapping mapping, bool changes, __u32 uid, __u32 gid, struct super_block *sb,
        __u32 rule) {
        struct user_namespace *owner;

        if (changes) {
                owner = BPF_CORE_READ(sb, s_user_ns);
                uid = map_id(uids_of(mapping), uid, true);
                gid = map_id(gids_of(mapping), gid, true);
                if (BPF_CORE_READ(owner, parent)) {
                        uid = map_id(number_of(&owner->uid_map), uid, false);
                        gid = map_id(number_of(&owner->gid_map), gid, false);
                }
        }
        return judge(uid, gid, sb, rule);
}

/* ---- upper layers ---- */

/* As mapping_of_mount() and changes_ids(), by probing. */
static __always_inline struct id_mapping probe_mapping(struct vfsmount *mnt) {
        struct mnt_idmap *idmap;

        if (!bpf_core_field_exists(mnt->mnt_idmap))
                return (struct id_mapping){ .ns = BPF_CORE_READ(
                                                    (struct vfsmount___userns *) mnt, mnt_userns) };
        idmap = BPF_CORE_READ(mnt, mnt_idmap);
        if (mounts_have_maps())
                return (struct id_mapping){ .idmap = idmap };
        return (struct id_mapping){ .ns = BPF_CORE_READ(
                                            (struct mnt_idmap___owner *) idmap, owner) };
}

static __always_inline bool probe_changes_ids(
        struct id_mapping mapping, struct user_namespace *owner) {
        struct mnt_idmap *idmap = mapping.idmap;
        struct user_namespace *ns = mapping.ns;

        return mounts_have_maps() ? BPF_CORE_READ(idmap, uid_map.nr_extents) > 0
                                  : BPF_CORE_READ(ns, parent) && ns != owner;
}

/* The mount an overlay puts what is made in it on, NULL if it has none; false if that cannot be
 * told. */
static __always_inline bool find_upper(struct super_block *overlay, struct vfsmount **ret_upper) {
        struct ovl_fs *ovl = BPF_CORE_READ(overlay, s_fs_info);
        struct ovl_layer *layers = NULL;

        *ret_upper = NULL;
        if (!bpf_core_field_exists(ovl->layers) || !bpf_core_field_exists(layers->mnt))
                return false;
        return !bpf_core_read(&layers, sizeof(layers), &ovl->layers) && layers &&
               !bpf_core_read(ret_upper, sizeof(*ret_upper), &layers->mnt);
}

/* What is made in an overlay is made on its upper layer, with the same IDs.  sb_kern_mount has seen
 * to it, unless the overlay is older than the lending: a namespace can mount one while it is still
 * empty, and ask for a range then. */
static __noinline int judge_upper(struct super_block *overlay, __u32 uid, __u32 gid, __u32 rule) {
        struct vfsmount *upper;
        struct super_block *sb;
        struct id_mapping mapping;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        if (!find_upper(overlay, &upper))
                return -EPERM;
        if (!upper)
                return 0;
        sb = BPF_CORE_READ(upper, mnt_sb);
        mapping = probe_mapping(upper);
        return judge_through(
                mapping, probe_changes_ids(mapping, BPF_CORE_READ(sb, s_user_ns)), uid, gid, sb,
                rule);
}

static __noinline int judge_through_mount(struct vfsmount *mnt, __u32 uid, __u32 gid, __u32 rule) {
        struct id_mapping mapping = mapping_of_mount(mnt);
        struct super_block *sb = mnt->mnt_sb;
        int r;

        r = judge_through(mapping, changes_ids(mapping, sb->s_user_ns), uid, gid, sb, rule);
        return r || sb->s_magic != OVERLAYFS_SUPER_MAGIC
                       ? r
                       : judge_upper(sb, uid, gid, POLICY_RULE_OVERLAY);
}

/* ---- acting ---- */

static __always_inline int judge_acting(struct vfsmount *mnt, __u32 rule) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        __u32 uid = cred->fsuid.val, gid = cred->fsgid.val;

        if (!in_pool(uid) && !in_pool(gid) &&
            !changes_ids(mapping_of_mount(mnt), mnt->mnt_sb->s_user_ns))
                return 0;
        return judge_through_mount(mnt, uid, gid, rule);
}

/* As make, where no hook tells the mount. */
static __always_inline int judge_acting_without_mount(struct super_block *sb, __u32 rule) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        __u32 uid = cred->fsuid.val, gid = cred->fsgid.val;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        return judge(uid, gid, sb, rule);
}
