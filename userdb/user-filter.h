/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filters of GetUserRecord and GetGroupRecord: which records a client wants to see.  What the
 * client sent is measured and folded once a call; what is then done for each record depends on
 * these limits, not on the call.  Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/describe.h"
#include "lib/table/read.h"
#include "lib/varlink/json.h"

/* Texts of fuzzyNames that are looked at for each record.  A client has a handful; the cost of an
 * enumeration is this times the ranges there are. */
#define USER_FILTER_FUZZY_MAX 16u

/* Bytes of such a text: what is longer is part of no name and no description. */
#define USER_FILTER_FUZZY_TEXT_MAX TABLE_DESCRIPTION_MAX

/* How many characters may be typed wrong in a name that still matches. */
#define USER_FILTER_EDITS_MAX 4u

/* Entries of dispositionMask, and bytes of one: systemd knows nine, "intrinsic" is the longest. */
#define USER_FILTER_DISPOSITIONS_MAX 16u
#define USER_FILTER_DISPOSITION_TEXT_MAX 15u

/* As the call has them: borrowed from it.  All zero: everything matches. */
typedef struct UserFilterFields {
        bool has_minimum, has_maximum;
        int64_t minimum, maximum;   /* uidMin, uidMax, gidMin, gidMax: inclusive */
        const json_t *fuzzy_names;  /* strings; any of them fits */
        const json_t *dispositions; /* strings; any of them fits */
        const char *uuid;           /* our records have none: nothing matches */
} UserFilterFields;

/* The same, folded: borrows nothing. */
typedef struct UserFilter {
        bool nothing; /* matches */
        bool by_fuzzy_names, by_dispositions;
        int64_t minimum, maximum;
        unsigned n_fuzzy_names, n_dispositions;
        char fuzzy_names[USER_FILTER_FUZZY_MAX][USER_FILTER_FUZZY_TEXT_MAX + 1]; /* lower case */
        char dispositions[USER_FILTER_DISPOSITIONS_MAX][USER_FILTER_DISPOSITION_TEXT_MAX + 1];
} UserFilter;

/* Fold a call's fields.  Returns NULL, or the name of the field that is beyond a limit: nothing of
 * it has been copied then. */
const char *user_filter_fold(const UserFilterFields *fields, UserFilter *ret_filter);

bool user_filter_matches(const UserFilter *filter, const TableAnswer *answer);

/* What it costs to match one record, in looks at a place of the table (about 100 ns). */
unsigned user_filter_cost(const UserFilter *filter);
