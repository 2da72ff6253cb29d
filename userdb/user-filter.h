/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filters of GetUserRecord and GetGroupRecord: which records a client wants to see.  Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/table-read.h"
#include "lib/varlink/json.h"

/* Texts of fuzzyNames that are looked at for each record.  A client has a handful; the cost of an
 * enumeration is this times the ranges there are. */
#define USER_FILTER_FUZZY_MAX 16u

/* How many characters may be typed wrong in a name that still matches. */
#define USER_FILTER_EDITS_MAX 4u

/* Borrowed from a call's parameters.  All zero: everything matches. */
typedef struct UserFilter {
        bool has_minimum, has_maximum;
        int64_t minimum, maximum;   /* uidMin, uidMax, gidMin, gidMax: inclusive */
        const json_t *fuzzy_names;  /* strings; any of them fits */
        const json_t *dispositions; /* strings; any of them fits */
        const char *uuid;           /* our records have none: nothing matches */
} UserFilter;

/* The name of the field that is beyond a limit, or NULL.  `fuzzy_names` is the only one that can
 * be. */
const char *user_filter_check(const UserFilter *filter);

bool user_filter_matches(const UserFilter *filter, const TableAnswer *answer);
