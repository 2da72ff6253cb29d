/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* The writer is ended before its store number 1, 2, 3, ...  Each time, what it left is read as it
 * is, then opened by another writer (which is ended before its stores 1, 2, 3, ... as well), and
 * compared with what the first one had been told, and had answered, by then. */

#include "lib/table/write.h"

#include <string.h>
#include <sys/wait.h>

#include "lib/table/image.h"
#include "tests/unit/counted-store.h"
#include "tests/unit/table-fixture.h"

#define N_SLOTS 20

/* To fork a process with AddressSanitizer's shadow takes a hundred times longer. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 11
#else
#define STRIDE 1
#endif

/* The ranges of the story.  The names of the first five crowd at one place of the index. */
enum {
        CROWD_0,
        CROWD_1,
        CROWD_2,
        CROWD_3,
        CROWD_4,
        LARGE,
        TAKEN_BACK,
        SINGLE,
        REGISTRATION,
        DELEGATING, /* two slots, and three elsewhere */
        DELEGATING_SINGLE,
        N_RANGES
};

static const uint32_t sizes[N_RANGES] = {
        [CROWD_0] = 65536,  [CROWD_1] = 65536,       [CROWD_2] = 2,           [CROWD_3] = 70000,
        [CROWD_4] = 65536,  [LARGE] = 3 * 65536 - 5, [TAKEN_BACK] = 131072,   [SINGLE] = 1,
        [REGISTRATION] = 0, [DELEGATING] = 65537,    [DELEGATING_SINGLE] = 1,
};

#define DELEGATED_MAX 3

static const uint32_t n_delegated[N_RANGES] = {
        [DELEGATING] = DELEGATED_MAX,
        [DELEGATING_SINGLE] = 1,
};

typedef struct Step {
        uint32_t range, state;
} Step;

/* What is there before the story begins. */
static const Step before[] = {
        { CROWD_0, TABLE_STATE_ACTIVE },
        { CROWD_1, TABLE_STATE_ACTIVE },
        { CROWD_2, TABLE_STATE_ACTIVE },
        { CROWD_4, TABLE_STATE_ACTIVE },
};

static const Step story[] = {
        { CROWD_0, TABLE_STATE_RELEASING },
        { CROWD_3, TABLE_STATE_RESERVED },
        { CROWD_0, TABLE_STATE_QUARANTINED },
        { CROWD_3, TABLE_STATE_MAPPING },
        { CROWD_3, TABLE_STATE_ACTIVE },
        { CROWD_0, TABLE_STATE_FREE },
        { LARGE, TABLE_STATE_RESERVED },
        { LARGE, TABLE_STATE_MAPPING },
        { TAKEN_BACK, TABLE_STATE_RESERVED },
        { TAKEN_BACK, TABLE_STATE_FREE },
        { LARGE, TABLE_STATE_ACTIVE },
        { SINGLE, TABLE_STATE_RESERVED },
        { SINGLE, TABLE_STATE_MAPPING },
        { CROWD_1, TABLE_STATE_RELEASING },
        { CROWD_0, TABLE_STATE_RESERVED },
        { CROWD_0, TABLE_STATE_MAPPING },
        { CROWD_0, TABLE_STATE_ACTIVE },
        { LARGE, TABLE_STATE_RELEASING },
        { LARGE, TABLE_STATE_QUARANTINED },
        { LARGE, TABLE_STATE_FREE },
        { CROWD_1, TABLE_STATE_FREE },
        { SINGLE, TABLE_STATE_RELEASING },
        { SINGLE, TABLE_STATE_FREE },
        { REGISTRATION, TABLE_STATE_RESERVED },
        { REGISTRATION, TABLE_STATE_MAPPING },
        { REGISTRATION, TABLE_STATE_ACTIVE },
        { TAKEN_BACK, TABLE_STATE_RESERVED },
        { REGISTRATION, TABLE_STATE_RELEASING },
        { REGISTRATION, TABLE_STATE_FREE },
        { CROWD_3, TABLE_STATE_RELEASING },
        { TAKEN_BACK, TABLE_STATE_MAPPING },
        { TAKEN_BACK, TABLE_STATE_RELEASING },
        { CROWD_3, TABLE_STATE_FREE },
        { DELEGATING, TABLE_STATE_RESERVED },
        { DELEGATING, TABLE_STATE_FREE },
        { DELEGATING, TABLE_STATE_RESERVED },
        { DELEGATING, TABLE_STATE_MAPPING },
        { DELEGATING_SINGLE, TABLE_STATE_RESERVED },
        { DELEGATING, TABLE_STATE_ACTIVE },
        { DELEGATING_SINGLE, TABLE_STATE_MAPPING },
        { DELEGATING_SINGLE, TABLE_STATE_ACTIVE },
        { DELEGATING, TABLE_STATE_RELEASING },
        { DELEGATING, TABLE_STATE_QUARANTINED },
        { DELEGATING, TABLE_STATE_FREE },
        { DELEGATING_SINGLE, TABLE_STATE_RELEASING },
        { DELEGATING_SINGLE, TABLE_STATE_FREE },
};

