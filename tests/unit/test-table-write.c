/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/write.h"

#include <string.h>
#include <sys/wait.h>

#include "tests/unit/table-fixture.h"

static void test_create(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = NULL;
        TableOpenReport report;
        TableCounts counts;
        struct stat st;

        g_assert_cmpint(table_fixture_try_open(fixture, 28664, &writer, &report), ==, 0);
        g_assert_true(report.created);
        g_assert_null(report.set_aside);
        g_assert_cmpint(stat(fixture->path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0644);
        g_assert_cmpuint((uint64_t) st.st_blocks * 512, >=, (uint64_t) st.st_size);
        g_assert_cmpuint((uint64_t) st.st_size, <, 6u << 20);

        table_writer_count(writer, &counts);
        g_assert_cmpuint(counts.n_slots_free, ==, 28664);
        g_assert_cmpuint(counts.n_slots_never_used, ==, 28664);
        g_assert_null(table_writer_record(writer, table_writer_n_records(writer)));
}

static void test_pool_limits(TableFixture *fixture, gconstpointer data) {
        static const struct {
                uint32_t start, n_slots;
                bool valid;
        } cases[] = {
                { POOL_START, 0, false },
                { POOL_START, 1, true },
                { POOL_START, TABLE_SLOTS_MAX + 1, false },
                { POOL_START + 1, 1, false },
                { 0, 1, false },
                { TABLE_POOL_LOWEST, TABLE_SLOTS_MAX, true },
                { TABLE_POOL_HIGHEST - TABLE_SLOT_SIZE, 1, true },
                { TABLE_POOL_HIGHEST - TABLE_SLOT_SIZE, 2, false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(TableWriter) writer = NULL;
                TableOpenReport report;
                int r = table_writer_open(
                        &(TableWriterConfig){ .path = fixture->path,
                                              .pool_start = cases[i].start,
                                              .n_slots = cases[i].n_slots },
                        &writer, &report);

                g_assert_cmpint(r, ==, cases[i].valid ? 0 : -EINVAL);
                if (cases[i].valid)
                        g_assert_cmpint(remove(fixture->path), ==, 0);
        }
}

static uint32_t count_indexed(const TableWriter *writer) {
        const TableHeader *header = table_writer_header(writer);
        const TableWord *index =
                (const TableWord *) ((const uint8_t *) header + header->index_offset);
        uint32_t n = 0;

        for (uint32_t i = 0; i < header->index_entries; i++)
                n += index[i] != 0;
        return n;
}

static void test_life(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 64);
        TableView view = table_fixture_view(fixture);
        uint32_t record = table_fixture_reserve(writer, "1000-web", 65536, 77), n_ranges;
        uint32_t start = table_writer_record(writer, record)->start;
        TableAnswer answer;
        uint64_t n_ids;

        g_assert_cmpuint(start, ==, SLOT_ID(record));
        for (uint32_t state = TABLE_STATE_RESERVED; state <= TABLE_STATE_QUARANTINED; state++) {
                bool named = state <= TABLE_STATE_ACTIVE, live = state <= TABLE_STATE_RELEASING;

                table_fixture_walk_to(writer, record, state);
                g_assert_cmpuint(table_writer_state(writer, record), ==, state);
                g_assert_cmpuint(table_writer_find_id(writer, start + 9), ==, record);
                g_assert_cmpuint(count_indexed(writer), ==, named);
                g_assert_cmpuint(
                        table_writer_find_name(writer, "1000-web"), ==,
                        named ? record : TABLE_NONE);
                g_assert_cmpuint(
                        table_writer_find_userns(writer, 77, 0), ==, named ? record : TABLE_NONE);
                table_writer_usage(writer, 1000, &n_ranges, &n_ids);
                g_assert_cmpuint(n_ranges, ==, live);
                g_assert_cmpuint(n_ids, ==, live ? 65536 : 0);
                g_assert_cmpuint(table_writer_kept(writer, 1000), ==, live ? 0 : 1);
                g_assert_cmpint(
                        table_find_id(&view, start + 9, &answer), ==,
                        state == TABLE_STATE_ACTIVE ? 0 : TABLE_READ_E_NOT_FOUND);
                g_assert_cmpuint(
                        table_fixture_id(&view, "ns-1000-web-9"), ==,
                        state == TABLE_STATE_ACTIVE ? start + 9 : TABLE_NONE);
        }

        table_writer_set_state(writer, record, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_find_id(writer, start), ==, TABLE_NONE);
        table_view_close(&view);
}

/* What is out of use is charged, over a restart too, until it is free. */
static void test_kept(TableFixture *fixture, gconstpointer data) {
        TableWriter *writer = table_fixture_open(fixture, 64);
        TableRange range = {
                .name = "a",
                .account_uid = 1000,
                .userns_inode = 1,
                .size = 65537,
                .n_delegated = 2,
                .flags = TABLE_FLAG_UNENFORCED,
        };
        uint32_t slots, single, enforced, cursor = 0, next;

        g_assert_cmpint(table_writer_reserve(writer, &range, NULL, NULL, &slots), ==, 0);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, table_range_kept(65537, 2));
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 4);
        range = (TableRange){ .name = "b",
                              .account_uid = 1000,
                              .userns_inode = 2,
                              .size = 1,
                              .flags = TABLE_FLAG_UNENFORCED };
        g_assert_cmpint(table_writer_reserve(writer, &range, NULL, NULL, &single), ==, 0);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 4 + TABLE_KEPT_PER_SINGLE);
        enforced = table_fixture_reserve(writer, "c", 65536, 3);
        (void) table_fixture_reserve(writer, "d", 0, 4);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 4 + TABLE_KEPT_PER_SINGLE);

        table_fixture_walk_to(writer, slots, TABLE_STATE_QUARANTINED);
        table_fixture_walk_to(writer, single, TABLE_STATE_ACTIVE);
        table_fixture_walk_to(writer, enforced, TABLE_STATE_QUARANTINED);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 5 + TABLE_KEPT_PER_SINGLE);
        g_assert_cmpuint(table_writer_kept(writer, 1001), ==, 0);
        table_writer_free(writer);

        writer = table_fixture_open(fixture, 64);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 5 + TABLE_KEPT_PER_SINGLE);
        while ((next = table_writer_next_quarantined(writer, &cursor)) != TABLE_NONE)
                table_writer_set_state(writer, next, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, TABLE_KEPT_PER_SINGLE);
        table_fixture_walk_to(writer, single, TABLE_STATE_QUARANTINED);
        table_writer_set_state(writer, single, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 0);
        table_writer_quarantine_slot(writer, 63, 0, TABLE_NONE);
        g_assert_cmpuint(table_writer_kept(writer, 1000), ==, 0);
        table_writer_free(writer);
}

