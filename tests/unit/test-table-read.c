/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/read.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/table-fixture.h"
#include "tests/unit/table-sample.h"

static void test_crc(void) {
        uint8_t bytes[300];

        g_assert_cmpuint(table_crc("123456789", 9), ==, 0xcbf43926);
        g_assert_cmpuint(table_crc("", 0), ==, 0);
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 31 + 7);
        for (size_t from = 0; from < 9; from++)
                for (size_t n = 0; n <= sizeof(bytes) - from; n++) {
                        uint32_t crc = UINT32_MAX;

                        for (size_t i = 0; i < n; i++) {
                                crc ^= bytes[from + i];
                                for (unsigned bit = 0; bit < 8; bit++)
                                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
                        }
                        g_assert_cmpuint(table_crc(bytes + from, n), ==, ~crc);
                }
}

static void test_name_max(void) {
        static const struct {
                uint32_t size;
                size_t max;
        } cases[] = {
                { 0, 22 },      { 1, 22 },       { 65536, 22 },   { 100000, 22 },
                { 100001, 21 }, { 1048576, 20 }, { 1114112, 20 },
        };
        char name[64];

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                memset(name, 'a', sizeof(name));
                name[cases[i].max + 1] = '\0';
                g_assert_cmpuint(table_name_max(cases[i].size), ==, cases[i].max);
                g_assert_false(table_name_is_valid(name, cases[i].size));
                name[cases[i].max] = '\0';
                g_assert_true(table_name_is_valid(name, cases[i].size));
        }
        g_assert_false(table_name_is_valid("", 1));
        g_assert_true(table_name_is_valid("-_09azAZ", 1));
        for (int c = 1; c < 256; c++) {
                bool valid = g_ascii_isalnum((char) c) || c == '-' || c == '_';

                g_snprintf(name, sizeof(name), "a%cb", c);
                g_assert_cmpint(table_name_is_valid(name, 1), ==, valid);
        }
}

static void test_name_parse(void) {
        static const struct {
                const char *text, *name;
                uint32_t offset;
        } good[] = {
                { "ns-a-0", "a", 0 },
                { "ns-1000-web-65535", "1000-web", 65535 },
                { "ns---5", "-", 5 },
                { "ns-ns-1-2", "ns-1", 2 },
                { "ns-abcdefghijklmnopqrstuv-65535", "abcdefghijklmnopqrstuv", 65535 },
                { "ns-abcdefghijklmnopqrst-1114111", "abcdefghijklmnopqrst", 1114111 },
        };
        static const char *const bad[] = {
                "",
                "n",
                "ns-",
                "ns--",
                "ns--0",
                "ns-a",
                "ns-a-",
                "ns-a-00",
                "ns-a-01",
                "ns-a-+1",
                "ns-a- 1",
                "ns-a-1 ",
                "ns-a-1x",
                "ns-a-0x1",
                "NS-a-0",
                "ns_a-0",
                "ns-a.b-0",
                "ns-a:b-0",
                "ns-a\n-0",
                "ns-\xc3\xa4-0",
                "ns-a-1114112",
                "ns-a-4294967296",
                "xns-a-0",
                "ns-abcdefghijklmnopqrstuvw-0",     /* 23 */
                "ns-abcdefghijklmnopqrstuv-100000", /* 32 bytes */
                "ns-a-18446744073709551616",
        };
        size_t size;
        uint32_t offset;

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                char formatted[TABLE_USER_NAME_MAX + 1];

                g_assert_true(
                        table_user_name_parse(good[i].text, strlen(good[i].text), &size, &offset));
                g_assert_cmpuint(size, ==, strlen(good[i].name));
                g_assert_cmpuint(offset, ==, good[i].offset);
                g_assert_cmpuint(
                        table_user_name_format(good[i].name, good[i].offset, formatted), ==,
                        strlen(good[i].text));
                g_assert_cmpstr(formatted, ==, good[i].text);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(table_user_name_parse(bad[i], strlen(bad[i]), &size, &offset));
        g_assert_false(table_user_name_parse("ns-a\0b-0", 8, &size, &offset));
        g_assert_false(table_user_name_parse("ns-a-1", 5, &size, &offset)); /* not beyond n */
}

/* the sample table */

static TableSample *sample_new(TableView *ret_view) {
        TableSample *sample = g_new(TableSample, 1);

        sample_fill(sample);
        g_assert_cmpint(table_view_check(sample, sizeof(*sample), ret_view), ==, 0);
        return sample;
}

static void assert_same(const TableView *view, const char *user_name, uint32_t id) {
        char formatted[TABLE_USER_NAME_MAX + 1];
        TableAnswer by_name, by_id;

        g_assert_cmpint(table_find_name(view, user_name, strlen(user_name), &by_name), ==, 0);
        g_assert_cmpint(table_find_id(view, id, &by_id), ==, 0);
        g_assert_cmpuint(by_name.id, ==, id);
        table_fixture_assert_same(&by_name, &by_id);
        table_user_name(&by_id, formatted);
        g_assert_cmpstr(formatted, ==, user_name);
}

