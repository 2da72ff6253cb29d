/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/write.h"

#include <errno.h>
#include <string.h>

#include "lib/table/file.h"
#include "lib/table/free.h"
#include "lib/table/image.h"
#include "lib/table/index.h"
#include "lib/table/live.h"
#include "lib/table/recover.h"
#include "lib/table/store.h"
#include "lib/util/fd.h"

struct TableWriter {
        int lock_fd;
        TableImage image;
        TableFree *slots, *singles,
                *registrations; /* what is free; singles: of slots that are split */
        TableLive *live;
        GRand *rand;
        uint32_t first_window; /* where the search for unused slots side by side begins */
        uint32_t boundary;     /* slots from here on are lent first */
        uint32_t split_slots[TABLE_SPLITS_MAX]; /* the slot that was split as number N, or
                                                   TABLE_NONE */
        TableSlotFunc watch;
        void *watch_userdata;
        TableNamesFunc watch_names;
        void *watch_names_userdata;
};

/* opening */

static TableFree *set_of(const TableWriter *writer, uint32_t number) {
        return table_image_is_slot(&writer->image, number)     ? writer->slots
               : table_image_is_single(&writer->image, number) ? writer->singles
                                                               : writer->registrations;
}

static int compare_released(gconstpointer a, gconstpointer b, gpointer userdata) {
        const TableRecord *records = userdata;
        uint32_t x = records[*(const uint32_t *) a].freed_order;
        uint32_t y = records[*(const uint32_t *) b].freed_order;

        return (x > y) - (x < y);
}

static bool is_available(const TableWriter *writer, uint32_t number) {
        const TableImage *image = &writer->image;

        if (image->records[number].state != TABLE_STATE_FREE)
                return false;
        return !table_image_is_single(image, number) ||
               writer->split_slots[(number - image->view.n_slots) / TABLE_SINGLES_PER_SPLIT] !=
                       TABLE_NONE;
}

/* Ascending records of any class, each class a run of them. */
static void add_unused(TableWriter *writer, uint32_t *records, uint32_t n) {
        for (uint32_t i = 0, end; i < n; i = end) {
                TableFree *set = set_of(writer, records[i]);

                for (end = i + 1; end < n && set_of(writer, records[end]) == set; end++)
                        ;
                table_free_add_unused(set, records + i, end - i, writer->rand);
        }
}

/* Learn from the records what is free, split and live. */
static void load_records(TableWriter *writer) {
        const TableImage *image = &writer->image;
        g_autoptr(GArray) released = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autofree uint32_t *unused = g_new(uint32_t, image->n_records);
        uint32_t n_unused = 0;

        for (uint32_t i = 0; i < image->view.n_slots; i++)
                if (image->records[i].state != TABLE_STATE_FREE &&
                    image->records[i].kind == TABLE_KIND_SPLIT)
                        writer->split_slots
                                [image->records[i].first_single / TABLE_SINGLES_PER_SPLIT] = i;

        for (uint32_t i = 0; i < image->n_records; i++) {
                const TableRecord *record = &image->records[i];

                if (record->state != TABLE_STATE_FREE && record->kind == TABLE_KIND_RANGE)
                        table_live_move(
                                writer->live, i, record, table_image_n_ids(image, i),
                                TABLE_STATE_FREE, record->state);
                if (!is_available(writer, i))
                        continue;
                if (record->freed_order == 0)
                        unused[n_unused++] = i;
                else
                        g_array_append_val(released, i);
        }
        add_unused(writer, unused, n_unused);

        g_array_sort_with_data(released, compare_released, image->records);
        for (guint i = 0; i < released->len; i++) {
                uint32_t number = g_array_index(released, uint32_t, i);

                table_free_add_freed(set_of(writer, number), number);
        }
}

static TableWriter *writer_new(void) {
        TableWriter *writer = g_new0(TableWriter, 1);

        writer->lock_fd = -1;
        writer->rand = g_rand_new();
        writer->first_window = g_rand_int(writer->rand);
        for (size_t i = 0; i < TABLE_SPLITS_MAX; i++)
                writer->split_slots[i] = TABLE_NONE;
        return writer;
}

