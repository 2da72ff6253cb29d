/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "nss/nss-nsresource.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "nss/pack.h"
#include "nss/view.h"

/* A table that is replaced again and again while it is looked at: enough is enough. */
#define RETIRED_TRIES 4

/* Where the enumerations are: glibc keeps one a process for each database, behind a lock of its
 * own. */
static uint32_t passwd_cursor, group_cursor, shadow_cursor;

/* looking up: TABLE_READ_E_*, or a negative errno */

typedef int (*LookUpFunc)(const TableView *view, const void *key, TableAnswer *ret_answer);

/* Ask the table; if it has been replaced, the new one. */
static int look_up(LookUpFunc function, const void *key, TableAnswer *ret_answer) {
        int r = TABLE_READ_E_BUSY;

        for (unsigned i = 0; i < RETIRED_TRIES; i++) {
                NssView view;

                r = nss_view_get(&view);
                if (r != 0)
                        return r;
                r = function(view.view, key, ret_answer);
                if (r == TABLE_READ_E_RETIRED)
                        nss_view_retire(&view);
                nss_view_put(&view);
                if (r != TABLE_READ_E_RETIRED)
                        return r;
        }
        return r;
}

static int find_id(const TableView *view, const void *key, TableAnswer *ret_answer) {
        return table_look_up_id(view, *(const uint32_t *) key, ret_answer);
}

static int find_name(const TableView *view, const void *key, TableAnswer *ret_answer) {
        return table_look_up_name(view, key, strlen(key), ret_answer);
}

static int look_up_id(uint32_t id, TableAnswer *ret_answer) {
        if (id < TABLE_POOL_LOWEST || id >= TABLE_POOL_HIGHEST)
                return TABLE_READ_E_NOT_FOUND;
        return look_up(find_id, &id, ret_answer);
}

static int look_up_name(const char *name, TableAnswer *ret_answer) {
        size_t n = strnlen(name, TABLE_USER_NAME_MAX + 1), name_size;
        uint32_t number;

        if (!table_user_name_parse(name, n, &name_size, &number) &&
            !table_slot_name_parse(name, n, &number))
                return TABLE_READ_E_NOT_FOUND;
        return look_up(find_name, name, ret_answer);
}

/* A record that cannot be read is passed over: the others are worth having. */
static int find_next(const TableView *view, const void *key, TableAnswer *ret_answer) {
        uint32_t *cursor = (uint32_t *) (uintptr_t) key;
        int r;

        do
                r = table_next_entry(view, cursor, ret_answer);
        while (r == TABLE_READ_E_BUSY || r == TABLE_READ_E_UNTRUSTED);
        return r;
}

/* answering */

/* The one place where an outcome becomes a status.  errno is only touched where it says something.
 */
static enum nss_status status_of(int r, int *errnop) {
        switch (r) {
        case 0:
                return NSS_STATUS_SUCCESS;
        case TABLE_READ_E_NOT_FOUND:
        case TABLE_READ_E_MISSING:
        /* As in a container that does not see the host's folder: no such user is known here. */
        case TABLE_READ_E_FOREIGN:
                return NSS_STATUS_NOTFOUND;
        case TABLE_READ_E_BUSY:
        case TABLE_READ_E_RETIRED:
                *errnop = EBUSY;
                return NSS_STATUS_UNAVAIL;
        case TABLE_READ_E_UNTRUSTED:
                *errnop = EBADMSG;
                return NSS_STATUS_UNAVAIL;
        default:
                /* ERANGE would make the caller come back with a larger buffer. */
                *errnop = r < 0 && r != -ERANGE ? -r : EIO;
                return NSS_STATUS_UNAVAIL;
        }
}

typedef bool (*PackFunc)(const TableAnswer *answer, char *buffer, size_t size, void *ret_entry);

static bool pack_passwd(const TableAnswer *answer, char *buffer, size_t size, void *ret_entry) {
        return nss_pack_passwd(answer, buffer, size, ret_entry);
}

static bool pack_group(const TableAnswer *answer, char *buffer, size_t size, void *ret_entry) {
        return nss_pack_group(answer, buffer, size, ret_entry);
}

static bool pack_shadow(const TableAnswer *answer, char *buffer, size_t size, void *ret_entry) {
        return nss_pack_shadow(answer, buffer, size, ret_entry);
}

/* Give `answer` if `r` says that there is one.  What the look-up did to errno is undone first: it
 * is *errnop. */
static enum nss_status answer_with(
        int r, int saved_errno, const TableAnswer *answer, PackFunc pack, void *ret_entry,
        char *buffer, size_t size, int *errnop) {
        errno = saved_errno;
        if (r == 0 && !pack(answer, buffer, size, ret_entry)) {
                *errnop = ERANGE;
                return NSS_STATUS_TRYAGAIN;
        }
        return status_of(r, errnop);
}