static void check_answers(const TableView *view) {
        static const uint32_t no_ids[] = {
                0,
                SAMPLE_POOL - 1,
                SAMPLE_SLOT_ID(1) + 100000,
                SAMPLE_SLOT_ID(SAMPLE_SPLIT),
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 6,
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + SAMPLE_SINGLES,
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 2048 + 5,
                SAMPLE_SLOT_ID(SAMPLE_GONE),
                SAMPLE_SLOT_ID(SAMPLE_OUT),
                SAMPLE_SLOT_ID(SAMPLE_SMALL) + 2,
                SAMPLE_SLOT_ID(SAMPLE_FREE),
                SAMPLE_SLOT_ID(SAMPLE_SLOTS),
                UINT32_MAX,
        };
        static const char *const no_names[] = {
                "ns-plain-196608", "ns-large-100000", "ns-single-1", "ns-gone-0",   "ns-small-2",
                "ns-registered-0", "ns-other-0",      "ns-plai-0",   "ns-plain2-0", "root",
                "ns-small-65536",
        };
        TableAnswer answer;
        uint32_t cursor = 0, n = 0;

        assert_same(view, "ns-plain-0", SAMPLE_POOL);
        assert_same(view, "ns-plain-65535", SAMPLE_POOL + 65535);
        assert_same(view, "ns-plain-65536", SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1));
        assert_same(view, "ns-plain-131071", SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1) + 65535);
        assert_same(view, "ns-plain-196607", SAMPLE_SLOT_ID(SAMPLE_DELEGATED_2) + 65535);
        assert_same(view, "ns-large-65535", SAMPLE_SLOT_ID(SAMPLE_LARGE) + 65535);
        assert_same(view, "ns-large-65536", SAMPLE_SLOT_ID(SAMPLE_LARGE) + 65536);
        assert_same(view, "ns-large-99999", SAMPLE_SLOT_ID(SAMPLE_LARGE) + 99999);
        assert_same(view, "ns-single-0", SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5);
        assert_same(view, "ns-small-1", SAMPLE_SLOT_ID(SAMPLE_SMALL) + 1);

        for (size_t i = 0; i < G_N_ELEMENTS(no_ids); i++)
                g_assert_cmpint(
                        table_find_id(view, no_ids[i], &answer), ==, TABLE_READ_E_NOT_FOUND);
        for (size_t i = 0; i < G_N_ELEMENTS(no_names); i++)
                g_assert_cmpint(
                        table_find_name(view, no_names[i], strlen(no_names[i]), &answer), ==,
                        TABLE_READ_E_NOT_FOUND);

        g_assert_cmpint(table_find_range(view, "registered", 10, &answer), ==, 0);
        g_assert_cmpuint(answer.id, ==, TABLE_NONE);
        g_assert_cmpuint(answer.range.size, ==, 0);
        g_assert_cmpint(table_find_range(view, "large", 5, &answer), ==, 0);
        g_assert_cmpuint(answer.id, ==, SAMPLE_SLOT_ID(SAMPLE_LARGE));
        g_assert_cmpint(table_find_range(view, "gone", 4, &answer), ==, TABLE_READ_E_NOT_FOUND);
        g_assert_cmpint(table_find_range(view, "", 0, &answer), ==, TABLE_READ_E_NOT_FOUND);
        g_assert_cmpint(
                table_find_range(view, "aaaaaaaaaaaaaaaaaaaaaaa", 23, &answer), ==,
                TABLE_READ_E_NOT_FOUND);

        while (table_next(view, &cursor, &answer) == 0) {
                g_assert_cmpuint(answer.offset, ==, 0);
                g_assert_cmpuint(answer.id, ==, answer.range.start);
                n++;
        }
        g_assert_cmpuint(n, ==, 4);
        g_assert_cmpint(table_next(view, &cursor, &answer), ==, TABLE_READ_E_NOT_FOUND);
}

static void test_answers(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);

        check_answers(&view);
        sample->header.retired = 1;
        {
                TableAnswer answer;
                uint32_t cursor = 0;

                g_assert_cmpint(
                        table_find_id(&view, SAMPLE_POOL, &answer), ==, TABLE_READ_E_RETIRED);
                g_assert_cmpint(
                        table_find_name(&view, "ns-plain-0", 10, &answer), ==,
                        TABLE_READ_E_RETIRED);
                g_assert_cmpint(table_next(&view, &cursor, &answer), ==, TABLE_READ_E_RETIRED);
                /* What is not ours is still answered without a look. */
                g_assert_cmpint(table_find_id(&view, 1, &answer), ==, TABLE_READ_E_NOT_FOUND);
        }
}

static void assert_slot(const TableView *view, uint32_t slot) {
        g_autofree char *name = g_strdup_printf("nsresource-%u", SAMPLE_SLOT_ID(slot));
        char formatted[TABLE_USER_NAME_MAX + 1];
        TableAnswer by_name, by_id;

        g_assert_cmpint(table_look_up_id(view, SAMPLE_SLOT_ID(slot), &by_id), ==, 0);
        g_assert_cmpint(table_look_up_name(view, name, strlen(name), &by_name), ==, 0);
        g_assert_true(by_id.is_slot);
        g_assert_true(by_name.is_slot);
        g_assert_cmpuint(by_id.id, ==, SAMPLE_SLOT_ID(slot));
        table_fixture_assert_same(&by_name, &by_id);
        table_user_name(&by_id, formatted);
        g_assert_cmpstr(formatted, ==, name);
        /* Only that one ID: the others are nobody's name. */
        g_assert_cmpint(
                table_look_up_id(view, SAMPLE_SLOT_ID(slot) + 1, &by_id), ==,
                TABLE_READ_E_NOT_FOUND);
        g_assert_cmpint(
                table_look_up_id(view, SAMPLE_SLOT_ID(slot) + 65534, &by_id), ==,
                TABLE_READ_E_NOT_FOUND);
}

static void assert_no_slot(const TableView *view, uint32_t slot) {
        g_autofree char *name = g_strdup_printf("nsresource-%u", SAMPLE_SLOT_ID(slot));
        TableAnswer answer;
        int r;

        g_assert_cmpint(
                table_look_up_name(view, name, strlen(name), &answer), ==, TABLE_READ_E_NOT_FOUND);
        r = table_look_up_id(view, SAMPLE_SLOT_ID(slot), &answer);
        g_assert_true(r == TABLE_READ_E_NOT_FOUND || (r == 0 && !answer.is_slot));
}

