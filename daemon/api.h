/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods work on, and the tables of them that the manager gives to the varlink server. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/userns.h"
#include "lib/varlink/server.h"

typedef struct Allocator Allocator;
typedef struct DoorKeeper DoorKeeper;
typedef struct Policy Policy;
typedef struct TableWriter TableWriter;
typedef struct Unenforced Unenforced;

typedef struct ApiContext {
        Allocator *allocator; /* NULL with `table` while nothing is served, see `refusal` */
        TableWriter *table;
        Policy *policy;
        UsernsProbe *probe;
        DoorKeeper *doors;
        Unenforced *unenforced;
        UsernsIdentity own_userns;
        uint32_t pool_start, n_slots;
        bool enforcement_required;
        /* Why no range is handed out now, with what to do about it: a line for people; NULL if they
         * are. */
        char *refusal;
        uint64_t n_requests; /* salt of hashed names */
} ApiContext;

/* io.systemd.NamespaceResource */
extern const VarlinkMethod api_namespace_methods[];
extern const size_t api_namespace_n_methods;

/* org.nsresource.Manager */
extern const VarlinkMethod api_manager_methods[];
extern const size_t api_manager_n_methods;
