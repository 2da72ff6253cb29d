/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asm/ioctls.h>

/* Type a letter, or paste, as if the user had, at the terminal: by every way into the kernel.
 * Prints a line each, "WAY: what came of it". */

static void tell(const char *way, long result) {
        printf("%s: %s\n", way, result < 0 ? strerrorname_np((int) -result) : "done");
}

static long call(long number, int fd, unsigned long command, const void *argument) {
        long r = syscall(number, fd, command, argument);

        return r < 0 ? -errno : r;
}

#ifdef __x86_64__
#define X32_BIT 0x40000000L

static long call_i386(int fd, unsigned long command, const void *argument) {
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "0"(54L), "b"((long) fd), "c"(command), "d"(argument)
                         : "memory", "r8", "r9", "r10", "r11");
        return (int) r;
}

/* A kernel without 32-bit programs ends whoever makes such a call. */
static bool takes_i386(void) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(call_i386(-1, TIOCINQ, NULL) == -EBADF ? 0 : 1);
        return waitpid(pid, &status, 0) == pid && status == 0;
}

static void try_other_ways(int fd, const char *letter) {
        tell("x32 TIOCSTI", call(514 | X32_BIT, fd, TIOCSTI, letter));
        tell("x32 without its bit TIOCSTI", call(514, fd, TIOCSTI, letter));
        tell("x86-64 with x32's bit TIOCSTI", call(16 | X32_BIT, fd, TIOCSTI, letter));
        if (!takes_i386()) {
                printf("i386: no such calls here\n");
                return;
        }
        tell("i386 TIOCSTI", call_i386(fd, TIOCSTI, letter));
        tell("i386 TIOCLINUX", call_i386(fd, TIOCLINUX, letter));
}
#else
static void try_other_ways(int fd, const char *letter) {
        (void) fd;
        (void) letter;
}
#endif

int main(void) {
        /* Where 32-bit calls can reach it. */
        char *letter = mmap(
                NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), size;

        if (letter == MAP_FAILED || fd < 0) {
                perror("/dev/tty");
                return 1;
        }
        *letter = 'x';
        tell("TIOCSTI", call(SYS_ioctl, fd, TIOCSTI, letter));
        tell("TIOCLINUX", call(SYS_ioctl, fd, TIOCLINUX, letter));
        tell("more than 32 bits TIOCSTI", call(SYS_ioctl, fd, TIOCSTI | 1UL << 32, letter));
        tell("more than 32 bits TIOCLINUX", call(SYS_ioctl, fd, TIOCLINUX | 1UL << 63, letter));
        try_other_ways(fd, letter);
        /* What everybody needs of a terminal still works. */
        tell("TIOCINQ", call(SYS_ioctl, fd, TIOCINQ, &size));
        return 0;
}