/* Written by the process that is ended, read by the one that looks. */
typedef struct Progress {
        uint32_t done[N_RANGES];   /* state that the writer has answered for */
        uint32_t asked[N_RANGES];  /* state that it was told to go to */
        uint32_t record[N_RANGES]; /* where it said the range is */
        uint32_t start[N_RANGES];
        uint32_t delegated[N_RANGES][DELEGATED_MAX]; /* slots */
} Progress;

static char names[N_RANGES][TABLE_NAME_MAX + 1];

static uint64_t inode_of(uint32_t range) {
        return 1000 + range;
}

static void choose_names(uint64_t seed) {
        uint32_t home = TABLE_NONE, n = 0;

        for (uint32_t i = 0; n <= CROWD_4; i++) {
                g_autofree char *name = g_strdup_printf("c%u", i);
                uint32_t at = (uint32_t) table_name_hash(seed, name, strlen(name)) &
                              (TABLE_INDEX_ENTRIES - 1);

                if (home == TABLE_NONE)
                        home = at;
                /* Side by side as well: then not every entry may move to every gap. */
                if (at - home <= 1)
                        g_strlcpy(names[n++], name, sizeof(names[0]));
        }
        for (; n < N_RANGES; n++)
                g_snprintf(names[n], sizeof(names[0]), "r%u", n);
}

static void walk(TableWriter *writer, Progress *progress, uint32_t range, uint32_t state) {
        progress->asked[range] = state;
        if (progress->done[range] == TABLE_STATE_FREE) {
                const TableRange wanted = {
                        .name = names[range],
                        .owner_uid = 1000,
                        .account_uid = 1000,
                        .userns_inode = inode_of(range),
                        .size = sizes[range],
                        .n_delegated = n_delegated[range],
                };
                uint32_t record = TABLE_NONE, at;

                g_assert_cmpint(table_writer_reserve(writer, &wanted, NULL, NULL, &record), ==, 0);
                at = table_writer_record(writer, record)->next_part;
                for (uint32_t i = 0; at != TABLE_NONE; i++) {
                        progress->delegated[range][i] = at;
                        at = table_writer_record(writer, at)->next_part;
                }
                progress->start[range] = table_writer_record(writer, record)->start;
                progress->record[range] = record;
        } else {
                table_writer_set_state(writer, progress->record[range], state);
        }
        progress->done[range] = state;
}

static void begin(TableFixture *fixture, Progress *progress) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, N_SLOTS);

        choose_names(table_writer_header(writer)->name_seed);
        for (size_t i = 0; i < G_N_ELEMENTS(before); i++)
                for (uint32_t s = TABLE_STATE_RESERVED; s <= before[i].state; s++)
                        walk(writer, progress, before[i].range, s);
}

/* Run in a child, which is ended before that store.  Returns whether it was. */
static bool run_story(TableFixture *fixture, Progress *progress, uint64_t exit_before) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                TableWriter *writer;

                counted_store_arm(exit_before);
                writer = table_fixture_open(fixture, N_SLOTS);
                for (size_t i = 0; i < G_N_ELEMENTS(story); i++)
                        walk(writer, progress, story[i].range, story[i].state);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
                g_assert_cmpint(WEXITSTATUS(status), ==, COUNTED_STORE_EXIT);
        return WEXITSTATUS(status) != 0;
}

static int find_offset(
        const TableView *view, uint32_t range, uint32_t offset, TableAnswer *ret_answer) {
        g_autofree char *user_name = g_strdup_printf("ns-%s-%u", names[range], offset);

        return table_find_name(view, user_name, strlen(user_name), ret_answer);
}

