/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the administrator set: nsresourced.conf(5), a GKeyFile, then nsresourced.conf.d/ *.conf in
 * the order of their names, later ones winning by key; those of Reserved= add up, and an empty one
 * drops what was said before.  (Not config.h: autoconf has that name.)  An
 * unknown group or key is an error with file and name, so that a misspelt Enforcement= is never
 * taken for the default. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "lib/util/id-range.h"

/* More of them are a mistake: ranges may be as long as one likes. */
#define SETTINGS_RESERVED_MAX 256u

typedef struct Settings {
        /* [Policy] Enforcement=required|none */
        bool enforcement_required;
        /* [Pool] Start=, End= (inclusive, as systemd writes it): decimal or 0x */
        uint32_t pool_start;
        uint32_t n_slots;
        /* [Pool] Reserved=: ranges that are never lent, of all lines that name some */
        IdRange reserved[SETTINGS_RESERVED_MAX];
        uint32_t n_reserved;
        /* [Pool] NameService=ask|ignore: whether NSS is asked about a slot before it is lent */
        bool ask_name_service;
        /* [Limits] NamespacesPerUser=, IDsPerUser=, QuarantinedPerUser= */
        uint32_t namespaces_per_user;
        uint64_t ids_per_user;
        uint32_t quarantined_per_user;
        /* [Names] SetEntries=first|all: what enumerations list of a range */
        bool all_entries;
} Settings;

/* Read `path` (a missing file means defaults) and `path`.d/.  0, or -EINVAL with *ret_message set
 * to a line for people ("FILE: [Group] Key: what is wrong and what is allowed"), which the caller
 * frees; other -errno: the file cannot be read, message set too. */
int settings_load(const char *path, Settings *ret_settings, char **ret_message);
