/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of namespaces and of their users, "ns-NAME-OFFSET": pure functions, libc only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/format.h"

/* Longest name a range of `size` IDs may have: "ns-NAME-OFFSET" is at most TABLE_USER_NAME_MAX
 * bytes for its largest offset, and NAME at most TABLE_NAME_MAX.  IDs of delegated ranges count:
 * 65,536 for each. */
size_t table_name_max(uint32_t size);

/* Whether `name` may be a namespace's: 1 ... table_name_max(size) bytes of [A-Za-z0-9_-]. */
bool table_name_is_valid(const char *name, uint32_t size);

/* Write "ns-NAME-OFFSET" and its NUL; returns its length.  `name` is valid. */
size_t table_user_name_format(
        const char *name, uint32_t offset, char ret_name[static TABLE_USER_NAME_MAX + 1]);

/* Write a number in decimal, without a NUL; returns the end of it. */
char *table_put_decimal(char *to, uint32_t number);

/* Split "ns-NAME-OFFSET": the length of NAME, which starts at byte TABLE_USER_NAME_PREFIX_SIZE, and
 * the offset. Returns whether it is one: offset in decimal without leading zeros, no larger than a
 * range's last. */
bool table_user_name_parse(
        const char *user_name, size_t n, size_t *ret_name_size, uint32_t *ret_offset);

/* The name of a slot, "nsresource-FIRSTID", for its first ID while that has no other.  No user of a
 * namespace can have it, for theirs begin with "ns-", and whoever sees it later still sees the same
 * number behind it.  `start` is a multiple of TABLE_SLOT_SIZE. */
size_t table_slot_name_format(uint32_t start, char ret_name[static TABLE_USER_NAME_MAX + 1]);

/* The first ID in such a name.  Returns whether it is one, the number written as above. */
bool table_slot_name_parse(const char *slot_name, size_t n, uint32_t *ret_start);

#define TABLE_SLOT_NAME_PREFIX "nsresource-"
#define TABLE_SLOT_NAME_PREFIX_SIZE (sizeof(TABLE_SLOT_NAME_PREFIX) - 1)

#define TABLE_USER_NAME_PREFIX "ns-"
#define TABLE_USER_NAME_PREFIX_SIZE (sizeof(TABLE_USER_NAME_PREFIX) - 1)

/* Whether `user_name` begins like one of ours; nothing else ever touches the table. */
static inline bool table_user_name_has_prefix(const char *user_name) {
        return user_name[0] == 'n' && user_name[1] == 's' && user_name[2] == '-';
}

/* Hash of a name, keyed by the table's seed.  The seed is public: it spreads names, it does not
 * stop a user who looks for names that collide; TABLE_PROBE_MAX does. */
uint64_t table_name_hash(uint64_t seed, const char *name, size_t n);
