/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opening control groups and what is in them, in a mount of the hierarchy that is this process's
 * own (daemon/cgroup/cgroup.h says why); for the daemon and for its children: system calls only. */

#include <stdint.h>

/* Open the directory of control group number `id` by way of `tree`, any directory of a mount of the
 * hierarchy.  -ESTALE: there is none. */
int cgroup_open_by_id(int tree, uint64_t id);

/* Open something below a directory of the daemon's own mount; -errno. */
int cgroup_open_below(int directory, const char *path, int flags);
