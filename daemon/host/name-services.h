/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The name service, each of its services by itself.  glibc goes on where one does not answer, and
 * then says what the next one says: that nobody has the ID, though a directory that cannot be
 * reached may know better.  So the modules (libnss_NAME.so.2, the interface of glibc's manual, "NSS
 * Modules Interface") are called here one by one, and nscd is passed by.
 *
 * Left out are files, which the daemon reads itself, and our own module.  Modules are anybody's
 * code: only a disposable process calls this. */

#include <stdint.h>

#include <glib.h>

typedef struct NameServices NameServices;

/* Outcomes. */
enum {
        NAME_SERVICES_E_UNKNOWN = 1, /* no service knows the ID */
};

/* Those that nsswitch.conf in the folder `etc` names for users and for groups, as far as they are
 * installed: one that is not gives nobody on this host a name.  -errno: the file cannot be read. */
int name_services_open(const char *etc, NameServices **ret_services);
void name_services_free(NameServices *services);

typedef struct NameServicesAnswer {
        const char *service; /* who knows it, or does not answer */
        const char *kind;    /* "user", "group" */
        const char *name;    /* until the next call; "" if it is longer than 64 KiB */
} NameServicesAnswer;

/* Whose this ID is, as UID and as GID.  -errno: a service does not answer; if its server is not
 * even installed or running (ENOENT: its socket is not there) it does not count. */
int name_services_find(NameServices *services, uint32_t id, NameServicesAnswer *ret_answer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(NameServices, name_services_free)
