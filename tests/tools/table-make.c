/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "lib/table/table-write.h"
#include "lib/util/parse.h"

/* Real tables for tests, without a daemon.
 *
 *      table-make PATH N-SLOTS [COMMAND]...
 *
 * Commands, in order:
 *      add:NAME:SIZE:OWNER[:INODE]   an active range; prints "NAME START SIZE"
 *      many:PREFIX:COUNT:SIZE:OWNER  active ranges PREFIX0, PREFIX1, ...; prints nothing
 *      mapping:NAME:SIZE:OWNER       a range that is not active yet
 *      end:NAME                      to `releasing`: its name is gone
 *      sleep:MSEC                    keep the table open for so long */

#define FIRST_INODE 4026540000u

typedef struct Maker {
        TableWriter *writer;
        uint64_t next_inode;
} Maker;

static void fail(const char *command, const char *why) {
        fprintf(stderr, "table-make: %s: %s\n", command, why);
        exit(1);
}

static uint32_t number(const char *command, const char *text) {
        uint32_t value = 0;

        if (!text || !parse_u32_any_base(text, &value))
                fail(command, "a number is missing");
        return value;
}

static uint32_t add(
        Maker *maker, const char *command, const char *name, uint32_t size, uint32_t owner,
        uint64_t inode, uint32_t state) {
        const TableRange range = {
                .name = name,
                .owner_uid = owner,
                .account_uid = owner,
                .userns_inode = inode ?: maker->next_inode++,
                .size = size,
                .flags = TABLE_FLAG_UNENFORCED,
        };
        uint32_t record = TABLE_NONE;
        int r;

        r = table_writer_reserve(maker->writer, &range, NULL, NULL, &record);
        if (r != 0)
                fail(command, "cannot be reserved");
        for (uint32_t s = TABLE_STATE_RESERVED + 1; s <= state; s++)
                table_writer_set_state(maker->writer, record, s);
        return record;
}

static void run_command(Maker *maker, const char *command) {
        g_auto(GStrv) words = g_strsplit(command, ":", -1);
        guint n = g_strv_length(words);

        if (n >= 4 && g_str_equal(words[0], "add")) {
                uint32_t record =
                        add(maker, command, words[1], number(command, words[2]),
                            number(command, words[3]), words[4] ? number(command, words[4]) : 0,
                            TABLE_STATE_ACTIVE);
                const TableRecord *range = table_writer_record(maker->writer, record);

                printf("%s %u %u\n", words[1], range->start, range->size);
        } else if (n == 5 && g_str_equal(words[0], "many")) {
                for (uint32_t i = 0; i < number(command, words[2]); i++) {
                        g_autofree char *name = g_strdup_printf("%s%u", words[1], i);

                        add(maker, command, name, number(command, words[3]),
                            number(command, words[4]), 0, TABLE_STATE_ACTIVE);
                }
        } else if (n == 4 && g_str_equal(words[0], "mapping")) {
                add(maker, command, words[1], number(command, words[2]), number(command, words[3]),
                    0, TABLE_STATE_MAPPING);
        } else if (n == 2 && g_str_equal(words[0], "end")) {
                uint32_t record = table_writer_find_name(maker->writer, words[1]);

                if (record == TABLE_NONE)
                        fail(command, "there is no such range");
                table_writer_set_state(maker->writer, record, TABLE_STATE_RELEASING);
        } else if (n == 2 && g_str_equal(words[0], "sleep")) {
                fflush(stdout);
                g_usleep(number(command, words[1]) * 1000ul);
        } else {
                fail(command, "what is that?");
        }
}

int main(int argc, char **argv) {
        g_autoptr(TableWriter) writer = NULL;
        TableOpenReport report = {};
        Maker maker = { .next_inode = FIRST_INODE };
        TableWriterConfig config = { .pool_start = TABLE_POOL_START };

        if (argc < 3)
                fail("usage", "table-make PATH N-SLOTS [COMMAND]...");
        config.path = argv[1];
        config.n_slots = number(argv[2], argv[2]);
        if (table_writer_open(&config, &writer, &report) != 0)
                fail(argv[1], "cannot be opened");
        maker.writer = writer;
        for (int i = 3; i < argc; i++)
                run_command(&maker, argv[i]);
        return 0;
}
