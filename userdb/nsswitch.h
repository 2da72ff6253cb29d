/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether this host's programs are told of our ranges by our NSS module already.  Pure, but for one
 * function that reads one file. */

#include <stdbool.h>

/* Whether the text of an nsswitch.conf(5) has the service nsresource in the line of `database`
 * ("passwd", "group"); of several lines the last one counts, as for glibc. */
bool nsswitch_names_module(const char *text, const char *database);

/* The same of the file nsswitch.conf in the folder `etc`; false if it cannot be read. */
bool nsswitch_asks_module(const char *etc, const char *database);
