/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/parse.h"

#include <string.h>

bool parse_decimal(const char *text, size_t n, uint64_t max, uint64_t *ret_value) {
        uint64_t value = 0;

        if (n == 0 || (n > 1 && text[0] == '0'))
                return false;

        for (size_t i = 0; i < n; i++) {
                unsigned digit = (unsigned char) text[i] - (unsigned char) '0';

                if (digit > 9 || value > (UINT64_MAX - digit) / 10)
                        return false;
                value = value * 10 + digit;
                if (value > max)
                        return false;
        }

        *ret_value = value;
        return true;
}

bool parse_u32(const char *text, uint32_t *ret_value) {
        uint64_t value;

        if (!parse_decimal(text, strlen(text), UINT32_MAX, &value))
                return false;
        *ret_value = (uint32_t) value;
        return true;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool parse_u32_any_base(const char *text, uint32_t *ret_value) {
        uint32_t value = 0;
        size_t n;

        if (strncmp(text, "0x", 2) != 0)
                return parse_u32(text, ret_value);

        n = strlen(text + 2);
        if (n == 0 || n > 8)
                return false;
        for (size_t i = 0; i < n; i++) {
                int digit = hex_digit(text[2 + i]);

                if (digit < 0)
                        return false;
                value = value << 4 | (uint32_t) digit;
        }
        *ret_value = value;
        return true;
}
