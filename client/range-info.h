/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `show` and `whose` say of a range, from the table itself: no daemon has to run. */

#include "lib/table/read.h"
#include "lib/varlink/json.h"

/* Open the table.  A failure has been said. */
int range_info_open(const char *path, TableView *ret_view);

/* The range as an object: name, owner, IDs, birth, processes. */
json_t *range_info_new(const TableAnswer *answer);

/* As range_info_new(), about one ID: its user name and offset in front. */
json_t *range_info_new_for_id(const TableAnswer *answer);

/* Print such an object for people. */
void range_info_print(const json_t *info);

/* Find the range or ID that `text` names: "ns-NAME-OFFSET", or NAME.  *ret_is_user says which. */
int range_info_find_name(
        const TableView *view, const char *text, TableAnswer *ret_answer, bool *ret_is_user);

/* Say why a look-up for `what` failed. */
void range_info_say_failure(int outcome, const char *table, const char *what);
