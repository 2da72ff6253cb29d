/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls between server and method; the rest of their interface is in varlink/method.h.  Private to
 * lib/varlink. */

#include "lib/varlink/connection.h"
#include "lib/varlink/message.h"

/* A parsed message becomes a call: `take_message` is emptied, the descriptors are taken.  The
 * connection is told to go on (varlink_connection_next()) when the call is answered. */
VarlinkCall *varlink_call_new(
        VarlinkConnection *connection, VarlinkCallMessage *take_message,
        VarlinkDescriptor *take_descriptors, size_t n_descriptors);

/* Whom to tell that the call was answered. */
void varlink_call_set_answered(
        VarlinkCall *call,
        void (*answered)(
                const VarlinkCall *call, const char *error_id, const char *field, void *userdata),
        void *userdata);

const VarlinkCallMessage *varlink_call_message(const VarlinkCall *call);

/* Zeroed memory that lives as long as the call; the struct that its parameters are written to. */
void *varlink_call_allocate_parameters(VarlinkCall *call, size_t size);

/* The parameters of io.systemd.System. */
json_t *varlink_system_error(int error);