/* Whoever asks by the first ID whether a slot is free is told so of those only that are. */
static void test_slots(void) {
        static const char *const no_names[] = {
                "nsresource-2097153", "nsresource-02097152",   "nsresource-0",
                "nsresource-",        "nsresource-2097152x",   "nsresource",
                "ns-resource-0",      "nsresource-4294901760", "nsresource-4297064448",
        };
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        TableAnswer answer;

        assert_slot(&view, SAMPLE_SPLIT); /* its first ID is not lent, its ID 5 is */
        assert_slot(&view, SAMPLE_GONE);  /* releasing */
        assert_slot(&view, SAMPLE_OUT);   /* quarantined */
        assert_no_slot(&view, SAMPLE_FREE);
        assert_no_slot(&view, SAMPLE_PLAIN);
        assert_no_slot(&view, SAMPLE_DELEGATED_1);
        assert_no_slot(&view, SAMPLE_SLOTS); /* beyond the pool */
        for (size_t i = 0; i < G_N_ELEMENTS(no_names); i++)
                g_assert_cmpint(
                        table_look_up_name(&view, no_names[i], strlen(no_names[i]), &answer), ==,
                        TABLE_READ_E_NOT_FOUND);
        /* Names of namespaces are as without. */
        g_assert_cmpint(table_look_up_id(&view, SAMPLE_POOL + 65535, &answer), ==, 0);
        g_assert_false(answer.is_slot);
        g_assert_cmpint(table_look_up_name(&view, "ns-plain-65535", 14, &answer), ==, 0);
        g_assert_false(answer.is_slot);
        g_assert_cmpint(table_look_up_id(&view, 0, &answer), ==, TABLE_READ_E_NOT_FOUND);

        for (uint32_t state = TABLE_STATE_RESERVED; state < TABLE_STATE_COUNT; state++) {
                static const uint32_t slots[] = {
                        SAMPLE_PLAIN, SAMPLE_DELEGATED_1, SAMPLE_DELEGATED_2,
                        SAMPLE_LARGE, SAMPLE_LARGE + 1,   SAMPLE_SMALL,
                };

                for (size_t i = 0; i < G_N_ELEMENTS(slots); i++)
                        sample_record(sample, slots[i])->state = state;
                for (size_t i = 0; i < G_N_ELEMENTS(slots); i++)
                        if (state == TABLE_STATE_ACTIVE)
                                assert_no_slot(&view, slots[i]);
                        else
                                assert_slot(&view, slots[i]);
        }
        /* A part is reserved before its holder, and freed after it. */
        sample_record(sample, SAMPLE_PLAIN)->state = TABLE_STATE_FREE;
        assert_no_slot(&view, SAMPLE_PLAIN);
        assert_slot(&view, SAMPLE_DELEGATED_1);

        /* What the host uses is not ours to name. */
        sample_record(sample, SAMPLE_OUT)->flags = TABLE_FLAG_HOST;
        sample_seal(sample, SAMPLE_OUT);
        assert_no_slot(&view, SAMPLE_OUT);
        /* The first of the single IDs is lent: it has its own name. */
        sample_add(
                sample, SAMPLE_SLOTS, TABLE_STATE_ACTIVE, TABLE_KIND_RANGE, "first",
                SAMPLE_SLOT_ID(SAMPLE_SPLIT), 1);
        assert_no_slot(&view, SAMPLE_SPLIT);
        assert_same(&view, "ns-first-0", SAMPLE_SLOT_ID(SAMPLE_SPLIT));
        sample->header.retired = 1;
        g_assert_cmpint(
                table_look_up_id(&view, SAMPLE_SLOT_ID(SAMPLE_GONE), &answer), ==,
                TABLE_READ_E_RETIRED);
}

/* What is listed: the IDs in their order, each as it is looked up; returns how many. */
static uint32_t count_entries(const TableView *view) {
        uint32_t cursor = 0, n = 0, last = 0;
        TableAnswer answer, other;
        int r;

        while ((r = table_next_entry(view, &cursor, &answer)) == 0) {
                g_assert_cmpuint(answer.id, >, last);
                last = answer.id;
                g_assert_cmpint(table_find_id(view, answer.id, &other), ==, 0);
                table_fixture_assert_same(&answer, &other);
                n++;
        }
        g_assert_cmpint(r, ==, TABLE_READ_E_NOT_FOUND);
        return n;
}

static void test_entries(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        TableAnswer answer;
        uint32_t cursor = 0;

        g_assert_cmpuint(count_entries(&view), ==, 4);
        sample->header.set_entries = 1;
        /* plain and its two delegated slots, large, single, small */
        g_assert_cmpuint(count_entries(&view), ==, 3 * 65536 + 100000 + 1 + 2);

        /* A damaged record ends what can be listed of its own range only. */
        sample_record(sample, SAMPLE_LARGE)->owner_uid++;
        for (uint32_t n_damaged = 0, n = 0;; n++) {
                int r = table_next_entry(&view, &cursor, &answer);

                n_damaged += r == TABLE_READ_E_UNTRUSTED;
                if (r != TABLE_READ_E_NOT_FOUND)
                        continue;
                g_assert_cmpuint(n_damaged, ==, 2); /* slots 1 and 2 */
                g_assert_cmpuint(n, ==, 3 * 65536 + 1 + 2 + 2);
                break;
        }

        /* Back to first IDs in the middle: nothing is listed twice. */
        cursor = 3;
        sample->header.set_entries = 0;
        g_assert_cmpint(table_next_entry(&view, &cursor, &answer), ==, TABLE_READ_E_UNTRUSTED);
        g_assert_cmpint(table_next_entry(&view, &cursor, &answer), ==, 0);
        g_assert_cmpstr(answer.range.name, ==, "single");
        g_assert_cmpint(table_next_entry(&view, &cursor, &answer), ==, 0);
        g_assert_cmpstr(answer.range.name, ==, "small");
        sample->header.retired = 1;
        g_assert_cmpint(table_next_entry(&view, &cursor, &answer), ==, TABLE_READ_E_RETIRED);
}

