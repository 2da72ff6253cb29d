/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/check-nscd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <glib.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define CONFIGURATION_SIZE_MAX (1024u * 1024)

static bool listens(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        /* A queue that is full is somebody's, too. */
        return fd >= 0 &&
               (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0 || errno == EAGAIN);
}

/* Whether a line is `enable-cache passwd yes`, or the same of groups; a later line counts more. */
static void read_line(const char *line, bool *caches_users, bool *caches_groups) {
        g_auto(GStrv) words = NULL;
        g_autoptr(GPtrArray) found = g_ptr_array_new();

        words = g_strsplit_set(line, " \t", -1);
        for (char **word = words; *word; word++)
                if (**word == '#')
                        break;
                else if (**word)
                        g_ptr_array_add(found, *word);
        if (found->len < 3 || g_strcmp0(found->pdata[0], "enable-cache") != 0)
                return;
        if (g_strcmp0(found->pdata[1], "passwd") == 0)
                *caches_users = g_strcmp0(found->pdata[2], "yes") == 0;
        else if (g_strcmp0(found->pdata[1], "group") == 0)
                *caches_groups = g_strcmp0(found->pdata[2], "yes") == 0;
}

NscdState nscd_find(const char *socket, const char *configuration) {
        bool caches_users = false, caches_groups = false;
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!listens(socket))
                return NSCD_ABSENT;
        if (file_read(AT_FDCWD, configuration, CONFIGURATION_SIZE_MAX, &text, NULL) < 0)
                return NSCD_UNKNOWN;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++)
                read_line(*line, &caches_users, &caches_groups);
        return caches_users || caches_groups ? NSCD_CACHES : NSCD_IDLE;
}
