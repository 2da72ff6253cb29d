/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/discard.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/fd.h"

/* Wait until this process's parent has closed its end of the
 * pipe, and with it the socket before. */
__attribute__((noreturn)) static void hold_until_closed(int pipe_read_fd, int pipe_write_fd) {
        char c;

        (void) close(pipe_write_fd);
        while (read(pipe_read_fd, &c, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

void varlink_discard_in_child(int take_fd) {
        auto_fd read_fd = -1;
        auto_fd write_fd = -1;
        auto_fd fd = take_fd; /* declared last: closed before the pipe is */
        int pipe_fds[2];
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return;
        read_fd = pipe_fds[0];
        write_fd = pipe_fds[1];

        (void) fd;
        /* The one that holds the socket is a grandchild, which nobody has to wait for. */
        pid = fork();
        if (pid == 0) {
                if (fork() == 0)
                        hold_until_closed(read_fd, write_fd);
                _exit(0);
        }
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}