void table_writer_free(TableWriter *writer) {
        if (!writer)
                return;
        table_file_unmap(&writer->image);
        writer->lock_fd = fd_close(writer->lock_fd);
        table_free_free(writer->slots);
        table_free_free(writer->singles);
        table_free_free(writer->registrations);
        table_live_free(writer->live);
        g_rand_free(writer->rand);
        g_free(writer);
}

/* The first slot that begins at config->first_start or above; none, where that is above the pool.
 */
static uint32_t boundary_of(const TableWriterConfig *config) {
        uint64_t offset = config->first_start > config->pool_start
                                  ? config->first_start - config->pool_start
                                  : 0;

        return (uint32_t) MIN((offset + TABLE_SLOT_SIZE - 1) / TABLE_SLOT_SIZE, config->n_slots);
}

static bool config_is_valid(const TableWriterConfig *config) {
        return config->pool_start % TABLE_SLOT_SIZE == 0 &&
               config->pool_start >= TABLE_POOL_LOWEST && config->n_slots > 0 &&
               config->n_slots <= TABLE_SLOTS_MAX &&
               config->pool_start + (uint64_t) config->n_slots * TABLE_SLOT_SIZE <=
                       TABLE_POOL_HIGHEST;
}

/* Map the file that is there, or a new one. */
static int open_image(
        const TableWriterConfig *config, TableImage *ret_image, TableOpenReport *report) {
        int r = table_file_open(config, ret_image, &report->reason);

        if (r == TABLE_FILE_E_MISSING) {
                report->created = true;
                return table_file_create(config, ret_image);
        }
        if (r == 0) {
                report->reason = table_recover_distrust(ret_image);
                if (!report->reason)
                        return 0;
                table_file_unmap(ret_image);
                r = TABLE_E_UNTRUSTED;
        }
        if (r == TABLE_E_UNTRUSTED) {
                int k = table_file_set_aside(config->path, &report->set_aside);

                return k < 0 ? k : r;
        }
        return r;
}

int table_writer_open(
        const TableWriterConfig *config, TableWriter **ret_writer, TableOpenReport *ret_report) {
        g_autoptr(TableWriter) writer = writer_new();
        TableOpenReport report = { .created = false };
        const TableView *view = &writer->image.view;
        int r;

        if (!config_is_valid(config))
                return -EINVAL;
        r = table_file_lock(config->path, &writer->lock_fd);
        if (r != 0)
                return r;
        r = open_image(config, &writer->image, &report);
        if (r == TABLE_E_UNTRUSTED)
                *ret_report = report;
        if (r != 0)
                return r;

        table_recover(&writer->image, &report);
        table_store(&writer->image.header->enforcement, config->enforced);
        table_writer_set_entries(writer, config->all_entries);
        writer->boundary = boundary_of(config);
        writer->slots = table_free_new(0, view->n_slots, writer->boundary);
        writer->singles = table_free_new(view->n_slots, view->n_singles, 0);
        writer->registrations =
                table_free_new(view->n_slots + view->n_singles, view->n_registrations, 0);
        writer->live = table_live_new(writer->image.n_records);
        load_records(writer);

        *ret_writer = g_steal_pointer(&writer);
        *ret_report = report;
        return 0;
}

void table_writer_set_entries(TableWriter *writer, bool all) {
        table_store(&writer->image.header->set_entries, all);
}

void table_writer_watch_names(TableWriter *writer, TableNamesFunc func, void *userdata) {
        writer->watch_names = func;
        writer->watch_names_userdata = userdata;
}

static void tell_names(const TableWriter *writer) {
        if (writer->watch_names)
                writer->watch_names(writer->watch_names_userdata);
}

/* choosing */

typedef struct Choice {
        const TableWriter *writer;
        uint32_t n_slots; /* asked about at once */
        TableAcceptFunc accept;
        void *userdata;
        /* What is chosen for the same range already. */
        uint32_t chosen[TABLE_RANGE_RECORDS_MAX], n_chosen;
} Choice;

static bool accept_ids(const Choice *choice, uint32_t start, uint32_t n_ids) {
        return !choice->accept || choice->accept(start, n_ids, choice->userdata);
}

