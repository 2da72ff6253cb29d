/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/policy-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "daemon/policy/for-test.h"

/* A file that was told whom to signal by a holder that is no more. */
typedef struct Signalling {
        int fd;
        pid_t target;
} Signalling;

static void body_set_owner(int socket, const void *userdata) {
        const Signalling *signalling = userdata;
        char byte = fcntl(signalling->fd, F_SETOWN, signalling->target) < 0 ? (char) errno : 0;

        (void) !write(socket, &byte, 1);
        body_wait(socket, NULL);
}

/* Tells whether there was a signal each time it is asked. */
static void body_be_signalled(int socket, const void *userdata) {
        const struct timespec now = {};
        char byte = 0;
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGIO);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) !write(socket, &byte, 1);
        while (read(socket, &byte, 1) == 1) {
                if (byte == 'o')
                        (void) fcntl(*(const int *) userdata, F_SETOWN, getpid());
                byte = sigtimedwait(&set, NULL, &now) == SIGIO ? 'y' : 'n';
                (void) !write(socket, &byte, 1);
        }
}

static char ask(const Namespace *ns, char question) {
        return write(ns->socket, &question, 1) == 1 && read(ns->socket, &question, 1) == 1
                       ? question
                       : '?';
}

void test_signals(Policy *policy) {
        int pipe_fds[2];
        char byte = 1;
        Signalling signalling = {};
        Namespace next, last;

        if (pipe(pipe_fds) < 0 || fcntl(pipe_fds[0], F_SETFL, O_ASYNC) < 0)
                die("pipe");
        next = namespace_new(LENT, body_be_signalled, &pipe_fds[0]);
        signalling = (Signalling){ .fd = pipe_fds[0], .target = next.pid };
        last = namespace_new(LENT, body_set_owner, &signalling);
        (void) policy_protect(policy, SLOT, 1, last.inode);
        namespace_go(&last);
        tap(read(last.socket, &byte, 1) == 1 && byte == 0,
            "a holder tells a file of the host to signal somebody");
        namespace_end(&last);
        (void) policy_unprotect(policy, SLOT, 1);
        (void) policy_protect(policy, SLOT, 1, next.inode);
        namespace_go(&next);
        (void) !read(next.socket, &byte, 1);

        tap(write(pipe_fds[1], "x", 1) == 1 && ask(&next, 's') == 'n',
            "it does not signal the next holder of that UID");
        policy_skip_rules_for_test(policy, SLOT, POLICY_RULE_SIGNAL);
        tap(write(pipe_fds[1], "x", 1) == 1 && ask(&next, 's') == 'y', "without its rule, it does");
        policy_skip_rules_for_test(policy, SLOT, 0);
        tap(ask(&next, 'o') == 'n' && write(pipe_fds[1], "x", 1) == 1 && ask(&next, 's') == 'y',
            "told so by the next holder itself, it does");
        (void) policy_orphan(policy, SLOT, 1);
        tap(write(pipe_fds[1], "x", 1) == 1 && ask(&next, 's') == 'n',
            "but not once that is known to be dead");
        (void) policy_unprotect(policy, SLOT, 1);
        namespace_end(&next);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
}
