/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Closing a socket that may hold a client's descriptors, without running the release of the
 * client's files in this process: what a server does that has no discard handler. */

/* Have a child process, which exits at once, hold the last reference to the socket.  The kernel
 * does not linger for a process that exits.  If there can be no child the socket is closed here. */
void varlink_discard_in_child(int take_fd);
