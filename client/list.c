/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "client/columns.h"
#include "client/manager.h"
#include "client/message.h"
#include "client/verb.h"

enum { COLUMN_STATE = 5, COLUMN_POLICY = 7 };

static const ColumnTitle titles[] = {
        { .text = "NAMESPACE", .shrink = true },
        { .text = "OWNER", .shrink = true },
        { .text = "START", .right = true },
        { .text = "IDS", .right = true },
        { .text = "INSIDE", .right = true },
        [COLUMN_STATE] = { .text = "STATE" },
        { .text = "SINCE" },
        [COLUMN_POLICY] = { .text = "POLICY" },
};

static int compare_start(const void *a, const void *b) {
        json_int_t left = manager_integer(*(json_t *const *) a, "start");
        json_int_t right = manager_integer(*(json_t *const *) b, "start");

        return (left > right) - (left < right);
}

/* The daemon lists in no order. */
static json_t *sort_ranges(json_t *take_ranges) {
        g_autoptr(json_t) ranges = take_ranges;
        size_t n = json_array_size(ranges);
        g_autofree json_t **items = g_new(json_t *, n + 1);
        json_t *sorted = json_array();

        for (size_t i = 0; i < n; i++)
                items[i] = json_array_get(ranges, i);
        qsort(items, n, sizeof(json_t *), compare_start);
        for (size_t i = 0; i < n; i++)
                json_array_append(sorted, items[i]);
        return sorted;
}

/* Owners' names, each asked for once. */
static char *owner_text(GHashTable *owners, uint32_t uid) {
        char *text = g_hash_table_lookup(owners, GUINT_TO_POINTER(uid));

        if (!text) {
                text = message_user(uid);
                g_hash_table_insert(owners, GUINT_TO_POINTER(uid), text);
        }
        return g_strdup(text);
}

static char *integer_text(const json_t *range, const char *key) {
        return g_strdup_printf("%" JSON_INTEGER_FORMAT, manager_integer(range, key));
}

static ColumnsColour state_colour(const char *state) {
        return g_strcmp0(state, "active") == 0        ? COLUMNS_GOOD
               : g_strcmp0(state, "quarantined") == 0 ? COLUMNS_BAD
                                                      : COLUMNS_DOUBTFUL;
}

static void print_ranges(const json_t *ranges, const ColumnsStyle *style) {
        g_autoptr(Columns) columns = columns_new(titles, G_N_ELEMENTS(titles), style);
        g_autoptr(GHashTable) owners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        const json_t *range;
        size_t index;

        json_array_foreach(ranges, index, range) {
                bool registered = manager_integer(range, "size") == 0;
                bool enforced = manager_boolean(range, "enforced");
                const char *state = manager_string(range, "state");

                columns_add(
                        columns,
                        (char *[]){
                                g_strdup(manager_string(range, "name")),
                                owner_text(owners, (uint32_t) manager_integer(range, "ownerUid")),
                                registered ? NULL : integer_text(range, "start"),
                                registered ? NULL : integer_text(range, "size"),
                                registered ? NULL : integer_text(range, "target"),
                                g_strdup(state),
                                message_time((uint64_t) manager_integer(range, "birthUSec")),
                                g_strdup(enforced ? "enforced" : "none"),
                        });
                columns_paint(columns, COLUMN_STATE, state_colour(state));
                columns_paint(columns, COLUMN_POLICY, enforced ? COLUMNS_PLAIN : COLUMNS_DOUBTFUL);
        }
        columns_print(columns, stdout);
}

/* What was asked for, on the command line. */
typedef struct ListOptions {
        const char *output;
        bool raw, no_headings;
} ListOptions;

static bool set_style(
        const VerbContext *context, const ListOptions *options, GArray **ret_chosen,
        ColumnsStyle *ret_style) {
        g_autofree char *unknown = NULL;
        g_autoptr(GArray) chosen = NULL;

        if (context->json && (options->output || options->raw || options->no_headings)) {
                message_error(NULL, "list: --json prints all there is, and no columns");
                return false;
        }
        if (options->output) {
                chosen = columns_choose(titles, G_N_ELEMENTS(titles), options->output, &unknown);
                if (!chosen) {
                        message_error(
                                "nsresourcectl list --help names them",
                                "list: there is no column \"%s\"", unknown);
                        return false;
                }
        }
        *ret_style = columns_style();
        ret_style->raw = options->raw;
        ret_style->no_headings = options->no_headings;
        ret_style->chosen = chosen;
        *ret_chosen = g_steal_pointer(&chosen);
        return true;
}

static int run_list(VerbContext *context, int argc, char **argv) {
        ListOptions given = {};
        const Option options[] = {
                { "output", "COLUMN,...",
                  "NAMESPACE, OWNER, START, IDS, INSIDE, STATE, SINCE, POLICY (all)",
                  &given.output },
                { "noheadings", .help = "without the first line", .flag = &given.no_headings },
                { "raw", .help = "one blank between columns, none in them", .flag = &given.raw },
                {},
        };
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) ranges = NULL;
        g_autoptr(GArray) chosen = NULL;
        ColumnsStyle style;
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_list, options, argc, argv, &arguments, &status))
                return status;
        if (!set_style(context, &given, &chosen, &style))
                return VERB_EXIT_USAGE;
        if (manager_connect(context->socket, &client) < 0 || manager_list(client, &ranges) < 0)
                return VERB_EXIT_FAILURE;

        ranges = sort_ranges(g_steal_pointer(&ranges));
        if (context->json)
                verb_print_json(ranges);
        else if (json_array_size(ranges) == 0)
                message_note("no IDs are lent");
        else
                print_ranges(ranges, &style);
        return VERB_EXIT_OK;
}

const Verb verb_list = {
        .name = "list",
        .arguments = "[--output COLUMN,...] [--noheadings] [--raw]",
        .summary = "List all ranges that are lent",
        .help = "Asks the daemon, so that namespaces that brought their own IDs, and ranges whose\n"
                "namespace has ended and that are not free yet, are listed too.",
        .run = run_list,
};
