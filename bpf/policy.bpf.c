/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-or-later */
/* clang-format off */
/*
 * THE POLICY
 *
 * No inode whose owner or group on disk is an ID that is lent now comes to exist on a file system
 * that outlives the namespace it is lent to.  In these words:
 *
 *   Lent      the ID lies in the pool and its record (policy-abi.h) says so.  IDs of the pool that
 *             are not lent are nobody's business: subuid blocks, DynamicUser and others live there.
 *   Acting    the subjective credentials of the current task, fsuid and fsgid (euid and egid for
 *             SysV IPC, which uses these), in whatever namespace the task is.
 *   Outlives  the superblock's owning user namespace is neither the holder of the ID nor below it.
 *             Never the mount or the mount namespace: both can be copied by anybody.
 *
 * Refused, with EPERM, on a superblock that outlives:
 *
 *   make        to create an inode (mkdir, mknod, open, symlink, bind) when the acting IDs, pushed
 *               through the mount's ID map, land on disk as lent
 *   tmpfile     to open an O_TMPFILE whose owner or group is lent, or none (-1): what an ID that a
 *               mount does not map gets, before a fix of 2026
 *   resurrect   to give a first name to an inode without one whose owner or group is lent
 *   chown       to give an inode to a lent owner or group, whoever does it
 *   mode        set-user-ID or set-group-ID on an inode whose owner or group is lent
 *   whiteout    a rename that leaves a whiteout, as make
 *   overlay     to mount, in a holder or below, an overlayfs whose upper layer outlives, unless the
 *               ID map of the upper mount can produce no ID of the pool; to make, as above, what
 *               lands on the upper layer of an overlay that is older than the lending; and, where
 *               the last line does not reach, the work folder of an overlay, which is there before
 *               anybody is asked about the mount
 *   subvolume   the ioctls of btrfs that make subvolumes and snapshots, as make
 *   ACL         an ACL entry that names a lent ID on disk, whoever sets it
 *   IPC         shared memory, semaphores, message queues (SysV and POSIX) with acting IDs that are
 *               lent, in an IPC namespace that outlives
 *   keys        to write or link to a key, to restrict it or change it, when it or who does that is
 *               lent, unless both are to one holder; to make a key of a lent owner for a namespace
 *               that outlives, or as a user of an encrypted file system's key, which stays with it
 *   last line   inode_init_security, on ext4, xfs and tmpfs: the final owner or group is lent, or
 *               none.  Late and exact, it sees what took another way in (nfsd, layered file
 *               systems).  These three are known to unwind cleanly; on btrfs a refusal there aborts
 *               the transaction and turns the file system read-only
 *
 * Not sent:
 *
 *   signal      what an open file signals on behalf of a lent UID (SIGIO, SIGURG, or what F_SETSIG
 *               says), unless it was opened in the holder, or told whom to signal by the holder.
 *               The kernel remembers the number alone, and the next holder has it, too
 *
 * Asked by the daemon:
 *
 *   uids        whether the kernel still knows a UID.  All that it counts by UID (descriptors in
 *               flight, pages of pipes, locked memory, watches of epoll, and what later kernels
 *               add) hangs on one user_struct, which exists as long as anything refers to it, and
 *               of which a process gets a reference when it becomes the UID.  A process whose
 *               effective UID is the canary's first, which is nobody else's, is refused, with
 *               EUSERS, a real UID that is lent and of which that reference is not the only one.
 *               Keys are charged elsewhere: the rule `keys` refuses such a process any key, with
 *               EDQUOT if the UID is charged for others, else with ENOKEY.  Both note which chunks
 *               of 256 UIDs of a slot anybody has become, or has made keys for
 *
 * Not judged: superblocks that no user can mount (pipes, sockets, anonymous inodes, memfd, also of
 * huge pages), and proc and devpts.  On cgroup2 folders alone are, by another rule, a part of `make`:
 * with lent IDs only in a folder that belongs to the same holder.  The first of these is one that
 * the daemon handed over, and removes with all that is below it.
 *
 * A kernel without the path hooks has no mount to read the ID map from.  There, ext4, xfs and tmpfs
 * decide in the last line if it is known to run, the others as `make` with the IDs as they are: an
 * ID-mapped mount of them is refused although it would do no harm.
 *
 * The work folder's mount is not known either.  If the folder it is made in can be written to by
 * its owner alone, who is not of the pool, the ID map that leads there is believed; otherwise an
 * overlay on an ID-mapped mount of btrfs or the like becomes read-only.
 *
 * WHAT IT DOES NOT STOP
 *
 *   - What exists already.  Inodes with lent owners from before the ID was lent stay; only set-ID
 *     bits, ACL entries and names for them are refused.
 *   - A host process that gives its own IPC object to a lent ID (IPC_SET).  The new owner is not told
 *     to any hook; the daemon removes such objects from the host's IPC namespace before a range is
 *     free again.
 *   - An ACL that is inherited from a folder whose default ACL is older than the lending: no hook
 *     sees it.  It gives nothing away that the folder's owner could not give to himself, and naming
 *     an ID of the pool that is not lent is refused to nobody.
 *   - A keyring that KEYCTL_RESTRICT_KEYRING makes hold a key of a lent owner, named by its serial
 *     number alone.  The key is charged to the lent UID: the trial finds that, and the range waits.
 *   - On kernels before 6.2 that lack a fix of 6.1.54, a program is skipped while another process
 *     that has been preempted in it waits for the same processor (preempt=full only).
 *   - What servers inside the kernel (nfsd, ksmbd) make for a lent ID where the last line does not
 *     reach, such as on btrfs: no path hook sees them.
 *   - Inodes that a file system makes by ioctl without the VFS, other than btrfs (ocfs2's reflink).
 *   - Between 6.0 and 6.8, owners that nfsd is told to set by a client (chown): no hook there sees
 *     the ID map.  On other versions inode_setattr sees it.
 *   - Servers outside this kernel: what a remote NFS or 9p server stores is judged by the mount's
 *     superblock here, and by nothing when somebody speaks the protocol from user space.
 *   - Group IDs that a set-group-ID directory hands down: the directory cannot have a lent group, or,
 *     if it is older than the lending, the last line sees it where it runs.
 *
 * HOW
 *
 * Programs are loaded by what the kernel's BTF has, never by version (daemon/policy/load.c); where an
 * argument list changed there is one program for each.  They do not look at an earlier program's
 * verdict: the trampoline stops at the first refusal, so a program that runs has none before it.
 * Cheap first: acting IDs outside the pool on a mount without ID map leave after a few comparisons.
 * What cannot be read or is too deep is refused.
 */
