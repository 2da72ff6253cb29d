/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon and the children that remove control groups share: system calls only. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Open the directory of control group number `id` by way of `tree`, any directory of a mount of the
 * hierarchy.  -ESTALE: there is none. */
int cgroup_open_by_id(int tree, uint64_t id);

/* Open something below a directory of the daemon's own mount; -errno. */
int cgroup_open_below(int directory, const char *path, int flags);

/* Remove all directories below `take_directory`, leaves first, with two descriptors however deep
 * they are.  With `may`, only those of which it is true; `busy` is called for one that has
 * processes or threads in it.  False: something in there is busy, or may not be removed. */
typedef bool (*CgroupMayRemoveFunc)(const struct stat *st, const void *userdata);
typedef void (*CgroupBusyFunc)(int directory, const void *userdata);
bool cgroup_remove_below(
        int take_directory, CgroupMayRemoveFunc may, CgroupBusyFunc busy, const void *userdata);

/* Of a threaded control group, which cannot be killed as a whole: kill each process that has a
 * thread in it and of which every thread has all of its UIDs in the ranges.  Others have a part of
 * themselves in there, and stay. */
typedef bool (*CgroupIsLentFunc)(uint32_t uid, const void *userdata);
void cgroup_end_threads(int directory, CgroupIsLentFunc is_lent, const void *userdata);