static void test_exists(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 64);
        uint32_t record = table_fixture_reserve(writer, "a", 65536, 1), other;
        TableRange range = { .name = "b", .userns_inode = 1, .userns_id = 5, .size = 65536 };

        g_assert_cmpint(
                table_fixture_try_reserve(writer, "a", 1, 2, &other), ==, TABLE_E_NAME_EXISTS);
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "b", 0, 1, &other), ==, TABLE_E_USERNS_EXISTS);
        g_assert_cmpint(
                table_writer_reserve(writer, &range, NULL, NULL, &other), ==,
                TABLE_E_USERNS_EXISTS);

        table_fixture_walk_to(writer, record, TABLE_STATE_RELEASING);
        /* The name is free, and the inode number may be another namespace's by now. */
        record = table_fixture_reserve(writer, "a", 65536, 2);
        g_assert_cmpint(table_fixture_try_reserve(writer, "c", 1, 1, &other), ==, 0);

        /* An inode that came back for another namespace, where the kernel tells ids. */
        range.userns_inode = 9;
        g_assert_cmpint(table_writer_reserve(writer, &range, NULL, NULL, &record), ==, 0);
        range.name = "d";
        range.userns_id = 6;
        g_assert_cmpint(table_writer_reserve(writer, &range, NULL, NULL, &other), ==, 0);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 5), ==, record);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 6), ==, other);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 7), ==, TABLE_NONE);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 0), !=, TABLE_NONE);
        table_writer_set_state(writer, record, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 5), ==, TABLE_NONE);
        g_assert_cmpuint(table_writer_find_userns(writer, 9, 0), ==, other);
}

