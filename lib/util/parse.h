/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers from text: the one place that parses them.  Strict: digits only, no sign, no white space,
 * no leading zero except in "0" itself, nothing after the number.  Allocates nothing, uses no
 * locale, libc only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parse `n` bytes at `text` as a decimal number of at most `max`.  Returns whether that is what
 * they are; *ret_value is untouched otherwise. */
bool parse_decimal(const char *text, size_t n, uint64_t max, uint64_t *ret_value);

/* Parse the whole string as a decimal number that fits 32 bits. */
bool parse_u32(const char *text, uint32_t *ret_value);

/* As parse_u32(), and "0x" with hexadecimal digits too: for
 * configuration files and command lines. */
bool parse_u32_any_base(const char *text, uint32_t *ret_value);
