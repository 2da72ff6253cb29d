/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A FUSE file system whose flush never ends: whoever closes one of its files waits for as long as
 * the server lives. */

/* Serve the descriptor of /dev/fuse until it is unmounted or the process is killed.  A root folder
 * with, under whatever name is asked for, one and the same file. */
void hanging_fuse_serve(int fd) __attribute__((noreturn));