/* clang-format on */
#include "bpf/policy-judge.bpf.h"

#define ACL_ENTRIES_MAX 64 /* before 5.17, which has bpf_loop(); more are refused */
#define KEY_POSSESSED 1ul  /* in the last bit of the address */
#define MQUEUE_MAGIC 0x19800202
#define O_TMPFILE_BIT \
        020000000u /* __O_TMPFILE, the same on all we build for; alpha, parisc and sparc differ */
#define RENAME_WHITEOUT 4u
#define ATTR_MODE (1u << 0)
#define ATTR_UID (1u << 1)
#define ATTR_GID (1u << 2)
#define MODE_SETID 06000u
#define MODE_ALL 07777u
#define MODE_OTHERS_WRITE 00022u /* the group's bit is also that of whoever an ACL names */
#define ACL_XATTR_HEADER 4
#define ACL_USER 0x02
#define ACL_GROUP 0x08
#define BTRFS_IOC_SNAP_CREATE 0x50009401u
#define BTRFS_IOC_SUBVOL_CREATE 0x5000940eu
#define BTRFS_IOC_SNAP_CREATE_V2 0x50009417u
#define BTRFS_IOC_SUBVOL_CREATE_V2 0x50009418u

/* ---- make, whiteout ---- */

SEC("lsm/path_mknod")
int BPF_PROG(policy_path_mknod, const struct path *dir) {
        return judge_acting(dir->mnt, POLICY_RULE_MAKE);
}

/* In a control group. */
static __noinline int judge_control_group(struct inode *dir) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        __u32 uid = cred->fsuid.val, gid = cred->fsgid.val;
        __u64 u, g, owner;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        u = lent_to(uid, POLICY_RULE_MAKE);
        g = lent_to(gid, POLICY_RULE_MAKE);
        if (!u && !g)
                return 0;
        owner = lent_to(dir->i_uid.val, POLICY_RULE_MAKE);
        return verdict(!owner || owner == LENT_BY_NOBODY || (u && u != owner) || (g && g != owner));
}

SEC("lsm/path_mkdir")
int BPF_PROG(policy_path_mkdir, const struct path *dir) {
        if (dir->mnt->mnt_sb->s_magic == CGROUP2_SUPER_MAGIC)
                return judge_control_group(dir->dentry->d_inode);
        return judge_acting(dir->mnt, POLICY_RULE_MAKE);
}

