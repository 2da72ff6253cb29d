/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The final name of a namespace out of what its client asked for.  Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/table/format.h"

/* Root's names are taken as they are; everybody else's get "UID-" in front, so that no UID can
 * take, or pass for, a name of another's.  A name that is not valid then (table_name_is_valid() for
 * `size`) is refused, or, with `mangle`, cut to the longest that is; one with bytes that no name
 * may have becomes "UID-" and hexadecimal digits of a hash over it and `salt` (root: digits only),
 * as many as fit, 16 at most.  Returns whether there is a name. */
bool namespace_name_make(
        uint32_t peer_uid, const char *wanted, bool mangle, uint32_t size, uint64_t salt,
        char ret_name[static TABLE_NAME_MAX + 1]);
