/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IDs that files of the host's configuration keep for others than us: directories (sssd.conf,
 * smb.conf) and useradd (login.defs).  Nothing that the daemon reads tells of them, so Reserved=
 * has to.  Reads only; knows nothing of the pool. */

#include <glib.h>

#include "lib/util/id-range.h"

/* `source` says for people who keeps them and where that is said; without a `range` the file has
 * one that says nothing of its IDs.  For a file that cannot be read: `error`, a positive errno. */
typedef void (*ForeignIdsFunc)(const char *source, const IdRange *range, int error, void *userdata);

/* Look into the files below `etc` ("/etc"); those that are not there say nothing. */
void foreign_ids_find(const char *etc, ForeignIdsFunc func, void *userdata);
