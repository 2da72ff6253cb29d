/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A table mapped for writing: where its pieces are, and how a whole record is stored. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/table/format.h"
#include "lib/table/read.h"

typedef struct TableImage {
        TableHeader *header; /* start of the mapping */
        TableRecord *records;
        TableWord *index;
        size_t size;
        uint32_t n_records;
        TableView view; /* the same mapping, as readers see it */
} TableImage;

/* Layout of a table of this pool: everything in *ret_header but magic, seed, crc and what changes
 * later. */
void table_image_layout(uint32_t pool_start, uint32_t n_slots, TableHeader *ret_header);

/* Set up *ret_image for a mapping whose header has passed table_view_check(). */
void table_image_init(void *data, const TableView *view, TableImage *ret_image);

/* Store all data of a free record (`data`: kind and what follows it), its CRC, and the two sequence
 * steps. */
void table_image_store_record(TableImage *image, uint32_t number, const TableRecord *data);

/* Store a record's state and count the change. */
void table_image_store_state(TableImage *image, uint32_t number, uint32_t state);

/* The first ID of a slot. */
uint32_t table_image_slot_start(const TableImage *image, uint32_t slot);

/* How many slots a range of `size` IDs takes. */
static inline uint32_t table_n_slots_of(uint32_t size) {
        return size == 0 ? 0 : (size - 1) / TABLE_SLOT_SIZE + 1;
}

static inline bool table_image_is_slot(const TableImage *image, uint32_t number) {
        return number < image->view.n_slots;
}

static inline bool table_image_is_single(const TableImage *image, uint32_t number) {
        return number - image->view.n_slots < image->view.n_singles;
}

/* Number of records of the range that starts in record `number`, itself and those that directly
 * follow it: without what is delegated to it. */
static inline uint32_t table_image_n_parts(const TableImage *image, uint32_t number) {
        return table_image_is_slot(image, number) ? table_n_slots_of(image->records[number].size)
                                                  : 1;
}

/* The numbers of all records of range `number`, itself first, then those that follow it, then the
 * delegated ones.  Returns how many.  For a table that is sound. */
uint32_t table_image_list_records(
        const TableImage *image, uint32_t number,
        uint32_t ret_numbers[static TABLE_RANGE_RECORDS_MAX]);

/* How many IDs range `number` has, delegated ones included. */
uint64_t table_image_n_ids(const TableImage *image, uint32_t number);
