/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/user-filter.h"

#include <string.h>

#include "userdb/user-record.h"

/* Into `to`, which has room for it. */
static void fold(char *to, const char *text) {
        while ((*to++ = g_ascii_tolower(*text++)) != '\0')
                ;
}

_Static_assert(
        USER_FILTER_FUZZY_TEXT_MAX >= TABLE_USER_NAME_MAX + USER_FILTER_EDITS_MAX,
        "a misspelt name is not refused for its length");

/* Whether the array has `n_max` texts of `size_max` bytes at most. */
static bool texts_fit(const json_t *texts, size_t n_max, size_t size_max) {
        const json_t *text;
        size_t index;

        if (json_array_size(texts) > n_max)
                return false;
        json_array_foreach(texts, index, text) {
                if (json_string_length(text) > size_max)
                        return false;
        }
        return true;
}

const char *user_filter_fold(const UserFilterFields *fields, UserFilter *ret_filter) {
        const json_t *text;
        size_t index;

        if (!texts_fit(fields->fuzzy_names, USER_FILTER_FUZZY_MAX, USER_FILTER_FUZZY_TEXT_MAX))
                return "fuzzyNames";
        if (!texts_fit(
                    fields->dispositions, USER_FILTER_DISPOSITIONS_MAX,
                    USER_FILTER_DISPOSITION_TEXT_MAX))
                return "dispositionMask";

        *ret_filter = (UserFilter){
                .nothing = fields->uuid != NULL,
                .by_fuzzy_names = fields->fuzzy_names != NULL,
                .by_dispositions = fields->dispositions != NULL,
                .minimum = fields->has_minimum ? fields->minimum : INT64_MIN,
                .maximum = fields->has_maximum ? fields->maximum : INT64_MAX,
        };
        json_array_foreach(fields->fuzzy_names, index, text) {
                char *copy = ret_filter->fuzzy_names[ret_filter->n_fuzzy_names++];

                fold(copy, json_string_value(text));
        }
        json_array_foreach(fields->dispositions, index, text) {
                char *copy = ret_filter->dispositions[ret_filter->n_dispositions++];

                strcpy(copy, json_string_value(text));
        }
        return NULL;
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

static bool matches_fuzzily(const UserFilter *filter, const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1], description[TABLE_DESCRIPTION_MAX + 1];

        table_user_name(answer, name);
        table_describe_user(answer, description);
        fold(name, name);
        fold(description, description);
        for (unsigned i = 0; i < filter->n_fuzzy_names; i++)
                if (fuzzy_match(filter->fuzzy_names[i], name, description))
                        return true;
        return false;
}

static bool has_disposition(const UserFilter *filter, const char *disposition) {
        for (unsigned i = 0; i < filter->n_dispositions; i++)
                if (g_str_equal(filter->dispositions[i], disposition))
                        return true;
        return false;
}

bool user_filter_matches(const UserFilter *filter, const TableAnswer *answer) {
        if (filter->nothing || answer->id < filter->minimum || answer->id > filter->maximum)
                return false;
        if (filter->by_dispositions && !has_disposition(filter, user_record_disposition(answer)))
                return false;
        return !filter->by_fuzzy_names || matches_fuzzily(filter, answer);
}

unsigned user_filter_cost(const UserFilter *filter) {
        /* An edit distance is a square of 35 by 31 steps. */
        return 1 + filter->n_fuzzy_names * 16;
}
