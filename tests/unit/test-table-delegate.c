/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* Delegated ranges: slots from anywhere that belong to a range, and are named by its offsets. */

#include <string.h>

#include "lib/table/write.h"
#include "tests/unit/table-fixture.h"

static int try_delegate(
        TableWriter *writer, const char *name, uint32_t size, uint32_t n_delegated,
        TableAcceptFunc accept, void *userdata, uint32_t *ret_record) {
        return table_writer_reserve(
                writer,
                &(TableRange){ .name = name,
                               .owner_uid = 1000,
                               .account_uid = 1000,
                               .userns_inode = 1 + g_str_hash(name),
                               .size = size,
                               .target = 7,
                               .n_delegated = n_delegated },
                accept, userdata, ret_record);
}

static uint32_t delegate(
        TableWriter *writer, const char *name, uint32_t size, uint32_t n_delegated) {
        uint32_t record = TABLE_NONE;

        g_assert_cmpint(try_delegate(writer, name, size, n_delegated, NULL, NULL, &record), ==, 0);
        return record;
}

/* The first ID of delegated slot i: what the table says of its offset. */
static void check_slot(
        const TableWriter *writer, const TableView *view, const char *name, uint32_t record,
        uint32_t slot, uint32_t part) {
        const TableRecord *data = table_writer_record(writer, slot);
        static const uint32_t ids[] = { 0, 1, 65535 };

        g_assert_cmpuint(data->kind, ==, TABLE_KIND_PART);
        g_assert_cmpuint(data->part, ==, part);
        g_assert_cmpuint(data->target, ==, SLOT_ID(slot)); /* mapped one to one */
        for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                g_autofree char *user =
                        g_strdup_printf("ns-%s-%u", name, part * TABLE_SLOT_SIZE + ids[i]);
                TableAnswer by_name, by_id;

                g_assert_cmpuint(table_writer_find_id(writer, SLOT_ID(slot) + ids[i]), ==, record);
                g_assert_cmpint(table_find_id(view, SLOT_ID(slot) + ids[i], &by_id), ==, 0);
                g_assert_cmpint(table_find_name(view, user, strlen(user), &by_name), ==, 0);
                table_fixture_assert_same(&by_name, &by_id);
                g_assert_cmpuint(by_id.record, ==, record);
                g_assert_cmpuint(by_id.offset, ==, part * TABLE_SLOT_SIZE + ids[i]);
        }
}

/* Walk the chain. Returns how many there are. */
static uint32_t check_chain(
        const TableWriter *writer, const TableView *view, const char *name, uint32_t record) {
        const TableRecord *range = table_writer_record(writer, record);
        uint32_t first = (range->size - 1) / TABLE_SLOT_SIZE + 1, n = 0;
        g_autofree char *beyond = NULL;

        for (uint32_t at = range->next_part; at != TABLE_NONE; n++) {
                check_slot(writer, view, name, record, at, first + n);
                at = table_writer_record(writer, at)->next_part;
        }
        beyond = g_strdup_printf("ns-%s-%u", name, (first + n) * TABLE_SLOT_SIZE);
        g_assert_cmpuint(table_fixture_id(view, beyond), ==, TABLE_NONE);
        return n;
}

static uint32_t count_state(const TableWriter *writer, uint32_t state) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < table_writer_header(writer)->n_slots; i++)
                n += table_writer_state(writer, i) == state &&
                     table_writer_record(writer, i)->kind != TABLE_KIND_SPLIT;
        return n;
}

