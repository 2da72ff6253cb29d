/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process's one mapping of the table, shared by all threads: made by the first look-up that
 * needs it, left to the children of a fork, never unmapped, as another thread may be reading it. No
 * descriptor stays open.  Where no mapping can be made (a policy, mlockall() with a small
 * RLIMIT_MEMLOCK, a small RLIMIT_AS), each look-up opens the file for itself. */

#include "lib/table/read.h"

typedef struct NssView {
        const TableView *view; /* shared, or `own` */
        TableView own;
} NssView;

/* Outcomes are those of table_view_open(). */
int nss_view_get(NssView *ret_view);
void nss_view_put(NssView *view);

/* What `view` shows is retired: let the next nss_view_get() map what stands at the path then. */
void nss_view_retire(const NssView *view);