static bool take_slots(uint32_t slot, void *userdata) {
        const Choice *choice = userdata;

        return accept_ids(
                choice, table_image_slot_start(&choice->writer->image, slot),
                choice->n_slots * TABLE_SLOT_SIZE);
}

/* The ID of a single's record; its slot is split. */
static uint32_t single_id(const TableWriter *writer, uint32_t number) {
        uint32_t n = number - writer->image.view.n_slots;

        return table_image_slot_start(
                       &writer->image, writer->split_slots[n / TABLE_SINGLES_PER_SPLIT]) +
               n % TABLE_SINGLES_PER_SPLIT;
}

static bool take_single(uint32_t number, void *userdata) {
        const Choice *choice = userdata;

        return accept_ids(choice, single_id(choice->writer, number), 1);
}

static bool take_any(uint32_t number, void *userdata) {
        return true;
}

typedef struct Window {
        uint32_t slot;
        uint32_t freed_order; /* of the slot released last */
} Window;

static gint compare_windows(gconstpointer a, gconstpointer b) {
        const Window *x = a, *y = b;

        return (x->freed_order > y->freed_order) - (x->freed_order < y->freed_order);
}

static bool take_window(TableWriter *writer, uint32_t slot, Choice *choice, bool unused) {
        for (uint32_t i = 0; i < choice->n_slots; i++)
                if (unused ? !table_free_has_unused(writer->slots, slot + i)
                           : !table_free_has(writer->slots, slot + i))
                        return false;
        return take_slots(slot, choice);
}

/* Slots side by side that were never used: of those that come first, from a random place on; of the
 * others, from the top downwards.  The place stays until a range of several slots is stored:
 * whoever must ask somebody about a window before it can be taken is asked about it again. */
static uint32_t choose_unused_window(
        TableWriter *writer, uint32_t begin, uint32_t end, Choice *choice) {
        uint32_t n = end - begin;
        bool downwards = begin < writer->boundary;
        uint32_t first = downwards ? 0 : writer->first_window % n;

        for (uint32_t i = 0; i < n; i++) {
                uint32_t slot = downwards ? end - 1 - i : begin + (first + i) % n;

                if (take_window(writer, slot, choice, true))
                        return slot;
        }
        return TABLE_NONE;
}

/* Slots side by side that are free: those first whose latest release is longest ago. */
static uint32_t choose_released_window(
        TableWriter *writer, uint32_t begin, uint32_t end, Choice *choice) {
        g_autoptr(GArray) windows = g_array_new(FALSE, FALSE, sizeof(Window));

        for (uint32_t slot = begin; slot < end; slot++) {
                Window window = { .slot = slot };
                uint32_t n = 0;

                for (; n < choice->n_slots && table_free_has(writer->slots, slot + n); n++)
                        window.freed_order = MAX(
                                window.freed_order, writer->image.records[slot + n].freed_order);
                if (n == choice->n_slots && window.freed_order > 0)
                        g_array_append_val(windows, window);
        }
        g_array_sort(windows, compare_windows);

        for (guint i = 0; i < windows->len; i++) {
                uint32_t slot = g_array_index(windows, Window, i).slot;

                if (take_window(writer, slot, choice, false))
                        return slot;
        }
        return TABLE_NONE;
}

/* Those that begin at the boundary or above, then the others. */
static uint32_t choose_window(TableWriter *writer, Choice *choice) {
        uint32_t n_slots = writer->image.view.n_slots;
        uint32_t n_windows = choice->n_slots > n_slots ? 0 : n_slots - choice->n_slots + 1;
        uint32_t boundary = MIN(writer->boundary, n_windows);
        const struct {
                uint32_t begin, end;
        } zones[] = { { boundary, n_windows }, { 0, boundary } };

        for (size_t i = 0; i < G_N_ELEMENTS(zones); i++) {
                uint32_t slot = TABLE_NONE;

                if (zones[i].begin == zones[i].end)
                        continue;
                slot = choose_unused_window(writer, zones[i].begin, zones[i].end, choice);
                if (slot == TABLE_NONE)
                        slot = choose_released_window(writer, zones[i].begin, zones[i].end, choice);
                if (slot != TABLE_NONE)
                        return slot;
        }
        return TABLE_NONE;
}

