/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/image.h"

#include <glib.h>
#include <string.h>

#include "lib/table/store.h"

void table_image_layout(uint32_t pool_start, uint32_t n_slots, TableHeader *ret_header) {
        uint32_t n_records = n_slots + TABLE_SINGLES_MAX + TABLE_REGISTRATIONS_MAX;
        uint32_t index_offset = TABLE_HEADER_SIZE + n_records * TABLE_RECORD_SIZE;

        *ret_header = (TableHeader){
                .version = TABLE_VERSION,
                .header_size = TABLE_HEADER_SIZE,
                .file_size = index_offset + TABLE_INDEX_ENTRIES * sizeof(uint32_t),
                .record_size = TABLE_RECORD_SIZE,
                .pool_start = pool_start,
                .n_slots = n_slots,
                .n_singles = TABLE_SINGLES_MAX,
                .n_registrations = TABLE_REGISTRATIONS_MAX,
                .records_offset = TABLE_HEADER_SIZE,
                .index_offset = index_offset,
                .index_entries = TABLE_INDEX_ENTRIES,
        };
        memcpy(ret_header->magic, TABLE_MAGIC, sizeof(ret_header->magic));
}

void table_image_init(void *data, const TableView *view, TableImage *ret_image) {
        uint8_t *bytes = data;

        *ret_image = (TableImage){
                .header = data,
                .records = (TableRecord *) (void *) (bytes + view->records_offset),
                .index = (TableWord *) (void *) (bytes + view->index_offset),
                .size = (size_t) view->file_size,
                .n_records = view->n_slots + view->n_singles + view->n_registrations,
                .view = *view,
        };
}

void table_image_store_record(TableImage *image, uint32_t number, const TableRecord *data) {
        TableRecord *record = &image->records[number];
        TableWord *to = (TableWord *) record;
        const TableWord *from = (const TableWord *) data;
        uint32_t sequence = record->sequence;

        g_assert(record->state == TABLE_STATE_FREE && !(sequence & 1));

        table_store(&record->sequence, sequence + 1);
        table_store(&record->crc, table_record_crc(data));
        for (size_t i = offsetof(TableRecord, kind) / sizeof(*to);
             i < sizeof(*record) / sizeof(*to); i++)
                table_store(to + i, from[i]);
        table_store(&record->sequence, sequence + 2);
}

void table_image_store_state(TableImage *image, uint32_t number, uint32_t state) {
        table_store(&image->records[number].state, state);
        table_store(&image->header->generation, image->header->generation + 1);
}

uint32_t table_image_slot_start(const TableImage *image, uint32_t slot) {
        return image->view.pool_start + slot * TABLE_SLOT_SIZE;
}

uint32_t table_image_list_records(
        const TableImage *image, uint32_t number,
        uint32_t ret_numbers[static TABLE_RANGE_RECORDS_MAX]) {
        uint32_t n_side_by_side = table_image_n_parts(image, number), n = 0;

        for (uint32_t i = 0; i < n_side_by_side; i++)
                ret_numbers[n++] = number + i;
        for (uint32_t at = image->records[number].next_part; at != TABLE_NONE;
             at = image->records[at].next_part) {
                g_assert(n < TABLE_RANGE_RECORDS_MAX && table_image_is_slot(image, at));
                ret_numbers[n++] = at;
        }
        return n;
}

uint64_t table_image_n_ids(const TableImage *image, uint32_t number) {
        uint32_t numbers[TABLE_RANGE_RECORDS_MAX];
        uint32_t n = table_image_list_records(image, number, numbers);
        uint64_t n_ids = image->records[number].size;

        for (uint32_t i = table_image_n_parts(image, number); i < n; i++)
                n_ids += image->records[numbers[i]].size;
        return n_ids;
}
