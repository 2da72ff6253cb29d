/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors that close themselves.  An empty one is -1.  Knows nothing of what a descriptor
 * refers to; never use auto_fd for a descriptor that a client sent and no door has vetted
 * (daemon/door/door.h): closing it can hang. */

#include <errno.h>
#include <glib.h>
#include <unistd.h>

/* Close `fd` unless it is negative; errno is preserved.  Returns -1, to be assigned back. */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int saved_errno = errno;

                /* On Linux the descriptor is gone even when close() reports EINTR or EIO. */
                (void) close(fd);
                errno = saved_errno;
        }
        return -1;
}

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

#define auto_fd __attribute__((cleanup(fd_closep))) int
