/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/columns.h"
#include "client/manager.h"
#include "client/message.h"
#include "client/verb.h"

static void print_line(const char *title, const char *text) {
        g_autofree char *escaped = message_escape(text ?: "-");

        printf("%-14s %s\n", title, escaped);
}

static void print_count(const json_t *counts, const char *title, const char *const *keys) {
        g_autoptr(GString) text = g_string_new(NULL);

        for (; keys[0]; keys += 2)
                g_string_append_printf(
                        text, "%s%" JSON_INTEGER_FORMAT " %s", text->len > 0 ? ", " : "",
                        manager_integer(counts, keys[0]), keys[1]);
        print_line(title, text->str);
}

static void print_counts(const json_t *counts) {
        print_count(
                counts, "Ranges:",
                (const char *const[]){ "active", "active", "reserved", "reserved", "mapping",
                                       "being mapped", "releasing", "being released", "quarantined",
                                       "quarantined", NULL });
        print_count(
                counts, "Slots:",
                (const char *const[]){ "slotsFree", "free", "slotsNeverUsed", "never used",
                                       "unenforced", "lent without enforcement", NULL });
        print_count(
                counts, "Processes:",
                (const char *const[]){ "helpers", "helpers", "doorsIdle", "doors idle",
                                       "doorsWorking", "working", "doorsStuck", "stuck", NULL });
}

static void print_rules(const json_t *rules) {
        static const ColumnTitle titles[] = {
                { .text = "RULE" },
                { .text = "STATE" },
                { .text = "BY, OR WHY NOT", .shrink = true },
        };
        const ColumnsStyle style = columns_style();
        g_autoptr(Columns) columns = columns_new(titles, G_N_ELEMENTS(titles), &style);
        const json_t *rule;
        size_t index;

        if (json_array_size(rules) == 0)
                return;
        json_array_foreach(rules, index, rule) {
                bool active = manager_boolean(rule, "active");

                columns_add(
                        columns, (char *[]){
                                         g_strdup(manager_string(rule, "rule")),
                                         g_strdup(active ? "active" : "missing"),
                                         g_strdup(manager_string(rule, active ? "hook" : "reason")),
                                 });
                columns_paint(columns, 1, active ? COLUMNS_GOOD : COLUMNS_BAD);
        }
        putchar('\n');
        columns_print(columns, stdout);
}

static void print_status(const json_t *status) {
        json_int_t start = manager_integer(status, "poolStart");
        json_int_t n_slots = manager_integer(status, "slots");
        g_autofree char *pool = NULL, *policy = NULL;
        const json_t *message;
        size_t index;

        pool = g_strdup_printf(
                "%" JSON_INTEGER_FORMAT " ... %" JSON_INTEGER_FORMAT " (%" JSON_INTEGER_FORMAT
                " slots of 65536)",
                start, start + n_slots * 65536 - 1, n_slots);
        policy = g_strdup_printf(
                "enforcement %s, kernel policy %s", manager_string(status, "enforcement") ?: "-",
                manager_boolean(status, "policyLoaded") ? "in force" : "not loaded");
        print_line("Version:", manager_string(status, "version"));
        print_line("Serving:", manager_boolean(status, "serving") ? "yes" : "no");
        print_line("Policy:", policy);
        print_line("End noticed:", manager_string(status, "liveness"));
        print_line("IDs:", pool);
        print_counts(json_object_get(status, "counts"));
        json_array_foreach(json_object_get(status, "messages"), index, message)
                print_line("Note:", json_string_value(message));
        print_rules(json_object_get(status, "rules"));
}

static int run_status(VerbContext *context, int argc, char **argv) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) status = NULL;
        char **arguments;
        int exit_status;

        if (!verb_parse(context, &verb_status, NULL, argc, argv, &arguments, &exit_status))
                return exit_status;
        if (manager_connect(context->socket, &client) < 0 ||
            manager_call(client, "org.nsresource.Manager.GetStatus", &status) < 0)
                return VERB_EXIT_FAILURE;

        if (context->json)
                verb_print_json(status);
        else
                print_status(status);
        return VERB_EXIT_OK;
}

const Verb verb_status = {
        .name = "status",
        .arguments = "",
        .summary = "Show how the daemon is",
        .run = run_status,
};