/* Ranges of several slots: whole slots side by side, named through. */
static void test_large(TableFixture *fixture, gconstpointer data) {
        static const uint32_t sizes[] = { 2, 65535, 65536, 65537, 131072, 1000000, 1048576 };
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 200);
        TableView view = table_fixture_view(fixture);
        TableAnswer answer;

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *name = g_strdup_printf("n%zu", i);
                g_autofree char *last = g_strdup_printf("ns-%s-%u", name, sizes[i] - 1);
                g_autofree char *beyond = g_strdup_printf("ns-%s-%u", name, sizes[i]);
                uint32_t record = table_fixture_reserve(writer, name, sizes[i], 100 + i);
                uint32_t start = table_writer_record(writer, record)->start;
                uint32_t step = sizes[i] > 1000 ? 997 : 1;

                table_fixture_walk_to(writer, record, TABLE_STATE_ACTIVE);
                for (uint32_t n = 0; n < sizes[i]; n += step) {
                        g_assert_cmpint(table_find_id(&view, start + n, &answer), ==, 0);
                        g_assert_cmpuint(answer.offset, ==, n);
                        g_assert_cmpuint(answer.record, ==, record);
                        g_assert_cmpuint(table_writer_find_id(writer, start + n), ==, record);
                }
                g_assert_cmpuint(table_fixture_id(&view, last), ==, start + sizes[i] - 1);
                g_assert_cmpuint(table_fixture_id(&view, beyond), ==, TABLE_NONE);
                if (sizes[i] % TABLE_SLOT_SIZE != 0)
                        g_assert_cmpint(
                                table_find_id(&view, start + sizes[i], &answer), ==,
                                TABLE_READ_E_NOT_FOUND);
        }
        table_view_close(&view);
}

static bool refuse_slots(uint32_t start, uint32_t n_ids, void *userdata) {
        const uint32_t *only = userdata;

        return start == *only;
}

static bool refuse_all(uint32_t start, uint32_t n_ids, void *userdata) {
        unsigned *n_asked = userdata;

        (*n_asked)++;
        return false;
}

static void test_accept(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 16);
        TableRange range = { .name = "a", .userns_inode = 1, .size = 65536 };
        uint32_t record, only = SLOT_ID(5);
        unsigned n_asked = 0;
        TableCounts counts;

        g_assert_cmpint(
                table_writer_reserve(writer, &range, refuse_all, &n_asked, &record), ==,
                TABLE_E_EXHAUSTED);
        g_assert_cmpuint(n_asked, ==, 16);
        range.size = 3 * 65536;
        n_asked = 0;
        g_assert_cmpint(
                table_writer_reserve(writer, &range, refuse_all, &n_asked, &record), ==,
                TABLE_E_EXHAUSTED);
        g_assert_cmpuint(n_asked, ==, 14);
        range.size = 1;
        g_assert_cmpint(
                table_writer_reserve(writer, &range, refuse_all, &n_asked, &record), ==,
                TABLE_E_EXHAUSTED);
        table_writer_count(writer, &counts);
        g_assert_cmpuint(counts.n_slots_free, ==, 16);

        range.size = 3 * 65536;
        g_assert_cmpint(table_writer_reserve(writer, &range, refuse_slots, &only, &record), ==, 0);
        g_assert_cmpuint(record, ==, 5);
        only = SLOT_ID(8);
        range = (TableRange){ .name = "b", .userns_inode = 2, .size = 65536 };
        g_assert_cmpint(table_writer_reserve(writer, &range, refuse_slots, &only, &record), ==, 0);
        g_assert_cmpuint(record, ==, 8);
}

