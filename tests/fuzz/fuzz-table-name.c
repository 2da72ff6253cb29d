/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "lib/table/read.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/table-sample.h"

/* The input is looked up as the name of a user: what is taken for one is written the same way
 * again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        g_autofree char *name = g_strndup(text, size);
        char again[TABLE_USER_NAME_MAX + 1];
        size_t name_size = SIZE_MAX;
        uint32_t offset = UINT32_MAX;
        TableSample sample;
        TableAnswer answer;
        TableView view;
        int r;

        if (table_user_name_parse(text, size, &name_size, &offset)) {
                g_autofree char *part = g_strndup(text + TABLE_USER_NAME_PREFIX_SIZE, name_size);

                g_assert_true(table_name_is_valid(part, offset + 1));
                g_assert_cmpuint(table_user_name_format(part, offset, again), ==, size);
                g_assert_cmpmem(again, size, text, size);
        } else {
                g_assert_true(name_size == SIZE_MAX && offset == UINT32_MAX);
        }
        g_assert_true(!table_name_is_valid(name, 1) || strlen(name) <= TABLE_NAME_MAX);

        if (table_slot_name_parse(text, size, &offset)) {
                g_assert_false(table_user_name_has_prefix(name));
                g_assert_cmpuint(table_slot_name_format(offset, again), ==, size);
                g_assert_cmpmem(again, size, text, size);
        }

        sample_fill(&sample);
        g_assert_cmpint(table_view_check(&sample, sizeof(sample), &view), ==, 0);
        r = table_look_up_name(&view, text, size, &answer);
        g_assert_true(r == 0 || r == TABLE_READ_E_NOT_FOUND);
        if (r == 0) {
                table_user_name(&answer, again);
                g_assert_cmpmem(again, strlen(again), text, size);
        }
        return 0;
}