/* Split a slot, if there may be one more. */
static void split_slot(TableWriter *writer, Choice *choice) {
        uint32_t singles[TABLE_SINGLES_PER_SPLIT], split = 0, slot;
        TableRecord data;

        while (split < TABLE_SPLITS_MAX && writer->split_slots[split] != TABLE_NONE)
                split++;
        if (split == TABLE_SPLITS_MAX)
                return;
        slot = table_free_choose(writer->slots, take_slots, choice);
        if (slot == TABLE_NONE)
                return;

        data = (TableRecord){
                .kind = TABLE_KIND_SPLIT,
                .owner_uid = TABLE_NONE,
                .account_uid = TABLE_NONE,
                .birth_usec = (uint64_t) g_get_real_time(),
                .start = table_image_slot_start(&writer->image, slot),
                .size = TABLE_SINGLES_PER_SPLIT,
                .holder = TABLE_NONE,
                .next_part = TABLE_NONE,
                .first_single = split * TABLE_SINGLES_PER_SPLIT,
        };
        table_free_remove(writer->slots, slot);
        table_image_store_record(&writer->image, slot, &data);
        table_image_store_state(&writer->image, slot, TABLE_STATE_ACTIVE);

        writer->split_slots[split] = slot;
        for (uint32_t i = 0; i < TABLE_SINGLES_PER_SPLIT; i++)
                singles[i] = writer->image.view.n_slots + data.first_single + i;
        add_unused(writer, singles, TABLE_SINGLES_PER_SPLIT);
}

/* A single that was never used goes before one that was, even if another slot has to be split for
 * it. */
static uint32_t choose_single(TableWriter *writer, Choice *choice) {
        uint32_t number = table_free_choose_unused(writer->singles, take_single, choice);

        if (number == TABLE_NONE) {
                split_slot(writer, choice);
                number = table_free_choose(writer->singles, take_single, choice);
        }
        return number;
}

static uint32_t choose_first(TableWriter *writer, uint32_t size, Choice *choice) {
        choice->n_slots = MAX(1, table_n_slots_of(size));
        if (size == 0)
                return table_free_choose(writer->registrations, take_any, choice);
        if (size == 1)
                return choose_single(writer, choice);
        if (choice->n_slots == 1)
                return table_free_choose(writer->slots, take_slots, choice);
        return choose_window(writer, choice);
}

static bool take_delegated(uint32_t slot, void *userdata) {
        const Choice *choice = userdata;

        for (uint32_t i = 0; i < choice->n_chosen; i++)
                if (choice->chosen[i] == slot)
                        return false;
        return take_slots(slot, userdata);
}

/* Choose all records of the range: choice->chosen, in the order of table_image_list_records(). */
static bool choose_records(TableWriter *writer, const TableRange *range, Choice *choice) {
        uint32_t number = choose_first(writer, range->size, choice);

        if (number == TABLE_NONE)
                return false;
        for (uint32_t i = 0; i < choice->n_slots; i++)
                choice->chosen[choice->n_chosen++] = number + i;

        choice->n_slots = 1;
        for (uint32_t i = 0; i < range->n_delegated; i++) {
                number = table_free_choose(writer->slots, take_delegated, choice);
                if (number == TABLE_NONE)
                        return false;
                choice->chosen[choice->n_chosen++] = number;
        }
        return true;
}

/* reserving */

static uint32_t start_of(const TableWriter *writer, uint32_t number) {
        if (table_image_is_slot(&writer->image, number))
                return table_image_slot_start(&writer->image, number);
        if (table_image_is_single(&writer->image, number))
                return single_id(writer, number);
        return TABLE_NONE; /* a registration has no ID, and must not seem to have root's */
}

