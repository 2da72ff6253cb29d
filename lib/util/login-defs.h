/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers of login.defs(5): where useradd and its like take IDs from. */

#include <stdbool.h>
#include <stdint.h>

/* What useradd takes where the file says nothing. */
#define LOGIN_DEFS_SUB_MAX_DEFAULT 600100000u

/* The number that `text` (the whole file, NUL-terminated) gives `key`: that of the last line that
 * does, as the file's own readers have it.  Returns whether there is one. */
bool login_defs_number(const char *text, const char *key, uint32_t *ret_number);