SEC("lsm/path_symlink")
int BPF_PROG(policy_path_symlink, const struct path *dir) {
        return judge_acting(dir->mnt, POLICY_RULE_MAKE);
}

SEC("lsm/path_rename")
int BPF_PROG(
        policy_path_rename, const struct path *old_dir, struct dentry *old_dentry,
        const struct path *new_dir, struct dentry *new_dentry, unsigned int flags) {
        if (!(flags & RENAME_WHITEOUT))
                return 0;
        return judge_acting(old_dir->mnt, POLICY_RULE_WHITEOUT);
}

/* ---- last line ---- */

/* Eight bytes of text as one number: memcmp() is a call, and there is nothing to call. */
static __always_inline __u64 word_of(const char text[8]) {
        __u64 word;

        __builtin_memcpy(&word, text, sizeof(word));
        return word;
}

/* File systems that were seen to unwind a refusal in inode_init_security.  By name: ext2 has the
 * magic of ext4. */
static __noinline bool unwinds(struct super_block *sb) {
        union {
                char text[8];
                __u64 word;
        } name = {};

        if (bpf_probe_read_kernel_str(name.text, sizeof(name.text), sb->s_type->name) < 0)
                return false;
        return name.word == word_of("ext4\0\0\0") || name.word == word_of("xfs\0\0\0\0") ||
               name.word == word_of("tmpfs\0\0");
}

SEC("lsm/inode_init_security")
int BPF_PROG(policy_inode_init_security, struct inode *inode) {
        __u32 uid = inode->i_uid.val, gid = inode->i_gid.val;

        if (!in_pool(uid) && !in_pool(gid) && uid != INVALID_ID && gid != INVALID_ID)
                return 0;
        return unwinds(inode->i_sb) ? judge_new_inode(inode, POLICY_RULE_LAST_LINE) : 0;
}

/* ---- make, where no hook tells the mount ---- */

/* Whether the last line decides: it knows better. */
static __always_inline bool has_last_line(struct super_block *sb) {
        struct policy_control *state;
        __u32 zero = 0;

        state = bpf_map_lookup_elem(&control, &zero);
        return state && state->last_line && unwinds(sb);
}

/* Kernels without path hooks. */
static __noinline int judge_in(struct inode *dir) {
        return has_last_line(dir->i_sb) ? 0
                                        : judge_acting_without_mount(dir->i_sb, POLICY_RULE_MAKE);
}

/* overlayfs has made its work folder before sb_kern_mount is asked, and no path hook sees that.  It
 * is known by its name and by having no permissions at all.  Where nobody but an owner who is not
 * of the pool may write, the mount has an ID map that leads to that owner: the folder will not be
 * lent.  Without the folder the overlay is read-only. */
static __noinline int judge_work_folder(struct inode *dir, struct dentry *entry) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        union {
                char text[8];
                __u64 word;
        } name = {};

        if (!in_pool(cred->fsuid.val) && !in_pool(cred->fsgid.val))
                return 0;
        if (bpf_probe_read_kernel_str(name.text, sizeof(name.text), entry->d_name.name) < 0)
                return -EPERM;
        if (name.word != word_of("work\0\0\0") ||
            (!(dir->i_mode & MODE_OTHERS_WRITE) && !in_pool(dir->i_uid.val)) ||
            has_last_line(dir->i_sb))
                return 0;
        return judge_acting_without_mount(dir->i_sb, POLICY_RULE_OVERLAY);
}

SEC("lsm/inode_mkdir")
int BPF_PROG(policy_inode_mkdir, struct inode *dir, struct dentry *entry, unsigned short mode) {
        if (without_path_hooks)
                return dir->i_sb->s_magic == CGROUP2_SUPER_MAGIC ? judge_control_group(dir)
                                                                 : judge_in(dir);
        return mode & MODE_ALL ? 0 : judge_work_folder(dir, entry);
}

SEC("lsm/inode_mknod")
int BPF_PROG(policy_inode_mknod, struct inode *dir) {
        return judge_in(dir);
}

SEC("lsm/inode_symlink")
int BPF_PROG(policy_inode_symlink, struct inode *dir) {
        return judge_in(dir);
}

/* Also the only hook on the way of mq_open(). */
SEC("lsm/inode_create")
int BPF_PROG(policy_inode_create, struct inode *dir) {
        if (dir->i_sb->s_magic == MQUEUE_MAGIC)
                return judge_acting_without_mount(dir->i_sb, POLICY_RULE_IPC);
        return without_path_hooks ? judge_in(dir) : 0;
}

