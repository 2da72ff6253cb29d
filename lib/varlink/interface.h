/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Interface descriptions (.varlink texts) as trees of types, and the check of a call's parameters
 * against them.  Knows nothing of sockets and servers. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/varlink/json.h"

typedef struct VarlinkInterface VarlinkInterface;
typedef struct VarlinkInterfaceMethod VarlinkInterfaceMethod;

#define VARLINK_INTERFACE_DEPTH_MAX 16u /* types written within types, in a text */

/* Parse a text.  -EINVAL: it is none, or names a type that it does not define, or defines a name
 * twice; *ret_line (may be NULL) is then the number of the line where that was seen. */
int varlink_interface_parse(const char *text, VarlinkInterface **ret_interface, unsigned *ret_line);
void varlink_interface_free(VarlinkInterface *interface);

/* "org.example.Name" */
const char *varlink_interface_name(const VarlinkInterface *interface);

/* The method called `name` (without the interface's), or NULL. */
const VarlinkInterfaceMethod *varlink_interface_find_method(
        const VarlinkInterface *interface, const char *name);

/* Whether `parameters` (NULL: none) are what the method takes.  If not, *ret_field is the name of
 * the field that is missing, unknown or of the wrong type; of a struct within the parameters it is
 * the inner field's.  The string is the interface's or the parameters'.  Null counts as absent; an
 * int may be a decimal string, or a number with nothing behind its point; a string must be free of
 * NUL bytes. */
bool varlink_interface_method_accepts(
        const VarlinkInterfaceMethod *method, const json_t *parameters, const char **ret_field);

/* The value of an int field: a JSON integer; a string that holds a decimal number that fits 64
 * bits; or, as of languages that have but one kind of number, a real (65536.0, 1e3) that is an
 * integer below 2^53. */
bool varlink_integer_from_json(const json_t *value, json_int_t *ret_integer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkInterface, varlink_interface_free)
