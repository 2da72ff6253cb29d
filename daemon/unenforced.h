/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The memory of what was handed out with Enforcement = none: those IDs may own files that outlive a
 * reboot, so their slots stay out of use until the administrator clears them.  One file of 65,536
 * bytes in the state folder: byte N is '1' if IDs N * 65,536 ... were handed out so, else '0'.  Its
 * size never changes, so a mark is one byte written in place; writing it back is started at once
 * and not waited for (a power failure within that moment can lose the mark, and with the same
 * likelihood what the namespace wrote).  Knows nothing of the table. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Unenforced Unenforced;

/* Open or create `path`.  -EBADMSG: something stands there that is not such a file of root's. */
int unenforced_open(const char *path, Unenforced **ret_unenforced);
void unenforced_free(Unenforced *unenforced);

/* Mark, clear or ask for the block of 65,536 IDs that `id` lies in.  The mark is in the file before
 * this returns. */
int unenforced_mark(Unenforced *unenforced, uint32_t id);
int unenforced_clear(Unenforced *unenforced, uint32_t id);
bool unenforced_is_marked(const Unenforced *unenforced, uint32_t id);
unsigned unenforced_count(const Unenforced *unenforced);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Unenforced, unenforced_free)