static void test_life(TableFixture *fixture, gconstpointer data) {
        static const struct {
                uint32_t size, n_delegated;
        } cases[] = {
                { 65536, 1 }, { 65536, 16 }, { 1, 1 },     { 1, 16 },
                { 2, 3 },     { 70000, 15 }, { 65537, 1 }, { TABLE_RANGE_SIZE_MAX, 1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                TableWriter *writer = table_fixture_open(fixture, 40);
                TableView view = table_fixture_view(fixture);
                uint32_t n_slots = cases[i].n_delegated +
                                   (cases[i].size > 1 ? (cases[i].size + 65535) / 65536 : 0);
                uint32_t record = delegate(writer, "box", cases[i].size, cases[i].n_delegated);
                uint32_t n_ranges;
                TableCounts counts;
                uint64_t n_ids;

                for (uint32_t s = TABLE_STATE_RESERVED; s <= TABLE_STATE_QUARANTINED; s++) {
                        bool live = s <= TABLE_STATE_RELEASING;

                        table_fixture_walk_to(writer, record, s);
                        g_assert_cmpuint(count_state(writer, s), ==, n_slots);
                        table_writer_usage(writer, 1000, &n_ranges, &n_ids);
                        g_assert_cmpuint(n_ranges, ==, live);
                        g_assert_cmpuint(
                                n_ids, ==,
                                live ? cases[i].size + cases[i].n_delegated * 65536u : 0);
                        if (s == TABLE_STATE_ACTIVE)
                                g_assert_cmpuint(
                                        check_chain(writer, &view, "box", record), ==,
                                        cases[i].n_delegated);
                        else
                                g_assert_cmpuint(
                                        table_fixture_id(&view, "ns-box-131072"), ==, TABLE_NONE);

                        /* The next writer finds it as it was, but for what was only reserved. */
                        table_writer_free(writer);
                        writer = table_fixture_open(fixture, 40);
                        if (s == TABLE_STATE_RESERVED) {
                                g_assert_cmpuint(count_state(writer, TABLE_STATE_RESERVED), ==, 0);
                                record = delegate(
                                        writer, "box", cases[i].size, cases[i].n_delegated);
                        }
                        table_writer_usage(writer, 1000, &n_ranges, &n_ids);
                        g_assert_cmpuint(
                                n_ids, ==,
                                live ? cases[i].size + cases[i].n_delegated * 65536u : 0);
                }
                table_writer_set_state(writer, record, TABLE_STATE_FREE);
                table_writer_count(writer, &counts);
                g_assert_cmpuint(counts.n_slots_free, ==, cases[i].size > 1 ? 40 : 39);
                table_writer_free(writer);
                table_view_close(&view);
                g_assert_cmpint(remove(fixture->path), ==, 0);
        }
}

/* Nothing is lent twice, whoever asks for what; and all of it is, in the end. */
static void test_once(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 24);
        TableView view = table_fixture_view(fixture);
        uint32_t a = delegate(writer, "a", 65536, 4), b = delegate(writer, "b", 3 * 65536, 4), c;
        uint32_t record;

        /* 12 are left: 1 + 12 are too many, and taking them all back leaves the 12. */
        g_assert_cmpint(
                try_delegate(writer, "c", 65536, 12, NULL, NULL, &record), ==, TABLE_E_EXHAUSTED);
        g_assert_cmpuint(count_state(writer, TABLE_STATE_FREE), ==, 12);
        c = delegate(writer, "c", 2, 11);
        g_assert_cmpuint(count_state(writer, TABLE_STATE_FREE), ==, 0);
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "d", 65536, 1, &record), ==, TABLE_E_EXHAUSTED);

        table_fixture_walk_to(writer, a, TABLE_STATE_ACTIVE);
        table_fixture_walk_to(writer, b, TABLE_STATE_ACTIVE);
        table_fixture_walk_to(writer, c, TABLE_STATE_ACTIVE);
        g_assert_cmpuint(check_chain(writer, &view, "a", a), ==, 4);
        g_assert_cmpuint(check_chain(writer, &view, "b", b), ==, 4);
        g_assert_cmpuint(check_chain(writer, &view, "c", c), ==, 11);

        table_fixture_walk_to(writer, b, TABLE_STATE_RELEASING);
        table_writer_set_state(writer, b, TABLE_STATE_FREE);
        g_assert_cmpuint(count_state(writer, TABLE_STATE_FREE), ==, 7);
        for (uint32_t i = 0; i < 7; i++) {
                g_autofree char *name = g_strdup_printf("n%u", i);

                (void) table_fixture_reserve(writer, name, 65536, 100 + i);
        }
        g_assert_cmpuint(check_chain(writer, &view, "a", a), ==, 4);
        g_assert_cmpuint(check_chain(writer, &view, "c", c), ==, 11);
        table_view_close(&view);
}

typedef struct Accepted {
        uint32_t first, last; /* slots that are refused */
        uint32_t n_asked;
} Accepted;

static bool accept_some(uint32_t start, uint32_t n_ids, void *userdata) {
        Accepted *accepted = userdata;
        uint32_t slot = (start - POOL_START) / TABLE_SLOT_SIZE;

        accepted->n_asked++;
        for (uint32_t i = 0; i < (n_ids + 65535) / 65536; i++)
                if (slot + i >= accepted->first && slot + i <= accepted->last)
                        return false;
        return true;
}

