/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a call's parameters to a typed struct.  The interface's own description decides what is
 * valid (varlink/interface.h); the field table only says where each value goes.  Knows nothing of
 * connections. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/varlink/json.h"

typedef enum VarlinkFieldType {
        VARLINK_FIELD_BOOL,   /* bool */
        VARLINK_FIELD_INT,    /* int64_t; decimal strings are taken too */
        VARLINK_FIELD_STRING, /* const char *, borrowed from the call; enum values arrive this way
                               */
        VARLINK_FIELD_STRING_ARRAY, /* const json_t *: an array that holds strings only, borrowed */
        VARLINK_FIELD_OBJECT,       /* const json_t *, borrowed */
} VarlinkFieldType;

typedef struct VarlinkField {
        const char *name;
        VarlinkFieldType type;
        size_t offset; /* of the value in the struct */
        /* Offset of a bool that says whether the field was given (null counts as absent),
         * VARLINK_FIELD_REQUIRED, or VARLINK_FIELD_OPTIONAL: nobody asks.  Absent fields leave the
         * struct's zero. */
        ptrdiff_t present_offset;
} VarlinkField;

#define VARLINK_FIELD_REQUIRED (-1)
#define VARLINK_FIELD_OPTIONAL (-2)

/* Fill `parameters` (zeroed by the caller) from `object` (NULL: no fields).  The object must have
 * passed varlink_interface_method_accepts(); what the table asks for beyond that is checked again:
 * -EINVAL, and *ret_field is the field's name. */
int varlink_dispatch(
        const VarlinkField *fields, size_t n_fields, const json_t *object, void *parameters,
        const char **ret_field);
