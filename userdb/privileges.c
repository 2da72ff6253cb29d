/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void privileges_find_user(
        const char *passwd_path, const char *user, uid_t *ret_uid, gid_t *ret_gid) {
        const struct passwd *entry;
        FILE *file;

        *ret_uid = PRIVILEGES_NOBODY;
        *ret_gid = PRIVILEGES_NOBODY;
        file = fopen(passwd_path, "re");
        if (!file)
                return;

        /* The first entry counts, as for everybody else who reads the file. */
        while ((entry = fgetpwent(file)))
                if (strcmp(entry->pw_name, user) == 0)
                        break;
        if (entry && entry->pw_uid != 0 && entry->pw_gid != 0) {
                *ret_uid = entry->pw_uid;
                *ret_gid = entry->pw_gid;
        }
        (void) fclose(file);
}

static int drop_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        /* Becoming another user has emptied the permitted and effective sets; the inheritable one
         * stays. */
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static void drop_bounding_set(void) {
        /* Ends at the first number the kernel does not know, or at once if we may not
         * (CAP_SETPCAP): no_new_privs already sees to it that nothing is gained. */
        for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;)
                capability++;
}

int privileges_drop(uid_t uid, gid_t gid) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (geteuid() != 0)
                return 0;

        drop_bounding_set();
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        /* Whoever can take it back has not given it up. */
        if (setuid(0) == 0)
                return -EPERM;
        return drop_capabilities();
}