/* What was never used first; then what was free for longest, after a restart too. */
static void test_reuse_order(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 8);
        uint32_t records[8];
        TableCounts counts;

        for (uint32_t i = 0; i < 8; i++) {
                g_autofree char *name = g_strdup_printf("n%u", i);

                records[i] = table_fixture_reserve(writer, name, 65536, 10 + i);
                for (uint32_t k = 0; k < i; k++)
                        g_assert_cmpuint(records[i], !=, records[k]);
                if (i == 3) /* released early: still not taken while there are unused ones */
                        for (uint32_t k = 0; k < 2; k++) {
                                table_fixture_walk_to(writer, records[k], TABLE_STATE_RELEASING);
                                table_writer_set_state(writer, records[k], TABLE_STATE_FREE);
                        }
        }
        for (uint32_t i = 8; i > 2; i--) {
                table_fixture_walk_to(writer, records[i - 1], TABLE_STATE_QUARANTINED);
                table_writer_set_state(writer, records[i - 1], TABLE_STATE_FREE);
        }
        table_writer_count(writer, &counts);
        g_assert_cmpuint(counts.n_slots_free, ==, 8);
        g_assert_cmpuint(counts.n_slots_never_used, ==, 0);

        table_writer_free(g_steal_pointer(&writer));
        writer = table_fixture_open(fixture, 8);
        g_assert_cmpuint(table_fixture_reserve(writer, "x", 65536, 1), ==, records[0]);
        table_writer_set_state(writer, records[0], TABLE_STATE_FREE); /* rolled back: next again */
        g_assert_cmpuint(table_fixture_reserve(writer, "x", 65536, 1), ==, records[0]);
        g_assert_cmpuint(table_fixture_reserve(writer, "y", 65536, 2), ==, records[1]);
        g_assert_cmpuint(table_fixture_reserve(writer, "z", 65536, 3), ==, records[7]);
}

static TableWriter *open_with_boundary(TableFixture *fixture, uint32_t first_start) {
        TableWriterConfig config = {
                .path = fixture->path,
                .pool_start = POOL_START,
                .n_slots = 64,
                .first_start = first_start,
        };
        TableOpenReport report = { .created = false };
        TableWriter *writer = NULL;

        g_assert_cmpint(table_writer_open(&config, &writer, &report), ==, 0);
        return writer;
}

static uint32_t reserve_next(TableWriter *writer, uint32_t size) {
        static uint64_t inode = 1000;
        g_autofree char *name = g_strdup_printf("b%u", (unsigned) ++inode);

        return table_fixture_reserve(writer, name, size, inode);
}

static void release(TableWriter *writer, uint32_t record) {
        table_fixture_walk_to(writer, record, TABLE_STATE_RELEASING);
        table_writer_set_state(writer, record, TABLE_STATE_FREE);
}

/* What begins at the boundary or above comes first, used or not; then what is below, from the top
 * downwards, used ones last. */
static void test_boundary(TableFixture *fixture, gconstpointer data) {
        /* Slot 47's last ID is what useradd may still take: it comes last too. */
        g_autoptr(TableWriter) writer = open_with_boundary(fixture, SLOT_ID(48) - 1);
        bool in_order = true;
        uint32_t used, previous = 0;

        for (unsigned i = 0; i < 8; i++) {
                uint32_t record = reserve_next(writer, 65536);

                g_assert_cmpuint(record, >=, 48);
                in_order = in_order && (i == 0 || record == previous + 1 || record == previous - 1);
                previous = record;
        }
        g_assert_false(in_order);
        used = previous;
        release(writer, used);
        for (unsigned i = 0; i < 8; i++) {
                uint32_t record = reserve_next(writer, 65536);

                g_assert_cmpuint(record, >=, 48);
                g_assert_cmpuint(record, !=, used);
        }
        g_assert_cmpuint(reserve_next(writer, 65536), ==, used);

        g_assert_cmpuint(reserve_next(writer, 65536), ==, 47);
        g_assert_cmpuint(reserve_next(writer, 3 * 65536), ==, 44);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 43);
        release(writer, 43);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 42);
        /* Taken back before it was used: in its place again. */
        table_writer_set_state(writer, 42, TABLE_STATE_FREE);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 42);
        release(writer, 44);

        /* After a restart too; one of the first again goes before all below. */
        for (uint32_t slot = 0; slot < 64; slot++)
                if (table_writer_state(writer, slot) == TABLE_STATE_RESERVED &&
                    table_writer_record(writer, slot)->kind == TABLE_KIND_RANGE)
                        table_fixture_walk_to(writer, slot, TABLE_STATE_ACTIVE);
        table_writer_free(g_steal_pointer(&writer));
        writer = open_with_boundary(fixture, SLOT_ID(48) - 1);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 41);
        release(writer, 50);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 50);
        for (unsigned slot = 41; slot > 0; slot--)
                g_assert_cmpuint(reserve_next(writer, 65536), ==, slot - 1);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 43);
        g_assert_cmpuint(reserve_next(writer, 2 * 65536), ==, 44);
        g_assert_cmpuint(reserve_next(writer, 65536), ==, 46);
}

