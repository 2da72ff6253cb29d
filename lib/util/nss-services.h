/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which services a database of the name service asks: what nsswitch.conf(5) says, read as glibc
 * reads it.  Pure, but for the function that reads the file. */

#include <glib.h>

/* The services of `database` ("passwd", "group") in the text of an nsswitch.conf, in order, without
 * the action lists; of several lines the last one counts.  NULL-terminated, the caller's; empty if
 * there is no such line. */
GStrv nss_services(const char *text, const char *database);

/* The same of the file nsswitch.conf in the folder `etc`.  A missing file is empty.  -errno. */
int nss_services_read(const char *etc, const char *database, GStrv *ret_services);
