/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An answer of the table as libc's structures, everything they point to in the caller's buffer.
 * Pure. */

#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/table/read.h"

/* Each returns FALSE, with *ret_... untouched, if the buffer is too small.  The buffer may be of
 * any alignment. */

bool nss_pack_passwd(
        const TableAnswer *answer, char *buffer, size_t size, struct passwd *ret_passwd);

bool nss_pack_group(const TableAnswer *answer, char *buffer, size_t size, struct group *ret_group);

/* Locked, and expired since 1970: a name that is looked up must not become a user. */
bool nss_pack_shadow(const TableAnswer *answer, char *buffer, size_t size, struct spwd *ret_shadow);