/* In steps of one place and of a few: the same records as in one go, and never more looks. */
static void test_entries_in_steps(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);

        for (unsigned step = 1; step < 20; step++) {
                uint32_t cursor = 0, whole = 0;
                unsigned n_found = 0, n_pauses = 0, n_left = 0;
                TableAnswer answer, other;
                int r;

                while ((r = table_next_entry_within(&view, &cursor, &n_left, &answer)) !=
                       TABLE_READ_E_NOT_FOUND) {
                        if (r == TABLE_READ_E_PAUSED) {
                                g_assert_cmpuint(n_left, ==, 0);
                                n_left = step;
                                n_pauses++;
                                continue;
                        }
                        g_assert_cmpint(r, ==, 0);
                        g_assert_cmpint(table_next_entry(&view, &whole, &other), ==, 0);
                        table_fixture_assert_same(&answer, &other);
                        n_found++;
                }
                g_assert_cmpuint(n_found, ==, 4);
                /* each slot is one place, and the one that is split has as many as there are IDs */
                g_assert_cmpuint(
                        n_pauses, ==, (SAMPLE_SLOTS + TABLE_SINGLES_PER_SPLIT + step - 2) / step);
        }
        g_assert_cmpuint(sample->header.retired, ==, 0);
}

/* Whose are they, whatever state they are in. */
static void test_accounts(void) {
        static const struct {
                uint32_t id, charged_number; /* of the record that says so */
        } charged[] = {
                { SAMPLE_SLOT_ID(SAMPLE_PLAIN), SAMPLE_PLAIN },
                { SAMPLE_SLOT_ID(SAMPLE_PLAIN) + 65535, SAMPLE_PLAIN },
                { SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1) + 7, SAMPLE_PLAIN },
                { SAMPLE_SLOT_ID(SAMPLE_DELEGATED_2), SAMPLE_PLAIN },
                { SAMPLE_SLOT_ID(SAMPLE_LARGE) + 65536, SAMPLE_LARGE },
                { SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, SAMPLE_SINGLE },
                { SAMPLE_SLOT_ID(SAMPLE_GONE) + 1, SAMPLE_GONE },
                { SAMPLE_SLOT_ID(SAMPLE_OUT) + 1, SAMPLE_OUT },
                { SAMPLE_SLOT_ID(SAMPLE_SMALL) + 1, SAMPLE_SMALL },
        };
        static const uint32_t nobodys[] = {
                0,
                1000,
                SAMPLE_POOL - 1,
                SAMPLE_SLOT_ID(SAMPLE_SLOTS),
                UINT32_MAX,
                SAMPLE_SLOT_ID(SAMPLE_FREE),
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 6,
                SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 60000,
        };
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        uint32_t account = 77;

        for (uint32_t number = 0; number < SAMPLE_RECORDS; number++) {
                sample_record(sample, number)->account_uid = 5000 + number;
                sample_seal(sample, number);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(charged); i++) {
                g_assert_cmpint(table_find_account(&view, charged[i].id, &account), ==, 0);
                g_assert_cmpuint(account, ==, 5000 + charged[i].charged_number);
        }

        account = 77;
        for (size_t i = 0; i < G_N_ELEMENTS(nobodys); i++)
                g_assert_cmpint(
                        table_find_account(&view, nobodys[i], &account), ==,
                        TABLE_READ_E_NOT_FOUND);
        sample_record(sample, SAMPLE_OUT)->account_uid = TABLE_NONE;
        sample_seal(sample, SAMPLE_OUT);
        g_assert_cmpint(
                table_find_account(&view, SAMPLE_SLOT_ID(SAMPLE_OUT), &account), ==,
                TABLE_READ_E_NOT_FOUND);
        sample_record(sample, SAMPLE_SMALL)->account_uid++;
        g_assert_cmpint(
                table_find_account(&view, SAMPLE_SLOT_ID(SAMPLE_SMALL), &account), ==,
                TABLE_READ_E_UNTRUSTED);
        sample->header.retired = 1;
        g_assert_cmpint(table_find_account(&view, SAMPLE_POOL, &account), ==, TABLE_READ_E_RETIRED);
        g_assert_cmpuint(account, ==, 77);
}

static void test_unmapped(TableFixture *fixture, gconstpointer data) {
        TableView view, other;
        g_autofree TableSample *sample = sample_new(&view);
        TableAnswer answer;

        g_assert_true(g_file_set_contents(
                fixture->path, (const char *) sample->bytes, sizeof(*sample), NULL));
        g_assert_cmpint(chmod(fixture->path, 0644), ==, 0);
        if (geteuid() != 0) {
                g_assert_cmpint(table_view_open(fixture->path, &view), ==, TABLE_READ_E_UNTRUSTED);
                g_test_skip("only root's files are believed");
                return;
        }

        g_assert_cmpint(table_view_open_unmapped(fixture->path, &view), ==, 0);
        g_assert_cmpint(table_view_open(fixture->path, &other), ==, 0);
        check_answers(&view);
        check_answers(&other);
        table_view_close(&other);

        /* A descriptor shows a file that shrinks; a mapping would kill. */
        g_assert_cmpint(truncate(fixture->path, TABLE_HEADER_SIZE), ==, 0);
        g_assert_cmpint(table_find_id(&view, SAMPLE_POOL, &answer), ==, TABLE_READ_E_UNTRUSTED);
        table_view_close(&view);
}

