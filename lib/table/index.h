/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The writer's side of the name index (table/format.h): it can be killed at any store, and every
 * name that was in the index, and is to stay, is found all along. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/image.h"

/* The record that the index has for `name`, of a range in reserved ... active; TABLE_NONE. */
uint32_t table_index_find(const TableImage *image, const char *name);

/* Whether a name can be added: FALSE if the names that are there crowd its place. */
bool table_index_has_room(const TableImage *image, const char *name);

/* Add a record by its name.  It is not there, and there is room. */
void table_index_add(TableImage *image, uint32_t number);

/* Remove a record, wherever the index has it; nothing if it has not. */
void table_index_remove(TableImage *image, uint32_t number);

/* Make the index hold the names of all ranges in reserved ... active and nothing else: what a
 * killed writer left is removed entry by entry, what no writer of ours can have left makes it be
 * built anew. */
void table_index_recover(TableImage *image);

/* Whether the index should hold this record. */
bool table_index_wants(const TableRecord *record);
