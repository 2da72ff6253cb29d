/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small blocking varlink client for command-line tools and tests.  Every wait has a deadline. */

#include "lib/varlink/json.h"
#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

typedef struct VarlinkClient VarlinkClient;

#define VARLINK_CLIENT_MESSAGE_MAX \
        (16u * 1024 * 1024) /* bytes of one reply: what other servers send too */

/* Connect to the AF_UNIX stream socket at `path`.
 * `timeout_ms` bounds each later wait; -1 = none. */
int varlink_client_connect(const char *path, int timeout_ms, VarlinkClient **ret_client);
void varlink_client_free(VarlinkClient *client);

/* Call `method` with `parameters` (borrowed, may be NULL) and `n_fds` descriptors (borrowed) and
 * wait for the answer.  0: answered; *ret_error is NULL and *ret_parameters is the reply's object,
 * or *ret_error is the error id and *ret_parameters that error's object.  The caller owns both.
 * -ETIMEDOUT, -ECONNRESET, -EPROTO. */
int varlink_client_call(
        VarlinkClient *client, const char *method, json_t *parameters, const int *fds, size_t n_fds,
        json_t **ret_parameters, char **ret_error);

/* Send `method` with more:true.  Answers come from varlink_client_next(). */
int varlink_client_call_more(VarlinkClient *client, const char *method, json_t *parameters);

/* The next answer of varlink_client_call_more();
 * *ret_continues says whether another will follow. */
int varlink_client_next(
        VarlinkClient *client, json_t **ret_parameters, char **ret_error, bool *ret_continues);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkClient, varlink_client_free)
