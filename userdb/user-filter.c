/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/user-filter.h"

#include <string.h>

#include "lib/table/table-describe.h"
#include "userdb/user-record.h"

const char *user_filter_check(const UserFilter *filter) {
        return json_array_size(filter->fuzzy_names) > USER_FILTER_FUZZY_MAX ? "fuzzyNames" : NULL;
}

/* Insertions, deletions and replacements that make `left` of `right`, whose length is
 * TABLE_USER_NAME_MAX at most. */
static size_t edit_distance(const char *left, size_t n_left, const char *right, size_t n_right) {
        size_t row[TABLE_USER_NAME_MAX + 1];

        for (size_t k = 0; k <= n_right; k++)
                row[k] = k;
        for (size_t i = 0; i < n_left; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t k = 0; k < n_right; k++) {
                        size_t replaced = diagonal + (left[i] != right[k]);

                        diagonal = row[k + 1];
                        row[k + 1] = MIN(replaced, MIN(row[k], row[k + 1]) + 1);
                }
        }
        return row[n_right];
}

/* Whether `wanted` is part of one of the texts, or a misspelt `name`.  All in lower case. */
static bool fuzzy_match(const char *wanted, const char *name, const char *description) {
        size_t n_wanted = strlen(wanted), n_name = strlen(name);

        if (strstr(name, wanted) || strstr(description, wanted))
                return true;
        if (n_wanted + USER_FILTER_EDITS_MAX < n_name || n_name + USER_FILTER_EDITS_MAX < n_wanted)
                return false;
        return edit_distance(wanted, n_wanted, name, n_name) <= USER_FILTER_EDITS_MAX;
}

static bool matches_fuzzily(const json_t *fuzzy_names, const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1], text[TABLE_DESCRIPTION_MAX + 1];
        g_autofree char *description = NULL, *lower_name = NULL;
        const json_t *value;
        size_t index;

        table_user_name(answer, name);
        table_describe_user(answer, text);
        lower_name = g_ascii_strdown(name, -1);
        description = g_ascii_strdown(text, -1);
        json_array_foreach(fuzzy_names, index, value) {
                g_autofree char *wanted = g_ascii_strdown(json_string_value(value), -1);

                if (fuzzy_match(wanted, lower_name, description))
                        return true;
        }
        return false;
}

static bool has_string(const json_t *array, const char *wanted) {
        const json_t *value;
        size_t index;

        json_array_foreach(
                array, index, value) if (g_str_equal(json_string_value(value), wanted)) return true;
        return false;
}

bool user_filter_matches(const UserFilter *filter, const TableAnswer *answer) {
        if (filter->uuid)
                return false;
        if (filter->has_minimum && answer->id < filter->minimum)
                return false;
        if (filter->has_maximum && answer->id > filter->maximum)
                return false;
        if (filter->dispositions &&
            !has_string(filter->dispositions, user_record_disposition(answer)))
                return false;
        return !filter->fuzzy_names || matches_fuzzily(filter->fuzzy_names, answer);
}
