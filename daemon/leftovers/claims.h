/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else has the IDs by now: what the child looks at before it ends or removes anything. */

#include <sys/stat.h>

#include "daemon/leftovers/task.h"

/* The files of /etc as they are; what is missing is all zero. */
void leftovers_stat_files(int etc_folder, struct stat files[static LEFTOVERS_FILES_N]);

/* -ESTALE: somebody may have got one of the IDs since the pass was planned.  Asked right before
 * anything is ended or removed. */
int leftovers_check_files(const LeftoversTask *task);

/* A step of a pass: note the ranges in which somebody else has an ID, by leftovers_find(). Negative
 * errno: not everything could be looked at, so nothing is clean. */
int leftovers_find_users(const LeftoversTask *task);
