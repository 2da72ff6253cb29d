/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* Makes tables for tests: table-make PATH POOL_START N_SLOTS [COMMAND]...
 *
 *      add NAME SIZE OWNER   a range in `active`; prints "NAME START SIZE"
 *      register NAME INODE OWNER  a namespace with a map of its own
 *      mapping NAME SIZE OWNER  the same, not yet active
 *      end NAME              to `releasing`: its name is gone, its IDs are not
 *      quarantine NAME       and on to `quarantined`
 *      reserved NAME SIZE OWNER  not even mapped
 *      host SLOT             out of service because the host uses it
 *      slots                 prints "STATE START" of each slot that is not free
 *      free NAME             all the way to `free`
 *      fill N SIZE           ranges f0, f1, ... in `active`
 *      churn N               N ranges come and go, one after the other
 *      fill-slots N          slots 0 ... N - 1, each named sSLOT and with the owner SLOT
 *      churn-slots N         N ranges of that kind come and go, in slots that are free
 *      replace               set the file aside and go on with a new one
 *      entries-all           enumerations list every ID, until the next table-make */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table/file.h"
#include "lib/table/write.h"
#include "lib/util/parse.h"

typedef struct Maker {
        TableWriterConfig config;
        TableWriter *writer;
        uint64_t last_inode;
} Maker;

static void fail(const char *what) {
        fprintf(stderr, "table-make: %s\n", what);
        exit(1);
}

static uint32_t number(const char *text) {
        uint32_t value;

        if (!text || !parse_u32_any_base(text, &value))
                fail("a number is missing");
        return value;
}

static void open_table(Maker *maker) {
        TableOpenReport report;

        if (table_writer_open(&maker->config, &maker->writer, &report) != 0)
                fail("cannot open the table");
}

static bool accept_one(uint32_t start, uint32_t n_ids, void *userdata) {
        return start == *(const uint32_t *) userdata;
}

/* A range in `reserved`; where `start` is not TABLE_NONE, there or nowhere: TABLE_NONE. */
static uint32_t try_reserve(
        Maker *maker, const char *name, uint32_t size, uint32_t owner, uint32_t start) {
        TableRange range = {
                .name = name,
                .owner_uid = owner,
                .account_uid = owner,
                .userns_inode = ++maker->last_inode,
                .userns_id = (uint64_t) g_get_real_time(),
                .size = size,
        };
        uint32_t record;

        if (!table_name_is_valid(name, size) ||
            table_writer_reserve(
                    maker->writer, &range, start != TABLE_NONE ? accept_one : NULL, &start,
                    &record) != 0)
                return TABLE_NONE;
        return record;
}

static uint32_t try_map(
        Maker *maker, const char *name, uint32_t size, uint32_t owner, uint32_t start) {
        uint32_t record = try_reserve(maker, name, size, owner, start);

        if (record != TABLE_NONE)
                table_writer_set_state(maker->writer, record, TABLE_STATE_MAPPING);
        return record;
}

static uint32_t map(Maker *maker, const char *name, uint32_t size, uint32_t owner) {
        uint32_t record = try_map(maker, name, size, owner, TABLE_NONE);

        if (record == TABLE_NONE)
                fail("cannot add a range");
        return record;
}

static uint32_t add(Maker *maker, const char *name, uint32_t size, uint32_t owner) {
        uint32_t record = map(maker, name, size, owner);

        table_writer_set_state(maker->writer, record, TABLE_STATE_ACTIVE);
        return record;
}

static uint32_t try_add_slot(Maker *maker, uint32_t slot) {
        g_autofree char *name = g_strdup_printf("s%u", slot);
        uint32_t record =
                try_map(maker, name, TABLE_SLOT_SIZE, slot,
                        maker->config.pool_start + slot * TABLE_SLOT_SIZE);

        if (record != TABLE_NONE)
                table_writer_set_state(maker->writer, record, TABLE_STATE_ACTIVE);
        return record;
}

static void release(Maker *maker, uint32_t record) {
        table_writer_set_state(maker->writer, record, TABLE_STATE_RELEASING);
        table_writer_set_state(maker->writer, record, TABLE_STATE_FREE);
}

static char **command_add(Maker *maker, char **args) {
        uint32_t record = add(maker, args[0], number(args[1]), number(args[2]));

        printf("%s %u %s\n", args[0], table_writer_record(maker->writer, record)->start, args[1]);
        return args + 3;
}

static char **command_register(Maker *maker, char **args) {
        uint32_t record;

        maker->last_inode = number(args[1]) - 1;
        record = add(maker, args[0], 0, number(args[2]));
        if (table_writer_record(maker->writer, record)->userns_inode != number(args[1]))
                fail("another inode number");
        maker->last_inode = (uint64_t) g_get_real_time();
        return args + 3;
}

static char **command_mapping(Maker *maker, char **args) {
        (void) map(maker, args[0], number(args[1]), number(args[2]));
        return args + 3;
}

