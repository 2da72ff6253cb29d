/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to the daemon from the command line: what goes wrong is said here, with the next step. */

#include <stdbool.h>

#include "lib/varlink/client.h"
#include "lib/varlink/json.h"

/* How long a command waits for an answer.  Lending has its own deadlines in the daemon, of a few
 * seconds each. */
#define MANAGER_TIMEOUT_MSEC 30000

/* Connect to the daemon at `path`.  A failure has been said. */
int manager_connect(const char *path, VarlinkClient **ret_client);

/* What a failed connect() means and what to do: for `check`, which says it in its own way.  Static
 * text. */
const char *manager_connect_hint(int error);

/* One call without descriptors.  -EREMOTEIO: it was answered with an error.  A failure has been
 * said. */
int manager_call(VarlinkClient *client, const char *method, json_t **ret_reply);

/* All the ranges there are (org.nsresource.Manager.List) as an array of objects.  A failure has
 * been said. */
int manager_list(VarlinkClient *client, json_t **ret_ranges);

/* Members of an answer, whatever type a broken daemon gave them: 0, or NULL, if it is not of the
 * right one. */
json_int_t manager_integer(const json_t *object, const char *key);
const char *manager_string(const json_t *object, const char *key);
bool manager_boolean(const json_t *object, const char *key);
