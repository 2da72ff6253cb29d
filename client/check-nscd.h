/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether nscd(8), glibc's or unscd, remembers users or groups: nsresourced tells it when names
 * change (daemon/host/name-cache.h), but not before some seconds have passed.  Knows nothing of
 * what it remembers. */

typedef enum NscdState {
        NSCD_ABSENT, /* nobody listens there */
        NSCD_IDLE,   /* it remembers other things only */
        NSCD_CACHES,
        NSCD_UNKNOWN, /* it runs, and its configuration cannot be read */
} NscdState;

NscdState nscd_find(const char *socket, const char *configuration);
