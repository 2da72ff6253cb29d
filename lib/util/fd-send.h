/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors on their way to another process. */

#include <stddef.h>

#define FD_SEND_MAX 32u /* in a message; the kernel takes 253 */

/* Send `size` bytes and the `n` descriptors of `fds` (borrowed), 1 to FD_SEND_MAX, as one message
 * of `socket`, which keeps messages apart.  All of it goes, or nothing.  Never waits. */
int fd_send(int socket, const void *data, size_t size, const int *fds, size_t n);