static void test_open_refuses(TableFixture *fixture, gconstpointer data) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        g_autofree char *other = g_strconcat(fixture->path, "2", NULL);
        int (*const opens[])(const char *, TableView *) = { table_view_open,
                                                            table_view_open_unmapped };

        if (geteuid() != 0) {
                g_test_skip("only root's files are believed");
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(opens); i++) {
                g_assert_cmpint(opens[i](fixture->path, &view), ==, TABLE_READ_E_MISSING);
                g_assert_cmpint(opens[i]("/dev/null/x", &view), ==, TABLE_READ_E_MISSING);
                g_assert_cmpint(opens[i]("/dev/null", &view), ==, TABLE_READ_E_UNTRUSTED);
                g_assert_cmpint(opens[i]("/", &view), ==, TABLE_READ_E_UNTRUSTED);
                g_assert_true(g_file_set_contents(
                        fixture->path, (const char *) sample->bytes, sizeof(*sample), NULL));
                for (unsigned mode = 0; mode <= 0777; mode++) {
                        int r;

                        g_assert_cmpint(chmod(fixture->path, mode), ==, 0);
                        r = opens[i](fixture->path, &view);
                        g_assert_cmpint(r, ==, mode & 022 ? TABLE_READ_E_UNTRUSTED : 0);
                        if (r == 0)
                                table_view_close(&view);
                }
                g_assert_cmpint(chmod(fixture->path, 0644), ==, 0);
                g_assert_cmpint(symlink(fixture->path, other), ==, 0);
                g_assert_cmpint(opens[i](other, &view), ==, TABLE_READ_E_UNTRUSTED);
                g_assert_cmpint(remove(other), ==, 0);
                g_assert_cmpint(mkfifo(other, 0644), ==, 0);
                g_assert_cmpint(opens[i](other, &view), ==, TABLE_READ_E_UNTRUSTED);
                g_assert_cmpint(remove(other), ==, 0);
                g_assert_cmpint(chown(fixture->path, 1, 0), ==, 0);
                g_assert_cmpint(opens[i](fixture->path, &view), ==, TABLE_READ_E_UNTRUSTED);
                g_assert_cmpint(remove(fixture->path), ==, 0);
        }
}

/* What a child says of the file in a user namespace with that map. */
static int open_in_namespace(const char *path, const char *map) {
        int ready[2], go[2], status;
        pid_t pid;
        char byte = 0;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        g_assert_cmpint(pipe2(go, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                TableView view;

                if ((map && unshare(CLONE_NEWUSER) < 0) || write(ready[1], &byte, 1) != 1 ||
                    read(go[0], &byte, 1) != 1)
                        _exit(99);
                _exit(table_view_open(path, &view) & 0x7f);
        }
        g_assert_cmpint(pid, >, 0);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        if (map) {
                g_autofree char *map_path = g_strdup_printf("/proc/%d/uid_map", (int) pid);
                int fd = open(map_path, O_WRONLY | O_CLOEXEC);

                g_assert_cmpint(write(fd, map, strlen(map)), ==, (ssize_t) strlen(map));
                g_assert_cmpint(close(fd), ==, 0);
        }
        g_assert_cmpint(write(go[1], &byte, 1), ==, 1);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(close(ready[i]), ==, 0);
                g_assert_cmpint(close(go[i]), ==, 0);
        }
        return WEXITSTATUS(status);
}

/* In a user namespace that does not have the file's owner, in one that has all IDs, and in our own:
 * only the first one is told that the owner is nobody there. */
static void test_open_foreign(TableFixture *fixture, gconstpointer data) {
        static const struct {
                const char *map; /* NULL: no namespace */
                uid_t owner;
                int outcome;
        } cases[] = {
                { "0 1000 1", 0, TABLE_READ_E_FOREIGN },
                { "0 1000 1", 4242, TABLE_READ_E_FOREIGN },
                { "0 100000 65536", 0, TABLE_READ_E_FOREIGN }, /* and has a 65534 of its own */
                { "0 0 1", 0, 0 },
                { "0 1000 1", 1000, 0 }, /* that is root in there */
                { "0 1000 1\n5 4242 1", 4242, TABLE_READ_E_UNTRUSTED },
                { "0 0 4294967295", 65534, TABLE_READ_E_UNTRUSTED },
                { NULL, 65534, TABLE_READ_E_UNTRUSTED },
                { NULL, 4242, TABLE_READ_E_UNTRUSTED },
        };
        g_autofree TableSample *sample = NULL;
        TableView view;

        if (geteuid() != 0) {
                g_test_skip("only root can map others' IDs");
                return;
        }
        sample = sample_new(&view);
        g_assert_true(g_file_set_contents(
                fixture->path, (const char *) sample->bytes, sizeof(*sample), NULL));
        g_assert_cmpint(chmod(fixture->path, 0644), ==, 0);
        g_assert_cmpint(chmod(fixture->folder, 0755), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(chown(fixture->path, cases[i].owner, 0), ==, 0);
                g_assert_cmpint(
                        open_in_namespace(fixture->path, cases[i].map), ==, cases[i].outcome);
        }
}

/* Each word of the header: other values than its own are refused, or harm nobody. */
static void test_header(void) {
        static const uint32_t values[] = { 0,          1,          2,       3,        63,
                                           64,         4095,       4096,    65535,    65536,
                                           0x7fffffff, 0x80000000, 0xfffff, 1u << 17, 49153,
                                           0xffff0000, UINT32_MAX };
        TableView view, other;
        g_autofree TableSample *sample = sample_new(&view);
        size_t n_refused = 0;

        for (size_t word = 0; word < offsetof(TableHeader, crc) / 4; word++)
                for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                        TableWord *at = (TableWord *) sample->bytes + word, saved = *at;

                        if (saved == values[i])
                                continue;
                        *at = values[i];
                        g_assert_cmpint(
                                table_view_check(sample, sizeof(*sample), &other), ==,
                                TABLE_READ_E_UNTRUSTED); /* the CRC */
                        sample_seal_header(sample);
                        if (table_view_check(sample, sizeof(*sample), &other) != 0) {
                                n_refused++;
                        } else {
                                TableAnswer answer;
                                uint32_t cursor = 0;

                                (void) table_find_id(&other, SAMPLE_POOL, &answer);
                                (void) table_find_id(&other, UINT32_MAX, &answer);
                                (void) table_find_name(&other, "ns-plain-0", 10, &answer);
                                while (table_next(&other, &cursor, &answer) !=
                                       TABLE_READ_E_NOT_FOUND)
                                        ;
                        }
                        *at = saved;
                        sample_seal_header(sample);
                }
        g_assert_cmpuint(n_refused, >, 150);
        for (size_t size = 0; size < sizeof(*sample); size += 97)
                g_assert_cmpint(table_view_check(sample, size, &other), ==, TABLE_READ_E_UNTRUSTED);
}

