/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is said of an ID in words: the one place, so that the NSS module and the user database
 * provider answer alike.  Pure; libc only; allocates nothing; no locale and no time zone. */

#include "lib/table/read.h"

/* A name that was looked up must not become a user (SECURITY.md): no home of its own, no shell. */
#define TABLE_USER_HOME "/"
#define TABLE_USER_SHELL "/usr/sbin/nologin"

#define TABLE_DESCRIPTION_MAX 95u /* bytes of the longest text */
#define TABLE_DATE_SIZE 11u       /* "YYYY-MM-DD" and its NUL */

/* Write "User OFFSET of namespace NAME of UID OWNER since YYYY-MM-DD" (UTC) and its NUL: the real
 * name of the record; for a slot, which user and group share, "First of the IDs up to LAST that
 * nsresourced does not have free".  Returns its length.  No comma or colon: those part GECOS fields
 * and passwd fields. */
size_t table_describe_user(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]);

/* The same for the group of that number. */
size_t table_describe_group(
        const TableAnswer *answer, char ret_text[static TABLE_DESCRIPTION_MAX + 1]);

/* The day (UTC) of a CLOCK_REALTIME time in microseconds.  "9999-12-31" for anything later. */
void table_date(uint64_t usec, char ret_date[static TABLE_DATE_SIZE]);