typedef struct Expected {
        uint32_t offset, id;
} Expected;

/* First and last ID of the range, and of each slot that is delegated to it.  Returns how many. */
static size_t list_expected(const Progress *progress, uint32_t range, Expected *ret_expected) {
        uint32_t first = (sizes[range] - 1) / TABLE_SLOT_SIZE + 1, start = progress->start[range];
        size_t n = 0;

        if (sizes[range] == 0)
                return 0;
        ret_expected[n++] = (Expected){ 0, start };
        ret_expected[n++] = (Expected){ sizes[range] - 1, start + sizes[range] - 1 };
        for (uint32_t i = 0; i < n_delegated[range]; i++) {
                uint32_t offset = (first + i) * TABLE_SLOT_SIZE;
                uint32_t id = SLOT_ID(progress->delegated[range][i]);

                ret_expected[n++] = (Expected){ offset, id };
                ret_expected[n++] = (Expected){ offset + 65535, id + 65535 };
        }
        return n;
}

/* What a reader finds, of each of those, by name and by number. */
static void check_answers(
        const TableView *view, const Progress *progress, uint32_t range, bool must, bool must_not) {
        Expected expected[2 + 2 * DELEGATED_MAX];
        size_t n = list_expected(progress, range, expected);

        for (size_t i = 0; i < n; i++) {
                TableAnswer by_name, by_id;
                int r = find_offset(view, range, expected[i].offset, &by_name), k = r;

                g_assert_true(r == 0 || r == TABLE_READ_E_NOT_FOUND);
                if (progress->done[range] != TABLE_STATE_FREE)
                        k = table_find_id(view, expected[i].id, &by_id);
                g_assert_true(k == 0 || k == TABLE_READ_E_NOT_FOUND);
                if (must)
                        g_assert_true(r == 0 && k == 0);
                if (must_not)
                        g_assert_true(r == TABLE_READ_E_NOT_FOUND);
                if (r == 0) {
                        g_assert_cmpuint(by_name.id, ==, expected[i].id);
                        g_assert_cmpuint(by_name.range.userns_inode, ==, inode_of(range));
                }
                if (r == 0 && k == 0)
                        table_fixture_assert_same(&by_name, &by_id);
        }
}

/* What the dead writer left, before anybody puts it right. */
static void check_left(TableFixture *fixture, const Progress *progress) {
        TableView view = table_fixture_view(fixture);
        uint32_t cursor = 0;
        TableAnswer answer;
        int r;

        for (uint32_t i = 0; i < N_RANGES; i++) {
                uint32_t done = progress->done[i], asked = progress->asked[i];

                check_answers(
                        &view, progress, i,
                        done == TABLE_STATE_ACTIVE && asked == TABLE_STATE_ACTIVE,
                        done != TABLE_STATE_ACTIVE && asked != TABLE_STATE_ACTIVE);
        }
        while ((r = table_next(&view, &cursor, &answer)) == 0)
                g_assert_cmpuint(answer.offset, ==, 0);
        g_assert_cmpint(r, ==, TABLE_READ_E_NOT_FOUND);
        table_view_close(&view);
}

static uint32_t recovered(uint32_t state) {
        return state == TABLE_STATE_RESERVED ? TABLE_STATE_FREE : state;
}

/* The record of this range; TABLE_NONE. */
static uint32_t find_range(const TableWriter *writer, uint32_t range) {
        uint32_t found = TABLE_NONE;

        for (uint32_t i = 0; i < table_writer_n_records(writer); i++) {
                const TableRecord *record = table_writer_record(writer, i);

                if (record->state == TABLE_STATE_FREE || record->kind != TABLE_KIND_RANGE ||
                    record->userns_inode != inode_of(range))
                        continue;
                g_assert_cmpuint(found, ==, TABLE_NONE);
                found = i;
        }
        return found;
}