/* Every bit of a record counts: the CRC says so, or a rule does. */
static void test_record_damage(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        TableAnswer answer;

        for (size_t bit = offsetof(TableRecord, crc) * 8; bit < TABLE_RECORD_SIZE * 8; bit++) {
                uint8_t *at = (uint8_t *) sample_record(sample, SAMPLE_SMALL) + bit / 8;

                *at ^= (uint8_t) (1u << bit % 8);
                g_assert_cmpint(
                        table_find_id(&view, SAMPLE_SLOT_ID(SAMPLE_SMALL), &answer), ==,
                        TABLE_READ_E_UNTRUSTED);
                *at ^= (uint8_t) (1u << bit % 8);
        }
        sample_record(sample, SAMPLE_SMALL)->sequence++;
        g_assert_cmpint(
                table_find_id(&view, SAMPLE_SLOT_ID(SAMPLE_SMALL), &answer), ==, TABLE_READ_E_BUSY);
}

/* Lies with a good CRC. */
static void test_record_lies(void) {
        static const struct {
                uint32_t number;
                size_t offset;
                uint32_t value;
                uint32_t id;
                const char *user_name;
        } cases[] = {
#define LIE(record, field, value, id, name) \
        { record, offsetof(TableRecord, field), value, id, name }
                LIE(SAMPLE_SMALL, kind, 77, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, kind, TABLE_KIND_NONE, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, kind, TABLE_KIND_PART, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, kind, TABLE_KIND_SPLIT, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, start, 0, SAMPLE_SLOT_ID(SAMPLE_SMALL), "ns-small-0"),
                LIE(SAMPLE_SMALL, start, SAMPLE_POOL, SAMPLE_SLOT_ID(SAMPLE_SMALL), "ns-small-0"),
                LIE(SAMPLE_SMALL, start, UINT32_MAX, SAMPLE_SLOT_ID(SAMPLE_SMALL), "ns-small-1"),
                LIE(SAMPLE_SMALL, size, 0, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, size, UINT32_MAX, SAMPLE_SLOT_ID(SAMPLE_SMALL), "ns-small-5"),
                LIE(SAMPLE_SMALL, size, 4 * 65536, SAMPLE_SLOT_ID(SAMPLE_SMALL), "ns-small-5"),
                LIE(SAMPLE_SMALL, name, 0x3a303a78, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SMALL, name[20], 0x41414141, SAMPLE_SLOT_ID(SAMPLE_SMALL), NULL),
                LIE(SAMPLE_SINGLE, start, 0, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, "ns-single-0"),
                LIE(SAMPLE_SINGLE, start, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 6,
                    SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, "ns-single-0"),
                LIE(SAMPLE_SINGLE, size, 2, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, "ns-single-1"),
                LIE(SAMPLE_SPLIT, first_single, 5, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, NULL),
                LIE(SAMPLE_SPLIT, first_single, 2048, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, NULL),
                LIE(SAMPLE_SPLIT, first_single, UINT32_MAX, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, NULL),
                LIE(SAMPLE_DELEGATED_1, holder, TABLE_NONE, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, holder, SAMPLE_DELEGATED_1,
                    SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1), "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, holder, SAMPLE_SMALL, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, part, 0, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, part, 17, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, part, UINT32_MAX, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, start, 0, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, size, 65537, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, owner_uid, 7, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(SAMPLE_DELEGATED_1, userns_inode, 7, SAMPLE_SLOT_ID(SAMPLE_DELEGATED_1),
                    "ns-plain-65536"),
                LIE(2, part, 2, SAMPLE_SLOT_ID(2),
                    NULL), /* beyond its holder, and delegated to nobody */
#undef LIE
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                TableView view;
                g_autofree TableSample *sample = sample_new(&view);
                uint8_t *record = (uint8_t *) sample_record(sample, cases[i].number);
                TableAnswer answer;
                int r;

                memcpy(record + cases[i].offset, &cases[i].value, sizeof(cases[i].value));
                sample_seal(sample, cases[i].number);
                r = table_find_id(&view, cases[i].id, &answer);
                if (i == G_N_ELEMENTS(cases) - 1) {
                        /* Consistent in itself, as a delegated slot: named by that offset. */
                        g_assert_cmpint(r, ==, 0);
                        g_assert_cmpuint(answer.offset, ==, 131072);
                        continue;
                }
                g_assert_true(r == TABLE_READ_E_UNTRUSTED || r == TABLE_READ_E_NOT_FOUND);
                if (!cases[i].user_name)
                        continue;
                r = table_find_name(&view, cases[i].user_name, strlen(cases[i].user_name), &answer);
                g_assert_true(r == TABLE_READ_E_UNTRUSTED || r == TABLE_READ_E_NOT_FOUND);
        }
}

/* What agrees with itself, but not with where it stands. */
static void test_misplaced(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        TableAnswer answer;

        sample_add_part(sample, SAMPLE_FREE, SAMPLE_LARGE, 1, 100, TABLE_NONE);
        g_assert_cmpint(
                table_find_id(&view, SAMPLE_SLOT_ID(SAMPLE_FREE), &answer), ==,
                TABLE_READ_E_NOT_FOUND);
        sample_record(sample, SAMPLE_SINGLE)->start = SAMPLE_SLOT_ID(SAMPLE_FREE) + 5;
        sample_seal(sample, SAMPLE_SINGLE);
        g_assert_cmpint(
                table_find_id(&view, SAMPLE_SLOT_ID(SAMPLE_SPLIT) + 5, &answer), ==,
                TABLE_READ_E_UNTRUSTED);
}

