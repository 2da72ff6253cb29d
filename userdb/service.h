/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io.systemd.UserDatabase over the table: what each method answers.  Knows nothing of sockets and
 * privileges.  One thread. */

#include "lib/varlink/server.h"

typedef struct UserdbService UserdbService;

typedef struct UserdbServiceConfig {
        const char *table_path;
        /* "/etc", but for tests: whose subuid blocks are, and whether our module is asked */
        const char *etc;
} UserdbServiceConfig;

/* The configuration's texts are borrowed for the service's life.  Nothing of the table is opened
 * before the first peer or look-up that could be one of ours. */
int userdb_service_new(
        const UserdbServiceConfig *config, GMainContext *context, UserdbService **ret_service);
void userdb_service_free(UserdbService *service);

/* The server; the service's own. */
VarlinkServer *userdb_service_server(UserdbService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(UserdbService, userdb_service_free)
