/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/message.h"
#include "client/run-message.h"
#include "client/run-namespace.h"
#include "lib/util/fd.h"

/* The command shares our process group, so what the terminal sends (SIGINT, SIGTSTP, SIGWINCH ...)
 * reaches it without us, as it would without `run`; those carry SI_KERNEL.  What a process sends us
 * is for the command, and passed on. Stopping goes the other way round: we stop when the command
 * has been stopped, so that a command that ignores SIGTSTP is not left running behind a stopped
 * shell job. */

typedef struct Supervisor {
        pid_t pid;
        int control;
        int signals;
        int terminal;       /* -1: none */
        bool in_foreground; /* our job has the terminal, as far as we were told */
        pid_t inner_group;  /* the group inside that had the terminal when the command was stopped;
                               0: none */
} Supervisor;

static void block_signals(sigset_t *ret_set) {
        static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };

        (void) sigfillset(ret_set);
        for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
                (void) sigdelset(ret_set, faults[i]);
        (void) sigprocmask(SIG_BLOCK, ret_set, NULL);
}

/* the terminal */

/* Take the terminal back from a shell inside that gave it to a group of its own.  SIGTTOU is
 * blocked, or this would stop us.  Returns the group that had it, 0 if nothing was to be done. */
static pid_t take_terminal(const Supervisor *supervisor) {
        pid_t group;

        if (supervisor->terminal < 0 || !supervisor->in_foreground)
                return 0;
        group = tcgetpgrp(supervisor->terminal);
        if (group < 0 || group == getpgrp())
                return 0;
        return tcsetpgrp(supervisor->terminal, getpgrp()) < 0 ? 0 : group;
}

/* We were continued: does our job have the terminal now?  Then the group inside that had it gets it
 * again. */
static void resume_terminal(Supervisor *supervisor) {
        if (supervisor->terminal < 0)
                return;
        supervisor->in_foreground = tcgetpgrp(supervisor->terminal) == getpgrp();
        if (supervisor->in_foreground && supervisor->inner_group > 0)
                (void) tcsetpgrp(supervisor->terminal, supervisor->inner_group);
        supervisor->inner_group = 0;
}

/* signals */

/* The command is stopped: so are we, until somebody continues us. */
static void stop_too(Supervisor *supervisor) {
        supervisor->inner_group = take_terminal(supervisor);
        (void) kill(getpid(), SIGSTOP);
        resume_terminal(supervisor);
        (void) run_message_send(supervisor->control, RUN_MESSAGE_SIGNAL, SIGCONT);
}

static void take_signals(Supervisor *supervisor) {
        struct signalfd_siginfo info;

        while (read(supervisor->signals, &info, sizeof(info)) == sizeof(info)) {
                int number = (int) info.ssi_signo;

                if (number == SIGCHLD || info.ssi_code > 0)
                        continue;
                (void) run_message_send(supervisor->control, RUN_MESSAGE_SIGNAL, number);
        }
}

static void take_message(Supervisor *supervisor) {
        RunMessage message;
        int r;

        r = run_message_receive(supervisor->control, MSG_DONTWAIT, &message);
        if (r == 1 && message.type == RUN_MESSAGE_STOPPED)
                stop_too(supervisor);
        else if (r <= 0 && r != -EAGAIN)
                supervisor->control = fd_close(supervisor->control);
}

/* Whether the first process has ended; *ret_status is what to exit with. */
static bool has_ended(const Supervisor *supervisor, int *ret_status) {
        int status;

        if (waitpid(supervisor->pid, &status, WNOHANG) != supervisor->pid)
                return false;
        *ret_status =
                WIFSIGNALED(status) ? RUN_EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
        return true;
}

int run_supervise(pid_t pid, int control) {
        Supervisor supervisor = { .pid = pid, .control = control };
        int status = RUN_EXIT_FAILURE;
        sigset_t set;

        block_signals(&set);
        supervisor.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (supervisor.signals < 0)
                return RUN_EXIT_FAILURE;
        supervisor.terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        supervisor.in_foreground =
                supervisor.terminal >= 0 && tcgetpgrp(supervisor.terminal) == getpgrp();

        /* Now that nothing of ours can be lost, it may begin. */
        (void) run_message_send(control, RUN_MESSAGE_GO, 0);
        while (!has_ended(&supervisor, &status)) {
                struct pollfd fds[] = {
                        { .fd = supervisor.signals, .events = POLLIN },
                        { .fd = supervisor.control, .events = POLLIN },
                };

                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        break;
                take_signals(&supervisor);
                if (fds[1].revents != 0)
                        take_message(&supervisor);
        }

        (void) take_terminal(&supervisor);
        fd_close(supervisor.terminal);
        fd_close(supervisor.signals);
        fd_close(supervisor.control);
        return status;
}