static void test_accept(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 12);
        Accepted accepted = { .first = 3, .last = 8 };
        uint32_t record;

        g_assert_cmpint(
                try_delegate(writer, "a", 65536, 6, accept_some, &accepted, &record), ==,
                TABLE_E_EXHAUSTED);
        g_assert_cmpuint(count_state(writer, TABLE_STATE_FREE), ==, 12);
        g_assert_cmpint(
                try_delegate(writer, "a", 65536, 5, accept_some, &accepted, &record), ==, 0);
        g_assert_cmpuint(accepted.n_asked, >=, 6);
        for (uint32_t slot = 0; slot < 12; slot++)
                g_assert_cmpuint(
                        table_writer_state(writer, slot), ==,
                        slot >= 3 && slot <= 8 ? TABLE_STATE_FREE : TABLE_STATE_RESERVED);
        /* Taken back before it was mapped: as if it had never been. */
        table_writer_set_state(writer, record, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_record(writer, 0)->freed_order, ==, 0);
        g_assert_cmpuint(count_state(writer, TABLE_STATE_FREE), ==, 12);
}

/* Lies about who belongs to whom, with a good CRC. */
static void test_untrusted(TableFixture *fixture, gconstpointer data) {
        static const struct {
                uint32_t which; /* 0: the range, 1, 2: its delegated slots */
                size_t field;
                uint32_t value;
        } cases[] = {
                { 0, offsetof(TableRecord, next_part), TABLE_NONE }, /* orphans */
                { 0, offsetof(TableRecord, next_part), 12345 },
                { 1, offsetof(TableRecord, next_part), TABLE_NONE },
                { 1, offsetof(TableRecord, next_part), UINT32_MAX - 1 },
                { 1, offsetof(TableRecord, part), 2 },
                { 2, offsetof(TableRecord, part), 1 },
                { 2, offsetof(TableRecord, part), 3 },
                { 1, offsetof(TableRecord, holder), 39 },
                { 1, offsetof(TableRecord, holder), 5000 },
                { 1, offsetof(TableRecord, holder), TABLE_NONE },
                { 1, offsetof(TableRecord, owner_uid), 5 },
                { 1, offsetof(TableRecord, state), TABLE_STATE_FREE },
        };

        for (size_t i = 0; i <= G_N_ELEMENTS(cases); i++) {
                TableWriter *writer = table_fixture_open(fixture, 40);
                uint32_t numbers[3], number;
                TableOpenReport report;
                TableRecord edited;
                int fd, r;

                numbers[0] = delegate(writer, "a", 65536, 2);
                table_fixture_walk_to(writer, numbers[0], TABLE_STATE_ACTIVE);
                numbers[1] = table_writer_record(writer, numbers[0])->next_part;
                numbers[2] = table_writer_record(writer, numbers[1])->next_part;
                number = numbers[cases[i % G_N_ELEMENTS(cases)].which];
                edited = *table_writer_record(writer, number);
                table_writer_free(writer);

                /* By chance, it may be so already. */
                if (i < G_N_ELEMENTS(cases) && memcmp((char *) &edited + cases[i].field,
                                                      &cases[i].value, sizeof(uint32_t)) == 0) {
                        (void) remove(fixture->path);
                        continue;
                }
                if (i < G_N_ELEMENTS(cases))
                        memcpy((char *) &edited + cases[i].field, &cases[i].value,
                               sizeof(uint32_t));
                edited.crc = table_record_crc(&edited);
                fd = open(fixture->path, O_RDWR | O_CLOEXEC);
                g_assert_cmpint(
                        pwrite(fd, &edited, sizeof(edited),
                               TABLE_HEADER_SIZE + (off_t) number * TABLE_RECORD_SIZE),
                        ==, sizeof(edited));
                close(fd);

                r = table_fixture_try_open(fixture, 40, &writer, &report);
                if (i == G_N_ELEMENTS(cases)) { /* nothing was changed */
                        g_assert_cmpint(r, ==, 0);
                        table_writer_free(writer);
                } else {
                        g_test_message("case %zu", i);
                        g_assert_cmpint(r, ==, TABLE_E_UNTRUSTED);
                        g_assert_cmpstr(report.reason, ==, "a record is damaged");
                        g_free(report.set_aside);
                }
                (void) remove(fixture->path);
        }
}

static void add(const char *name, void (*test)(TableFixture *, gconstpointer)) {
        g_test_add(name, TableFixture, NULL, table_fixture_set_up, test, table_fixture_tear_down);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        add("/table-delegate/life", test_life);
        add("/table-delegate/once", test_once);
        add("/table-delegate/accept", test_accept);
        add("/table-delegate/untrusted", test_untrusted);
        return g_test_run();
}