/* Part number k of the range `data`, whose records are chosen. */
static TableRecord part_of(
        const TableWriter *writer, const TableRecord *data, const Choice *choice, uint32_t k) {
        uint32_t n_own = MAX(1, table_n_slots_of(data->size));
        bool is_own = k < n_own;
        TableRecord part = *data;

        part.kind = TABLE_KIND_PART;
        part.start = table_image_slot_start(&writer->image, choice->chosen[k]);
        part.size =
                is_own ? MIN(data->size - k * TABLE_SLOT_SIZE, TABLE_SLOT_SIZE) : TABLE_SLOT_SIZE;
        part.target = is_own ? data->target + k * TABLE_SLOT_SIZE : part.start;
        part.holder = choice->chosen[0];
        part.part = k;
        part.next_part = is_own || k + 1 == choice->n_chosen ? TABLE_NONE : choice->chosen[k + 1];
        return part;
}

static void store_reserved(TableWriter *writer, uint32_t number, const TableRecord *data) {
        table_free_remove(set_of(writer, number), number);
        table_image_store_record(&writer->image, number, data);
        table_image_store_state(&writer->image, number, TABLE_STATE_RESERVED);
}

static void store_range(TableWriter *writer, const TableRange *range, const Choice *choice) {
        uint32_t number = choice->chosen[0];
        TableRecord data = {
                .kind = TABLE_KIND_RANGE,
                .flags = range->flags,
                .owner_uid = range->owner_uid,
                .account_uid = range->account_uid,
                .userns_inode = range->userns_inode,
                .userns_id = range->userns_id,
                .birth_usec = (uint64_t) g_get_real_time(),
                .start = start_of(writer, number),
                .size = range->size,
                .target = range->target,
                .holder = TABLE_NONE,
                .next_part = TABLE_NONE,
                .first_single = TABLE_NONE,
        };

        for (uint32_t k = 1; k < choice->n_chosen; k++) {
                TableRecord part = part_of(writer, &data, choice, k);

                store_reserved(writer, choice->chosen[k], &part);
        }
        if (range->n_delegated > 0)
                data.next_part = choice->chosen[choice->n_chosen - range->n_delegated];
        memcpy(data.name, range->name, strlen(range->name));
        store_reserved(writer, number, &data);
        table_index_add(&writer->image, number);
}

void table_writer_foresee(TableWriter *writer, TableAcceptFunc accept, void *userdata) {
        Choice choice = { .writer = writer, .accept = accept, .userdata = userdata, .n_slots = 1 };

        (void) table_free_choose(writer->slots, take_slots, &choice);
}

int table_writer_reserve(
        TableWriter *writer, const TableRange *range, TableAcceptFunc accept, void *userdata,
        uint32_t *ret_record) {
        Choice choice = { .writer = writer, .accept = accept, .userdata = userdata };
        uint32_t number;

        g_assert(range->size <= TABLE_RANGE_SIZE_MAX);
        g_assert(range->size > 0 || range->n_delegated == 0);
        g_assert(range->n_delegated <= TABLE_PARTS_MAX + 1 - MAX(1, table_n_slots_of(range->size)));
        g_assert(table_name_is_valid(
                range->name, table_range_n_offsets(range->size, range->n_delegated)));

        if (table_index_find(&writer->image, range->name) != TABLE_NONE)
                return TABLE_E_NAME_EXISTS;
        if (table_writer_find_userns(writer, range->userns_inode, range->userns_id) != TABLE_NONE)
                return TABLE_E_USERNS_EXISTS;
        if (!table_index_has_room(&writer->image, range->name))
                return TABLE_E_EXHAUSTED;
        if (!choose_records(writer, range, &choice))
                return TABLE_E_EXHAUSTED;

        store_range(writer, range, &choice);
        if (range->size > TABLE_SLOT_SIZE)
                writer->first_window = g_rand_int(writer->rand);
        number = choice.chosen[0];
        table_live_move(
                writer->live, number, &writer->image.records[number],
                table_image_n_ids(&writer->image, number), TABLE_STATE_FREE, TABLE_STATE_RESERVED);
        tell_names(writer);
        *ret_record = number;
        return 0;
}

/* changing */