/* Ranges of several slots keep the order too. */
static void test_boundary_of_windows(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = open_with_boundary(fixture, SLOT_ID(60));

        g_assert_cmpuint(reserve_next(writer, 4 * 65536), ==, 60);
        g_assert_cmpuint(reserve_next(writer, 4 * 65536), ==, 56);
        release(writer, 60);
        g_assert_cmpuint(reserve_next(writer, 2 * 65536), >=, 60);
        g_assert_cmpuint(reserve_next(writer, 4 * 65536), ==, 52);
        table_writer_free(g_steal_pointer(&writer));

        /* All below, and what was only reserved is free again. */
        writer = open_with_boundary(fixture, UINT32_MAX);
        g_assert_cmpuint(reserve_next(writer, 4 * 65536), ==, 56);
}

typedef struct Asked {
        GArray *starts;
        uint32_t accepted; /* first ID, TABLE_NONE: none */
} Asked;

static bool note_asked(uint32_t start, uint32_t n_ids, void *userdata) {
        Asked *asked = userdata;

        g_array_append_val(asked->starts, start);
        return start == asked->accepted;
}

/* Who asks about the first window that is asked, and comes back with the answer, is asked it
 * first again. */
static void test_windows_are_asked_about_again(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = open_with_boundary(fixture, 0);
        g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        Asked asked = { starts, TABLE_NONE };
        TableRange range = { .name = "a", .userns_inode = 1, .size = 2 * 65536 };
        uint32_t record, n_windows;

        g_assert_cmpint(
                table_writer_reserve(writer, &range, note_asked, &asked, &record), ==,
                TABLE_E_EXHAUSTED);
        n_windows = starts->len;
        g_assert_cmpuint(n_windows, ==, 63);
        /* Whatever others do meanwhile that takes none. */
        for (unsigned i = 0; i < 3; i++) {
                char name[] = { 'r', (char) ('0' + i), '\0' };
                TableRange registration = { .name = name, .userns_inode = 100 + i };

                g_assert_cmpint(
                        table_writer_reserve(writer, &registration, NULL, NULL, &record), ==, 0);
        }
        asked.accepted = g_array_index(starts, uint32_t, 0);
        g_assert_cmpint(table_writer_reserve(writer, &range, note_asked, &asked, &record), ==, 0);
        g_assert_cmpuint(starts->len, ==, n_windows + 1);
}

typedef struct Foreseen {
        uint32_t starts[64], n, max;
} Foreseen;

static bool foresee(uint32_t start, uint32_t n_ids, void *userdata) {
        Foreseen *foreseen = userdata;

        g_assert_cmpuint(n_ids, ==, 65536);
        foreseen->starts[foreseen->n++] = start;
        return foreseen->n == foreseen->max;
}

static void test_foresee(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = open_with_boundary(fixture, SLOT_ID(60));
        Foreseen foreseen = { .max = 8 }, all = { .max = 100 };

        table_writer_foresee(writer, foresee, &foreseen);
        g_assert_cmpuint(foreseen.n, ==, 8);
        table_writer_foresee(writer, foresee, &all);
        g_assert_cmpuint(all.n, ==, 64);
        for (unsigned i = 0; i < 8; i++) {
                g_assert_cmpuint(all.starts[i], ==, foreseen.starts[i]);
                g_assert_cmpuint(SLOT_ID(reserve_next(writer, 65536)), ==, foreseen.starts[i]);
        }
}