static void check_range(
        const TableWriter *writer, const TableView *view, const Progress *progress,
        uint32_t range) {
        uint32_t number = find_range(writer, range);
        const TableRecord *record =
                number != TABLE_NONE ? table_writer_record(writer, number) : NULL;
        uint32_t state = record ? record->state : TABLE_STATE_FREE;

        g_assert_true(
                state == recovered(progress->done[range]) ||
                state == recovered(progress->asked[range]));
        g_assert_cmpuint(
                table_writer_find_name(writer, names[range]), ==,
                state >= TABLE_STATE_RESERVED && state <= TABLE_STATE_ACTIVE ? number : TABLE_NONE);
        check_answers(
                view, progress, range, state == TABLE_STATE_ACTIVE, state != TABLE_STATE_ACTIVE);
        if (!record)
                return;

        g_assert_cmpuint(record->crc, ==, table_record_crc(record));
        g_assert_cmpuint(record->size, ==, sizes[range]);
        g_assert_cmpstr(record->name, ==, names[range]);
        for (uint32_t i = 1; number < N_SLOTS && i < table_n_slots_of(record->size); i++) {
                const TableRecord *part = table_writer_record(writer, number + i);

                g_assert_cmpuint(part->kind, ==, TABLE_KIND_PART);
                g_assert_cmpuint(part->state, ==, state);
                g_assert_cmpuint(part->holder, ==, number);
                g_assert_cmpuint(part->crc, ==, table_record_crc(part));
        }
        for (uint32_t i = 0, at = record->next_part; i < n_delegated[range]; i++) {
                const TableRecord *part = table_writer_record(writer, at);

                g_assert_cmpuint(at, ==, progress->delegated[range][i]);
                g_assert_cmpuint(part->kind, ==, TABLE_KIND_PART);
                g_assert_cmpuint(part->state, ==, state);
                g_assert_cmpuint(part->holder, ==, number);
                at = part->next_part;
        }
}

/* Nothing is left that belongs to nobody, and the index holds
 * the names there are and nothing else. */
static void check_rest(const TableWriter *writer) {
        const TableHeader *header = table_writer_header(writer);
        const TableWord *index =
                (const TableWord *) ((const uint8_t *) header + header->index_offset);
        uint32_t n_named = 0, n_indexed = 0;

        for (uint32_t i = 0; i < table_writer_n_records(writer); i++) {
                const TableRecord *record = table_writer_record(writer, i);

                g_assert_cmpuint(record->sequence & 1, ==, 0);
                if (record->state == TABLE_STATE_FREE)
                        continue;
                g_assert_cmpuint(record->state, !=, TABLE_STATE_RESERVED);
                if (record->kind == TABLE_KIND_PART)
                        g_assert_cmpuint(
                                table_writer_state(writer, record->holder), ==, record->state);
                n_named += record->name[0] != '\0' && record->state <= TABLE_STATE_ACTIVE;
        }
        for (uint32_t i = 0; i < header->index_entries; i++)
                n_indexed += index[i] != 0;
        g_assert_cmpuint(n_indexed, ==, n_named);
}

/* Lend all that is free: nothing of it is what somebody holds. */
static void check_lent(TableWriter *writer) {
        bool taken[N_SLOTS];
        uint32_t record;

        for (uint32_t i = 0; i < N_SLOTS; i++)
                taken[i] = table_writer_state(writer, i) != TABLE_STATE_FREE;
        for (uint32_t i = 0;; i++) {
                g_autofree char *name = g_strdup_printf("new%u", i);

                if (table_fixture_try_reserve(writer, name, 65536, 5000 + i, &record) != 0)
                        break;
                g_assert_false(taken[record]);
                taken[record] = true;
        }
        for (uint32_t i = 0; i < N_SLOTS; i++)
                g_assert_true(taken[i]);
}

static void check_recovered(TableFixture *fixture, const Progress *progress) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, N_SLOTS);
        TableView view = table_fixture_view(fixture);

        for (uint32_t i = 0; i < N_RANGES; i++)
                check_range(writer, &view, progress, i);
        check_rest(writer);
        check_lent(writer);
        table_view_close(&view);
}

/* Let a recovery be ended before each of its stores in turn; it goes on from where the last one
 * was. */
static uint64_t end_recoveries(TableFixture *fixture, const Progress *progress) {
        for (uint64_t n = 1;; n++) {
                pid_t pid = fork();
                int status;

                if (pid == 0) {
                        counted_store_arm(n);
                        (void) table_fixture_open(fixture, N_SLOTS);
                        _exit(0);
                }
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_true(WIFEXITED(status));
                check_left(fixture, progress);
                if (WEXITSTATUS(status) == 0)
                        return n;
                g_assert_cmpint(WEXITSTATUS(status), ==, COUNTED_STORE_EXIT);
        }
}

