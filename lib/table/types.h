/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the writer (table/write.h) and the pieces that it is made of have in common. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/table/format.h"

/* Outcomes. */
enum {
        TABLE_E_LOCKED = 1,    /* another writer holds the file */
        TABLE_E_EXHAUSTED = 2, /* no slot (no single ID, no registration) is free and accepted */
        TABLE_E_NAME_EXISTS = 3,
        TABLE_E_USERNS_EXISTS = 4, /* a live record has this namespace already */
        TABLE_E_UNTRUSTED =
                5, /* a file stands there that is not to be believed: see TableOpenReport */
};

typedef struct TableWriterConfig {
        const char *path; /* e.g. TABLE_PATH; its folder exists.  Borrowed during the open only */
        uint32_t pool_start; /* a multiple of TABLE_SLOT_SIZE, TABLE_POOL_LOWEST at least */
        uint32_t n_slots; /* 1 ... TABLE_SLOTS_MAX; the pool ends at TABLE_POOL_HIGHEST at most */
        /* Slots that begin here or above are lent before the others; 0: all are alike. */
        uint32_t first_start;
        bool enforced;    /* what TableHeader.enforcement says */
        bool all_entries; /* what TableHeader.set_entries says */
} TableWriterConfig;

/* What table_writer_open() found and did. */
typedef struct TableOpenReport {
        bool created;           /* there was no file */
        char *set_aside;        /* path an untrusted file was renamed to; else NULL.  g_free() it */
        const char *reason;     /* why it was not believed; static text */
        uint32_t n_rolled_back; /* records (parts too) found in `reserved`, now free */
        uint32_t n_adopted;     /* ranges and registrations in any later state */
} TableOpenReport;

/* How many ranges and registrations (parts and split slots not counted) are in each state;
 * n_slots_free counts slots. */
typedef struct TableCounts {
        uint32_t n[TABLE_STATE_COUNT];
        uint32_t n_slots_free;
        uint32_t n_slots_never_used;
} TableCounts;

/* There are so much fewer single IDs than slots. */
#define TABLE_KEPT_PER_SINGLE 8u

/* How much a range adds to what is kept out of use, in slots; see table_writer_kept(). */
static inline uint32_t table_range_kept(uint32_t size, uint32_t n_delegated) {
        if (size == 0)
                return 0;
        return n_delegated +
               (size == 1 ? TABLE_KEPT_PER_SINGLE : (size + TABLE_SLOT_SIZE - 1) / TABLE_SLOT_SIZE);
}