/* ---- tmpfile, resurrect ---- */

SEC("lsm/file_open")
int BPF_PROG(policy_file_open, struct file *file) {
        if (!(file->f_flags & O_TMPFILE_BIT))
                return 0;
        return judge_new_inode(file->f_inode, POLICY_RULE_TMPFILE);
}

/* The owner on disk is in the inode: no mount is needed, so this one hook sees link(2) and
 * everybody else. */
SEC("lsm/inode_link")
int BPF_PROG(policy_inode_link, struct dentry *old_dentry) {
        struct inode *inode = old_dentry->d_inode;

        if (!inode || inode->i_nlink)
                return 0;
        return judge_new_inode(inode, POLICY_RULE_RESURRECT);
}

/* ---- chown, mode ---- */

static __always_inline int judge_mode(struct inode *inode, unsigned int mode) {
        return mode & MODE_SETID ? judge_inode(inode, POLICY_RULE_MODE) : 0;
}

static __noinline int judge_attr(
        struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr) {
        unsigned int valid = attr->ia_valid;
        struct inode *inode = dentry->d_inode;
        __u32 uid = INVALID_ID, gid = INVALID_ID;

        if (!inode)
                return 0;
        if (valid & (ATTR_UID | ATTR_GID)) {
                struct id_mapping mapping = {};
                int r;

                if (valid & ATTR_UID)
                        uid = attr->ia_uid.val;
                if (valid & ATTR_GID)
                        gid = attr->ia_gid.val;
                if (idmap)
                        mapping = mapping_of_idmap(idmap);
                r = judge_through(
                        mapping, changes_ids(mapping, inode->i_sb->s_user_ns), uid, gid,
                        inode->i_sb, POLICY_RULE_CHOWN);
                if (r)
                        return r;
        }
        return valid & ATTR_MODE ? judge_mode(inode, attr->ia_mode) : 0;
}

/* From 6.9 on. */
SEC("lsm/inode_setattr")
int BPF_PROG(
        policy_inode_setattr_idmap, struct mnt_idmap *idmap, struct dentry *dentry,
        struct iattr *attr) {
        if (!(attr->ia_valid & (ATTR_UID | ATTR_GID | ATTR_MODE)))
                return 0;
        return judge_attr(idmap, dentry, attr);
}

/* Up to 5.19 the owner here is the one on disk; from 6.0 to 6.8 the one the mount shows. */
SEC("lsm/inode_setattr")
int BPF_PROG(policy_inode_setattr, struct dentry *dentry, struct iattr *attr) {
        if (!(attr->ia_valid & (ATTR_UID | ATTR_GID | ATTR_MODE)))
                return 0;
        return judge_attr(NULL, dentry, attr);
}

/* Both judge an overlay's upper layer, too: inode_setattr, which would see it, is not asked. */

/* The kernel has pushed both through the ID map; -1 is unchanged.  Each is a struct of 32 bits. */
SEC("lsm/path_chown")
int BPF_PROG(policy_path_chown, const struct path *path, __u32 uid, __u32 gid) {
        struct super_block *sb = path->mnt->mnt_sb;
        int r;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        r = judge(uid, gid, sb, POLICY_RULE_CHOWN);
        return r || sb->s_magic != OVERLAYFS_SUPER_MAGIC
                       ? r
                       : judge_upper(sb, uid, gid, POLICY_RULE_CHOWN);
}

SEC("lsm/path_chmod")
int BPF_PROG(policy_path_chmod, const struct path *path, unsigned int mode) {
        struct inode *inode = path->dentry->d_inode;
        struct super_block *sb;
        int r;

        if (!inode || !(mode & MODE_SETID))
                return 0;
        r = judge_mode(inode, mode);
        sb = inode->i_sb;
        return r || sb->s_magic != OVERLAYFS_SUPER_MAGIC
                       ? r
                       : judge_upper(sb, inode->i_uid.val, inode->i_gid.val, POLICY_RULE_MODE);
}

/* ---- ACL ---- */

/* Entries look the same in memory and in an extended attribute. */
struct acl_entry {
        __u16 tag, permissions;
        __u32 id;
};

struct acl_walk {
        const struct acl_entry *entries;
        __u32 n;
        struct user_namespace *owner;
        struct user_namespace
                *ns; /* the entries have yet to pass the ID map of this mount's namespace */
};

