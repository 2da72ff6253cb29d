/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/nss-services.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/util/file.h"

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

/* The words that are no part of an action list. */
static GStrv split(const char *text) {
        g_autoptr(GPtrArray) services = g_ptr_array_new_with_free_func(g_free);

        while (*(text += strspn(text, BLANKS)) != '\0') {
                size_t n = *text == '[' ? strcspn(text, "]") : strcspn(text, BLANKS "[");

                if (*text != '[')
                        g_ptr_array_add(services, g_strndup(text, n));
                text += n + (text[n] == ']');
        }
        g_ptr_array_add(services, NULL);
        return (GStrv) g_ptr_array_free(g_steal_pointer(&services), FALSE);
}

GStrv nss_services(const char *text, const char *database) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        GStrv services = g_new0(char *, 1);

        for (char **line = lines; *line; line++) {
                const char *found;

                (*line)[strcspn(*line, "#")] = '\0';
                found = services_of(*line, database);
                if (!found)
                        continue;
                g_strfreev(services);
                services = split(found);
        }
        return services;
}

int nss_services_read(const char *etc, const char *database, GStrv *ret_services) {
        g_autofree char *path = g_build_filename(etc, "nsswitch.conf", NULL), *text = NULL;
        int r = file_read(AT_FDCWD, path, FILE_SIZE_MAX, &text, NULL);

        if (r < 0 && r != -ENOENT)
                return r;
        *ret_services = nss_services(text ?: "", database);
        return 0;
}
