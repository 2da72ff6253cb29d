/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/parse.h"

/* A record's data is written while it is free only, and a rewrite needs a whole cycle of states: a
 * reader that fails this often in a row was stopped in between each time, or the record is damaged.
 */
#define READ_TRIES 8

#define DEFAULT_OVERFLOW_UID 65534u /* of the kernel, where /proc does not tell */

#define WORDS(size) ((size) / sizeof(TableWord))

/* words */

static int pread_full(int fd, void *buffer, size_t size, uint64_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, (char *) buffer + done, size - done, (off_t) (offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) /* the file never shrinks */
                        return TABLE_READ_E_UNTRUSTED;
                done += (size_t) n;
        }
        return 0;
}

/* Read n words at `offset`, in order: each load is done before any later one.  Inline: n is a
 * constant, and this is half of a look-up. */
static inline int load_words(
        const TableView *view, uint64_t offset, size_t n, TableWord *ret_words) {
        const TableWord *from;

        if (!view->data)
                return pread_full(view->fd, ret_words, n * sizeof(uint32_t), offset);

        from = (const TableWord *) (const void *) (view->data + offset);
        for (size_t i = 0; i < n; i++)
                ret_words[i] = __atomic_load_n(from + i, __ATOMIC_ACQUIRE);
        return 0;
}

static int check_retired(const TableView *view) {
        uint32_t retired = 0;
        int r = load_words(view, offsetof(TableHeader, retired), 1, &retired);

        return r != 0 ? r : retired ? TABLE_READ_E_RETIRED : 0;
}

/* views */

static uint32_t n_records(const TableView *view) {
        return view->n_slots + view->n_singles + view->n_registrations;
}

static bool header_is_sound(const TableHeader *header, uint64_t size) {
        uint64_t pool_end = header->pool_start + (uint64_t) header->n_slots * TABLE_SLOT_SIZE;
        uint64_t records_end, index_end;

        if (memcmp(header->magic, TABLE_MAGIC, sizeof(header->magic)) != 0 ||
            header->version != TABLE_VERSION ||
            header->crc != table_crc(header, offsetof(TableHeader, crc)) ||
            header->header_size != TABLE_HEADER_SIZE || header->record_size != TABLE_RECORD_SIZE ||
            header->file_size != size)
                return false;

        if (header->pool_start % TABLE_SLOT_SIZE != 0 || header->pool_start < TABLE_POOL_LOWEST ||
            pool_end > TABLE_POOL_HIGHEST || header->n_slots == 0 ||
            header->n_slots > TABLE_SLOTS_MAX || header->n_singles > TABLE_SINGLES_MAX ||
            header->n_registrations > TABLE_REGISTRATIONS_MAX)
                return false;

        records_end = header->records_offset +
                      ((uint64_t) header->n_slots + header->n_singles + header->n_registrations) *
                              TABLE_RECORD_SIZE;
        index_end = header->index_offset + (uint64_t) header->index_entries * sizeof(uint32_t);
        return header->records_offset >= TABLE_HEADER_SIZE &&
               header->records_offset % TABLE_RECORD_SIZE == 0 &&
               header->index_offset >= records_end &&
               header->index_offset % sizeof(uint32_t) == 0 && header->index_entries > 0 &&
               (header->index_entries & (header->index_entries - 1)) == 0 && index_end <= size;
}

/* Read the header by way of the view's `data` or `fd`, and fill in the rest. */
static int view_fill(TableView *view, uint64_t size) {
        TableHeader header;
        int r;

        if (size < TABLE_HEADER_SIZE)
                return TABLE_READ_E_UNTRUSTED;
        r = load_words(view, 0, WORDS(sizeof(header)), (TableWord *) &header);
        if (r != 0)
                return r;
        if (!header_is_sound(&header, size))
                return TABLE_READ_E_UNTRUSTED;

        view->file_size = header.file_size;
        view->name_seed = header.name_seed;
        view->pool_start = header.pool_start;
        view->n_slots = header.n_slots;
        view->n_singles = header.n_singles;
        view->n_registrations = header.n_registrations;
        view->records_offset = header.records_offset;
        view->index_offset = header.index_offset;
        view->index_entries = header.index_entries;
        return 0;
}

