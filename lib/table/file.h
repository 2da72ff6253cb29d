/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table as a file of its folder, for the writer: locked, created whole or not at all, set
 * aside.
 *
 * The lock is a POSIX record lock on PATH.lock, a file of its own.  On the table itself it would be
 * lost when another file takes its place, and anybody who can read a file can hold a lock on it
 * against root, so the lock's file is root's alone (0600).  A record lock belongs to the process: a
 * child that hangs in the kernel (a door that closes a client's FUSE file) does not keep a
 * restarted daemon out, as a lock of the open file description would. The price: one writer a
 * process, which must not open PATH.lock otherwise. */

#include "lib/table/image.h"
#include "lib/table/types.h"

enum {
        TABLE_FILE_E_MISSING = 101, /* there is no file; apart from TABLE_E_* */
};

/* Take the lock.  TABLE_E_LOCKED. */
int table_file_lock(const char *path, int *ret_fd);

/* Map what stands at `path` for writing, if it is a table of this owner and pool.
 * TABLE_FILE_E_MISSING, TABLE_E_UNTRUSTED with the reason, static text. */
int table_file_open(
        const TableWriterConfig *config, TableImage *ret_image, const char **ret_reason);

/* Create an empty table, with all of its space allocated, and map it.  Nothing stands at the path.
 */
int table_file_create(const TableWriterConfig *config, TableImage *ret_image);

void table_file_unmap(TableImage *image);

/* Rename what stands at `path` to PATH.set-aside, or PATH.set-aside.N if that exists.  If it looks
 * like a table, its `retired` word is set before, or those who have it mapped would answer from it
 * for ever; nothing else changes. */
int table_file_set_aside(const char *path, char **ret_name);
