/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Children that cannot be made, for programs that are linked with --wrap=child_new. */

#include <errno.h>
#include <stdbool.h>

#include "lib/util/child.h"

/* Forks that fail: all of them, or so many; and all that were tried. */
static bool forks_fail;
static unsigned n_fail, n_forks;

int __real_child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child);
int __wrap_child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child);

int __wrap_child_new(
        const int *fds, size_t n_fds, ChildFunc run, const void *data, ChildExitedFunc exited,
        void *userdata, Child **ret_child) {
        n_forks++;
        if (forks_fail || n_fail > 0) {
                n_fail -= n_fail > 0;
                return -EAGAIN;
        }
        return __real_child_new(fds, n_fds, run, data, exited, userdata, ret_child);
}
