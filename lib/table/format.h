/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table: one fixed-size file that is the daemon's state, the NSS module's database and the
 * provider's database.  This header is its whole layout, shared by the writer (write.c) and
 * every reader (read.c); it needs nothing but <stdint.h>.  All numbers are in the host's byte
 * order: the file lives in /run and is never moved.  Every offset is the same in 32-bit programs;
 * all shared words that change under readers are 32 bits wide, so that those programs read them
 * whole too.
 *
 *      0                 TableHeader, one page
 *      records_offset    n_slots + n_singles + n_registrations records of TABLE_RECORD_SIZE bytes
 *      index_offset      index_entries words: the name index
 *
 * Records.  Records of slots come first, then those of single IDs, then registrations
 * (RegisterUserNamespace: kind TABLE_KIND_RANGE, size 0, no ID of ours).  Record i < n_slots is
 * slot i: the 65,536 IDs from pool_start + i * 65,536 on, so an ID finds its record by arithmetic.
 * Its kind says what the slot is used for:
 *
 *      TABLE_KIND_RANGE  the slot is the first (or only) one of a range and holds everything about
 *                        it.
 *      TABLE_KIND_PART   the slot belongs to the range whose record number is `holder`, as its part
 *                        number `part` (>= 1).  IDs of a part are named by offset: part * 65,536 +
 *                        n.  The parts of a range with more than 65,536 IDs directly follow it;
 *                        delegated ranges are parts that stand anywhere, count on from those, and
 *                        are chained through `next_part` from the holder on, which may be a single
 *                        ID too.  Owner, namespace and time of birth are its holder's: a part
 *                        that differs there is not believed.
 *      TABLE_KIND_SPLIT  the slot is split into single IDs: its ID n < TABLE_SINGLES_PER_SPLIT has
 *                        the record n_slots + first_single + n, of kind TABLE_KIND_RANGE and size
 *                        1.  The rest of the slot is not used.  A slot that was split stays split.
 *
 * States.  free -> reserved -> mapping -> active -> releasing -> quarantined -> free.  Each step is
 * one atomic store of `state`, after the data it stands for.  All other data is written while the
 * state is free, between two increments of `sequence` (odd: being written); nothing under the CRC
 * changes in any other state.  Only `reserved` is ever rolled back: from `mapping` on the namespace
 * may hold the IDs whatever the daemon knows, so the slot stays taken until the namespace is proven
 * dead.  Names of namespaces are answered for `active` only.  The first ID of a slot that is not
 * free and has no such name has that of the slot, "nsresource-FIRSTID": systemd-nspawn and others
 * who pick ranges themselves ask for just that number before they take one.  A part is reserved
 * before its holder and freed after it, and its state follows the holder's.  A slot that is split
 * is `active` for good, one that is taken out of service goes from free to quarantined; both in one
 * store.
 *
 * Name index.  Open addressing, linear probing, at most TABLE_PROBE_MAX steps.  A word is 0 (empty)
 * or fingerprint << 16 | (record + 1), where hash = table_name_hash(), the home position is hash &
 * (index_entries - 1) and the fingerprint is hash >> 48.  Entries are removed by shifting later
 * ones back, never by tombstones: a moved entry is stored at its new place before its old place is
 * overwritten, and `index_sequence` grows by two after each such store.  A reader that misses
 * believes the miss if the word was even and did not change while it looked: then every entry was
 * in one place all along, or in two, so a writer that died half-way costs nobody an answer.  The
 * word is odd only while a damaged index is built anew.
 *
 * Replacement.  A table that must be replaced is written aside, the old one's `retired` word is
 * set, then the new one is renamed over it.  Readers that see `retired` map the new file; no file
 * ever shrinks. */

#include <stdint.h>

#define TABLE_MAGIC "NSRTABLE" /* 8 bytes, no NUL */
#define TABLE_VERSION 1u
#define TABLE_PATH "/run/nsresource/table"

#define TABLE_SLOT_SIZE 65536u       /* IDs a slot: what one 64K-aligned container range has */
#define TABLE_POOL_START 0x00080000u /* default pool: systemd's container UID range ... */
#define TABLE_POOL_END 0x70000000u   /* ... without its exclusive end: 28,664 slots */
/* A pool starts no lower, so readers refuse smaller IDs unseen, and ends before (uid_t) -1. */
#define TABLE_POOL_LOWEST 0x00010000u
#define TABLE_POOL_HIGHEST 0xFFFF0000u
/* All record numbers together must fit the 16 bits of an index word. */
#define TABLE_SLOTS_MAX 49152u
#define TABLE_SINGLES_PER_SPLIT 2048u /* single IDs used of a slot that is split */
#define TABLE_SPLITS_MAX 2u           /* slots that may be split */
#define TABLE_SINGLES_MAX (TABLE_SINGLES_PER_SPLIT * TABLE_SPLITS_MAX)
#define TABLE_REGISTRATIONS_MAX 4096u /* namespaces that brought their own maps */
#define TABLE_INDEX_ENTRIES 131072u   /* a power of two, at most 0.44 full with all records named */
#define TABLE_PROBE_MAX 1024u /* more than one user can crowd together within the default quota */
#define TABLE_PARTS_MAX 16u   /* slots of one range beyond its first */
#define TABLE_RANGE_RECORDS_MAX (1 + TABLE_PARTS_MAX)
#define TABLE_RANGE_SIZE_MAX (16u * TABLE_SLOT_SIZE)
#define TABLE_NAME_MAX 22u      /* bytes of a namespace's name, see table_name_max() */
#define TABLE_USER_NAME_MAX 31u /* bytes of "ns-NAME-OFFSET": what utmp and useradd take */
#define TABLE_NONE UINT32_MAX   /* no record */
#define TABLE_FILE_MODE 0644    /* everybody reads it, only its owner (root) writes */