static void test_singles(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 4);
        TableView view = table_fixture_view(fixture);
        g_autofree uint8_t *taken = g_new0(uint8_t, TABLE_SINGLES_MAX);
        TableAnswer answer;
        TableCounts counts;
        uint32_t record;

        for (uint32_t i = 0; i < TABLE_SINGLES_MAX; i++) {
                g_autofree char *name = g_strdup_printf("s%u", i);
                g_autofree char *user = g_strdup_printf("ns-s%u-0", i);

                record = table_fixture_reserve(writer, name, 1, 1000 + i);
                g_assert_cmpuint(taken[record - 4], ==, 0);
                taken[record - 4] = 1;
                table_fixture_walk_to(writer, record, TABLE_STATE_ACTIVE);
                g_assert_cmpint(
                        table_find_id(&view, table_writer_record(writer, record)->start, &answer),
                        ==, 0);
                g_assert_cmpuint(answer.record, ==, record);
                g_assert_cmpuint(table_fixture_id(&view, user), ==, answer.id);
                table_writer_count(writer, &counts);
                g_assert_cmpuint(counts.n_slots_free, ==, i < TABLE_SINGLES_PER_SPLIT ? 3 : 2);
        }
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "more", 1, 1, &record), ==, TABLE_E_EXHAUSTED);

        /* After a restart they are as they were, and one that is released is the next. */
        table_writer_free(g_steal_pointer(&writer));
        writer = table_fixture_open(fixture, 4);
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "more", 1, 1, &record), ==, TABLE_E_EXHAUSTED);
        table_fixture_walk_to(writer, 4 + 17, TABLE_STATE_RELEASING);
        table_writer_set_state(writer, 4 + 17, TABLE_STATE_FREE);
        g_assert_cmpuint(table_fixture_reserve(writer, "more", 1, 1), ==, 4 + 17);
        table_view_close(&view);
}

static void test_exhausted(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 4);
        uint32_t record;

        g_assert_cmpint(
                table_fixture_try_reserve(writer, "a", 5 * 65536, 1, &record), ==,
                TABLE_E_EXHAUSTED);
        g_assert_cmpuint(table_fixture_reserve(writer, "a", 4 * 65536, 1), ==, 0);
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "b", 65536, 2, &record), ==, TABLE_E_EXHAUSTED);
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "b", 1, 2, &record), ==, TABLE_E_EXHAUSTED);

        for (uint32_t i = 0; i < TABLE_REGISTRATIONS_MAX; i++) {
                g_autofree char *name = g_strdup_printf("r%u", i);

                record = table_fixture_reserve(writer, name, 0, 100 + i);
                g_assert_cmpuint(table_writer_record(writer, record)->start, ==, TABLE_NONE);
        }
        g_assert_cmpint(
                table_fixture_try_reserve(writer, "b", 0, 2, &record), ==, TABLE_E_EXHAUSTED);
}

static void test_walk_live(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 8);
        uint32_t a = table_fixture_reserve(writer, "a", 3 * 65536, 1);
        uint32_t b = table_fixture_reserve(writer, "b", 1, 2);
        uint32_t c = table_fixture_reserve(writer, "c", 0, 3), cursor = 0, next, n = 0;
        TableCounts counts;

        while ((next = table_writer_next_live(writer, &cursor)) != TABLE_NONE) {
                g_assert_true(next == a || next == b || next == c);
                table_fixture_walk_to(writer, next, TABLE_STATE_QUARANTINED);
                n++;
        }
        g_assert_cmpuint(n, ==, 3);
        for (uint32_t slot = 0; slot < 8; slot++)
                table_writer_quarantine_slot(writer, slot, TABLE_FLAG_UNENFORCED, 1000);

        cursor = n = 0;
        while ((next = table_writer_next_quarantined(writer, &cursor)) != TABLE_NONE) {
                table_writer_set_state(writer, next, TABLE_STATE_FREE);
                n++;
        }
        g_assert_cmpuint(n, ==, 3 + 4); /* and the four slots that nobody had */
        table_writer_count(writer, &counts);
        g_assert_cmpuint(counts.n[TABLE_STATE_QUARANTINED], ==, 0);
        g_assert_cmpuint(counts.n_slots_free, ==, 7);
}

