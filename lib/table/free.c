/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/free.h"

#include "lib/table/format.h"

/* In the order in which they are asked. */
typedef enum FreeKind {
        FIRST_UNUSED,
        FIRST_RELEASED,
        LAST_UNUSED,
        LAST_RELEASED,
        FREE_KINDS_N,
} FreeKind;

/* Where a record is: nowhere, or in one of the lists. */
typedef struct FreePlace {
        uint32_t next, previous;
        uint8_t kind; /* FREE_KINDS_N: nowhere */
} FreePlace;

typedef struct FreeList {
        uint32_t head, tail, n;
} FreeList;

struct TableFree {
        uint32_t first, n, boundary;
        FreePlace *places;
        FreeList lists[FREE_KINDS_N];
};

static FreePlace *place_of(const TableFree *set, uint32_t record) {
        g_assert(record - set->first < set->n);
        return &set->places[record - set->first];
}

static FreeKind kind_of(const TableFree *set, uint32_t record, bool was_released) {
        if (record >= set->boundary)
                return was_released ? FIRST_RELEASED : FIRST_UNUSED;
        return was_released ? LAST_RELEASED : LAST_UNUSED;
}

TableFree *table_free_new(uint32_t first, uint32_t n, uint32_t boundary) {
        TableFree *set = g_new0(TableFree, 1);

        set->first = first;
        set->n = n;
        set->boundary = boundary;
        set->places = g_new0(FreePlace, n);
        for (uint32_t i = 0; i < n; i++)
                set->places[i].kind = FREE_KINDS_N;
        for (unsigned kind = 0; kind < FREE_KINDS_N; kind++)
                set->lists[kind].head = set->lists[kind].tail = TABLE_NONE;
        return set;
}

void table_free_free(TableFree *set) {
        if (!set)
                return;
        g_free(set->places);
        g_free(set);
}

bool table_free_has(const TableFree *set, uint32_t record) {
        return place_of(set, record)->kind != FREE_KINDS_N;
}

bool table_free_has_unused(const TableFree *set, uint32_t record) {
        unsigned kind = place_of(set, record)->kind;

        return kind == FIRST_UNUSED || kind == LAST_UNUSED;
}

uint32_t table_free_n(const TableFree *set) {
        uint32_t n = 0;

        for (unsigned kind = 0; kind < FREE_KINDS_N; kind++)
                n += set->lists[kind].n;
        return n;
}

uint32_t table_free_n_unused(const TableFree *set) {
        return set->lists[FIRST_UNUSED].n + set->lists[LAST_UNUSED].n;
}

/* Put it in front of `next`, which is in the list, or at the end for TABLE_NONE. */
static void insert(TableFree *set, FreeKind kind, uint32_t record, uint32_t next) {
        FreePlace *place = place_of(set, record);
        FreeList *list = &set->lists[kind];

        g_assert(place->kind == FREE_KINDS_N);
        place->kind = (uint8_t) kind;
        place->next = next;
        place->previous = next == TABLE_NONE ? list->tail : place_of(set, next)->previous;
        if (place->previous != TABLE_NONE)
                place_of(set, place->previous)->next = record;
        else
                list->head = record;
        if (next != TABLE_NONE)
                place_of(set, next)->previous = record;
        else
                list->tail = record;
        list->n++;
}

/* Downwards from the top: what is put back was near it. */
static void insert_downwards(TableFree *set, uint32_t record) {
        uint32_t next = set->lists[LAST_UNUSED].head;

        while (next != TABLE_NONE && next > record)
                next = place_of(set, next)->next;
        insert(set, LAST_UNUSED, record, next);
}

void table_free_add_unused(TableFree *set, uint32_t *records, uint32_t n, GRand *rand) {
        uint32_t n_last = 0;

        while (n_last < n && records[n_last] < set->boundary)
                insert_downwards(set, records[n_last++]);
        for (uint32_t i = n_last; i < n; i++) {
                uint32_t at = (uint32_t) g_rand_int_range(rand, (int32_t) i, (int32_t) n);
                uint32_t record = records[at];

                records[at] = records[i];
                insert(set, FIRST_UNUSED, record, TABLE_NONE);
        }
}

void table_free_add_freed(TableFree *set, uint32_t record) {
        insert(set, kind_of(set, record, true), record, TABLE_NONE);
}

void table_free_put_back(TableFree *set, uint32_t record, bool was_released) {
        FreeKind kind = kind_of(set, record, was_released);

        if (kind == LAST_UNUSED)
                insert_downwards(set, record);
        else
                insert(set, kind, record, set->lists[kind].head);
}

void table_free_remove(TableFree *set, uint32_t record) {
        FreePlace *place = place_of(set, record);
        FreeList *list;

        g_assert(place->kind != FREE_KINDS_N);
        list = &set->lists[place->kind];
        if (place->previous != TABLE_NONE)
                place_of(set, place->previous)->next = place->next;
        else
                list->head = place->next;
        if (place->next != TABLE_NONE)
                place_of(set, place->next)->previous = place->previous;
        else
                list->tail = place->previous;
        place->kind = FREE_KINDS_N;
        list->n--;
}

static uint32_t choose_of(const TableFree *set, FreeKind kind, TableTakeFunc take, void *userdata) {
        for (uint32_t record = set->lists[kind].head; record != TABLE_NONE;
             record = place_of(set, record)->next)
                if (take(record, userdata))
                        return record;
        return TABLE_NONE;
}

uint32_t table_free_choose(const TableFree *set, TableTakeFunc take, void *userdata) {
        for (unsigned kind = 0; kind < FREE_KINDS_N; kind++) {
                uint32_t record = choose_of(set, kind, take, userdata);

                if (record != TABLE_NONE)
                        return record;
        }
        return TABLE_NONE;
}

uint32_t table_free_choose_unused(const TableFree *set, TableTakeFunc take, void *userdata) {
        uint32_t record = choose_of(set, FIRST_UNUSED, take, userdata);

        return record != TABLE_NONE ? record : choose_of(set, LAST_UNUSED, take, userdata);
}
