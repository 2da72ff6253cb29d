/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The memory of what was lent with Enforcement = none: those IDs may own files that outlive a
 * reboot, so their slots stay out of use until the administrator clears them, and are charged to
 * the account that had them.  One file in the state folder: of its first 65,536 bytes, byte N is
 * '1' if IDs of the slot that begins at N * 65,536 were lent so, else '0'; then, for each N, the
 * account in eight hexadecimal digits, which mean nothing without a mark.  (A file of the first
 * part alone is an older one: it is replaced, its marks are nobody's.)  Its size never changes, so
 * a mark is one byte written in place, after the account; writing it back is started at once and
 * not waited for (a power failure within that moment can lose the mark, and with the same
 * likelihood what the namespace wrote).  Knows nothing of the table. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Unenforced Unenforced;

/* Open or create `path`.  -EBADMSG: something stands there that is not such a file of root's. */
int unenforced_open(const char *path, Unenforced **ret_unenforced);
void unenforced_free(Unenforced *unenforced);

/* Nobody's, or not known. */
#define UNENFORCED_NO_ACCOUNT UINT32_MAX

/* Mark, clear or ask for the slot that `id` lies in.  The mark is in the file before this returns.
 * What is marked already stays with the account that it has: single IDs of one slot may be several
 * accounts'. */
int unenforced_mark(Unenforced *unenforced, uint32_t id, uint32_t account);
int unenforced_clear(Unenforced *unenforced, uint32_t id);
bool unenforced_is_marked(const Unenforced *unenforced, uint32_t id);
uint32_t unenforced_account(const Unenforced *unenforced, uint32_t id); /* of a mark */
unsigned unenforced_count(const Unenforced *unenforced);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Unenforced, unenforced_free)
