/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/user-record.h"

#include "lib/table/describe.h"

const char *user_record_disposition(const TableAnswer *answer) {
        return answer->is_slot ? "reserved" : answer->range.size > 1 ? "container" : "dynamic";
}

json_t *user_record_new(const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1], description[TABLE_DESCRIPTION_MAX + 1];

        table_user_name(answer, name);
        table_describe_user(answer, description);
        /* The group of the same number, not nobody: a file made by this user has that group. */
        return json_pack(
                "{s:s, s:I, s:I, s:s, s:s, s:s, s:b, s:s, s:s}", "userName", name, "uid",
                (json_int_t) answer->id, "gid", (json_int_t) answer->id, "realName", description,
                "homeDirectory", TABLE_USER_HOME, "shell", TABLE_USER_SHELL, "locked", 1,
                "disposition", user_record_disposition(answer), "service", USERDB_SERVICE);
}

json_t *group_record_new(const TableAnswer *answer) {
        char name[TABLE_USER_NAME_MAX + 1], description[TABLE_DESCRIPTION_MAX + 1];

        table_user_name(answer, name);
        table_describe_group(answer, description);
        return json_pack(
                "{s:s, s:I, s:s, s:s, s:s}", "groupName", name, "gid", (json_int_t) answer->id,
                "description", description, "disposition", user_record_disposition(answer),
                "service", USERDB_SERVICE);
}
