/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ending what is in a threaded control group; in a child: system calls only. */

#include <stdbool.h>
#include <stdint.h>

/* Of a threaded control group, which cannot be killed as a whole: kill each process that has a
 * thread in it and of which every thread has all of its UIDs in the ranges.  Others have a part of
 * themselves in there, and stay. */
typedef bool (*CgroupIsLentFunc)(uint32_t uid, const void *userdata);
void cgroup_end_threads(int directory, CgroupIsLentFunc is_lent, const void *userdata);
