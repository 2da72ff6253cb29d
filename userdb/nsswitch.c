/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/nsswitch.h"

#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "lib/util/file.h"

#define MODULE "nsresource"
#define FILE_SIZE_MAX (256u * 1024)
#define BLANKS " \t\r\v\f"

/* Behind the colon of a line of `database`, or NULL. */
static const char *services_of(const char *line, const char *database) {
        size_t n = strlen(database);

        line += strspn(line, BLANKS);
        if (strncmp(line, database, n) != 0)
                return NULL;
        line += n + strspn(line + n, BLANKS);
        return *line == ':' ? line + 1 : NULL;
}

/* Whether one of the words that are no part of an action list is the module. */
static bool has_module(const char *services) {
        while (*(services += strspn(services, BLANKS)) != '\0') {
                size_t n =
                        *services == '[' ? strcspn(services, "]") : strcspn(services, BLANKS "[");

                if (n == strlen(MODULE) && memcmp(services, MODULE, n) == 0)
                        return true;
                services += n + (services[n] == ']');
        }
        return false;
}

bool nsswitch_names_module(const char *text, const char *database) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        bool found = false;

        for (char **line = lines; *line; line++) {
                const char *services;

                (*line)[strcspn(*line, "#")] = '\0';
                services = services_of(*line, database);
                if (services)
                        found = has_module(services);
        }
        return found;
}

bool nsswitch_asks_module(const char *etc, const char *database) {
        g_autofree char *path = g_build_filename(etc, "nsswitch.conf", NULL), *text = NULL;

        return file_read(AT_FDCWD, path, FILE_SIZE_MAX, &text, NULL) == 0 &&
               nsswitch_names_module(text, database);
}