int table_view_check(const void *data, size_t size, TableView *ret_view) {
        TableView view = { .data = data, .fd = -1 };
        int r = view_fill(&view, size);

        if (r == 0)
                *ret_view = view;
        return r;
}

/* The first bytes of a file of /proc, as text.  Returns whether there are any. */
static bool read_text(const char *path, char *text, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return false;
        do
                n = read(fd, text, size - 1);
        while (n < 0 && errno == EINTR);
        close(fd);
        text[n > 0 ? n : 0] = '\0';
        return n > 0;
}

/* Parse the next number of a line; returns what comes behind it, or NULL. */
static const char *next_number(const char *text, uint64_t *ret_number) {
        size_t n;

        text += strspn(text, " \n");
        n = strcspn(text, " \n");
        return parse_decimal(text, n, UINT32_MAX, ret_number) ? text + n : NULL;
}

/* Whether this user namespace has all IDs of the host's, each under its own number: most probably
 * it is the host's. */
static bool has_all_ids(void) {
        uint64_t inside = 1, outside = 1, n_ids = 0;
        const char *text;
        char map[128];

        if (!read_text("/proc/self/uid_map", map, sizeof(map)))
                return true;
        text = next_number(map, &inside);
        text = text ? next_number(text, &outside) : NULL;
        text = text ? next_number(text, &n_ids) : NULL;
        return text && inside == 0 && outside == 0 && n_ids == UINT32_MAX;
}

/* Whether `uid`, which is not root's, may be the one that the kernel shows for all users whom this
 * user namespace does not have. */
static bool is_unmapped(uid_t uid) {
        uint64_t shown = DEFAULT_OVERFLOW_UID;
        char text[32];

        if (read_text("/proc/sys/kernel/overflowuid", text, sizeof(text)))
                (void) next_number(text, &shown);
        return uid == shown && !has_all_ids();
}