static enum nss_status by_id(
        uint32_t id, PackFunc pack, void *ret_entry, char *buffer, size_t size, int *errnop) {
        int saved_errno = errno, r;
        TableAnswer answer;

        r = look_up_id(id, &answer);
        return answer_with(r, saved_errno, &answer, pack, ret_entry, buffer, size, errnop);
}

static enum nss_status by_name(
        const char *name, PackFunc pack, void *ret_entry, char *buffer, size_t size, int *errnop) {
        int saved_errno = errno, r;
        TableAnswer answer;

        r = look_up_name(name, &answer);
        return answer_with(r, saved_errno, &answer, pack, ret_entry, buffer, size, errnop);
}

static enum nss_status next(
        uint32_t *cursor, PackFunc pack, void *ret_entry, char *buffer, size_t size, int *errnop) {
        uint32_t at = __atomic_load_n(cursor, __ATOMIC_RELAXED);
        int saved_errno = errno, r;
        enum nss_status status;
        TableAnswer answer;

        r = look_up(find_next, &at, &answer);
        status = answer_with(r, saved_errno, &answer, pack, ret_entry, buffer, size, errnop);
        if (status != NSS_STATUS_TRYAGAIN) /* that one is asked for again, with a larger buffer */
                __atomic_store_n(cursor, at, __ATOMIC_RELAXED);
        return status;
}

static enum nss_status rewind_cursor(uint32_t *cursor) {
        __atomic_store_n(cursor, 0, __ATOMIC_RELAXED);
        return NSS_STATUS_SUCCESS;
}

/* entry points */

enum nss_status _nss_nsresource_getpwnam_r(
        const char *name, struct passwd *ret_passwd, char *buffer, size_t size, int *errnop) {
        return by_name(name, pack_passwd, ret_passwd, buffer, size, errnop);
}

enum nss_status _nss_nsresource_getpwuid_r(
        uid_t uid, struct passwd *ret_passwd, char *buffer, size_t size, int *errnop) {
        return by_id(uid, pack_passwd, ret_passwd, buffer, size, errnop);
}

enum nss_status _nss_nsresource_getgrnam_r(
        const char *name, struct group *ret_group, char *buffer, size_t size, int *errnop) {
        return by_name(name, pack_group, ret_group, buffer, size, errnop);
}

enum nss_status _nss_nsresource_getgrgid_r(
        gid_t gid, struct group *ret_group, char *buffer, size_t size, int *errnop) {
        return by_id(gid, pack_group, ret_group, buffer, size, errnop);
}

enum nss_status _nss_nsresource_getspnam_r(
        const char *name, struct spwd *ret_shadow, char *buffer, size_t size, int *errnop) {
        return by_name(name, pack_shadow, ret_shadow, buffer, size, errnop);
}

enum nss_status _nss_nsresource_setpwent(int stay_open) {
        return rewind_cursor(&passwd_cursor);
}

enum nss_status _nss_nsresource_getpwent_r(
        struct passwd *ret_passwd, char *buffer, size_t size, int *errnop) {
        return next(&passwd_cursor, pack_passwd, ret_passwd, buffer, size, errnop);
}

enum nss_status _nss_nsresource_endpwent(void) {
        return rewind_cursor(&passwd_cursor);
}

enum nss_status _nss_nsresource_setgrent(int stay_open) {
        return rewind_cursor(&group_cursor);
}

enum nss_status _nss_nsresource_getgrent_r(
        struct group *ret_group, char *buffer, size_t size, int *errnop) {
        return next(&group_cursor, pack_group, ret_group, buffer, size, errnop);
}

enum nss_status _nss_nsresource_endgrent(void) {
        return rewind_cursor(&group_cursor);
}

enum nss_status _nss_nsresource_setspent(int stay_open) {
        return rewind_cursor(&shadow_cursor);
}

enum nss_status _nss_nsresource_getspent_r(
        struct spwd *ret_shadow, char *buffer, size_t size, int *errnop) {
        return next(&shadow_cursor, pack_shadow, ret_shadow, buffer, size, errnop);
}

enum nss_status _nss_nsresource_endspent(void) {
        return rewind_cursor(&shadow_cursor);
}

/* No group of ours has members, and the primary one is the caller's to add.  Without this function
 * glibc would walk through all groups, for each log-in of anybody. */
enum nss_status _nss_nsresource_initgroups_dyn(
        const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit,
        int *errnop) {
        int saved_errno = errno, r;
        TableAnswer answer;

        r = look_up_name(user, &answer);
        errno = saved_errno;
        return status_of(r, errnop);
}
