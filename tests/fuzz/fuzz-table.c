/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table/read.h"
#include "nss/pack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/table-sample.h"

/* The input is a list of edits to the words of a small table, then everything is looked up. Without
 * the seals every edit would end at a CRC. */
typedef struct Edit {
        uint16_t word;
        uint16_t flags;
        uint32_t value;
} Edit;

#define EDIT_XOR 1u         /* else the word is set */
#define EDIT_SEAL_HEADER 2u /* put the header's CRC right */
#define EDIT_SEAL_RECORD 4u /* put the CRC of the word's record right */
#define EDIT_RECORDS 8u     /* count words from the first record on */
#define EDIT_INDEX 16u      /* count words from the index on */

static void apply(TableSample *sample, const Edit *edit) {
        uint32_t word = edit->word;
        TableWord *at;

        if (edit->flags & EDIT_RECORDS)
                word += TABLE_HEADER_SIZE / 4;
        else if (edit->flags & EDIT_INDEX)
                word += SAMPLE_INDEX_OFFSET / 4;
        else
                word %= sizeof(TableHeader) / 4;
        word %= SAMPLE_SIZE / 4;

        at = (TableWord *) sample->bytes + word;
        *at = edit->flags & EDIT_XOR ? *at ^ edit->value : edit->value;
        if (edit->flags & EDIT_SEAL_HEADER)
                sample_seal_header(sample);
        if ((edit->flags & EDIT_SEAL_RECORD) && word * 4 >= TABLE_HEADER_SIZE &&
            word * 4 < SAMPLE_INDEX_OFFSET)
                sample_seal(sample, (word * 4 - TABLE_HEADER_SIZE) / TABLE_RECORD_SIZE);
}

static void pack(const TableAnswer *answer, size_t size) {
        char *buffer = g_malloc(size);
        struct passwd passwd;
        struct group group;
        struct spwd shadow;
        bool fits = nss_pack_passwd(answer, buffer, size, &passwd);

        if (fits)
                g_assert_true(passwd.pw_uid == answer->id && !strpbrk(passwd.pw_name, ":,\n"));
        g_assert_true(fits || size < 256);
        g_assert_true(nss_pack_group(answer, buffer, size, &group) || size < 256);
        g_assert_true(nss_pack_shadow(answer, buffer, size, &shadow) || size < 256);
        g_free(buffer);
}

/* What every answer promises, whatever the table says. */
static void check(const TableView *view, int r, const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1];
        size_t name_size;
        uint32_t offset;

        g_assert_true(r >= 0 && r <= TABLE_READ_E_RETIRED && r != TABLE_READ_E_MISSING);
        if (r != 0)
                return;
        g_assert_true(
                answer->id >= view->pool_start &&
                answer->id - view->pool_start < (uint64_t) view->n_slots * TABLE_SLOT_SIZE);
        table_user_name(answer, name);
        if (answer->is_slot) {
                g_assert_true(table_slot_name_parse(name, strlen(name), &offset));
                g_assert_true(offset == answer->id);
        } else {
                g_assert_true(table_user_name_parse(name, strlen(name), &name_size, &offset));
                g_assert_true(offset == answer->offset && name_size == strlen(answer->range.name));
        }
        pack(answer, answer->id % 128);
        pack(answer, 256);
}

/* A slot's name leads back to it. */
static void look_up(const TableView *view, uint32_t id) {
        char name[TABLE_USER_NAME_MAX + 1];
        TableAnswer answer, by_name;
        int r = table_look_up_id(view, id, &answer);

        check(view, r, &answer);
        if (r != 0)
                return;
        g_assert_true(answer.id == id);
        if (!answer.is_slot)
                return;
        table_user_name(&answer, name);
        g_assert_true(table_look_up_name(view, name, strlen(name), &by_name) == 0);
        g_assert_true(by_name.is_slot && by_name.id == id);
}

static void look_up_all(const TableView *view) {
        static const char *const names[] = {
                "ns-plain-0",      "ns-plain-65535",   "ns-plain-65536",  "ns-plain-131072",
                "ns-plain-196608", "ns-plain-1114111", "ns-large-0",      "ns-large-99999",
                "ns-single-0",     "ns-small-1",       "ns-registered-0", "ns-gone-0",
                "ns-nobody-0",
        };
        static const uint32_t offsets[] = { 0, 1, 5, 2047, 2048, 34464, 65535 };
        TableAnswer answer;
        uint32_t cursor = 0, account;
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                check(view, table_find_name(view, names[i], strlen(names[i]), &answer), &answer);
        r = table_find_range(view, "registered", 10, &answer);
        if (r == 0 && answer.range.size == 0)
                g_assert_true(answer.id == TABLE_NONE && answer.offset == TABLE_NONE);
        else
                check(view, r, &answer);
        check(view, table_find_range(view, "large", 5, &answer), &answer);
        for (uint32_t slot = 0; slot <= SAMPLE_SLOTS + 1; slot++)
                for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++) {
                        uint32_t id = view->pool_start + slot * TABLE_SLOT_SIZE + offsets[i];

                        r = table_find_id(view, id, &answer);
                        check(view, r, &answer);
                        /* Whoever has a name is charged to somebody, or the record says nobody. */
                        if (table_find_account(view, id, &account) == 0)
                                g_assert_cmpuint(account, !=, TABLE_NONE);
                        g_assert_true(r != 0 || (answer.id == id && !answer.is_slot));
                        look_up(view, id);
                }
        do {
                r = table_next(view, &cursor, &answer);
                check(view, r, &answer);
        } while (r != TABLE_READ_E_NOT_FOUND && r != TABLE_READ_E_RETIRED);

        /* Every ID of a few ranges would take most of the time: the first of each slot's, and what
         * its end leads to. */
        for (cursor = 0; cursor < (SAMPLE_SLOTS + 2) * TABLE_SLOT_SIZE;) {
                uint32_t at = cursor;

                r = table_next_entry(view, &cursor, &answer);
                check(view, r, &answer);
                if (r == TABLE_READ_E_NOT_FOUND || r == TABLE_READ_E_RETIRED)
                        break;
                g_assert_cmpuint(cursor, >, at);
                if (cursor % TABLE_SLOT_SIZE > 8 && cursor % TABLE_SLOT_SIZE < 65530)
                        cursor += 65530 - cursor % TABLE_SLOT_SIZE;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* On the heap and not a byte larger, so that a read beyond the end is noticed. */
        TableSample *sample = g_malloc(SAMPLE_SIZE);
        TableView view;
        Edit edit;

        sample_fill(sample);
        for (; size >= sizeof(edit); data += sizeof(edit), size -= sizeof(edit)) {
                memcpy(&edit, data, sizeof(edit));
                apply(sample, &edit);
        }
        if (table_view_check(sample, SAMPLE_SIZE, &view) == 0)
                look_up_all(&view);
        g_free(sample);
        return 0;
}
