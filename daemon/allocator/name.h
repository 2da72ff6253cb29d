/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting for a name whose holder is about to end. */

#include "daemon/allocator/allocator.h"

typedef struct NameWait NameWait;
typedef struct NameWaits NameWaits;

/* Requests that wait for a name, all together. */
NameWaits *name_waits_new(void);
void name_waits_free(NameWaits *waits);

/* The name is free, or there is no use in waiting for it any longer.  The NameWait is gone. */
typedef void (*NameWaitFunc)(void *userdata);

/* If the name that is asked for belongs to a namespace of the same owner which may be about to end,
 * wait for that: `done` is called later.  NULL: go on at once. */
NameWait *allocator_wait_for_name(
        Allocator *allocator, const AllocatorRequest *request, NameWaitFunc done, void *userdata);
void name_wait_free(NameWait *wait); /* `done` is not called then */
