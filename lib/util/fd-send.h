/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A descriptor on its way to another process. */

#include <stddef.h>

/* Send `size` bytes and the descriptor `fd` (borrowed) as one message of `socket`, which keeps
 * messages apart.  Never waits. */
int fd_send(int socket, const void *data, size_t size, int fd);
