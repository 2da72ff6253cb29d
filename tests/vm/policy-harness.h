/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of policy-harness share: TAP, and namespaces that a policy lends IDs to. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "daemon/policy/policy.h"
#include "lib/table/format.h"

#define POOL_SLOTS 64u
#define SLOT 7u                                           /* what is lent here */
#define LENT (TABLE_POOL_START + SLOT * TABLE_SLOT_SIZE)  /* its first ID */
#define UNLENT (TABLE_POOL_START + 20u * TABLE_SLOT_SIZE) /* of a slot that is not */

void tap(bool good, const char *format, ...) G_GNUC_PRINTF(2, 3);
void die(const char *what) G_GNUC_NORETURN;

typedef struct Namespace {
        pid_t pid;
        int socket;
        uint64_t inode;
} Namespace;

/* A child in a namespace of its own with the IDs from `first` on; it waits, then runs `body` as
 * root in there. */
Namespace namespace_new(
        uint32_t first, void (*body)(int socket, const void *userdata), const void *userdata);
void namespace_go(const Namespace *ns);
void namespace_end(Namespace *ns);
/* A body that does nothing. */
void body_wait(int socket, const void *userdata);

/* ---- policy-signals.c ---- */

/* What a holder's open files do to the next holder of the slot. */
void test_signals(Policy *policy);

/* ---- policy-uids.c ---- */

/* Which UIDs of the slot were used, and whether the kernel still knows them. */
void test_uids(Policy *policy);

/* What finding that out costs; figures. */
void measure_uids(Policy *policy);
