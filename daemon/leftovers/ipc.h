/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A step of the child's: System V and POSIX IPC objects that one of the IDs owns. */

#include "daemon/leftovers/task.h"

/* Remove them.  What stays, or may come back, is noted by leftovers_find().  Negative errno: not
 * everything could be looked at, so nothing is clean. */
int leftovers_remove_ipc(const LeftoversTask *task);