static __noinline __u32 acl_to_disk(struct acl_walk *walk, __u32 id, bool group) {
        struct user_namespace *ns = walk->ns, *owner = walk->owner;

        id = map_id(group ? number_of(&ns->gid_map) : number_of(&ns->uid_map), id, true);
        if (owner->parent)
                id = map_id(
                        group ? number_of(&owner->gid_map) : number_of(&owner->uid_map), id, false);
        return id;
}

/* For bpf_loop(): 1 ends it, and means refused. */
static long judge_acl_entry(__u32 i, struct acl_walk *walk) {
        struct acl_entry entry;

        if (i >= walk->n)
                return 0;
        if (bpf_probe_read_kernel(&entry, sizeof(entry), walk->entries + i))
                return 1;
        if (entry.tag != ACL_USER && entry.tag != ACL_GROUP)
                return 0;
        if (walk->ns)
                entry.id = acl_to_disk(walk, entry.id, entry.tag == ACL_GROUP);
        if (!in_pool(entry.id))
                return 0;
        return is_lent_beyond(entry.id, walk->owner, POLICY_RULE_ACL);
}

static __noinline int judge_acl(
        const void *entries, __u32 n, struct super_block *sb, struct user_namespace *ns) {
        struct acl_walk walk = { .entries = entries, .n = n, .owner = sb->s_user_ns, .ns = ns };
        __u64 steps = (__u64) n + 1;

        if (is_exempt(sb))
                return 0;
        if (!without_loop_helper && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
                /* Some verifiers put a loop here that compares all 64 bits of the number of steps,
                 * and whose errors are positive.  So these bits are to be zero, and only the full
                 * count passes; with one step more than there are entries, a refusal of the last
                 * one is told from the end. */
                asm volatile("" : "+r"(steps));
                return verdict((__u32) bpf_loop(steps, judge_acl_entry, &walk, 0) != n + 1);
        }
        if (n > ACL_ENTRIES_MAX)
                return -EPERM;
        for (__u32 i = 0; i < ACL_ENTRIES_MAX && i < n; i++)
                if (judge_acl_entry(i, &walk))
                        return -EPERM;
        return 0;
}

