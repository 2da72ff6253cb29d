/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources of the main loop that somebody owns. */

#include <glib.h>

/* Take the source off its loop, whether or not it is still on it, and forget it.  Accepts NULL. */
static inline void source_drop(GSource **source) {
        if (*source)
                g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
}
