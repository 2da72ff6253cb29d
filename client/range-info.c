/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/range-info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/manager.h"
#include "client/message.h"
#include "client/processes.h"

#define PIDS_SHOWN 16u /* for people; programs get all */

static const char *outcome_text(int outcome) {
        if (outcome < 0)
                return strerror(-outcome);
        switch (outcome) {
        case TABLE_READ_E_MISSING:
                return "there is no table";
        case TABLE_READ_E_UNTRUSTED:
                return "it is damaged, of another version, or not root's";
        case TABLE_READ_E_FOREIGN:
                return "its owner is nobody who is known in this user namespace";
        case TABLE_READ_E_RETIRED:
        case TABLE_READ_E_BUSY:
                return "it is being changed";
        default:
                return "unexpected outcome";
        }
}

static const char *outcome_next(int outcome) {
        switch (outcome) {
        case TABLE_READ_E_MISSING:
                return "systemctl start nsresourced.socket, which makes it with the first request";
        case TABLE_READ_E_UNTRUSTED:
                return "systemctl restart nsresourced.service, which sets it aside; nsresourcectl "
                       "check";
        case TABLE_READ_E_FOREIGN:
                return "ask outside, on the host: its IDs are other ones in here";
        case TABLE_READ_E_RETIRED:
        case TABLE_READ_E_BUSY:
                return "try again";
        default:
                return "nsresourcectl check";
        }
}

void range_info_say_failure(int outcome, const char *table, const char *what) {
        if (outcome == TABLE_READ_E_NOT_FOUND)
                message_error("nsresourcectl list", "%s belongs to no namespace", what);
        else
                message_error(
                        outcome_next(outcome), "cannot read %s: %s", table, outcome_text(outcome));
}

int range_info_open(const char *path, TableView *ret_view) {
        int r;

        r = table_view_open(path, ret_view);
        if (r != 0)
                range_info_say_failure(r, path, "");
        return r;
}

int range_info_find_name(
        const TableView *view, const char *text, TableAnswer *ret_answer, bool *ret_is_user) {
        int r = TABLE_READ_E_NOT_FOUND;

        if (strlen(text) > TABLE_USER_NAME_MAX)
                return r;
        *ret_is_user = true;
        if (table_user_name_has_prefix(text))
                r = table_find_name(view, text, strlen(text), ret_answer);
        if (r != TABLE_READ_E_NOT_FOUND)
                return r;

        /* A namespace may be called ns-1-2 itself. */
        *ret_is_user = false;
        return table_find_range(view, text, strlen(text), ret_answer);
}

static json_t *processes_to_json(const TableRecord *range) {
        /* What was registered has a map of its own: only where a process is says whose it is. */
        g_autoptr(GArray) pids = range->size > 0 ? processes_with_uids(range->start, range->size)
                                                 : processes_in_userns(range->userns_inode);
        json_t *array = json_array();

        for (guint i = 0; i < pids->len; i++)
                json_array_append_new(array, json_integer(g_array_index(pids, uint32_t, i)));
        return array;
}

json_t *range_info_new(const TableAnswer *answer) {
        const TableRecord *range = &answer->range;
        json_t *info;

        info = json_pack(
                "{s:s%, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "namespace", range->name,
                strnlen(range->name, sizeof(range->name)), "ownerUid",
                (json_int_t) range->owner_uid, "accountUid", (json_int_t) range->account_uid,
                "start", (json_int_t) range->start, "size", (json_int_t) range->size, "target",
                (json_int_t) range->target, "userNamespaceInode", (json_int_t) range->userns_inode,
                "birthUSec", (json_int_t) range->birth_usec, "enforced",
                !(range->flags & TABLE_FLAG_UNENFORCED), "processes", processes_to_json(range));
        if (info && range->userns_id != 0)
                json_object_set_new(
                        info, "userNamespaceId", json_integer((json_int_t) range->userns_id));
        return info;
}

json_t *range_info_new_for_id(const TableAnswer *answer) {
        char user_name[TABLE_USER_NAME_MAX + 1];
        json_t *info = json_object(), *range = range_info_new(answer);

        table_user_name(answer, user_name);
        json_object_set_new(info, "id", json_integer(answer->id));
        json_object_set_new(info, "name", json_string(user_name));
        json_object_set_new(info, "offset", json_integer(answer->offset));
        /* Only the range's own IDs are mapped from `target` on; those of delegated ranges are
         * mapped one to one. */
        json_object_set_new(
                info, "insideId",
                json_integer(
                        answer->offset < answer->range.size
                                ? (json_int_t) answer->range.target + answer->offset
                                : answer->id));
        json_object_update_new(info, range);
        return info;
}

static void print_line(const char *title, char *take_text) {
        g_autofree char *text = take_text, *escaped = message_escape(text);

        printf("%-11s %s\n", title, escaped);
}

static char *processes_text(const json_t *processes) {
        GString *text = g_string_new(NULL);
        size_t n = json_array_size(processes);

        g_string_append_printf(text, "%zu", n);
        for (size_t i = 0; i < n && i < PIDS_SHOWN; i++)
                g_string_append_printf(
                        text, "%s%" JSON_INTEGER_FORMAT, i == 0 ? " (" : ", ",
                        json_integer_value(json_array_get(processes, i)));
        if (n > 0)
                g_string_append(text, n > PIDS_SHOWN ? ", ...)" : ")");
        return g_string_free(text, FALSE);
}

void range_info_print(const json_t *info) {
        json_int_t start = manager_integer(info, "start"), size = manager_integer(info, "size");
        json_int_t target = manager_integer(info, "target");

        if (json_object_get(info, "id"))
                print_line(
                        "ID:",
                        g_strdup_printf(
                                "%" JSON_INTEGER_FORMAT " is %s, number %" JSON_INTEGER_FORMAT
                                " of its range, %" JSON_INTEGER_FORMAT " inside",
                                manager_integer(info, "id"), manager_string(info, "name"),
                                manager_integer(info, "offset"),
                                manager_integer(info, "insideId")));
        print_line("Namespace:", g_strdup(manager_string(info, "namespace")));
        print_line("Owner:", message_user((uint32_t) manager_integer(info, "ownerUid")));
        if (size == 0) {
                print_line("IDs:", g_strdup("its own (registered)"));
                print_line("Since:", message_time((uint64_t) manager_integer(info, "birthUSec")));
                print_line("Processes:", processes_text(json_object_get(info, "processes")));
                return;
        }
        print_line(
                "IDs:", g_strdup_printf(
                                "%" JSON_INTEGER_FORMAT " ... %" JSON_INTEGER_FORMAT
                                " (%" JSON_INTEGER_FORMAT ")",
                                start, start + size - 1, size));
        print_line(
                "Inside:", g_strdup_printf(
                                   "%" JSON_INTEGER_FORMAT " ... %" JSON_INTEGER_FORMAT, target,
                                   target + size - 1));
        print_line("Since:", message_time((uint64_t) manager_integer(info, "birthUSec")));
        print_line("Policy:", g_strdup(manager_boolean(info, "enforced") ? "enforced" : "none"));
        print_line("Processes:", processes_text(json_object_get(info, "processes")));
}
