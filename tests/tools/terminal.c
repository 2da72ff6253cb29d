/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

/* Somebody at a terminal, for tests of job control.
 *
 *      terminal COMMAND... <<SCRIPT
 *      send TEXT      type it; \n, \003 and the like are understood
 *      expect TEXT    wait until it was printed, after what was expected before
 *      SCRIPT
 *
 * Prints all that the terminal showed.  Exit status: the command's, 90 if something did not come,
 * 128 + N. */

#define TIMEOUT_MSEC 20000
#define EXIT_MISSED 90

typedef struct Terminal {
        int fd;
        pid_t pid;
        GString *shown;
        size_t expected; /* of `shown`, how much was expected already */
} Terminal;

/* Take in what there is, for `msec` at most.  Returns whether there may be more. */
static bool terminal_read(Terminal *terminal, int msec) {
        struct pollfd fd = { .fd = terminal->fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        if (poll(&fd, 1, msec) <= 0)
                return true;
        n = read(terminal->fd, buffer, sizeof(buffer));
        if (n <= 0) /* EIO: everybody has closed the other end */
                return false;
        g_string_append_len(terminal->shown, buffer, n);
        return true;
}

static void terminal_fail(Terminal *terminal, const char *why, const char *text) {
        printf("%s\n--- %s: %s\n", terminal->shown->str, why, text);
        (void) kill(terminal->pid, SIGKILL);
        exit(EXIT_MISSED);
}

static void terminal_expect(Terminal *terminal, const char *text) {
        gint64 end = g_get_monotonic_time() + TIMEOUT_MSEC * 1000;
        const char *found;

        while (!(found = strstr(terminal->shown->str + terminal->expected, text)))
                if (g_get_monotonic_time() > end || !terminal_read(terminal, 100))
                        terminal_fail(terminal, "did not come", text);
        terminal->expected = (size_t) (found - terminal->shown->str) + strlen(text);
}

static void terminal_send(Terminal *terminal, const char *text) {
        g_autofree char *bytes = g_strcompress(text);

        if (write(terminal->fd, bytes, strlen(bytes)) < 0)
                terminal_fail(terminal, "cannot type", text);
}

static int terminal_end(Terminal *terminal) {
        gint64 end = g_get_monotonic_time() + TIMEOUT_MSEC * 1000;
        int status;

        while (waitpid(terminal->pid, &status, WNOHANG) != terminal->pid) {
                (void) terminal_read(terminal, 50);
                if (g_get_monotonic_time() > end)
                        terminal_fail(terminal, "did not end", "the command");
        }
        printf("%s\n", terminal->shown->str);
        g_string_free(terminal->shown, TRUE);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
        Terminal terminal = { .shown = g_string_new(NULL) };
        char line[4096];

        if (argc < 2)
                return EXIT_MISSED;
        terminal.pid = forkpty(&terminal.fd, NULL, NULL, NULL);
        if (terminal.pid < 0)
                return EXIT_MISSED;
        if (terminal.pid == 0) {
                execvp(argv[1], argv + 1);
                _exit(127);
        }
        while (fgets(line, sizeof(line), stdin)) {
                g_strchomp(line);
                if (g_str_has_prefix(line, "send "))
                        terminal_send(&terminal, line + strlen("send "));
                else if (g_str_has_prefix(line, "expect "))
                        terminal_expect(&terminal, line + strlen("expect "));
                else if (*line)
                        terminal_fail(&terminal, "what is that?", line);
        }
        return terminal_end(&terminal);
}
