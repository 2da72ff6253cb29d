/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one place that knows which JSON library is used. */

#include <jansson.h>

#include <glib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* The member `key` of an object, borrowed; NULL if it is missing or null (an explicit null counts
 * as absent everywhere). */
static inline json_t *json_member(const json_t *object, const char *key) {
        json_t *value = json_object_get(object, key);

        return json_is_null(value) ? NULL : value;
}