/* The order of releases survives its counter's end. */
static void test_renumber(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 4);
        static const uint32_t full = UINT32_MAX;
        uint32_t records[4];
        int fd;

        for (uint32_t i = 0; i < 4; i++) {
                g_autofree char *name = g_strdup_printf("n%u", i);

                records[i] = table_fixture_reserve(writer, name, 65536, 1 + i);
        }
        for (uint32_t i = 0; i < 4; i++) {
                if (i == 2) {
                        fd = open(fixture->path, O_RDWR | O_CLOEXEC);
                        g_assert_cmpint(
                                pwrite(fd, &full, sizeof(full), offsetof(TableHeader, last_freed)),
                                ==, sizeof(full));
                        close(fd);
                }
                table_fixture_walk_to(writer, records[i], TABLE_STATE_RELEASING);
                table_writer_set_state(writer, records[i], TABLE_STATE_FREE);
        }
        g_assert_cmpuint(table_writer_header(writer)->last_freed, ==, 4);
        for (uint32_t i = 0; i < 4; i++)
                g_assert_cmpuint(table_writer_record(writer, records[i])->freed_order, ==, i + 1);
}

/* A lock is the process's: another one is refused, one that died leaves nothing. */
static void test_locked(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, 4);
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                TableWriter *other = NULL;
                TableOpenReport report;

                _exit(table_fixture_try_open(fixture, 4, &other, &report) == TABLE_E_LOCKED ? 0
                                                                                            : 1);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* untrusted files */

static void damage_nothing(TableFixture *fixture) {
}

static void edit(TableFixture *fixture, off_t offset, uint32_t value) {
        int fd = open(fixture->path, O_RDWR | O_CLOEXEC);

        g_assert_cmpint(pwrite(fd, &value, sizeof(value), offset), ==, sizeof(value));
        close(fd);
}

static void damage_magic(TableFixture *fixture) {
        edit(fixture, 0, 0x12345678);
}

static void damage_version(TableFixture *fixture) {
        edit(fixture, offsetof(TableHeader, version), TABLE_VERSION + 1);
}

static void damage_header(TableFixture *fixture) {
        edit(fixture, offsetof(TableHeader, name_seed), 1);
}

static void damage_record(TableFixture *fixture) {
        edit(fixture, TABLE_HEADER_SIZE + offsetof(TableRecord, owner_uid), 1);
}

static void damage_state(TableFixture *fixture) {
        edit(fixture, TABLE_HEADER_SIZE + offsetof(TableRecord, state), TABLE_STATE_COUNT);
}

static void damage_part(TableFixture *fixture) {
        edit(fixture, TABLE_HEADER_SIZE + TABLE_RECORD_SIZE + offsetof(TableRecord, state), 0);
}

static void damage_size(TableFixture *fixture) {
        g_assert_cmpint(truncate(fixture->path, 8192), ==, 0);
}

static void damage_end(TableFixture *fixture) {
        g_assert_cmpint(truncate(fixture->path, 100), ==, 0);
}

static void damage_mode(TableFixture *fixture) {
        g_assert_cmpint(chmod(fixture->path, 0664), ==, 0);
}

static void damage_type(TableFixture *fixture) {
        g_assert_cmpint(remove(fixture->path), ==, 0);
        g_assert_cmpint(mkdir(fixture->path, 0700), ==, 0);
}

static void damage_link(TableFixture *fixture) {
        g_assert_cmpint(remove(fixture->path), ==, 0);
        g_assert_cmpint(symlink("/dev/null", fixture->path), ==, 0);
}

