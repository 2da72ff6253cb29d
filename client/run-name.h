/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names for namespaces of commands.  Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name for the namespace of `command`, of what follows its last slash, short enough that the
 * daemon need not cut it when it puts "UID-" in front (root's stay as they are), for a range of
 * `size` IDs.  `attempt` 0 is the plain name, 1 and on have "-2", "-3" ... at the end.  The caller
 * frees it. */
char *run_name(const char *command, uint32_t uid, uint32_t size, unsigned attempt);

/* Whether `name` can be the name of a namespace of a range of `size` IDs as it is, with "UID-" in
 * front; *ret_max is how long it may be. */
bool run_name_is_valid(const char *name, uint32_t uid, uint32_t size, size_t *ret_max);