/* A chain of parts that comes back to itself, an index without an end, one that leads nowhere. */
static void test_loops(void) {
        TableView view;
        g_autofree TableSample *sample = sample_new(&view);
        TableWord *index = (TableWord *) (void *) (sample->bytes + SAMPLE_INDEX_OFFSET);
        TableAnswer answer;
        uint64_t hash = table_name_hash(sample->header.name_seed, "nobody", 6);

        sample_record(sample, SAMPLE_DELEGATED_1)->next_part = SAMPLE_DELEGATED_1;
        sample_seal(sample, SAMPLE_DELEGATED_1);
        g_assert_cmpint(
                table_find_name(&view, "ns-plain-131072", 15, &answer), ==, TABLE_READ_E_NOT_FOUND);
        sample_record(sample, SAMPLE_DELEGATED_1)->next_part = 12345;
        sample_seal(sample, SAMPLE_DELEGATED_1);
        g_assert_cmpint(
                table_find_name(&view, "ns-plain-131072", 15, &answer), ==, TABLE_READ_E_UNTRUSTED);

        for (uint32_t i = 0; i < SAMPLE_INDEX; i++)
                index[i] = 1; /* of another fingerprint */
        g_assert_cmpint(
                table_find_name(&view, "ns-nobody-0", 11, &answer), ==, TABLE_READ_E_NOT_FOUND);
        for (uint32_t i = 0; i < SAMPLE_INDEX; i++)
                index[i] = (uint32_t) (hash >> 48) << 16 | 1;
        g_assert_cmpint(
                table_find_name(&view, "ns-nobody-0", 11, &answer), ==, TABLE_READ_E_NOT_FOUND);
        for (uint32_t i = 0; i < SAMPLE_INDEX; i++)
                index[i] = (uint32_t) (hash >> 48) << 16 | 0xffff;
        g_assert_cmpint(
                table_find_name(&view, "ns-nobody-0", 11, &answer), ==, TABLE_READ_E_UNTRUSTED);
        for (uint32_t i = 0; i < SAMPLE_INDEX; i++)
                index[i] = (uint32_t) (hash >> 48) << 16; /* no record at all */
        if (hash >> 48 != 0)
                g_assert_cmpint(
                        table_find_name(&view, "ns-nobody-0", 11, &answer), ==,
                        TABLE_READ_E_UNTRUSTED);
}

/* readers and the writer at once */

/* How many look-ups there must be while ranges come and go, unless NSR_LOOKUPS says otherwise:
 * under valgrind, or ThreadSanitizer, each takes a hundred times longer. */
#ifdef __SANITIZE_THREAD__
#define N_LOOKUPS 500000
#else
#define N_LOOKUPS 10000000
#endif

#define N_READERS 3
#define N_NAMES 24
#define TORTURE_SLOTS 40

typedef struct Torture {
        TableView view;
        char names[N_NAMES][TABLE_NAME_MAX + 1]; /* crowded at one place of the index */
        uint32_t alive[N_NAMES];                 /* 0, or which life it is: then it must be found */
        int stop;
        uint64_t n_found, n_busy, n_all;
        uint64_t n_looked; /* atomic; counted all along */
} Torture;

/* Each answer says which range it is in several ways, which must agree. */
static void check_answer(const Torture *torture, const TableAnswer *answer) {
        uint64_t which = answer->range.userns_inode - 1;

        g_assert_cmpuint(which, <, N_NAMES);
        g_assert_cmpstr(answer->range.name, ==, torture->names[which]);
        g_assert_cmpuint(answer->range.owner_uid, ==, 7 * which);
        g_assert_cmpuint(answer->range.account_uid, ==, 7 * which);
        g_assert_cmpuint(answer->range.start, ==, SLOT_ID(answer->record));
        g_assert_cmpuint(answer->id - answer->range.start, ==, answer->offset);
        g_assert_cmpuint(answer->offset, <, answer->range.size);
}

static int read_once(const Torture *torture, uint32_t i, TableAnswer *ret_answer) {
        char user_name[TABLE_USER_NAME_MAX + 1];
        uint32_t offset = i * 7919 % 65536, which = i / 4 % N_NAMES, before, after;
        size_t n;
        int r;

        if (i % 4 == 0)
                return table_find_id(
                        &torture->view, SLOT_ID(i / 4 % TORTURE_SLOTS) + offset, ret_answer);

        n = table_user_name_format(torture->names[which], offset, user_name);
        before = __atomic_load_n(&torture->alive[which], __ATOMIC_ACQUIRE);
        r = table_find_name(&torture->view, user_name, n, ret_answer);
        after = __atomic_load_n(&torture->alive[which], __ATOMIC_ACQUIRE);
        if (before != 0 && before == after)
                g_assert_true(r == 0 || r == TABLE_READ_E_BUSY);
        if (r == 0)
                g_assert_cmpuint(ret_answer->range.userns_inode, ==, which + 1);
        return r;
}

static void *read_on(void *userdata) {
        Torture *torture = userdata;
        uint64_t n_found = 0, n_busy = 0, n_all = 0;

        for (uint32_t i = 0; !__atomic_load_n(&torture->stop, __ATOMIC_RELAXED); i++, n_all++) {
                TableAnswer answer;
                int r = read_once(torture, i, &answer);

                g_assert_true(r == 0 || r == TABLE_READ_E_BUSY || r == TABLE_READ_E_NOT_FOUND);
                if (i % 1024 == 0)
                        __atomic_fetch_add(&torture->n_looked, 1024, __ATOMIC_RELAXED);
                n_found += r == 0;
                n_busy += r == TABLE_READ_E_BUSY;
                if (r == 0)
                        check_answer(torture, &answer);
        }
        __atomic_fetch_add(&torture->n_found, n_found, __ATOMIC_RELAXED);
        __atomic_fetch_add(&torture->n_busy, n_busy, __ATOMIC_RELAXED);
        __atomic_fetch_add(&torture->n_all, n_all, __ATOMIC_RELAXED);
        return NULL;
}