static void damage_fifo(TableFixture *fixture) {
        g_assert_cmpint(remove(fixture->path), ==, 0);
        g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
}

static void test_untrusted(TableFixture *fixture, gconstpointer data) {
        static const struct {
                void (*damage)(TableFixture *fixture);
                uint32_t n_slots;
                const char *reason;
        } cases[] = {
                { damage_nothing, 3, "it is for another pool" },
                { damage_magic, 2, "it is no table" },
                { damage_version, 2, "its version is another one" },
                { damage_header, 2, "its header is damaged" },
                { damage_record, 2, "a record is damaged" },
                { damage_state, 2, "a record is damaged" },
                { damage_part, 2, "a record is damaged" },
                { damage_size, 2, "it is truncated" },
                { damage_end, 2, "it is truncated" },
                { damage_mode, 2, "others may write it" },
                { damage_type, 2, "it is not a regular file" },
                { damage_link, 2, "it is not a regular file" },
                { damage_fifo, 2, "it is not a regular file" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(TableWriter) writer = table_fixture_open(fixture, 2);
                TableOpenReport report = { .created = false };
                TableView view = table_fixture_view(fixture);
                g_autofree char *expected = NULL;
                uint32_t retired;
                int fd;

                table_fixture_walk_to(
                        writer, table_fixture_reserve(writer, "a", 131072, 1), TABLE_STATE_ACTIVE);
                table_writer_free(g_steal_pointer(&writer));
                cases[i].damage(fixture);

                g_assert_cmpint(
                        table_fixture_try_open(fixture, cases[i].n_slots, &writer, &report), ==,
                        TABLE_E_UNTRUSTED);
                g_assert_null(writer);
                g_assert_cmpstr(report.reason, ==, cases[i].reason);
                expected = i == 0 ? g_strdup_printf("%s.set-aside", fixture->path)
                                  : g_strdup_printf("%s.set-aside.%zu", fixture->path, i);
                g_assert_cmpstr(report.set_aside, ==, expected);
                g_clear_pointer(&report.set_aside, g_free);
                g_assert_false(g_file_test(fixture->path, G_FILE_TEST_EXISTS));

                /* Those who have it mapped are told, if it was a table at all. */
                fd = open(expected, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
                if (i == 0 || (i >= 2 && i <= 7) || i == 9) {
                        g_assert_cmpint(
                                pread(fd, &retired, sizeof(retired),
                                      offsetof(TableHeader, retired)),
                                ==, sizeof(retired));
                        g_assert_cmpuint(retired, ==, 1);
                }
                if (fd >= 0)
                        close(fd);

                /* The next one starts afresh. */
                g_assert_cmpint(
                        table_fixture_try_open(fixture, cases[i].n_slots, &writer, &report), ==, 0);
                g_assert_true(report.created);
                table_writer_free(g_steal_pointer(&writer));
                g_assert_cmpint(remove(fixture->path), ==, 0);
                g_free(expected);
                expected = NULL;
                table_view_close(&view);
        }
}

static void add(const char *name, void (*test)(TableFixture *, gconstpointer)) {
        g_test_add(name, TableFixture, NULL, table_fixture_set_up, test, table_fixture_tear_down);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        add("/table-write/create", test_create);
        add("/table-write/pool-limits", test_pool_limits);
        add("/table-write/life", test_life);
        add("/table-write/kept", test_kept);
        add("/table-write/exists", test_exists);
        add("/table-write/large", test_large);
        add("/table-write/accept", test_accept);
        add("/table-write/reuse-order", test_reuse_order);
        add("/table-write/boundary", test_boundary);
        add("/table-write/boundary-of-windows", test_boundary_of_windows);
        add("/table-write/windows-are-asked-about-again", test_windows_are_asked_about_again);
        add("/table-write/foresee", test_foresee);
        add("/table-write/singles", test_singles);
        add("/table-write/exhausted", test_exhausted);
        add("/table-write/walk-live", test_walk_live);
        add("/table-write/renumber", test_renumber);
        add("/table-write/locked", test_locked);
        add("/table-write/untrusted", test_untrusted);
        return g_test_run();
}
