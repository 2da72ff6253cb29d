/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process that keeps a new user namespace, for programs that need no more of one: unit tests that
 * also join it have unit.h. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void holder_end(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

/* Returns once the namespace is there. */
static inline int holder_new(pid_t *ret_pid) {
        int gate[2];
        ssize_t n;
        pid_t pid;
        char byte;

        if (pipe2(gate, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                /* Or it would keep the output of a test that fails open for good. */
                if (unshare(CLONE_NEWUSER) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                        _exit(1);
                (void) !write(gate[1], "x", 1);
                (void) pause();
                _exit(0);
        }
        (void) close(gate[1]);
        n = pid < 0 ? 0 : read(gate[0], &byte, 1);
        (void) close(gate[0]);
        if (n != 1) {
                if (pid > 0)
                        holder_end(pid);
                return -EPERM;
        }
        *ret_pid = pid;
        return 0;
}

/* A descriptor of the namespace, or a negative errno. */
static inline int holder_open(pid_t pid) {
        char path[64];
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
