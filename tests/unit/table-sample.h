/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small table in memory, made by hand: one of each kind, delegated ranges among them.  For tests
 * and fuzzers of the reader; libc only. */

#include <string.h>

#include "lib/table/read.h"

#define SAMPLE_POOL 0x00200000u
#define SAMPLE_SLOTS 10u
#define SAMPLE_SINGLES 16u
#define SAMPLE_REGISTRATIONS 4u
#define SAMPLE_INDEX 64u
#define SAMPLE_RECORDS (SAMPLE_SLOTS + SAMPLE_SINGLES + SAMPLE_REGISTRATIONS)
#define SAMPLE_INDEX_OFFSET (TABLE_HEADER_SIZE + SAMPLE_RECORDS * TABLE_RECORD_SIZE)
#define SAMPLE_SIZE (SAMPLE_INDEX_OFFSET + SAMPLE_INDEX * 4u)
#define SAMPLE_SLOT_ID(slot) (SAMPLE_POOL + (slot) *TABLE_SLOT_SIZE)

/* Numbers of the records. */
enum {
        SAMPLE_PLAIN = 0, /* "plain", 65,536 IDs, with the delegated slots 6 and 8 */
        SAMPLE_LARGE = 1, /* "large", 100,000 IDs: slots 1 and 2 */
        SAMPLE_SPLIT = 3, /* its ID 5 is "single" */
        SAMPLE_GONE = 4,  /* "gone": releasing, its name still in the index */
        SAMPLE_OUT = 5,   /* quarantined, nameless */
        SAMPLE_DELEGATED_1 = 6,
        SAMPLE_SMALL = 7, /* "small", 2 IDs */
        SAMPLE_DELEGATED_2 = 8,
        SAMPLE_FREE = 9,
        SAMPLE_SINGLE = SAMPLE_SLOTS + 5,
        SAMPLE_REGISTERED = SAMPLE_SLOTS + SAMPLE_SINGLES, /* "registered" */
};

typedef union TableSample {
        uint8_t bytes[SAMPLE_SIZE];
        TableHeader header;
        uint64_t alignment;
} TableSample;

static inline TableRecord *sample_record(TableSample *sample, uint32_t number) {
        return (TableRecord *) (void *) (sample->bytes + TABLE_HEADER_SIZE) + number;
}

static inline void sample_seal_header(TableSample *sample) {
        sample->header.crc = table_crc(sample->bytes, offsetof(TableHeader, crc));
}

static inline void sample_seal(TableSample *sample, uint32_t number) {
        TableRecord *record = sample_record(sample, number);

        record->crc = table_record_crc(record);
}

static inline void sample_index(TableSample *sample, uint32_t number) {
        TableWord *index = (TableWord *) (void *) (sample->bytes + SAMPLE_INDEX_OFFSET);
        const char *name = sample_record(sample, number)->name;
        uint64_t hash = table_name_hash(sample->header.name_seed, name, strlen(name));
        uint32_t position = (uint32_t) hash % SAMPLE_INDEX;

        while (index[position] != 0)
                position = (position + 1) % SAMPLE_INDEX;
        index[position] = (uint32_t) (hash >> 48) << 16 | (number + 1);
}

static inline void sample_add(
        TableSample *sample, uint32_t number, uint32_t state, uint32_t kind, const char *name,
        uint32_t start, uint32_t size) {
        TableRecord *record = sample_record(sample, number);

        *record = (TableRecord){
                .state = state,
                .sequence = 2,
                .kind = kind,
                .owner_uid = 1000,
                .account_uid = 1000,
                .userns_inode = 4026531837u + number,
                .birth_usec = 1795348800000000u,
                .start = start,
                .size = size,
                .holder = TABLE_NONE,
                .next_part = TABLE_NONE,
                .first_single = TABLE_NONE,
        };
        memcpy(record->name, name, strlen(name));
        sample_seal(sample, number);
        if (name[0] != '\0')
                sample_index(sample, number);
}

static inline void sample_add_part(
        TableSample *sample, uint32_t number, uint32_t holder, uint32_t part, uint32_t size,
        uint32_t next_part) {
        TableRecord *record = sample_record(sample, number);

        sample_add(
                sample, number, TABLE_STATE_ACTIVE, TABLE_KIND_PART, "", SAMPLE_SLOT_ID(number),
                size);
        record->userns_inode = sample_record(sample, holder)->userns_inode;
        record->holder = holder;
        record->part = part;
        record->next_part = next_part;
        sample_seal(sample, number);
}

static inline void sample_fill(TableSample *sample) {
        memset(sample->bytes, 0, sizeof(sample->bytes));
        sample->header = (TableHeader){
                .version = TABLE_VERSION,
                .header_size = TABLE_HEADER_SIZE,
                .file_size = SAMPLE_SIZE,
                .name_seed = 12345,
                .record_size = TABLE_RECORD_SIZE,
                .pool_start = SAMPLE_POOL,
                .n_slots = SAMPLE_SLOTS,
                .n_singles = SAMPLE_SINGLES,
                .n_registrations = SAMPLE_REGISTRATIONS,
                .records_offset = TABLE_HEADER_SIZE,
                .index_offset = SAMPLE_INDEX_OFFSET,
                .index_entries = SAMPLE_INDEX,
        };
        memcpy(sample->header.magic, TABLE_MAGIC, sizeof(sample->header.magic));
        sample_seal_header(sample);

        sample_add(
                sample, SAMPLE_PLAIN, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "plain", SAMPLE_POOL,
                65536);
        sample_record(sample, SAMPLE_PLAIN)->next_part = SAMPLE_DELEGATED_1;
        sample_seal(sample, SAMPLE_PLAIN);
        sample_add_part(sample, SAMPLE_DELEGATED_1, SAMPLE_PLAIN, 1, 65536, SAMPLE_DELEGATED_2);
        sample_add_part(sample, SAMPLE_DELEGATED_2, SAMPLE_PLAIN, 2, 65536, TABLE_NONE);

        sample_add(
                sample, SAMPLE_LARGE, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "large",
                SAMPLE_SLOT_ID(SAMPLE_LARGE), 100000);
        sample_add_part(sample, 2, SAMPLE_LARGE, 1, 100000 - 65536, TABLE_NONE);

        sample_add(
                sample, SAMPLE_SPLIT, TABLE_STATE_ACTIVE, TABLE_KIND_SPLIT, "",
                SAMPLE_SLOT_ID(SAMPLE_SPLIT), TABLE_SINGLES_PER_SPLIT);
        sample_record(sample, SAMPLE_SPLIT)->first_single = 0;
        sample_seal(sample, SAMPLE_SPLIT);
        sample_add(
                sample, SAMPLE_SINGLE, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "single",
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, 1);

        sample_add(
                sample, SAMPLE_GONE, TABLE_STATE_RELEASING, TABLE_KIND_RANGE, "gone",
                SAMPLE_SLOT_ID(SAMPLE_GONE), 65536);
        sample_add(
                sample, SAMPLE_OUT, TABLE_STATE_QUARANTINED, TABLE_KIND_RANGE, "",
                SAMPLE_SLOT_ID(SAMPLE_OUT), 65536);
        sample_add(
                sample, SAMPLE_SMALL, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "small",
                SAMPLE_SLOT_ID(SAMPLE_SMALL), 2);
        sample_add(
                sample, SAMPLE_REGISTERED, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "registered",
                TABLE_NONE, 0);
}