/* From 6.2 on; the entries name IDs on disk. */
SEC("lsm/inode_set_acl")
int BPF_PROG(
        policy_inode_set_acl, void *idmap, struct dentry *dentry, const char *name,
        struct posix_acl *acl) {
        struct inode *inode = dentry->d_inode;
        __u32 n;

        if (!inode || !acl)
                return 0;
        n = acl->a_count;
        return judge_acl(__builtin_preserve_access_index(&acl->a_entries), n, inode->i_sb, NULL);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(
        policy_inode_setxattr, struct user_namespace *ns, struct dentry *dentry, const char *name) {
        struct inode *inode = dentry->d_inode;
        __u64 value = 0, size = 0;
        union {
                char text[24];
                __u64 words[3];
        } prefix = {};

        if (!inode)
                return 0;
        if (bpf_probe_read_kernel_str(prefix.text, sizeof(prefix.text), name) < 0 ||
            prefix.words[0] != word_of("system.p") || prefix.words[1] != word_of("osix_acl"))
                return 0;
        if (!acl_passes_mount_later || !ns->parent || ns == inode->i_sb->s_user_ns)
                ns = NULL;
        /* Verifiers before 6.2 do not let an argument of type const void * be read. */
        if (bpf_probe_read_kernel(&value, sizeof(value), &ctx[3]) ||
            bpf_probe_read_kernel(&size, sizeof(size), &ctx[4]))
                return -EPERM;
        if (size <= ACL_XATTR_HEADER)
                return 0;
        return judge_acl(
                (const void *) (value + ACL_XATTR_HEADER),
                (size - ACL_XATTR_HEADER) / sizeof(struct acl_entry), inode->i_sb, ns);
}

/* ---- subvolume ---- */

static __always_inline int judge_ioctl(struct file *file, unsigned int command) {
        switch (command) {
        case BTRFS_IOC_SNAP_CREATE:
        case BTRFS_IOC_SNAP_CREATE_V2:
        case BTRFS_IOC_SUBVOL_CREATE:
        case BTRFS_IOC_SUBVOL_CREATE_V2:
                /* Nobody else has these numbers, so other file systems need no exception. */
                return judge_acting(file->f_path.mnt, POLICY_RULE_SUBVOLUME);
        }
        return 0;
}

SEC("lsm/file_ioctl")
int BPF_PROG(policy_file_ioctl, struct file *file, unsigned int command) {
        return judge_ioctl(file, command);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(policy_file_ioctl_compat, struct file *file, unsigned int command) {
        return judge_ioctl(file, command);
}

/* ---- overlay ---- */

/* The inode number of the nearest namespace, from `ns` up, that IDs are lent to; 0 if there is
 * none. */
static __noinline __u32 nearest_holder(struct user_namespace *ns) {
        for (int i = 0; i < LEVELS_MAX && ns; i++) {
                __u32 inode = ns->ns.inum;
                struct policy_holder *holder = bpf_map_lookup_elem(&holders, &inode);

                if (holder && holder->cookie && (holder->flags & POLICY_HOLDER_LENT))
                        return inode;
                ns = ns->parent;
        }
        return 0;
}

/* Whether a map can produce an ID of the pool on disk. */
__noinline bool map_reaches_pool(__u64 address) {
        const struct uid_gid_map *map = (const void *) address;
        struct uid_gid_extent *sorted = NULL;
        __u32 n;

        if (bpf_core_read(&n, sizeof(n), &map->nr_extents) || n > EXTENTS_MAX)
                return true;
        if (n > EXTENTS_INLINE && bpf_core_read(&sorted, sizeof(sorted), &map->forward))
                return true;
        for (__u32 i = 0; i < EXTENTS_MAX; i++) {
                struct uid_gid_extent extent;
                const struct uid_gid_extent *from =
                        sorted
                                ?: (const struct uid_gid_extent *) __builtin_preserve_access_index(
                                           &map->extent);

                if (i >= n)
                        return false;
                if (bpf_probe_read_kernel(&extent, sizeof(extent), from + i))
                        return true;
                if (in_pool(extent.first) || pool_start - extent.first < extent.count)
                        return true;
        }
        return true;
}

static __noinline bool mount_reaches_pool(struct vfsmount *mnt) {
        struct user_namespace *owner = BPF_CORE_READ(mnt, mnt_sb, s_user_ns);
        struct id_mapping mapping;

        /* The IDs on disk of a file system that a namespace owns are not what the map says: do not
         * guess. */
        if (BPF_CORE_READ(owner, parent))
                return true;
        mapping = probe_mapping(mnt);
        if (!probe_changes_ids(mapping, owner))
                return true;
        return map_reaches_pool(uids_of(mapping)) || map_reaches_pool(gids_of(mapping));
}

SEC("lsm/sb_kern_mount")
int BPF_PROG(policy_sb_kern_mount, struct super_block *sb) {
        struct vfsmount *upper;
        __u32 holder;

        if (sb->s_magic != OVERLAYFS_SUPER_MAGIC || (rules_off & POLICY_RULE_OVERLAY))
                return 0;
        holder = nearest_holder(sb->s_user_ns);
        if (!holder)
                return 0;
        if (!find_upper(sb, &upper))
                return -EPERM;
        if (!upper || is_below((__u64) BPF_CORE_READ(upper, mnt_sb, s_user_ns), holder))
                return 0;
        return verdict(mount_reaches_pool(upper));
}

/* ---- IPC ---- */

static __noinline int judge_ipc(void) {
        struct task_struct *task = bpf_get_current_task_btf();
        const struct cred *cred = task->cred;
        __u32 uid = cred->euid.val, gid = cred->egid.val;
        struct user_namespace *owner;

        if (!in_pool(uid) && !in_pool(gid))
                return 0;
        owner = task->nsproxy->ipc_ns->user_ns;
        return verdict(
                is_lent_beyond(uid, owner, POLICY_RULE_IPC) ||
                is_lent_beyond(gid, owner, POLICY_RULE_IPC));
}

SEC("lsm/shm_alloc_security")
int BPF_PROG(policy_shm_alloc_security) {
        return judge_ipc();
}

SEC("lsm/sem_alloc_security")
int BPF_PROG(policy_sem_alloc_security) {
        return judge_ipc();
}

SEC("lsm/msg_queue_alloc_security")
int BPF_PROG(policy_msg_queue_alloc_security) {
        return judge_ipc();
}

/* ---- notes and trials of UIDs, for keys and uids ---- */

/* Of a UID of a slot, lent or not. */
static __always_inline void note_use(__u32 uid) {
        __u32 offset = uid - pool_start, slot = offset / POLICY_SLOT_SIZE;
        struct policy_uses *noted = bpf_map_lookup_elem(&uses, &slot);

        if (noted)
                noted->chunks[offset % POLICY_SLOT_SIZE / POLICY_UIDS_PER_CHUNK] = 1;
}

/* Whoever takes UIDs on trial has an effective UID that is nobody else's: the canary's first. */
static __always_inline bool is_on_trial(const struct cred *cred) {
        return cred->euid.val == pool_start + pool_slots * POLICY_SLOT_SIZE;
}

/* ---- keys ---- */

/* Only UIDs: a key is charged to one, and what a group may do with it is the owner's gift. */

/* Whether a key's owner and who acts on it are of different holders, or one of a holder and the
 * other of nobody. */
static __noinline bool are_apart(__u32 acting, __u32 owner) {
        __u64 a = lent_to(acting, POLICY_RULE_KEYS), b = lent_to(owner, POLICY_RULE_KEYS);

        return a != b || a == LENT_BY_NOBODY;
}

/* Reading and searching is not judged: it leaves nothing behind. */
static __always_inline bool leaves_traces(__u32 need) {
        return need == bpf_core_enum_value(enum key_need_perm, KEY_NEED_WRITE) ||
               need == bpf_core_enum_value(enum key_need_perm, KEY_NEED_LINK) ||
               need == bpf_core_enum_value(enum key_need_perm, KEY_NEED_SETATTR);
}

SEC("lsm/key_permission")
int BPF_PROG(policy_key_permission) {
        __u64 reference = 0, need = 0;
        const struct cred *cred = (const struct cred *) ctx[1];
        struct key *key;
        __u32 acting = cred->fsuid.val, owner;

        /* A type of which nothing is known: verifiers do not let it be read. */
        if (bpf_probe_read_kernel(&reference, sizeof(reference), &ctx[0]) ||
            bpf_probe_read_kernel(&need, sizeof(need), &ctx[2]))
                return -EPERM;
        if (!leaves_traces((__u32) need))
                return 0;
        key = (struct key *) (reference & ~KEY_POSSESSED);
        owner = BPF_CORE_READ(key, uid.val);
        if (!in_pool(acting) && !in_pool(owner))
                return 0;
        return verdict(are_apart(acting, owner));
}

/* What a file system keeps of those who gave it a key, as keys that are charged to them. */
static __noinline bool stays_with_file_system(struct key *key) {
        union {
                char text[16];
                __u64 word;
        } name = {};

        if (bpf_probe_read_kernel_str(name.text, sizeof(name.text), key->type->name) < 0)
                return true;
        return name.word == word_of(".fscrypt");
}

/* The kernel's own list of the keyrings of a namespace's users.  It is charged to whoever made the
 * namespace, made with the first process's credentials, and goes with the namespace.  Keyrings with
 * a dot in front are made by nobody else. */
static __noinline bool is_register_of_users(struct key *key) {
        union {
                char text[16];
                __u64 words[2];
        } name = {}, type = {};

        if (bpf_probe_read_kernel_str(name.text, sizeof(name.text), key->description) < 0 ||
            bpf_probe_read_kernel_str(type.text, sizeof(type.text), key->type->name) < 0)
                return false;
        return type.words[0] == word_of("keyring\0") && name.words[0] == word_of(".user_re") &&
               name.words[1] == word_of("g\0\0\0\0\0\0\0");
}

/* A key of its own for who takes UIDs on trial, refused in any case: -EDQUOT if the UID is charged
 * for others, else -ENOKEY.  The kernel has counted this one in before it asks. */
static __always_inline int judge_trial_key(struct key *key) {
        int r = BPF_CORE_READ(key, user, usage.refs.counter) == 1 ? -ENOKEY : -EDQUOT;

        asm volatile("" : "+r"(r));
        return r;
}

/* Keys are found through what belongs to a namespace or a process; those of a namespace that
 * outlives, such as a host process with a lent UID would make, stay. */
SEC("lsm/key_alloc")
int BPF_PROG(policy_key_alloc, struct key *key, const struct cred *cred) {
        struct user_namespace *ns = cred->user_ns;
        __u32 owner = key->uid.val;
        struct policy_record *record;

        if (!in_pool(owner))
                return 0;
        /* Root of a namespace makes keys for UIDs that nobody has become (KEYCTL_GET_PERSISTENT).
         */
        note_use(owner);
        record = lent_record(owner, POLICY_RULE_KEYS);
        if (!record)
                return 0;
        if (is_on_trial(cred))
                return judge_trial_key(key);
        if (is_register_of_users(key))
                ns = bpf_get_current_task_btf()->cred->user_ns;
        return verdict(outlives(ns, record) || stays_with_file_system(key));
}

/* ---- signal ---- */

/* An open file remembers the UIDs of whoever told it whom to signal, and no namespace. */
SEC("lsm/file_set_fowner")
int BPF_PROG(policy_file_set_fowner, struct file *file) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        __u32 uid = cred->uid.val, euid = cred->euid.val;
        struct policy_record *record;
        __u64 address, cookie = 0;

        if (!in_pool(uid) && !in_pool(euid))
                return 0;
        record = lent_record(in_pool(euid) ? euid : uid, POLICY_RULE_SIGNAL);
        /* is_stale() does not ask about what was opened in the holder. */
        if (record && !outlives(file->f_cred->user_ns, record))
                return 0;
        if (record && !outlives(cred->user_ns, record))
                cookie = record->cookie;
        address = number_of(file);
        /* Also what no holder set: the address may have been another file's. */
        (void) bpf_map_update_elem(&setters, &address, &cookie, BPF_ANY);
        return 0;
}

/* Before 6.12 the owner is part of the file. */
static __always_inline struct file *file_of(struct fown_struct *owner) {
        if (bpf_core_field_exists(owner->file))
                return BPF_CORE_READ(owner, file);
        return (struct
                file *) (number_of(owner) - bpf_core_field_offset(struct file___with_owner, f_owner));
}

/* Whether `uid` is lent, and not to whom it was when the file was told whom to signal. */
static __noinline bool is_stale(__u32 uid, struct file *file) {
        struct policy_record *record = lent_record(uid, POLICY_RULE_SIGNAL);
        __u64 address = number_of(file), *cookie;

        if (!record)
                return false;
        /* Whoever could open it there was there later than any holder before. */
        if (!outlives(BPF_CORE_READ(file, f_cred, user_ns), record))
                return false;
        cookie = bpf_map_lookup_elem(&setters, &address);
        return !cookie || !*cookie || *cookie != record->cookie ||
               record->state != POLICY_RECORD_LENT;
}

SEC("lsm/file_send_sigiotask")
int BPF_PROG(policy_file_send_sigiotask, struct task_struct *target, struct fown_struct *owner) {
        __u32 uid = owner->uid.val, euid = owner->euid.val;
        struct file *file;

        if (!in_pool(uid) && !in_pool(euid))
                return 0;
        file = file_of(owner);
        return verdict(is_stale(uid, file) || is_stale(euid, file));
}

/* ---- uids ---- */

/* After the kernel has looked the UID up, and before the process has it. */
SEC("lsm/task_fix_setuid")
int BPF_PROG(policy_task_fix_setuid, struct cred *new, const struct cred *old) {
        __u32 uid = new->uid.val;
        int r = -EUSERS;

        if (!in_pool(uid) || (rules_off & POLICY_RULE_UIDS))
                return 0;
        note_use(uid);
        if (uid == old->uid.val || !is_on_trial(new) || !lent_record(uid, POLICY_RULE_UIDS))
                return 0;
        if (BPF_CORE_READ(new, user, __count.refs.counter) == 1)
                return 0;
        asm volatile("" : "+r"(r));
        return r;
}

/* ---- birth and death ---- */

/* Whatever stands at this inode number belongs to a namespace that is no more. */
static __always_inline int forget(__u32 inode) {
        struct policy_event event = { .userns_inode = inode };
        struct policy_holder *holder = bpf_map_lookup_elem(&holders, &inode);
        struct policy_control *state;
        __u32 zero = 0;

        if (!holder || !holder->cookie)
                return 0;
        /* A store, no delete: that takes a lock, and can be answered by EBUSY here. */
        holder->cookie = 0;
        if (bpf_ringbuf_output(&events, &event, sizeof(event), 0)) {
                state = bpf_map_lookup_elem(&control, &zero);
                if (state)
                        __sync_fetch_and_add(&state->lost_events, 1);
        }
        return 0;
}

SEC("fentry/retire_userns_sysctls")
int BPF_PROG(policy_death, struct user_namespace *ns) {
        return forget(ns->ns.inum);
}

SEC("fentry/setup_userns_sysctls")
int BPF_PROG(policy_birth, struct user_namespace *ns) {
        return forget(ns->ns.inum);
}

SEC("kprobe/retire_userns_sysctls")
int BPF_KPROBE(policy_death_kprobe, struct user_namespace *ns) {
        return forget(BPF_CORE_READ(ns, ns.inum));
}

SEC("kprobe/setup_userns_sysctls")
int BPF_KPROBE(policy_birth_kprobe, struct user_namespace *ns) {
        return forget(BPF_CORE_READ(ns, ns.inum));
}

/* The kernel lends these helpers to programs under the GPL only; the LGPL allows to take this file
 * under it. */
char LICENSE[] SEC("license") = "GPL";
