/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The entry points that glibc looks for ("NSS Modules Interface" in its manual).  They translate,
 * nothing else. */

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
#include <stddef.h>
#include <sys/types.h>

#define NSS_ENTRY __attribute__((visibility("default"))) enum nss_status

NSS_ENTRY _nss_nsresource_getpwnam_r(
        const char *name, struct passwd *ret_passwd, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_getpwuid_r(
        uid_t uid, struct passwd *ret_passwd, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_getgrnam_r(
        const char *name, struct group *ret_group, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_getgrgid_r(
        gid_t gid, struct group *ret_group, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_getspnam_r(
        const char *name, struct spwd *ret_shadow, char *buffer, size_t size, int *errnop);

NSS_ENTRY _nss_nsresource_setpwent(int stay_open);
NSS_ENTRY _nss_nsresource_getpwent_r(
        struct passwd *ret_passwd, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_endpwent(void);
NSS_ENTRY _nss_nsresource_setgrent(int stay_open);
NSS_ENTRY _nss_nsresource_getgrent_r(
        struct group *ret_group, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_endgrent(void);
NSS_ENTRY _nss_nsresource_setspent(int stay_open);
NSS_ENTRY _nss_nsresource_getspent_r(
        struct spwd *ret_shadow, char *buffer, size_t size, int *errnop);
NSS_ENTRY _nss_nsresource_endspent(void);

NSS_ENTRY _nss_nsresource_initgroups_dyn(
        const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit,
        int *errnop);
