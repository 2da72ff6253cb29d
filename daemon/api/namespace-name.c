/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/api/namespace-name.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "lib/table/read.h"

#define HASH_DIGITS_MAX 16

bool namespace_name_make(
        uint32_t peer_uid, const char *wanted, bool mangle, uint32_t size, uint64_t salt,
        char ret_name[static TABLE_NAME_MAX + 1]) {
        g_autofree char *prefix =
                peer_uid == 0 ? g_strdup("") : g_strdup_printf("%" PRIu32 "-", peer_uid);
        g_autofree char *name = g_strconcat(prefix, wanted, NULL), *salted = NULL, *hash = NULL;
        size_t max = table_name_max(size);

        if (!table_name_is_valid(name, size)) {
                if (!mangle)
                        return false;
                if (strlen(name) > max)
                        name[max] = '\0';
        }
        if (!table_name_is_valid(name, size)) {
                /* SHA-256 only to spread the bits: nothing is secret here. */
                salted = g_strdup_printf("%" PRIu64 ":%s", salt, wanted);
                hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, salted, -1);
                hash[MIN(HASH_DIGITS_MAX, max - strlen(prefix))] = '\0';
                g_free(name);
                name = g_strconcat(prefix, hash, NULL);
        }

        g_assert(table_name_is_valid(name, size));
        g_strlcpy(ret_name, name, TABLE_NAME_MAX + 1);
        return true;
}
