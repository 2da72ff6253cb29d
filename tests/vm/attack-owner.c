/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving an inode that exists to a lent ID, or an ACL of it, or a set-user-ID bit. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* posix_acl_xattr: version 2, then tag, permissions, ID. */
typedef struct Acl {
        uint32_t version;
        struct {
                uint16_t tag, perm;
                uint32_t id;
        } entries[5];
} Acl;

static Acl acl_for(uint16_t tag, uint32_t id) {
        return (Acl) {
                .version = 2,
                .entries = {
                        { 0x01, 6, UINT32_MAX },
                        { tag == 0x02 ? tag : 0x04, 6, tag == 0x02 ? id : UINT32_MAX },
                        { tag == 0x02 ? 0x04 : tag, 6, tag == 0x02 ? UINT32_MAX : id },
                        { 0x10, 6, UINT32_MAX },
                        { 0x20, 0, UINT32_MAX },
                },
        };
}

static void prepare_own_file(Stage *stage) {
        close(must(touch_at(stage->dir_fd, "own", 0666), "own file"));
        must(mkdirat(stage->dir_fd, "own-folder", 0777), "own folder");
}

/* The user's own UID, which owns the file, with a group of the range: no privilege is needed to
 * give one's file to a group one is in. */
static void enter_with_lent_group(Stage *stage) {
        enter_holder(&stage->holder, (uid_t) -1, 0);
        must(fchdir(stage->dir_fd), "chdir");
}

static int chgrp_own_file(Stage *stage) {
        enter_with_lent_group(stage);
        return outcome(chown("own", (uid_t) -1, 0));
}

static int fchown_own_file(Stage *stage) {
        int fd = must(openat(stage->dir_fd, "own", O_RDWR), "own file");
        enter_with_lent_group(stage);
        return outcome(fchown(fd, (uid_t) -1, 0));
}

static int lchown_own_link(Stage *stage) {
        must(symlinkat("to", stage->dir_fd, "link"), "symlink");
        enter_with_lent_group(stage);
        return outcome(lchown("link", (uid_t) -1, 0));
}

static int fchownat_own_folder(Stage *stage) {
        int fd = must(openat(stage->dir_fd, "own-folder", O_RDONLY), "own folder");
        enter_with_lent_group(stage);
        return outcome(fchownat(fd, "", (uid_t) -1, 0, AT_EMPTY_PATH));
}

/* By way of a supplementary group: the process makes nothing of its own with a lent ID. */
static int chgrp_by_supplementary_group(Stage *stage) {
        gid_t group = 7;

        enter_holder(&stage->holder, (uid_t) -1, (gid_t) -1);
        must(setgroups(1, &group), "setgroups");
        must(fchdir(stage->dir_fd), "chdir");
        return outcome(chown("own", (uid_t) -1, group));
}

#ifdef __i386__
/* The oldest calls have 16 bits for an ID. */
static int chown16_own_file(Stage *stage) {
        enter_with_lent_group(stage);
        return outcome((int) syscall(SYS_chown, "own", 0xffff, 0));
}
#endif

static int set_acl(Stage *stage, const char *path, const char *attribute, uint16_t tag) {
        Acl acl = acl_for(tag, 5);

        enter_holder(&stage->holder, (uid_t) -1, (gid_t) -1);
        must(fchdir(stage->dir_fd), "chdir");
        return outcome(setxattr(path, attribute, &acl, sizeof(acl), 0));
}

static int acl_user(Stage *stage) {
        return set_acl(stage, "own", "system.posix_acl_access", 0x02);
}

static int acl_group(Stage *stage) {
        return set_acl(stage, "own", "system.posix_acl_access", 0x08);
}

static int acl_default(Stage *stage) {
        return set_acl(stage, "own-folder", "system.posix_acl_default", 0x02);
}

static int acl_by_descriptor(Stage *stage) {
        Acl acl = acl_for(0x02, 5);
        int fd = must(openat(stage->dir_fd, "own", O_RDWR), "own file");

        enter_holder(&stage->holder, (uid_t) -1, (gid_t) -1);
        return outcome(fsetxattr(fd, "system.posix_acl_access", &acl, sizeof(acl), 0));
}

/* From the host, where the number is written down as it is. */
static int nothing(Stage *stage) {
        return 0;
}

static int acl_from_host(Stage *stage, int fd) {
        Acl acl = acl_for(0x02, stage->holder.start + 5);

        must(fchdir(stage->dir_fd), "chdir");
        return outcome(setxattr("own", "system.posix_acl_access", &acl, sizeof(acl), 0));
}

static int default_acl_from_host(Stage *stage, int fd) {
        Acl acl = acl_for(0x08, stage->holder.start + 65535);

        must(fchdir(stage->dir_fd), "chdir");
        return outcome(setxattr("own-folder", "system.posix_acl_default", &acl, sizeof(acl), 0));
}

