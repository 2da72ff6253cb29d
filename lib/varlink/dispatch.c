/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/dispatch.h"

#include <errno.h>
#include <string.h>

#include "lib/varlink/interface.h"

static bool holds_strings_only(const json_t *array) {
        const json_t *element;
        size_t i;

        if (!json_is_array(array))
                return false;
        json_array_foreach(array, i, element) if (!json_is_string(element)) return false;
        return true;
}

static bool fill_field(const VarlinkField *field, const json_t *value, void *target) {
        json_int_t integer;

        switch (field->type) {
        case VARLINK_FIELD_BOOL:
                if (!json_is_boolean(value))
                        return false;
                *(bool *) target = json_is_true(value);
                return true;
        case VARLINK_FIELD_INT:
                if (!varlink_integer_from_json(value, &integer))
                        return false;
                *(int64_t *) target = integer;
                return true;
        case VARLINK_FIELD_STRING:
                if (!json_is_string(value))
                        return false;
                *(const char **) target = json_string_value(value);
                return true;
        case VARLINK_FIELD_STRING_ARRAY:
                if (!holds_strings_only(value))
                        return false;
                *(const json_t **) target = value;
                return true;
        case VARLINK_FIELD_OBJECT:
                if (!json_is_object(value))
                        return false;
                *(const json_t **) target = value;
                return true;
        }
        g_assert_not_reached();
}

int varlink_dispatch(
        const VarlinkField *fields, size_t n_fields, const json_t *object, void *parameters,
        const char **ret_field) {
        for (size_t i = 0; i < n_fields; i++) {
                const VarlinkField *field = fields + i;
                const json_t *value = json_member(object, field->name);
                bool required = field->present_offset == VARLINK_FIELD_REQUIRED;

                if (!value && !required)
                        continue;
                if (!value || !fill_field(field, value, (char *) parameters + field->offset)) {
                        *ret_field = field->name;
                        return -EINVAL;
                }
                if (field->present_offset >= 0)
                        *(bool *) ((char *) parameters + field->present_offset) = true;
        }
        return 0;
}
