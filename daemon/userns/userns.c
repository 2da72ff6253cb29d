/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/types.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "lib/util/fd.h"
#include "lib/util/proc-userns.h"

#ifndef NS_GET_ID /* Linux 6.18 */
#define NS_GET_ID _IOR(NSIO, 13, __u64)
#endif

static int identify(int fd, struct stat *ret_stat, UsernsIdentity *ret_identity) {
        __u64 id = 0;
        int type;

        type = ioctl(fd, NS_GET_NSTYPE);
        if (type < 0 || (unsigned) type != CLONE_NEWUSER)
                return USERNS_E_NOT_USERNS;
        if (fstat(fd, ret_stat) < 0)
                return -errno;
        /* ENOTTY before 6.18.  The request number says what was meant, no other driver sees it: fd
         * is of nsfs. */
        if (ioctl(fd, NS_GET_ID, &id) < 0)
                id = 0;
        *ret_identity = (UsernsIdentity){ .inode = ret_stat->st_ino, .id = id };
        return 0;
}

/* Whether the parent of the namespace `fd` is `own`.  The kernel shows no parent (EPERM) above the
 * caller's own namespace: whatever is not below us is not our child. */
static int parent_is_own(int fd, const UsernsIdentity *own, bool *ret_own) {
        struct stat st;
        auto_fd parent = -1;

        parent = ioctl(fd, NS_GET_PARENT);
        if (parent < 0) {
                if (errno != EPERM)
                        return -errno;
                *ret_own = false;
                return 0;
        }
        if (fstat(parent, &st) < 0)
                return -errno;
        /* An inode number will do: both live, on the one nsfs there is. */
        *ret_own = st.st_ino == own->inode;
        return 0;
}

int userns_outer_owner(int fd, const UsernsIdentity *own, uid_t *ret_owner) {
        ProcUserns userns;
        int r = proc_userns_place(fd, own->inode, &userns);

        if (r == 0)
                *ret_owner = userns.owner;
        return r;
}

int userns_inspect(
        int fd, const UsernsIdentity *own, UsernsIdentity *ret_identity, uid_t *ret_owner,
        bool *ret_parent_is_own) {
        UsernsIdentity identity;
        struct stat st;
        uid_t owner;
        bool is_own = false;
        int r;

        r = identify(fd, &st, &identity);
        if (r != 0)
                return r;
        if (ioctl(fd, NS_GET_OWNER_UID, &owner) < 0)
                return -errno;
        r = parent_is_own(fd, own, &is_own);
        if (r < 0)
                return r;

        *ret_identity = identity;
        *ret_owner = owner;
        *ret_parent_is_own = is_own;
        return 0;
}

int userns_self(UsernsIdentity *ret_identity) {
        struct stat st;
        auto_fd fd = -1;

        fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return identify(fd, &st, ret_identity);
}

bool userns_is_own_user(const UsernsIdentity *own, pid_t pid, uid_t uid) {
        ProcUserns userns;
        char path[40];
        auto_fd fd = -1;
        struct stat st;

        if (pid <= 0)
                return false;
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return false;
        return st.st_ino == own->inode ||
               (proc_userns_place(fd, own->inode, &userns) == 0 && userns.owner == uid);
}

void userns_maps_clear(UsernsMaps *maps) {
        g_clear_pointer(&maps->uid, g_free);
        g_clear_pointer(&maps->gid, g_free);
        maps->n_uid = maps->n_gid = 0;
}