static bool step_is_allowed(uint32_t from, uint32_t to) {
        static const uint8_t allowed[TABLE_STATE_COUNT][TABLE_STATE_COUNT] = {
                [TABLE_STATE_RESERVED] = { [TABLE_STATE_MAPPING] = 1, [TABLE_STATE_FREE] = 1 },
                [TABLE_STATE_MAPPING] = { [TABLE_STATE_ACTIVE] = 1, [TABLE_STATE_RELEASING] = 1 },
                [TABLE_STATE_ACTIVE] = { [TABLE_STATE_RELEASING] = 1 },
                [TABLE_STATE_RELEASING] = { [TABLE_STATE_QUARANTINED] = 1, [TABLE_STATE_FREE] = 1 },
                [TABLE_STATE_QUARANTINED] = { [TABLE_STATE_FREE] = 1 },
        };

        return to < TABLE_STATE_COUNT && allowed[from][to];
}

/* Make room above `last_freed` when it is used up: every record's order becomes its rank.  Each
 * stays between its neighbours all along. */
static void renumber_releases(TableWriter *writer) {
        TableImage *image = &writer->image;
        g_autoptr(GArray) released = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        uint32_t rank = 0, previous = 0;

        for (uint32_t i = 0; i < image->n_records; i++)
                if (image->records[i].freed_order > 0)
                        g_array_append_val(released, i);
        g_array_sort_with_data(released, compare_released, image->records);

        for (guint i = 0; i < released->len; i++) {
                TableRecord *record = &image->records[g_array_index(released, uint32_t, i)];

                if (record->freed_order != previous)
                        rank++;
                previous = record->freed_order;
                table_store(&record->freed_order, rank);
        }
        table_store(&image->header->last_freed, rank);
}

static void tell_slot(const TableWriter *writer, uint32_t number, bool is_free) {
        if (writer->watch && table_image_is_slot(&writer->image, number))
                writer->watch(
                        table_image_slot_start(&writer->image, number), is_free,
                        writer->watch_userdata);
}

void table_writer_watch_slots(TableWriter *writer, TableSlotFunc func, void *userdata) {
        writer->watch = func;
        writer->watch_userdata = userdata;
}

/* Free the records of a range: the holder first, then its parts, which a writer that is killed in
 * between leaves without a holder for the next one to free. */
static void free_range(
        TableWriter *writer, const uint32_t *numbers, uint32_t n_records, bool was_used) {
        TableImage *image = &writer->image;

        if (was_used) {
                if (image->header->last_freed == UINT32_MAX)
                        renumber_releases(writer);
                table_store(&image->header->last_freed, image->header->last_freed + 1);
                for (uint32_t i = 0; i < n_records; i++)
                        table_store(
                                &image->records[numbers[i]].freed_order, image->header->last_freed);
        }

        for (uint32_t i = 0; i < n_records; i++) {
                TableFree *set = set_of(writer, numbers[i]);

                table_image_store_state(image, numbers[i], TABLE_STATE_FREE);
                if (was_used)
                        table_free_add_freed(set, numbers[i]);
                else
                        table_free_put_back(
                                set, numbers[i], image->records[numbers[i]].freed_order > 0);
                tell_slot(writer, numbers[i], true);
        }
}

void table_writer_set_state(TableWriter *writer, uint32_t record, uint32_t state) {
        TableImage *image = &writer->image;
        uint32_t numbers[TABLE_RANGE_RECORDS_MAX], n_records, from;
        const TableRecord *range;
        uint64_t n_ids;

        g_assert(record < image->n_records);
        range = &image->records[record];
        from = range->state;
        g_assert(range->kind == TABLE_KIND_RANGE && step_is_allowed(from, state));
        n_records = table_image_list_records(image, record, numbers);
        n_ids = table_image_n_ids(image, record);

        if (state == TABLE_STATE_FREE) {
                table_index_remove(image, record);
                table_live_move(writer->live, record, range, n_ids, from, state);
                free_range(writer, numbers, n_records, from != TABLE_STATE_RESERVED);
                tell_names(writer);
                return;
        }

        for (uint32_t i = 0; i < n_records; i++)
                table_image_store_state(image, numbers[i], state);
        if (state == TABLE_STATE_RELEASING)
                table_index_remove(image, record);
        table_live_move(writer->live, record, range, n_ids, from, state);
        tell_names(writer);
}