static void load(TableFixture *fixture, char **ret_bytes, gsize *ret_size) {
        g_assert_true(g_file_get_contents(fixture->path, ret_bytes, ret_size, NULL));
}

static void restore(TableFixture *fixture, const char *bytes, gsize size) {
        int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(pwrite(fd, bytes, size, 0), ==, (ssize_t) size);
        g_assert_cmpint(close(fd), ==, 0);
}

static void test_story(TableFixture *fixture, gconstpointer data) {
        Progress *progress = mmap(
                NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_autofree char *bytes = NULL;
        uint64_t n = 1, recovery_max = 0;
        Progress first;
        gsize size;

        g_assert_true(progress != MAP_FAILED);
        begin(fixture, progress);
        first = *progress;
        load(fixture, &bytes, &size);

        for (;; n += STRIDE) {
                uint64_t n_recoveries;
                bool ended;

                restore(fixture, bytes, size);
                *progress = first;
                ended = run_story(fixture, progress, n);
                check_left(fixture, progress);
                n_recoveries = end_recoveries(fixture, progress);
                recovery_max = MAX(recovery_max, n_recoveries);
                check_recovered(fixture, progress);
                if (!ended)
                        break;
        }
        g_test_message(
                "%" G_GUINT64_FORMAT " stores, at most %" G_GUINT64_FORMAT " in a recovery", n,
                recovery_max);
        g_assert_cmpuint(n, >, 500);
        g_assert_cmpuint(recovery_max, >, 1);
        munmap(progress, sizeof(*progress));
}

static bool open_in_child(TableFixture *fixture, uint64_t exit_before, int *ret_result) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                TableWriter *writer;
                TableOpenReport report;

                counted_store_arm(exit_before);
                _exit(table_fixture_try_open(fixture, 2, &writer, &report));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        *ret_result = WEXITSTATUS(status);
        return *ret_result == COUNTED_STORE_EXIT;
}

/* A new table is there whole or not at all. */
static void test_create(TableFixture *fixture, gconstpointer data) {
        bool was_there = false, was_not = false;
        int r;

        for (uint64_t n = 1; open_in_child(fixture, n, &r); n++) {
                g_autoptr(TableWriter) writer = NULL;

                if (g_file_test(fixture->path, G_FILE_TEST_EXISTS)) {
                        TableView view = table_fixture_view(fixture);

                        table_view_close(&view);
                        was_there = true;
                } else {
                        was_not = true;
                }
                writer = table_fixture_open(fixture, 2);
                g_assert_cmpint(remove(fixture->path), ==, 0);
        }
        g_assert_cmpint(r, ==, 0);
        g_assert_true(was_there && was_not);
}

/* A table that is set aside is not lost, wherever that is interrupted. */
static void test_set_aside(TableFixture *fixture, gconstpointer data) {
        g_autofree char *aside = g_strconcat(fixture->path, ".set-aside", NULL);
        bool ended = true;
        int r;

        for (uint64_t n = 1; ended; n++) {
                g_autoptr(TableWriter) writer = table_fixture_open(fixture, 3);
                TableOpenReport report;

                table_writer_free(g_steal_pointer(&writer));
                ended = open_in_child(fixture, n, &r);
                if (!ended)
                        g_assert_cmpint(r, ==, TABLE_E_UNTRUSTED);
                g_assert_true(
                        g_file_test(fixture->path, G_FILE_TEST_EXISTS) !=
                        g_file_test(aside, G_FILE_TEST_EXISTS));
                if (table_fixture_try_open(fixture, 2, &writer, &report) == TABLE_E_UNTRUSTED) {
                        g_free(report.set_aside);
                        g_assert_cmpint(
                                table_fixture_try_open(fixture, 2, &writer, &report), ==, 0);
                }
                g_assert_true(g_file_test(aside, G_FILE_TEST_EXISTS));
                g_assert_cmpint(remove(aside), ==, 0);
                g_assert_cmpint(remove(fixture->path), ==, 0);
        }
}

static void add(const char *name, void (*test)(TableFixture *, gconstpointer)) {
        g_test_add(name, TableFixture, NULL, table_fixture_set_up, test, table_fixture_tear_down);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        add("/table-crash/story", test_story);
        add("/table-crash/create", test_create);
        add("/table-crash/set-aside", test_set_aside);
        return g_test_run();
}
