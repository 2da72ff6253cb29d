/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/check-polkit.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

/* By it the bus starts polkit; there is no other way to it. */
#define POLKIT_SERVICE "/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service"

/* Built into polkit, whatever prefix we have.  Of files of one name the first is read alone. */
static const struct {
        const char *path;
        bool newer;
} places[] = {
        { "/etc/polkit-1/rules.d/" POLKIT_RULE_NAME, false },
        { "/run/polkit-1/rules.d/" POLKIT_RULE_NAME, true },
        { "/usr/local/share/polkit-1/rules.d/" POLKIT_RULE_NAME, true },
        { "/usr/share/polkit-1/rules.d/" POLKIT_RULE_NAME, false },
};

PolkitRule polkit_rule_find(const char **ret_path) {
        PolkitRule result = POLKIT_RULE_MISSING;

        *ret_path = NULL;
        if (access(POLKIT_SERVICE, F_OK) < 0)
                return POLKIT_RULE_NO_POLKIT;
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                struct stat st = {};
                int r = stat(places[i].path, &st);

                if (r < 0) {
                        if (errno == EACCES && result == POLKIT_RULE_MISSING)
                                result = POLKIT_RULE_UNSEEN;
                        continue;
                }
                *ret_path = places[i].path;
                /* This is how a rule is switched off. */
                if (!S_ISREG(st.st_mode) || st.st_size == 0)
                        return POLKIT_RULE_MISSING;
                if (!places[i].newer)
                        return POLKIT_RULE_READ;
                result = POLKIT_RULE_NEWER;
        }
        return result;
}
