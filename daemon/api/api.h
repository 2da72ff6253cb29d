/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods work on, and the tables of them that the manager gives to the varlink server. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "daemon/userns/userns.h"
#include "lib/varlink/method.h"

typedef struct Allocator Allocator;
typedef struct AllocatorRequest AllocatorRequest;
typedef struct CgroupTree CgroupTree;
typedef struct Claims Claims;
typedef struct DoorKeeper DoorKeeper;
typedef struct Policy Policy;
typedef struct Settings Settings;
typedef struct TableWriter TableWriter;
typedef struct Unenforced Unenforced;
typedef struct Vetter Vetter;

typedef struct ApiContext {
        Allocator *allocator; /* NULL with `table` while nothing is served, see `refusal` */
        TableWriter *table;
        Policy *policy;
        UsernsProbe *probe;
        DoorKeeper *doors;
        CgroupTree *cgroups; /* NULL: there are no control groups */
        Unenforced *unenforced;
        Vetter *vetter; /* NULL with `table`, as the next */
        Claims *claims;
        const Settings *settings;
        UsernsIdentity own_userns;
        uint32_t pool_start, n_slots;
        bool enforcement_required;
        /* A line for people: why no range is lent now, and what to do about it.  NULL: ranges are
         * lent. */
        char *refusal;
        uint64_t n_requests; /* salt of hashed names */
        /* Refusals of names that were logged since then. */
        gint64 refused_since_usec;
        unsigned n_refused;
} ApiContext;

/* io.systemd.NamespaceResource: what gives ranges and names, and what gives a namespace that has
 * one something more. */
extern const VarlinkMethod api_namespace_methods[];
extern const size_t api_namespace_n_methods;
extern const VarlinkMethod api_container_methods[];
extern const size_t api_container_n_methods;

/* The fields, flags and checks that the interface's methods share. */
#define API_FIELD_USERNS "userNamespaceFileDescriptor"

/* Flags of open() that say nothing about what a descriptor is.  The last is O_LARGEFILE as F_GETFL
 * reports it: glibc defines it as 0 where off_t has 64 bits anyway. */
#define API_OPEN_FLAGS (O_ACCMODE | O_NOFOLLOW | 0100000)

/* Without a policy in force no method of the interface may work, and clients ask for exactly this
 * by calling without any descriptor. */
const char *api_namespace_gate(VarlinkCall *call, void *userdata);

/* The passed user namespace: flags, kind, not our own, owner, in the protocol's order.  Returns
 * whether it is the peer's to give; else the call has been answered. */
bool api_check_userns(
        const ApiContext *context, VarlinkCall *call, int64_t index, AllocatorRequest *request);

/* org.nsresource.Manager */
extern const VarlinkMethod api_manager_methods[];
extern const size_t api_manager_n_methods;
