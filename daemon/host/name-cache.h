/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Somebody else's memory of our names: nscd(8), glibc's and unscd, keeps what a name module has
 * answered for minutes or an hour, by number and by name, and also that there was no answer.  So it
 * shows a range's name after its end, when the IDs may be another's, and denies one that is new.
 *
 * It forgets by itself when a file changes that it watches.  A module could name one to it, by a
 * function and a struct that are glibc's own and change with its versions: nothing to build on.
 * What has stayed the same for twenty years is the request by which `nscd -i` tells it to forget a
 * whole database; it takes that from root only.  So it is sent whenever names have changed.
 *
 * By a disposable child: nscd may hang, and the folder of its socket may be another user's.  Not at
 * once, for a look-up that is under way puts its answer in afterwards; and not often, for it is
 * everybody's memory that is lost.  Knows nothing of the table.  Where there is no nscd nothing
 * happens. */

#include <glib.h>

typedef struct NameCache NameCache;

/* `socket` is /run/nscd/socket but for tests; copied. */
NameCache *name_cache_new(const char *socket);
void name_cache_free(NameCache *cache);

/* Names came or went: have it forget users and groups, LIMIT_NAME_CACHE_DELAY_MSEC from now, or
 * LIMIT_NAME_CACHE_INTERVAL_MSEC after the last time. */
void name_cache_changed(NameCache *cache);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NameCache, name_cache_free)
