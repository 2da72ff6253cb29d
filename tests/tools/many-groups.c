/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* many-groups NAMESPACE N: become root of the user namespace of this path, with as many
 * supplementary groups as a process can have, and N processes that have them, too; say "ready", and
 * stay.  Whoever reads /proc/PID/status gets 650 KB for each. */

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GROUPS 65536u

static int fail(const char *what) {
        perror(what);
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        static gid_t groups[GROUPS];
        pid_t parent = getpid();
        int fd;

        if (argc != 3)
                return EXIT_FAILURE;
        fd = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0)
                return fail(argv[1]);
        for (unsigned i = 0; i < GROUPS; i++)
                groups[i] = i % (GROUPS - 1);
        if (setgroups(GROUPS, groups) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return fail("root inside");
        for (int i = 0; i < atoi(argv[2]); i++) {
                pid_t pid = fork();

                if (pid < 0)
                        return fail("fork");
                if (pid > 0)
                        continue;
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == parent)
                        (void) pause();
                _exit(0);
        }
        (void) puts("ready");
        (void) fflush(stdout);
        (void) pause();
        return EXIT_SUCCESS;
}
