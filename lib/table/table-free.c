/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/table-free.h"

#include "lib/table/table-format.h"

/* Where a record is: nowhere, at a place of `unused`, or in the list. */
typedef struct FreePlace {
        uint32_t unused_at; /* place in `unused`; TABLE_NONE */
        uint32_t next, previous;
        bool listed;
} FreePlace;

struct TableFree {
        uint32_t first, n;
        FreePlace *places;
        uint32_t *unused;
        uint32_t n_unused, n_listed;
        uint32_t head, tail; /* released: oldest and newest */
};

static FreePlace *place_of(const TableFree *set, uint32_t record) {
        g_assert(record - set->first < set->n);
        return &set->places[record - set->first];
}

TableFree *table_free_new(uint32_t first, uint32_t n) {
        TableFree *set = g_new0(TableFree, 1);

        set->first = first;
        set->n = n;
        set->head = set->tail = TABLE_NONE;
        set->places = g_new0(FreePlace, n);
        set->unused = g_new0(uint32_t, n);
        for (uint32_t i = 0; i < n; i++)
                set->places[i].unused_at = TABLE_NONE;
        return set;
}

void table_free_free(TableFree *set) {
        if (!set)
                return;
        g_free(set->places);
        g_free(set->unused);
        g_free(set);
}

bool table_free_has(const TableFree *set, uint32_t record) {
        const FreePlace *place = place_of(set, record);

        return place->listed || place->unused_at != TABLE_NONE;
}

bool table_free_has_unused(const TableFree *set, uint32_t record) {
        return place_of(set, record)->unused_at != TABLE_NONE;
}

uint32_t table_free_n(const TableFree *set) {
        return set->n_unused + set->n_listed;
}

uint32_t table_free_n_unused(const TableFree *set) {
        return set->n_unused;
}

static void put_unused(TableFree *set, uint32_t at, uint32_t record) {
        set->unused[at] = record;
        place_of(set, record)->unused_at = at;
}

void table_free_add_unused(TableFree *set, uint32_t record) {
        g_assert(!table_free_has(set, record));
        put_unused(set, set->n_unused++, record);
}

void table_free_add_released(TableFree *set, uint32_t record) {
        FreePlace *place = place_of(set, record);

        g_assert(!table_free_has(set, record));
        place->listed = true;
        place->next = TABLE_NONE;
        place->previous = set->tail;
        if (set->tail != TABLE_NONE)
                place_of(set, set->tail)->next = record;
        else
                set->head = record;
        set->tail = record;
        set->n_listed++;
}

void table_free_put_back(TableFree *set, uint32_t record) {
        FreePlace *place = place_of(set, record);

        g_assert(!table_free_has(set, record));
        place->listed = true;
        place->next = set->head;
        place->previous = TABLE_NONE;
        if (set->head != TABLE_NONE)
                place_of(set, set->head)->previous = record;
        else
                set->tail = record;
        set->head = record;
        set->n_listed++;
}

static void unlist(TableFree *set, FreePlace *place) {
        if (place->previous != TABLE_NONE)
                place_of(set, place->previous)->next = place->next;
        else
                set->head = place->next;
        if (place->next != TABLE_NONE)
                place_of(set, place->next)->previous = place->previous;
        else
                set->tail = place->previous;
        place->listed = false;
        set->n_listed--;
}

void table_free_remove(TableFree *set, uint32_t record) {
        FreePlace *place = place_of(set, record);

        g_assert(table_free_has(set, record));
        if (place->listed) {
                unlist(set, place);
                return;
        }
        put_unused(set, place->unused_at, set->unused[set->n_unused - 1]);
        set->n_unused--;
        place->unused_at = TABLE_NONE;
}

uint32_t table_free_choose_unused(TableFree *set, GRand *rand, TableTakeFunc take, void *userdata) {
        /* Those that were asked about gather at the end. */
        for (uint32_t n = set->n_unused; n > 0; n--) {
                uint32_t at = (uint32_t) g_rand_int_range(rand, 0, (int32_t) n);
                uint32_t record = set->unused[at];

                if (take(record, userdata))
                        return record;
                put_unused(set, at, set->unused[n - 1]);
                put_unused(set, n - 1, record);
        }
        return TABLE_NONE;
}

uint32_t table_free_choose_released(TableFree *set, TableTakeFunc take, void *userdata) {
        for (uint32_t record = set->head; record != TABLE_NONE;
             record = place_of(set, record)->next)
                if (take(record, userdata))
                        return record;
        return TABLE_NONE;
}