/* The next table-make rolls it back. */
static char **command_reserved(Maker *maker, char **args) {
        if (try_reserve(maker, args[0], number(args[1]), number(args[2]), TABLE_NONE) == TABLE_NONE)
                fail("cannot reserve a range");
        return args + 3;
}

static uint32_t find(Maker *maker, const char *name) {
        uint32_t record = table_writer_find_name(maker->writer, name);

        if (record == TABLE_NONE)
                fail("no such range");
        return record;
}

static char **command_end(Maker *maker, char **args) {
        table_writer_set_state(maker->writer, find(maker, args[0]), TABLE_STATE_RELEASING);
        return args + 1;
}

static char **command_quarantine(Maker *maker, char **args) {
        uint32_t record = find(maker, args[0]);

        table_writer_set_state(maker->writer, record, TABLE_STATE_RELEASING);
        table_writer_set_state(maker->writer, record, TABLE_STATE_QUARANTINED);
        return args + 1;
}

static char **command_host(Maker *maker, char **args) {
        table_writer_quarantine_slot(maker->writer, number(args[0]), TABLE_FLAG_HOST, TABLE_NONE);
        return args + 1;
}

static char **command_slots(Maker *maker, char **args) {
        for (uint32_t slot = 0; slot < maker->config.n_slots; slot++)
                if (table_writer_state(maker->writer, slot) != TABLE_STATE_FREE)
                        printf("%u %u\n", table_writer_state(maker->writer, slot),
                               maker->config.pool_start + slot * TABLE_SLOT_SIZE);
        return args;
}

static char **command_free(Maker *maker, char **args) {
        release(maker, find(maker, args[0]));
        return args + 1;
}

static char **command_fill(Maker *maker, char **args) {
        for (uint32_t i = 0, n = number(args[0]); i < n; i++) {
                g_autofree char *name = g_strdup_printf("f%u", i);

                (void) add(maker, name, number(args[1]), 1000);
        }
        return args + 2;
}

static char **command_churn(Maker *maker, char **args) {
        for (uint32_t i = 0, n = number(args[0]); i < n; i++) {
                g_autofree char *name = g_strdup_printf("churn%u", i % 100);

                release(maker, add(maker, name, i % 3 == 0 ? 131072 : 65536, 1000));
        }
        return args + 1;
}

static char **command_fill_slots(Maker *maker, char **args) {
        for (uint32_t i = 0, n = number(args[0]); i < n; i++)
                if (try_add_slot(maker, i) == TABLE_NONE)
                        fail("cannot add a range");
        return args + 1;
}

static char **command_churn_slots(Maker *maker, char **args) {
        for (uint32_t i = 0, n = number(args[0]); i < n; i++) {
                uint32_t slot = g_random_int() % maker->config.n_slots;
                uint32_t record = try_add_slot(maker, slot);

                if (record != TABLE_NONE)
                        release(maker, record);
        }
        return args + 1;
}

static char **command_replace(Maker *maker, char **args) {
        g_autofree char *aside = NULL;

        table_writer_free(g_steal_pointer(&maker->writer));
        if (table_file_set_aside(maker->config.path, &aside) != 0)
                fail("cannot set the table aside");
        open_table(maker);
        return args;
}

static char **command_entries_all(Maker *maker, char **args) {
        maker->config.all_entries = true;
        table_writer_set_entries(maker->writer, true);
        return args;
}

static char **run(Maker *maker, char **args) {
        static const struct {
                const char *name;
                char **(*run)(Maker *maker, char **args);
        } commands[] = {
                { "register", command_register },
                { "add", command_add },
                { "free", command_free },
                { "fill", command_fill },
                { "churn", command_churn },
                { "replace", command_replace },
                { "end", command_end },
                { "mapping", command_mapping },
                { "reserved", command_reserved },
                { "quarantine", command_quarantine },
                { "host", command_host },
                { "slots", command_slots },
                { "fill-slots", command_fill_slots },
                { "churn-slots", command_churn_slots },
                { "entries-all", command_entries_all },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                if (strcmp(args[0], commands[i].name) == 0)
                        return commands[i].run(maker, args + 1);
        fail("no such command");
        return NULL;
}

int main(int argc, char **argv) {
        Maker maker = { .last_inode = 0 };

        if (argc < 4)
                fail("usage: table-make PATH POOL_START N_SLOTS [COMMAND]...");
        maker.config = (TableWriterConfig){ .path = argv[1],
                                            .pool_start = number(argv[2]),
                                            .n_slots = number(argv[3]) };
        open_table(&maker);
        /* Namespaces of an earlier call are still there. */
        maker.last_inode = (uint64_t) g_get_real_time();
        for (char **args = argv + 4; *args;)
                args = run(&maker, args);
        table_writer_free(maker.writer);
        return 0;
}
