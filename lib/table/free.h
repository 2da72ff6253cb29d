/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The free records of one class (slots, single IDs, registrations) and the order in which they are
 * lent: those from a boundary on first, of them those never used in random order, then the
 * one free for longest; then those below the boundary, likewise, but those never used from the
 * top downwards.  The order is drawn once: what comes next can be foreseen.  In memory only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct TableFree TableFree;

/* For the records `first` ... `first` + `n` - 1; none of them is in it yet.  Those from `boundary`
 * on come first. */
TableFree *table_free_new(uint32_t first, uint32_t n, uint32_t boundary);
void table_free_free(TableFree *set);

/* Add records that were never used, given in ascending order, which is lost. */
void table_free_add_unused(TableFree *set, uint32_t *records, uint32_t n, GRand *rand);

/* Add one that was released after all those that are there. */
void table_free_add_freed(TableFree *set, uint32_t record);

/* Add one that was taken out and was not used: it is the next one of its kind again. */
void table_free_put_back(TableFree *set, uint32_t record, bool was_released);
void table_free_remove(TableFree *set, uint32_t record);

bool table_free_has(const TableFree *set, uint32_t record);
bool table_free_has_unused(const TableFree *set, uint32_t record);
uint32_t table_free_n(const TableFree *set);
uint32_t table_free_n_unused(const TableFree *set);

/* Whether to take this record. */
typedef bool (*TableTakeFunc)(uint32_t record, void *userdata);

/* Ask about one record after the other, in the order above, until one is taken; TABLE_NONE if none
 * is.  It stays in the set. */
uint32_t table_free_choose(const TableFree *set, TableTakeFunc take, void *userdata);

/* The same, of those never used only. */
uint32_t table_free_choose_unused(const TableFree *set, TableTakeFunc take, void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TableFree, table_free_free)