/* Root of the host, unpacking an archive or told to by a service. */
static int root_chowns_uid(Stage *stage, int fd) {
        return outcome(fchownat(stage->dir_fd, "own", stage->holder.start, (gid_t) -1, 0));
}

static int root_chowns_gid(Stage *stage, int fd) {
        return outcome(fchownat(stage->dir_fd, "own", (uid_t) -1, stage->holder.start + 9, 0));
}

/* What follows needs files of lent IDs that are older than the protection. */
static void make_late_file(Stage *stage) {
        close(must(touch_at(stage->dir_fd, "late", 0666), "late file"));
}

/* An ACL that named the ID before it was lent: what is made below by the user inherits it. */
static void set_early_default_acl(Stage *stage) {
        Acl acl = acl_for(0x02, stage->holder.start + 5);

        must(fchdir(stage->dir_fd), "chdir");
        must(setxattr("own-folder", "system.posix_acl_default", &acl, sizeof(acl), 0), "ACL");
}

static int inherit_acl(Stage *stage, int fd) {
        return outcome(mkdirat(stage->dir_fd, "own-folder/x", 0777));
}

static int chown_late_file(Stage *stage) {
        return outcome(chown("late", 1, 1));
}

static int set_user_id(Stage *stage) {
        return outcome(chmod("late", 04755));
}

static int set_group_id(Stage *stage) {
        return outcome(chmod("late", 02755));
}

static int set_user_id_by_descriptor(Stage *stage) {
        int fd = must(open("late", O_RDWR), "late file");
        return outcome(fchmod(fd, 04755));
}

static int set_user_id_fchmodat2(Stage *stage) {
        int r = outcome((int) syscall(SYS_fchmodat2, AT_FDCWD, "late", 04755, 0));
        if (r == -ENOSYS)
                not_here("no fchmodat2");
        return r;
}

static bool found_set_id(Stage *stage) {
        struct stat st;
        return fstatat(stage->dir_fd, "late", &st, 0) == 0 && (st.st_mode & 06000);
}

static bool found_second_id(Stage *stage) {
        struct stat st;
        return fstatat(stage->dir_fd, "late", &st, 0) == 0 &&
               (st.st_uid == stage->holder.start + 1 || st.st_gid == stage->holder.start + 1);
}

#define OWN(text, rule_name, function)                                        \
        {                                                                     \
                .name = text, .rule = rule_name, .flags = ATTACK_OWN_CONTEXT, \
                .prepare = prepare_own_file, .run = function                  \
        }

const Attack attack_owner[] = {
        OWN("chgrp of one's own file", "chown", chgrp_own_file),
        OWN("fchown of one's own file", "chown", fchown_own_file),
        OWN("lchown of one's own link", "chown", lchown_own_link),
        OWN("fchownat of one's own folder", "chown", fchownat_own_folder),
        OWN("chgrp by a supplementary group", "chown", chgrp_by_supplementary_group),
#ifdef __i386__
        OWN("chown with 16-bit IDs", "chown", chown16_own_file),
#endif
        OWN("ACL entry for a user", "acl", acl_user),
        OWN("ACL entry for a group", "acl", acl_group),
        OWN("default ACL", "acl", acl_default),
        OWN("ACL by descriptor", "acl", acl_by_descriptor),
        { "ACL entry set from the host", "acl", .prepare = prepare_own_file, .run = nothing,
          .host = acl_from_host },
        { "default ACL set from the host", "acl", .prepare = prepare_own_file, .run = nothing,
          .host = default_acl_from_host },
        { "a default ACL older than the lending is inherited", NULL, NULL,
          ATTACK_OWN_CONTEXT | ATTACK_LATE | ATTACK_HARMLESS, .prepare = prepare_own_file,
          .before = set_early_default_acl, .run = nothing, .host = inherit_acl },
        { "root's chown to a lent UID", "chown", NULL, ATTACK_ROOT, .prepare = prepare_own_file,
          .run = nothing, .host = root_chowns_uid },
        { "root's chgrp to a lent GID", "chown", NULL, ATTACK_ROOT, .prepare = prepare_own_file,
          .run = nothing, .host = root_chowns_gid },
        { "chown from one lent ID to another", "chown", NULL, ATTACK_LATE, .before = make_late_file,
          .run = chown_late_file, .found = found_second_id },
        { "set-user-ID", "mode", NULL, ATTACK_LATE, .before = make_late_file, .run = set_user_id,
          .found = found_set_id },
        { "set-group-ID", "mode", NULL, ATTACK_LATE, .before = make_late_file, .run = set_group_id,
          .found = found_set_id },
        { "set-user-ID by descriptor", "mode", NULL, ATTACK_LATE, .before = make_late_file,
          .run = set_user_id_by_descriptor, .found = found_set_id },
        { "set-user-ID by fchmodat2", "mode", NULL, ATTACK_LATE, .before = make_late_file,
          .run = set_user_id_fchmodat2, .found = found_set_id },
        { 0 },
};