void table_writer_quarantine_slot(
        TableWriter *writer, uint32_t slot, uint32_t flags, uint32_t account_uid) {
        TableImage *image = &writer->image;
        TableRecord data = {
                .kind = TABLE_KIND_RANGE,
                .flags = flags,
                .owner_uid = TABLE_NONE,
                .account_uid = account_uid,
                .birth_usec = (uint64_t) g_get_real_time(),
                .size = TABLE_SLOT_SIZE,
                .holder = TABLE_NONE,
                .next_part = TABLE_NONE,
                .first_single = TABLE_NONE,
        };

        g_assert(table_image_is_slot(image, slot));
        if (image->records[slot].state != TABLE_STATE_FREE)
                return;
        data.start = table_image_slot_start(image, slot);
        table_free_remove(writer->slots, slot);
        table_image_store_record(image, slot, &data);
        table_image_store_state(image, slot, TABLE_STATE_QUARANTINED);
        table_live_move(
                writer->live, slot, &image->records[slot], TABLE_SLOT_SIZE, TABLE_STATE_FREE,
                TABLE_STATE_QUARANTINED);
        tell_slot(writer, slot, false);
        tell_names(writer);
}

/* looking */

const TableRecord *table_writer_record(const TableWriter *writer, uint32_t record) {
        return record < writer->image.n_records ? &writer->image.records[record] : NULL;
}

uint32_t table_writer_list_records(
        const TableWriter *writer, uint32_t record,
        uint32_t ret_records[static TABLE_RANGE_RECORDS_MAX]) {
        g_assert(record < writer->image.n_records);
        return table_image_list_records(&writer->image, record, ret_records);
}

uint32_t table_writer_state(const TableWriter *writer, uint32_t record) {
        g_assert(record < writer->image.n_records);
        return writer->image.records[record].state;
}

uint32_t table_writer_n_records(const TableWriter *writer) {
        return writer->image.n_records;
}

const TableHeader *table_writer_header(const TableWriter *writer) {
        return writer->image.header;
}

uint32_t table_writer_find_id(const TableWriter *writer, uint32_t id) {
        const TableImage *image = &writer->image;
        uint32_t slot = (id - image->view.pool_start) / TABLE_SLOT_SIZE;
        uint32_t n = (id - image->view.pool_start) % TABLE_SLOT_SIZE, number;
        const TableRecord *record;

        if (slot >= image->view.n_slots)
                return TABLE_NONE;
        record = &image->records[slot];
        if (record->state == TABLE_STATE_FREE)
                return TABLE_NONE;
        if (record->kind == TABLE_KIND_RANGE)
                return slot;
        if (record->kind == TABLE_KIND_PART)
                return record->holder;
        if (n >= TABLE_SINGLES_PER_SPLIT)
                return TABLE_NONE;
        number = image->view.n_slots + record->first_single + n;
        return image->records[number].state == TABLE_STATE_FREE ? TABLE_NONE : number;
}

uint32_t table_writer_find_name(const TableWriter *writer, const char *name) {
        return table_index_find(&writer->image, name);
}

uint32_t table_writer_find_userns(
        const TableWriter *writer, uint64_t userns_inode, uint64_t userns_id) {
        return table_live_find_userns(writer->live, writer->image.records, userns_inode, userns_id);
}

uint32_t table_writer_next_live(const TableWriter *writer, uint32_t *cursor) {
        return table_live_next(writer->live, cursor);
}

uint32_t table_writer_next_quarantined(const TableWriter *writer, uint32_t *cursor) {
        return table_live_next_quarantined(writer->live, cursor);
}

void table_writer_count(const TableWriter *writer, TableCounts *ret_counts) {
        table_live_count(writer->live, ret_counts);
        ret_counts->n_slots_free = table_free_n(writer->slots);
        ret_counts->n_slots_never_used = table_free_n_unused(writer->slots);
}

void table_writer_usage(
        const TableWriter *writer, uint32_t account_uid, uint32_t *ret_n_ranges,
        uint64_t *ret_n_ids) {
        table_live_usage(writer->live, account_uid, ret_n_ranges, ret_n_ids);
}

uint32_t table_writer_kept(const TableWriter *writer, uint32_t account_uid) {
        return table_live_kept(writer->live, account_uid);
}