static void choose_crowd(Torture *torture) {
        uint32_t home = TABLE_NONE, n = 0;

        for (uint32_t i = 0; n < N_NAMES; i++) {
                g_autofree char *name = g_strdup_printf("t%u", i);
                uint32_t at =
                        (uint32_t) table_name_hash(torture->view.name_seed, name, strlen(name)) &
                        (TABLE_INDEX_ENTRIES - 1);

                if (home == TABLE_NONE)
                        home = at;
                if (at == home)
                        g_strlcpy(torture->names[n++], name, sizeof(torture->names[0]));
        }
}

/* Let this range come, or go. */
static void turn(
        TableWriter *writer, Torture *torture, uint32_t which, uint32_t life, uint32_t *record) {
        TableRange range = {
                .name = torture->names[which],
                .owner_uid = 7 * which,
                .account_uid = 7 * which,
                .userns_inode = which + 1,
                .size = which % 2 ? 65536 : 131072,
        };

        if (*record != TABLE_NONE) {
                __atomic_store_n(&torture->alive[which], 0, __ATOMIC_SEQ_CST);
                table_fixture_walk_to(writer, *record, TABLE_STATE_RELEASING);
                table_writer_set_state(writer, *record, TABLE_STATE_FREE);
                *record = TABLE_NONE;
        } else if (table_writer_reserve(writer, &range, NULL, NULL, record) == 0) {
                table_fixture_walk_to(writer, *record, TABLE_STATE_ACTIVE);
                __atomic_store_n(&torture->alive[which], life, __ATOMIC_SEQ_CST);
        }
}

/* Readers have a mapping of their own.  But ThreadSanitizer sees no race between two addresses of
 * the same memory: with it they use the writer's. */
static TableView torture_view(TableFixture *fixture, const TableWriter *writer) {
#ifdef __SANITIZE_THREAD__
        const TableHeader *header = table_writer_header(writer);
        TableView view;

        g_assert_cmpint(table_view_check(header, header->file_size, &view), ==, 0);
        return view;
#else
        return table_fixture_view(fixture);
#endif
}

static void test_threads(TableFixture *fixture, gconstpointer data) {
        g_autoptr(TableWriter) writer = table_fixture_open(fixture, TORTURE_SLOTS);
        Torture torture = { .view = torture_view(fixture, writer) };
        const char *wanted = g_getenv("NSR_LOOKUPS");
        uint64_t n_lookups = wanted ? g_ascii_strtoull(wanted, NULL, 10) : N_LOOKUPS;
        uint32_t records[N_NAMES];
        g_autoptr(GRand) rand = g_rand_new_with_seed(1);
        pthread_t readers[N_READERS];

        choose_crowd(&torture);
        for (uint32_t i = 0; i < N_NAMES; i++)
                records[i] = TABLE_NONE;
        for (size_t i = 0; i < N_READERS; i++)
                g_assert_cmpint(pthread_create(&readers[i], NULL, read_on, &torture), ==, 0);
        /* Some turns in any case: valgrind lets only one thread run. */
        for (uint32_t cycle = 0;
             cycle < 200 ||
             __atomic_load_n(&torture.n_looked, __ATOMIC_RELAXED) < n_lookups + N_READERS * 1024;
             cycle++) {
                uint32_t which = (uint32_t) g_rand_int_range(rand, 0, N_NAMES);

                turn(writer, &torture, which, cycle + 1, &records[which]);
        }
        __atomic_store_n(&torture.stop, 1, __ATOMIC_RELAXED);
        for (size_t i = 0; i < N_READERS; i++)
                g_assert_cmpint(pthread_join(readers[i], NULL), ==, 0);

        g_test_message(
                "%" G_GUINT64_FORMAT " look-ups, %" G_GUINT64_FORMAT " found, %" G_GUINT64_FORMAT
                " busy",
                torture.n_all, torture.n_found, torture.n_busy);
        g_assert_cmpuint(torture.n_all, >=, n_lookups);
        g_assert_cmpuint(torture.n_found, >, 0);
        /* Those who are slower than the writer find it busy more often. */
        if (n_lookups == 10000000)
                g_assert_cmpuint(torture.n_busy, <=, torture.n_all / 1000);
#ifndef __SANITIZE_THREAD__
        table_view_close(&torture.view);
#endif
}

static void add(const char *name, void (*test)(TableFixture *, gconstpointer)) {
        g_test_add(name, TableFixture, NULL, table_fixture_set_up, test, table_fixture_tear_down);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/table-read/crc", test_crc);
        g_test_add_func("/table-read/slots", test_slots);
        g_test_add_func("/table-read/name-max", test_name_max);
        g_test_add_func("/table-read/name-parse", test_name_parse);
        g_test_add_func("/table-read/answers", test_answers);
        g_test_add_func("/table-read/entries", test_entries);
        g_test_add_func("/table-read/entries-in-steps", test_entries_in_steps);
        g_test_add_func("/table-read/accounts", test_accounts);
        add("/table-read/unmapped", test_unmapped);
        add("/table-read/open-refuses", test_open_refuses);
#ifndef __SANITIZE_THREAD__ /* whose own thread does not outlive a fork */
        add("/table-read/open-foreign", test_open_foreign);
#endif
        g_test_add_func("/table-read/header", test_header);
        g_test_add_func("/table-read/record-damage", test_record_damage);
        g_test_add_func("/table-read/record-lies", test_record_lies);
        g_test_add_func("/table-read/misplaced", test_misplaced);
        g_test_add_func("/table-read/loops", test_loops);
        add("/table-read/threads", test_threads);
        return g_test_run();
}
