/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Giving up root for good, without asking NSS who to become: a look-up would go through nss-systemd
 * to every user database provider, and so to ourselves, who cannot answer yet.  Knows nothing of
 * what the process is for. */

#include <sys/types.h>

/* Who to be where the host has no user for us: the kernel's overflow UID, which owns nothing. */
#define PRIVILEGES_NOBODY 65534

/* UID and GID of `user` in the file `passwd_path` itself ("/etc/passwd"); PRIVILEGES_NOBODY for
 * both if it is not there, cannot be read, or says root. */
void privileges_find_user(
        const char *passwd_path, const char *user, uid_t *ret_uid, gid_t *ret_gid);

/* As root: become this user, with no supplementary groups and no capability in any set, for good.
 * As anybody else: nothing of that.  In both cases no program that is run from now on gains
 * privileges. */
int privileges_drop(uid_t uid, gid_t gid);
