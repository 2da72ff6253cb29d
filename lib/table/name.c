/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/name.h"

#include <string.h>

#include "lib/util/parse.h"

/* Last offset of the largest range: its own slot and all that may be delegated. */
#define OFFSET_MAX ((TABLE_PARTS_MAX + 1) * TABLE_SLOT_SIZE - 1)

static size_t count_digits(uint32_t number) {
        size_t n = 1;

        for (; number >= 10; number /= 10)
                n++;
        return n;
}

static bool name_char_is_valid(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_';
}

size_t table_name_max(uint32_t size) {
        size_t digits = count_digits(size > 0 ? size - 1 : 0);
        size_t max = TABLE_USER_NAME_MAX - TABLE_USER_NAME_PREFIX_SIZE - 1 - digits;

        return max < TABLE_NAME_MAX ? max : TABLE_NAME_MAX;
}

bool table_name_is_valid(const char *name, uint32_t size) {
        size_t max = table_name_max(size), n = 0;

        for (; name[n] != '\0'; n++)
                if (n >= max || !name_char_is_valid(name[n]))
                        return false;
        return n > 0;
}

char *table_put_decimal(char *to, uint32_t number) {
        size_t digits = count_digits(number);

        for (size_t i = digits; i > 0; i--, number /= 10)
                to[i - 1] = (char) ('0' + number % 10);
        return to + digits;
}

size_t table_user_name_format(
        const char *name, uint32_t offset, char ret_name[static TABLE_USER_NAME_MAX + 1]) {
        size_t n = strnlen(name, TABLE_NAME_MAX), digits = count_digits(offset);
        char *p = ret_name;

        /* Cannot happen with a valid name; a library does not write past the end because of that.
         */
        if (n > TABLE_USER_NAME_MAX - TABLE_USER_NAME_PREFIX_SIZE - 1 - digits)
                n = TABLE_USER_NAME_MAX - TABLE_USER_NAME_PREFIX_SIZE - 1 - digits;

        memcpy(p, TABLE_USER_NAME_PREFIX, TABLE_USER_NAME_PREFIX_SIZE);
        p += TABLE_USER_NAME_PREFIX_SIZE;
        memcpy(p, name, n);
        p += n;
        *p++ = '-';
        p = table_put_decimal(p, offset);
        *p = '\0';
        return (size_t) (p - ret_name);
}

bool table_user_name_parse(
        const char *user_name, size_t n, size_t *ret_name_size, uint32_t *ret_offset) {
        size_t dash, name_size;
        uint64_t offset;

        if (n > TABLE_USER_NAME_MAX || n < TABLE_USER_NAME_PREFIX_SIZE + 3 ||
            memcmp(user_name, TABLE_USER_NAME_PREFIX, TABLE_USER_NAME_PREFIX_SIZE) != 0)
                return false;

        for (dash = n - 1; user_name[dash] != '-'; dash--)
                ; /* ends at the prefix's dash */
        if (dash <= TABLE_USER_NAME_PREFIX_SIZE)
                return false;

        name_size = dash - TABLE_USER_NAME_PREFIX_SIZE;
        if (name_size > TABLE_NAME_MAX ||
            !parse_decimal(user_name + dash + 1, n - dash - 1, OFFSET_MAX, &offset))
                return false;
        for (size_t i = 0; i < name_size; i++)
                if (!name_char_is_valid(user_name[TABLE_USER_NAME_PREFIX_SIZE + i]))
                        return false;

        *ret_name_size = name_size;
        *ret_offset = (uint32_t) offset;
        return true;
}

size_t table_slot_name_format(uint32_t start, char ret_name[static TABLE_USER_NAME_MAX + 1]) {
        char *p = ret_name;

        memcpy(p, TABLE_SLOT_NAME_PREFIX, TABLE_SLOT_NAME_PREFIX_SIZE);
        p = table_put_decimal(p + TABLE_SLOT_NAME_PREFIX_SIZE, start);
        *p = '\0';
        return (size_t) (p - ret_name);
}

bool table_slot_name_parse(const char *slot_name, size_t n, uint32_t *ret_start) {
        uint64_t start;

        if (n > TABLE_USER_NAME_MAX || n <= TABLE_SLOT_NAME_PREFIX_SIZE ||
            memcmp(slot_name, TABLE_SLOT_NAME_PREFIX, TABLE_SLOT_NAME_PREFIX_SIZE) != 0 ||
            !parse_decimal(
                    slot_name + TABLE_SLOT_NAME_PREFIX_SIZE, n - TABLE_SLOT_NAME_PREFIX_SIZE,
                    TABLE_POOL_HIGHEST - 1, &start) ||
            start % TABLE_SLOT_SIZE != 0)
                return false;
        *ret_start = (uint32_t) start;
        return true;
}

uint64_t table_name_hash(uint64_t seed, const char *name, size_t n) {
        uint64_t hash = seed ^ (uint64_t) n * 0x9e3779b97f4a7c15u;

        while (n > 0) {
                size_t step = n < 8 ? n : 8;
                uint64_t chunk = 0;

                memcpy(&chunk, name, step);
                hash = (hash ^ chunk) * 0xff51afd7ed558ccdu;
                hash ^= hash >> 32;
                name += step;
                n -= step;
        }

        hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
        return hash ^ hash >> 33;
}