/* Open the file if it is one that nobody but root can have written. */
static int open_trusted(const char *path, int *ret_fd, uint64_t *ret_size) {
        struct stat st;
        int fd, r = 0;

        /* O_NONBLOCK: whatever stands there, a look-up never waits for it. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? TABLE_READ_E_MISSING
                       : errno == ELOOP                    ? TABLE_READ_E_UNTRUSTED
                                                           : -errno;

        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (
                !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) ||
                st.st_size < (off_t) TABLE_HEADER_SIZE || (uint64_t) st.st_size > SIZE_MAX)
                r = is_unmapped(st.st_uid) ? TABLE_READ_E_FOREIGN : TABLE_READ_E_UNTRUSTED;
        if (r != 0) {
                close(fd);
                return r;
        }

        *ret_fd = fd;
        *ret_size = (uint64_t) st.st_size;
        return 0;
}

static int view_check_opened(TableView *view, uint64_t size) {
        int r = view_fill(view, size);

        return r != 0 ? r : check_retired(view);
}

int table_view_open(const char *path, TableView *ret_view) {
        TableView view = { .fd = -1 };
        uint64_t size;
        void *data;
        int fd, r;

        r = open_trusted(path, &fd, &size);
        if (r != 0)
                return r;

        data = mmap(NULL, (size_t) size, PROT_READ, MAP_SHARED, fd, 0);
        r = data == MAP_FAILED ? -errno : 0;
        close(fd);
        if (r != 0)
                return r;

        view.data = data;
        r = view_check_opened(&view, size);
        if (r != 0) {
                munmap(data, (size_t) size);
                return r;
        }
        *ret_view = view;
        return 0;
}

int table_view_open_unmapped(const char *path, TableView *ret_view) {
        TableView view = { .fd = -1 };
        uint64_t size;
        int r;

        r = open_trusted(path, &view.fd, &size);
        if (r != 0)
                return r;

        r = view_check_opened(&view, size);
        if (r != 0) {
                close(view.fd);
                return r;
        }
        *ret_view = view;
        return 0;
}

void table_view_close(TableView *view) {
        if (view->data)
                munmap((void *) (uintptr_t) view->data, (size_t) view->file_size);
        else
                close(view->fd);
        *view = (TableView){ .fd = -1 };
}

/* records */

uint32_t table_record_crc(const TableRecord *record) {
        size_t from = offsetof(TableRecord, kind);

        return table_crc((const uint8_t *) record + from, sizeof(*record) - from);
}

/* Copy a record, state and sequence first.  Two words at a time where the machine has words that
 * wide: what comes after `sequence` is believed only if that did not change. */
static int load_record(const TableView *view, uint64_t offset, TableRecord *ret_record) {
#if UINTPTR_MAX > UINT32_MAX
        typedef uint64_t __attribute__((__may_alias__)) Word;
        const Word *from = (const Word *) (const void *) (view->data + offset);
        Word *to = (Word *) (void *) ret_record;

        if (view->data) {
                for (size_t i = 0; i < sizeof(*ret_record) / sizeof(Word); i++)
                        to[i] = __atomic_load_n(from + i, __ATOMIC_ACQUIRE);
                return 0;
        }
#endif
        return load_words(view, offset, WORDS(sizeof(*ret_record)), (TableWord *) ret_record);
}

/* A consistent copy of a record that is not free, state included.  Into its final place, garbage
 * unless 0: copies of copies were a third of a look-up's time. */
static int record_read(const TableView *view, uint32_t number, TableRecord *record) {
        uint64_t offset = view->records_offset + (uint64_t) number * TABLE_RECORD_SIZE;

        for (unsigned i = 0; i < READ_TRIES; i++) {
                uint32_t state = 0, after[2]; /* state, sequence */
                int r = load_words(view, offset, 1, &state);

                if (r == 0 && state == TABLE_STATE_FREE)
                        return TABLE_READ_E_NOT_FOUND;
                if (r == 0)
                        r = load_record(view, offset, record);
                if (r == 0)
                        r = load_words(view, offset, 2, after);
                if (r != 0)
                        return r;
                if (record->state != after[0] || record->sequence != after[1] ||
                    (record->sequence & 1))
                        continue;
                if (record->state == TABLE_STATE_FREE)
                        return TABLE_READ_E_NOT_FOUND;
                return record->crc == table_record_crc(record) ? 0 : TABLE_READ_E_UNTRUSTED;
        }
        return TABLE_READ_E_BUSY;
}

static bool name_is_padded(const TableRecord *record) {
        size_t n = strnlen(record->name, sizeof(record->name));

        for (size_t i = n; i < sizeof(record->name); i++)
                if (record->name[i] != '\0')
                        return false;
        return n < sizeof(record->name);
}

bool table_range_is_sound(const TableView *view, uint32_t number, const TableRecord *record) {
        uint32_t from_start = record->start - view->pool_start; /* wraps if before the pool */
        uint32_t slot = from_start / TABLE_SLOT_SIZE, n = from_start % TABLE_SLOT_SIZE;

        if (record->kind != TABLE_KIND_RANGE || !name_is_padded(record) ||
            (record->name[0] != '\0' && !table_name_is_valid(record->name, record->size)))
                return false;

        if (number < view->n_slots)
                return slot == number && n == 0 && record->size > 0 &&
                       record->size <= TABLE_RANGE_SIZE_MAX &&
                       (record->size - 1) / TABLE_SLOT_SIZE < view->n_slots - number;

        number -= view->n_slots;
        if (number < view->n_singles)
                return record->size == 1 && slot < view->n_slots &&
                       n == number % TABLE_SINGLES_PER_SPLIT;
        return number - view->n_singles < view->n_registrations && record->size == 0;
}

bool table_part_is_sound(
        const TableView *view, uint32_t number, const TableRecord *part, const TableRecord *holder,
        uint32_t *ret_offset) {
        uint32_t offset;

        if (part->kind != TABLE_KIND_PART || number >= view->n_slots ||
            part->start != view->pool_start + number * TABLE_SLOT_SIZE || part->size == 0 ||
            part->size > TABLE_SLOT_SIZE || part->part == 0 || part->part > TABLE_PARTS_MAX)
                return false;
        if (part->owner_uid != holder->owner_uid || part->userns_inode != holder->userns_inode ||
            part->userns_id != holder->userns_id || part->birth_usec != holder->birth_usec)
                return false;

        /* One of the slots that a large range goes on in, or else a delegated one, whose offsets
         * come after. */
        offset = part->part * TABLE_SLOT_SIZE;
        if (offset < holder->size && number != part->holder + part->part)
                return false;
        if (holder->name[0] != '\0' && !table_name_is_valid(holder->name, offset + part->size))
                return false;
        *ret_offset = offset;
        return true;
}

/* All that follow work on an answer in place, its `range` and `record` first; who calls them shows
 * it to the caller only if they return 0. */

static int answer_read(const TableView *view, uint32_t number, TableAnswer *answer) {
        answer->record = number;
        answer->is_slot = false;
        return record_read(view, number, &answer->range);
}

/* Answer for the ID at `offset` from the start of the range that was read, if it is active and
 * sound. */
static int answer_offset(const TableView *view, uint32_t offset, TableAnswer *answer) {
        const TableRecord *range = &answer->range;

        if (range->state != TABLE_STATE_ACTIVE)
                return TABLE_READ_E_NOT_FOUND;
        if (range->name[0] == '\0' || !table_range_is_sound(view, answer->record, range))
                return TABLE_READ_E_UNTRUSTED;
        if (offset >= range->size)
                return TABLE_READ_E_NOT_FOUND;

        answer->id = range->start + offset;
        answer->offset = offset;
        return 0;
}

/* by number */

static int find_id_in_part(
        const TableView *view, uint32_t slot, const TableRecord *part, uint32_t n,
        TableAnswer *answer) {
        uint32_t offset;
        int r;

        if (part->holder >= view->n_slots + view->n_singles)
                return TABLE_READ_E_UNTRUSTED;
        r = answer_read(view, part->holder, answer);
        /* Here and below no damage: between the two reads the slots may have been given to others,
         * and then there was a moment at which the ID was nobody's. */
        if (r == 0 && answer->range.kind != TABLE_KIND_RANGE)
                return TABLE_READ_E_NOT_FOUND;
        if (r == 0)
                r = answer_offset(view, 0, answer);
        if (r != 0)
                return r;
        if (!table_part_is_sound(view, slot, part, &answer->range, &offset) || n >= part->size)
                return TABLE_READ_E_NOT_FOUND;

        answer->id = part->start + n;
        answer->offset = offset + n;
        return 0;
}

static int find_id_in_split(
        const TableView *view, uint32_t id, const TableRecord *split, uint32_t n,
        TableAnswer *answer) {
        uint32_t first_single = split->first_single;
        int r;

        if (first_single >= view->n_singles || first_single % TABLE_SINGLES_PER_SPLIT != 0)
                return TABLE_READ_E_UNTRUSTED;
        if (n >= TABLE_SINGLES_PER_SPLIT || first_single + n >= view->n_singles)
                return TABLE_READ_E_NOT_FOUND;

        r = answer_read(view, view->n_slots + first_single + n, answer);
        if (r != 0)
                return r;
        if (answer->range.start != id)
                return TABLE_READ_E_UNTRUSTED;
        return answer_offset(view, 0, answer);
}

/* Answer for an ID of the slot whose record `answer` holds. */
static int find_id_in_slot(const TableView *view, uint32_t id, uint32_t slot, TableAnswer *answer) {
        uint32_t n = (id - view->pool_start) % TABLE_SLOT_SIZE;
        TableRecord record;

        switch (answer->range.kind) {
        case TABLE_KIND_RANGE:
                return answer_offset(view, n, answer);
        case TABLE_KIND_PART:
                record = answer->range;
                return find_id_in_part(view, slot, &record, n, answer);
        case TABLE_KIND_SPLIT:
                record = answer->range;
                return find_id_in_split(view, id, &record, n, answer);
        default:
                return TABLE_READ_E_UNTRUSTED;
        }
}

static int find_id(const TableView *view, uint32_t id, uint32_t slot, TableAnswer *answer) {
        int r = answer_read(view, slot, answer);

        return r != 0 ? r : find_id_in_slot(view, id, slot, answer);
}

int table_find_id(const TableView *view, uint32_t id, TableAnswer *ret_answer) {
        uint32_t slot = (id - view->pool_start) / TABLE_SLOT_SIZE; /* wraps if before the pool */
        TableAnswer answer;
        int r;

        if (slot >= view->n_slots)
                return TABLE_READ_E_NOT_FOUND;
        r = check_retired(view);
        if (r == 0)
                r = find_id(view, id, slot, &answer);
        if (r == 0)
                *ret_answer = answer;
        return r;
}

/* The range that a slot's record (not free) says has ID `n` of the slot. */
static int read_range_of(
        const TableView *view, const TableRecord *slot, uint32_t n, TableRecord *range) {
        switch (slot->kind) {
        case TABLE_KIND_RANGE:
                *range = *slot;
                return 0;
        case TABLE_KIND_PART:
                if (slot->holder >= view->n_slots + view->n_singles)
                        return TABLE_READ_E_UNTRUSTED;
                return record_read(view, slot->holder, range);
        case TABLE_KIND_SPLIT:
                if (slot->first_single >= view->n_singles)
                        return TABLE_READ_E_UNTRUSTED;
                if (n >= TABLE_SINGLES_PER_SPLIT || slot->first_single + n >= view->n_singles)
                        return TABLE_READ_E_NOT_FOUND;
                return record_read(view, view->n_slots + slot->first_single + n, range);
        default:
                return TABLE_READ_E_UNTRUSTED;
        }
}

int table_find_account(const TableView *view, uint32_t id, uint32_t *ret_account) {
        uint32_t slot = (id - view->pool_start) / TABLE_SLOT_SIZE; /* wraps if before the pool */
        TableRecord record, range;
        int r;

        if (slot >= view->n_slots)
                return TABLE_READ_E_NOT_FOUND;
        r = check_retired(view);
        if (r == 0)
                r = record_read(view, slot, &record);
        if (r == 0)
                r = read_range_of(view, &record, (id - view->pool_start) % TABLE_SLOT_SIZE, &range);
        if (r != 0)
                return r;
        if (range.account_uid == TABLE_NONE)
                return TABLE_READ_E_NOT_FOUND;
        *ret_account = range.account_uid;
        return 0;
}

/* slots */

/* The slot whose first ID has no name of a namespace.  That it was free for a moment is as good an
 * answer as that it is not: both were true while somebody asked. */
static int find_slot(const TableView *view, uint32_t id, uint32_t slot, TableAnswer *answer) {
        int r = answer_read(view, slot, answer);

        if (r != 0)
                return r;
        if (answer->range.flags & TABLE_FLAG_HOST)
                return TABLE_READ_E_NOT_FOUND;
        answer->id = id;
        answer->offset = 0;
        answer->is_slot = true;
        return 0;
}

int table_look_up_id(const TableView *view, uint32_t id, TableAnswer *ret_answer) {
        TableAnswer answer;
        int r = table_find_id(view, id, ret_answer);

        /* Only an ID of the pool gets so far as to be not found in a slot. */
        if (r != TABLE_READ_E_NOT_FOUND || id % TABLE_SLOT_SIZE != 0 || id < view->pool_start ||
            (id - view->pool_start) / TABLE_SLOT_SIZE >= view->n_slots)
                return r;
        r = find_slot(view, id, (id - view->pool_start) / TABLE_SLOT_SIZE, &answer);
        if (r == 0)
                *ret_answer = answer;
        return r;
}

int table_look_up_name(
        const TableView *view, const char *user_name, size_t n, TableAnswer *ret_answer) {
        TableAnswer answer;
        uint32_t start;
        int r;

        if (!table_slot_name_parse(user_name, n, &start))
                return table_find_name(view, user_name, n, ret_answer);
        r = table_look_up_id(view, start, &answer);
        if (r == 0 && !answer.is_slot)
                return TABLE_READ_E_NOT_FOUND;
        if (r == 0)
                *ret_answer = answer;
        return r;
}

/* by name */

/* Read the active range with this name; one pass over the index. */
static int probe_index(const TableView *view, const char *name, size_t n, TableAnswer *answer) {
        uint64_t hash = table_name_hash(view->name_seed, name, n);
        uint32_t mask = view->index_entries - 1;
        uint32_t position = (uint32_t) hash & mask;
        const TableRecord *range = &answer->range;

        for (unsigned i = 0; i < TABLE_PROBE_MAX && i <= mask;
             i++, position = (position + 1) & mask) {
                uint64_t offset = view->index_offset + position * sizeof(TableWord);
                uint32_t word, number;
                int r = load_words(view, offset, 1, &word);

                if (r != 0)
                        return r;
                if (word == 0)
                        return TABLE_READ_E_NOT_FOUND;
                if (word >> 16 != (uint32_t) (hash >> 48))
                        continue;

                number = (word & 0xffff) - 1; /* wraps if there is none */
                if (number >= n_records(view))
                        return TABLE_READ_E_UNTRUSTED;
                r = answer_read(view, number, answer);
                if (r != 0 && r != TABLE_READ_E_NOT_FOUND)
                        return r;
                if (r == 0 && range->state == TABLE_STATE_ACTIVE &&
                    range->kind == TABLE_KIND_RANGE && memcmp(range->name, name, n) == 0 &&
                    range->name[n] == '\0')
                        return 0;
        }
        return TABLE_READ_E_NOT_FOUND;
}

/* A miss is believed only if the index did not change meanwhile (table/format.h, "Name index"). */
static int find_range(const TableView *view, const char *name, size_t n, TableAnswer *answer) {
        for (unsigned i = 0; i < READ_TRIES; i++) {
                uint32_t before, after;
                int r;

                r = load_words(view, offsetof(TableHeader, index_sequence), 1, &before);
                if (r != 0)
                        return r;
                r = probe_index(view, name, n, answer);
                if (r != TABLE_READ_E_NOT_FOUND)
                        return r;
                r = load_words(view, offsetof(TableHeader, index_sequence), 1, &after);
                if (r != 0)
                        return r;
                if (before == after && !(before & 1))
                        return TABLE_READ_E_NOT_FOUND;
        }
        return TABLE_READ_E_BUSY;
}

/* The ID at `offset` of the delegated ranges of `answer`, which is for the holder's first ID. */
static int find_delegated(const TableView *view, uint32_t offset, TableAnswer *answer) {
        uint32_t number = answer->range.next_part, wanted = offset / TABLE_SLOT_SIZE;

        for (unsigned i = 0; i < TABLE_PARTS_MAX && number != TABLE_NONE; i++) {
                TableRecord part;
                uint32_t part_offset, n = offset % TABLE_SLOT_SIZE;
                int r;

                if (number >= view->n_slots)
                        return TABLE_READ_E_UNTRUSTED;
                r = record_read(view, number, &part);
                if (r != 0)
                        return r;
                if (part.holder != answer->record ||
                    !table_part_is_sound(view, number, &part, &answer->range, &part_offset))
                        return TABLE_READ_E_NOT_FOUND; /* as in find_id_in_part() */
                if (part.part == wanted) {
                        if (n >= part.size)
                                return TABLE_READ_E_NOT_FOUND;
                        answer->id = part.start + n;
                        answer->offset = offset;
                        return 0;
                }
                number = part.next_part;
        }
        return TABLE_READ_E_NOT_FOUND;
}

static int find_offset(const TableView *view, uint32_t offset, TableAnswer *answer) {
        int r;

        if (offset < answer->range.size)
                return answer_offset(view, offset, answer);
        r = answer_offset(view, 0, answer);
        return r != 0 ? r : find_delegated(view, offset, answer);
}

int table_find_name(
        const TableView *view, const char *user_name, size_t n, TableAnswer *ret_answer) {
        TableAnswer answer;
        size_t name_size;
        uint32_t offset;
        int r;

        if (!table_user_name_parse(user_name, n, &name_size, &offset))
                return TABLE_READ_E_NOT_FOUND;
        r = check_retired(view);
        if (r == 0)
                r = find_range(view, user_name + TABLE_USER_NAME_PREFIX_SIZE, name_size, &answer);
        if (r == 0)
                r = find_offset(view, offset, &answer);
        if (r == 0)
                *ret_answer = answer;
        return r;
}

int table_find_range(const TableView *view, const char *name, size_t n, TableAnswer *ret_answer) {
        TableAnswer answer;
        int r;

        if (n == 0 || n > TABLE_NAME_MAX)
                return TABLE_READ_E_NOT_FOUND;
        r = check_retired(view);
        if (r == 0)
                r = find_range(view, name, n, &answer);
        if (r == 0 && answer.range.size > 0)
                r = answer_offset(view, 0, &answer);
        else if (r == 0 && !table_range_is_sound(view, answer.record, &answer.range))
                r = TABLE_READ_E_UNTRUSTED;
        else if (r == 0)
                answer.id = answer.offset = TABLE_NONE;
        if (r == 0)
                *ret_answer = answer;
        return r;
}

/* all */

/* Look at the ID that *cursor, an ID's place in the pool, stands at, and move it to the next one
 * that may have an answer. */
static int next_step(const TableView *view, uint32_t *cursor, bool every, TableAnswer *answer) {
        uint32_t slot = *cursor / TABLE_SLOT_SIZE, n = *cursor % TABLE_SLOT_SIZE, n_ids;
        int r = answer_read(view, slot, answer);
        bool is_split = r == 0 && answer->range.kind == TABLE_KIND_SPLIT;

        if (r == 0 && !is_split && !every && (answer->range.kind != TABLE_KIND_RANGE || n > 0))
                r = TABLE_READ_E_NOT_FOUND;
        if (r == 0)
                r = find_id_in_slot(view, view->pool_start + *cursor, slot, answer);

        /* What a single ID's record says is nothing about the next one's; after the end of a range,
         * or of what can be read of it, there is nothing more in a slot. */
        n_ids = is_split ? TABLE_SINGLES_PER_SPLIT : every && r == 0 ? TABLE_SLOT_SIZE : 1;
        *cursor = n + 1 < n_ids ? *cursor + 1 : (slot + 1) * TABLE_SLOT_SIZE;
        return r;
}

static int next(
        const TableView *view, uint32_t *cursor, bool every, unsigned *n_left,
        TableAnswer *ret_answer) {
        while (*cursor / TABLE_SLOT_SIZE < view->n_slots) {
                TableAnswer answer;
                int r;

                if (*n_left == 0)
                        return TABLE_READ_E_PAUSED;
                (*n_left)--;
                r = next_step(view, cursor, every, &answer);
                if (r == 0)
                        *ret_answer = answer;
                if (r != TABLE_READ_E_NOT_FOUND)
                        return r;
        }
        return TABLE_READ_E_NOT_FOUND;
}

int table_next(const TableView *view, uint32_t *cursor, TableAnswer *ret_answer) {
        unsigned n_left = UINT_MAX; /* more than a pool has */
        int r = check_retired(view);

        return r != 0 ? r : next(view, cursor, false, &n_left, ret_answer);
}

int table_next_entry_within(
        const TableView *view, uint32_t *cursor, unsigned *n_left, TableAnswer *ret_answer) {
        uint32_t every = 0;
        int r = check_retired(view);

        if (r == 0)
                r = load_words(view, offsetof(TableHeader, set_entries), 1, &every);
        return r != 0 ? r : next(view, cursor, every != 0, n_left, ret_answer);
}

int table_next_entry(const TableView *view, uint32_t *cursor, TableAnswer *ret_answer) {
        unsigned n_left = UINT_MAX;

        return table_next_entry_within(view, cursor, &n_left, ret_answer);
}

size_t table_user_name(const TableAnswer *answer, char ret_name[static TABLE_USER_NAME_MAX + 1]) {
        if (answer->is_slot)
                return table_slot_name_format(answer->id, ret_name);
        return table_user_name_format(answer->range.name, answer->offset, ret_name);
}
