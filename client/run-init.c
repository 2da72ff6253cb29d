/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/message.h"
#include "client/run-filter.h"
#include "client/run-message.h"
#include "client/run-namespace.h"

/* PID 1 of the namespace.  It never waits for anything that the command controls: it reaps whom it
 * is given, tells when the command is stopped, passes on the signals it is told to, and ends, with
 * everything in the namespace, as soon as the command has ended or `run` is gone.  Signals sent to
 * itself do nothing: it has them blocked. */

/* A folder of PATH that we may not enter makes "permission denied" of what is in none of the others
 * either. */
static bool is_nowhere(const char *command) {
        g_autofree char *path = g_find_program_in_path(command);

        return !path && !strchr(command, '/');
}

/* A relative path may lead elsewhere than where the caller stands. */
static const char *hint_of(const char *command) {
        char directory[PATH_MAX];

        if (*command == '/' || !strchr(command, '/') || !getcwd(directory, sizeof(directory)) ||
            !g_str_equal(directory, "/"))
                return NULL;
        return "the current directory inside is /: man nsresourcectl says when";
}

static void __attribute__((noreturn)) exec_command(char *const *command) {
        int error;

        execvp(command[0], command);
        error = errno;
        if (error == EACCES && is_nowhere(command[0]))
                error = ENOENT;
        message_error(hint_of(command[0]), "cannot run \"%s\": %s", command[0], strerror(error));
        _exit(error == ENOENT || error == ENOTDIR ? RUN_EXIT_NOT_FOUND : RUN_EXIT_CANNOT_RUN);
}

static int exit_status(const siginfo_t *info) {
        return info->si_code == CLD_EXITED ? info->si_status : RUN_EXIT_SIGNAL + info->si_status;
}

/* Take in what happened to children.  Exits when the command has ended. */
static void reap(pid_t command, int control) {
        for (;;) {
                siginfo_t info = {};

                if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) < 0 || info.si_pid == 0)
                        return;
                if (info.si_pid != command)
                        continue;
                if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED)
                        (void) run_message_send(control, RUN_MESSAGE_STOPPED, info.si_status);
                else
                        _exit(exit_status(&info));
        }
}

/* Do as `run` says.  Exits when it is gone. */
static void obey(pid_t command, int control) {
        RunMessage message;
        int r;

        r = run_message_receive(control, MSG_DONTWAIT, &message);
        if (r == -EAGAIN)
                return;
        if (r <= 0)
                _exit(RUN_EXIT_FAILURE);
        if (message.type == RUN_MESSAGE_SIGNAL)
                (void) kill(command, message.value);
}

static void drain(int signals) {
        struct signalfd_siginfo info;

        while (read(signals, &info, sizeof(info)) == sizeof(info))
                ;
}

/* In the command's own process: what PID 1 is not in need of. */
static void __attribute__((noreturn)) start_command(const RunCommand *command) {
        int r;

        r = run_filter_install();
        if (r < 0) {
                message_error(
                        "is this a sandbox that forbids seccomp(2)?",
                        "cannot keep the command from typing into your terminal: %s", strerror(-r));
                _exit(RUN_EXIT_FAILURE);
        }
        exec_command(command->arguments);
}

void run_init(int control, const RunCommand *command) {
        sigset_t all, original;
        struct pollfd fds[2];
        int signals;
        pid_t pid;

        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, &original);
        signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        pid = signals < 0 ? -1 : fork();
        if (pid < 0) {
                message_error(NULL, "cannot start the command: %s", strerror(errno));
                _exit(RUN_EXIT_FAILURE);
        }
        if (pid == 0) {
                (void) sigprocmask(SIG_SETMASK, &original, NULL);
                start_command(command);
        }
        /* Its own: whoever waits for their end waits for the command, not for us. */
        for (unsigned i = 0; i < command->n_preserved; i++)
                (void) close((int) (RUN_DESCRIPTOR_FIRST + i));

        fds[0] = (struct pollfd){ .fd = signals, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = control, .events = POLLIN };
        for (;;) {
                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        _exit(RUN_EXIT_FAILURE);
                drain(signals);
                reap(pid, control);
                if (fds[1].revents != 0)
                        obey(pid, control);
        }
}
