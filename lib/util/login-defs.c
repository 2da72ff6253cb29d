/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/login-defs.h"

#include <stddef.h>
#include <string.h>

#include "lib/util/id-range.h"

bool login_defs_number(const char *text, const char *key, uint32_t *ret_number) {
        static const char blanks[] = " \t\"", ends[] = " \t\"\r\n";
        size_t n_key = strlen(key);
        bool found = false;

        for (const char *line = text; line; line = strchr(line, '\n')) {
                IdRange number;

                line += strspn(line, " \t\r\n");
                if (strncmp(line, key, n_key) != 0 || !strchr(" \t", line[n_key]) ||
                    line[n_key] == '\0')
                        continue;
                line += n_key + strspn(line + n_key, blanks);
                if (!id_range_parse(line, strcspn(line, ends), &number) ||
                    number.first != number.last)
                        continue;
                *ret_number = number.first;
                found = true;
        }
        return found;
}
