/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection as it shows itself to whoever receives descriptors for it:
 * VarlinkServerConfig.receive. */

#include <stddef.h>
#include <stdint.h>

#include "lib/varlink/types.h"

const VarlinkPeer *varlink_connection_peer(const VarlinkConnection *connection);
uint32_t varlink_connection_account(const VarlinkConnection *connection);

/* The result of `receive`: `n_consumed` bytes of the message were taken from the socket together
 * with its descriptors.  The fds in `take_descriptors` become the call's; the array itself is
 * copied.  A negative `result` closes the connection (-ETIMEDOUT and the like: the receiver did not
 * come back) after answering with that errno. Only VARLINK_DESCRIPTORS_MAX descriptors are kept,
 * those behind are closed. */
void varlink_connection_received(
        VarlinkConnection *connection, int result, size_t n_consumed,
        VarlinkDescriptor *take_descriptors, size_t n_descriptors);
