/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include "client/columns.h"
#include "client/manager.h"
#include "client/message.h"
#include "client/verb.h"

static const ColumnTitle titles[] = {
        { "NAMESPACE", false, true }, { "OWNER", false, true },   { "FIRST ID", true, false },
        { "IDS", true, false },       { "INSIDE", true, false },  { "STATE", false, false },
        { "SINCE", false, false },    { "POLICY", false, false },
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

static void print_ranges(const json_t *ranges) {
        g_autoptr(Columns) columns = columns_new(titles, G_N_ELEMENTS(titles));
        g_autoptr(GHashTable) owners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        const json_t *range;
        size_t index;

        json_array_foreach(ranges, index, range) {
                bool registered = manager_integer(range, "size") == 0;

                columns_add(
                        columns,
                        (char *[]){
                                g_strdup(manager_string(range, "name")),
                                owner_text(owners, (uint32_t) manager_integer(range, "ownerUid")),
                                registered ? NULL : integer_text(range, "start"),
                                registered ? NULL : integer_text(range, "size"),
                                registered ? NULL : integer_text(range, "target"),
                                g_strdup(manager_string(range, "state")),
                                message_time((uint64_t) manager_integer(range, "birthUSec")),
                                g_strdup(manager_boolean(range, "enforced") ? "enforced" : "none"),
                        });
        }
        columns_print(columns, stdout, columns_terminal_width());
}

static int run_list(VerbContext *context, int argc, char **argv) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) ranges = NULL;
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_list, argc, argv, 0, 0, &arguments, &status))
                return status;
        if (manager_connect(context->socket, &client) < 0 || manager_list(client, &ranges) < 0)
                return VERB_EXIT_FAILURE;

        ranges = sort_ranges(g_steal_pointer(&ranges));
        if (context->json)
                verb_print_json(ranges);
        else if (json_array_size(ranges) == 0)
                message_note("no IDs are handed out");
        else
                print_ranges(ranges);
        return VERB_EXIT_OK;
}

const Verb verb_list = {
        .name = "list",
        .arguments = "",
        .summary = "List all ranges that are handed out",
        .help = "Asks the daemon, so that namespaces that brought their own IDs, and ranges whose\n"
                "namespace has ended and that are not free yet, are listed too.",
        .run = run_list,
};
