/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/message.h"
#include "client/processes.h"
#include "client/range-info.h"
#include "client/verb.h"
#include "lib/util/parse.h"

/* The UID that makes a process one of a namespace's: the first of its four that is ours. */
static int find_process(const TableView *view, uint32_t pid, TableAnswer *ret_answer) {
        ProcessIds ids;
        int r;

        r = process_ids(pid, &ids);
        if (r < 0)
                return TABLE_READ_E_NOT_FOUND;
        /* effective, file system, real, saved: what it acts as counts first */
        for (size_t i = 0; i < G_N_ELEMENTS(ids.uids); i++) {
                static const unsigned char order[] = { 1, 3, 0, 2 };

                r = table_find_id(view, ids.uids[order[i]], ret_answer);
                if (r != TABLE_READ_E_NOT_FOUND)
                        return r;
        }
        return TABLE_READ_E_NOT_FOUND;
}

/* A number is a UID if that is lent, else a process.  Anything else is a name. */
static int find(const TableView *view, const char *text, TableAnswer *ret_answer) {
        uint32_t number;
        bool is_user;
        int r;

        if (!parse_u32(text, &number))
                return range_info_find_name(view, text, ret_answer, &is_user);
        r = table_find_id(view, number, ret_answer);
        if (r == TABLE_READ_E_NOT_FOUND)
                r = find_process(view, number, ret_answer);
        /* Or a namespace whose name is a number: root's may be. */
        if (r == TABLE_READ_E_NOT_FOUND)
                r = range_info_find_name(view, text, ret_answer, &is_user);
        return r;
}

static int run_show(VerbContext *context, int argc, char **argv) {
        g_autoptr(json_t) info = NULL;
        TableAnswer answer;
        TableView view;
        char **arguments;
        int r, status;

        if (!verb_parse(context, &verb_show, NULL, argc, argv, &arguments, &status))
                return status;
        if (range_info_open(context->table, &view) != 0)
                return VERB_EXIT_FAILURE;
        r = find(&view, arguments[0], &answer);
        table_view_close(&view);
        if (r != 0) {
                range_info_say_failure(r, context->table, arguments[0]);
                return VERB_EXIT_FAILURE;
        }

        info = range_info_new(&answer);
        if (context->json)
                verb_print_json(info);
        else
                range_info_print(info);
        return VERB_EXIT_OK;
}

const Verb verb_show = {
        .name = "show",
        .arguments = "NAME|UID|PID",
        .summary = "Show one range and its processes",
        .help = "NAME is a namespace's (web) or one of its users' (ns-web-5).  A number is a UID "
                "if it\n"
                "is lent to a namespace now, else a process.",
        .n_min = 1,
        .n_max = 1,
        .run = run_show,
};
