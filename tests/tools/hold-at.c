/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Holds a process just before a system call, for tests that need it between two of its steps:
 *
 *      hold-at PID bpf         before each bpf()
 *      hold-at PID NAME        before each write() to a file whose path ends in /NAME
 *
 * Prints "held" each time and waits for a line: then the call is made, and the next one held.  At
 * the end of the input the process is let go for good, as when this program ends in any way. */

static bool writes_to(pid_t pid, unsigned long long fd, const char *name) {
        char link[64], path[4096];
        ssize_t n;
        char *last;

        (void) snprintf(link, sizeof(link), "/proc/%d/fd/%llu", (int) pid, fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return false;
        path[n] = '\0';
        last = strrchr(path, '/');
        return last && strcmp(last + 1, name) == 0;
}

static bool is_the_call(pid_t pid, const char *what) {
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
            info.op != PTRACE_SYSCALL_INFO_ENTRY)
                return false;
        if (strcmp(what, "bpf") == 0)
                return info.entry.nr == SYS_bpf;
        return info.entry.nr == SYS_write && writes_to(pid, info.entry.args[0], what);
}

/* False at the end of the input. */
static bool told_to_go_on(void) {
        char line[64];

        puts("held");
        (void) fflush(stdout);
        return fgets(line, sizeof(line), stdin) != NULL;
}

int main(int argc, char **argv) {
        pid_t pid;
        int status;

        if (argc != 3)
                return 2;
        pid = atoi(argv[1]);
        if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
            ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0) {
                perror("hold-at: ptrace");
                return 1;
        }
        puts("attached");
        (void) fflush(stdout);
        while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
                int signal = WSTOPSIG(status);

                if (signal == (SIGTRAP | 0x80)) {
                        signal = 0;
                        if (is_the_call(pid, argv[2]) && !told_to_go_on())
                                return 0;
                } else if (status >> 16 == PTRACE_EVENT_STOP)
                        signal = 0;
                if (ptrace(PTRACE_SYSCALL, pid, 0, signal) < 0)
                        break;
        }
        fprintf(stderr, "hold-at: %d is gone\n", (int) pid);
        return 1;
}
