/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every server has: org.varlink.service, and io.systemd for the error of varlink_call_errno().
 * Private to lib/varlink. */

#include <glib.h>

#include "lib/varlink/method.h"

/* What org.varlink.service tells of a server. */
typedef struct VarlinkServiceInfo {
        const char *vendor, *product, *version, *url;
        GPtrArray *names;    /* of interfaces, sorted */
        GHashTable *by_name; /* name -> text */
} VarlinkServiceInfo;

/* NULL after the last. */
extern const char *const varlink_service_texts[];

/* Their userdata is the VarlinkServiceInfo. */
extern const VarlinkMethod varlink_service_methods[];
extern const size_t varlink_service_n_methods;
