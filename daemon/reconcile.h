/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When records are compared with the namespaces that live: one at once when the kernel tells of its
 * end, all of them on a timer, so many in a turn of the main loop; and where only a sweep of
 * /proc shows what lives, when that is made.  Knows nothing of what becomes of a record: that
 * is the allocator's. */

#include <glib.h>

typedef struct Allocator Allocator;
typedef struct PolicyEvent PolicyEvent;
typedef struct Reconcile Reconcile;
typedef struct UsernsProbe UsernsProbe;

/* Nothing is looked at until reconcile_start(). */
Reconcile *reconcile_new(void);

/* Before what was given to reconcile_start().  Accepts NULL. */
void reconcile_free(Reconcile *reconcile);

/* Begin, in the next turn of the loop.  Both are borrowed. */
void reconcile_start(Reconcile *reconcile, Allocator *allocator, UsernsProbe *probe);

/* What the kernel tells; for PolicyConfig.event. */
void reconcile_told(const PolicyEvent *event, void *reconcile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reconcile, reconcile_free)
