/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table at a path, for a long-lived process: kept mapped, and mapped again when another file
 * stands there.  libc only; one thread (the NSS module, which runs in threads it knows nothing of,
 * has a way of its own). */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/table/read.h"

typedef struct TableFollower {
        const char *path; /* borrowed */
        TableView view;
        bool open;
        dev_t device;
        ino_t inode;
        off_t size;
} TableFollower;

#define TABLE_FOLLOWER(table_path) ((TableFollower){ .path = (table_path) })

/* The table that stands at the path now: one stat(2) while it stays the same.  *ret_view is good
 * until the next call. TABLE_READ_E_MISSING, _UNTRUSTED, _RETIRED (about to be replaced), -errno:
 * no view, and *ret_view is NULL. */
int table_follower_get(TableFollower *follower, const TableView **ret_view);

void table_follower_clear(TableFollower *follower);
