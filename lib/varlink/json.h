/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one place that knows which JSON library is used. */

#include <stdbool.h>

#include <jansson.h>

#include <glib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* The member `key` of an object, borrowed; NULL if it is missing or null (an explicit null counts
 * as absent everywhere). */
static inline json_t *json_member(const json_t *object, const char *key) {
        json_t *value = json_object_get(object, key);

        return json_is_null(value) ? NULL : value;
}

/* From here on not every integer is a double, so one that is may have been another. */
#define JSON_EXACT_DOUBLES_END 9007199254740992.0 /* 2^53 */

/* The integer that a real (65536.0, 1e3) is; false: it is none, or may have been another. */
static inline bool json_integer_from_real(double real, json_int_t *ret_integer) {
        if (!(real > -JSON_EXACT_DOUBLES_END && real < JSON_EXACT_DOUBLES_END)) /* nor NaN */
                return false;
        *ret_integer = (json_int_t) real;
        return (double) *ret_integer == real;
}
