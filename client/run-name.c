/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-name.h"

#include <string.h>

#include <glib.h>

#include "lib/table/name.h"

/* What the daemon puts in front. */
static char *prefix_of(uint32_t uid) {
        return uid == 0 ? g_strdup("") : g_strdup_printf("%u-", uid);
}

bool run_name_is_valid(const char *name, uint32_t uid, uint32_t size, size_t *ret_max) {
        g_autofree char *prefix = prefix_of(uid), *full = g_strconcat(prefix, name, NULL);

        *ret_max = table_name_max(size) - strlen(prefix);
        return *name != '\0' && table_name_is_valid(full, size);
}

char *run_name(const char *command, uint32_t uid, uint32_t size, unsigned attempt) {
        g_autofree char *prefix = prefix_of(uid);
        g_autofree char *suffix = attempt == 0 ? g_strdup("") : g_strdup_printf("-%u", attempt + 1);
        const char *slash = strrchr(command, '/'), *base = slash ? slash + 1 : command;
        size_t room = table_name_max(size) - strlen(prefix) - strlen(suffix);
        GString *name = g_string_new(NULL);

        for (; *base && name->len < room; base++)
                g_string_append_c(name, g_ascii_isalnum(*base) || *base == '_' ? *base : '-');
        /* What ends in a slash has no name to take. */
        if (name->len == 0)
                g_string_append(name, "run");
        g_string_append(name, suffix);
        return g_string_free(name, FALSE);
}