enum {
        TABLE_STATE_FREE = 0,
        TABLE_STATE_RESERVED = 1,
        TABLE_STATE_MAPPING = 2,
        TABLE_STATE_ACTIVE = 3,
        TABLE_STATE_RELEASING = 4,
        TABLE_STATE_QUARANTINED = 5,
        TABLE_STATE_COUNT
};

enum {
        TABLE_KIND_NONE = 0, /* never used */
        TABLE_KIND_RANGE = 1,
        TABLE_KIND_PART = 2,
        TABLE_KIND_SPLIT = 3,
};

/* TableRecord.flags */
#define TABLE_FLAG_UNENFORCED (1u << 0) /* lent with Enforcement = none: may have left files */
#define TABLE_FLAG_REGISTERED (1u << 1) /* RegisterUserNamespace: size 0, the client's own map */
/* Out of service because the host uses its IDs: they were never ours, so nothing answers for it. */
#define TABLE_FLAG_HOST (1u << 2)

#define TABLE_RECORD_SIZE 128u
#define TABLE_HEADER_SIZE 4096u

typedef struct TableRecord {
        uint32_t state;        /* atomic; TABLE_STATE_* */
        uint32_t sequence;     /* atomic; odd while the rest is written */
        uint32_t freed_order;  /* atomic; 0 = was always free, else larger = freed later;
                                     outside the CRC */
        uint32_t crc;          /* CRC-32 (IEEE 802.3, as zlib) of all bytes after this field */
        uint32_t kind;         /* TABLE_KIND_* */
        uint32_t flags;        /* TABLE_FLAG_* */
        uint32_t owner_uid;    /* owner of the user namespace */
        uint32_t account_uid;  /* whom it is charged to */
        uint64_t userns_inode; /* st_ino of the nsfs file; 32 bits wide today */
        uint64_t userns_id;    /* NS_GET_ID, Linux 6.18; 0 = the kernel has none */
        uint64_t birth_usec;   /* CLOCK_REALTIME, microseconds */
        uint32_t start;        /* first ID of the record */
        uint32_t size; /* IDs of the whole range, contiguous from start on; parts: IDs of this slot
                        */
        uint32_t target;       /* first ID inside the namespace */
        uint32_t holder;       /* parts: record of the range; else TABLE_NONE */
        uint32_t part;         /* parts: K >= 1; else 0 */
        uint32_t next_part;    /* first (next) delegated part's record, or TABLE_NONE */
        uint32_t first_single; /* TABLE_KIND_SPLIT: number of its first single; else TABLE_NONE */
        char name[24];         /* of the namespace, NUL-padded; parts and split slots: empty */
        uint8_t reserved[20];  /* zero */
} TableRecord;

typedef struct TableHeader {
        char magic[8];
        uint32_t version;
        uint32_t header_size; /* TABLE_HEADER_SIZE */
        uint64_t file_size;
        uint64_t name_seed;   /* random, chosen when the file is made; key of table_name_hash() */
        uint32_t record_size; /* TABLE_RECORD_SIZE: the stride */
        uint32_t pool_start;  /* a multiple of TABLE_SLOT_SIZE */
        uint32_t n_slots;
        uint32_t n_singles;       /* TABLE_SINGLES_MAX */
        uint32_t n_registrations; /* TABLE_REGISTRATIONS_MAX */
        uint32_t records_offset;
        uint32_t index_offset;
        uint32_t index_entries;
        uint32_t crc;            /* CRC-32 of all bytes before this field */
        uint32_t retired;        /* atomic; 1 = map the file again by its path */
        uint32_t index_sequence; /* atomic; see "Name index" above */
        uint32_t generation;     /* atomic; counts every change of any state: a cheap "has anything
                                    changed" */
        uint32_t last_freed;     /* atomic; highest freed_order so far */
        uint32_t enforcement;    /* atomic; 0 = none, 1 = required and active */
        uint32_t set_entries; /* atomic; what an enumeration lists: 0 = each range's first ID, 1 =
                                 every ID.  A module reads no configuration: it finds it here */
} TableHeader;

/* What the file is made of for those who copy it word by word. */
typedef uint32_t __attribute__((__may_alias__)) TableWord;

_Static_assert(
        sizeof(TableRecord) == TABLE_RECORD_SIZE, "the record's layout is part of the format");
_Static_assert(
        __builtin_offsetof(TableRecord, userns_inode) == 32, "no padding that depends on the ABI");
_Static_assert(__builtin_offsetof(TableRecord, start) == 56, "no padding that depends on the ABI");
_Static_assert(__builtin_offsetof(TableRecord, name) == 84, "no padding that depends on the ABI");
_Static_assert(__builtin_offsetof(TableHeader, crc) == 64, "no padding that depends on the ABI");
_Static_assert(
        TABLE_SLOTS_MAX + TABLE_SINGLES_MAX + TABLE_REGISTRATIONS_MAX < 65535u,
        "a record number + 1 fits 16 bits");
