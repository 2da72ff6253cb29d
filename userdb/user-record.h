/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From one ID of the table to the JSON user and group records that userdb clients read.  Pure. */

#include "lib/table/read.h"
#include "lib/varlink/json.h"

/* The name of the provider: what clients take from the last part of the socket's path. */
#define USERDB_SERVICE "io.systemd.NamespaceResource"

/* "container" for an ID of a range, "dynamic" for a single one. */
const char *user_record_disposition(const TableAnswer *answer);

/* The record of the user (the group) with this ID; the caller owns it. */
json_t *user_record_new(const TableAnswer *answer);
json_t *group_record_new(const TableAnswer *answer);
