/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes and drops user namespaces, thousands of them, while ranges are asked for and dropped
 * beside: inode numbers of namespaces come back at once, and no namespace may be taken for a dead
 * one that had its number.
 *
 * Usage: churn SOCKET NAMESPACES: makes so many without a range in two processes, with ranges as
 * many as there is time for meanwhile.  Started by root, the former belong to another user than the
 * latter.  Prints TAP.
 */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHURNERS 2
#define OTHER_USER 1001
#define STACK_SIZE 65536
#define RECENT 4096 /* inode numbers that are remembered */

typedef struct Shared {
        unsigned recent[RECENT]; /* of namespaces that were lent a range and are gone */
        unsigned n_recent, n_met;
} Shared;

static bool was_lent(const Shared *shared, unsigned inode) {
        unsigned n = shared->n_recent < RECENT ? shared->n_recent : RECENT;
        for (unsigned i = 0; i < n; i++)
                if (shared->recent[i] == inode)
                        return true;
        return false;
}

static unsigned own_namespace(void) {
        struct stat st;
        must(stat("/proc/self/ns/user", &st), "namespace");
        return (unsigned) st.st_ino;
}

static int in_namespace(void *argument) {
        Shared *shared = argument;

        if (was_lent(shared, own_namespace()))
                __atomic_fetch_add(&shared->n_met, 1, __ATOMIC_RELAXED);
        _exit(0);
}

/* Namespaces that hold nothing, whatever number they get.  Their processes borrow the memory of
 * this one: a copy would take most of the time. */
static int churn(Shared *shared, int n) {
        static char stack[STACK_SIZE] __attribute__((aligned(16)));

        for (int i = 0; i < n; i++) {
                pid_t child =
                        must(clone(in_namespace, stack + sizeof(stack),
                                   CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | SIGCHLD, shared),
                             "clone");
                waitpid(child, NULL, 0);
        }
        return 0;
}

static int tap(int n, bool good, const char *what) {
        printf("%sok %d - %s\n", good ? "" : "not ", n, what);
        return good ? 0 : 1;
}

int main(int argc, char **argv) {
        Stage stage = { .socket = argc > 1 ? argv[1] : NULL };
        int namespaces = argc > 2 ? atoi(argv[2]) : 0, lent = 0, running = CHURNERS;
        Shared *shared = mmap(
                NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (argc < 3 || shared == MAP_FAILED) {
                fprintf(stderr, "usage: churn SOCKET NAMESPACES\n");
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (int i = 0; i < CHURNERS; i++)
                if (must(fork(), "fork") == 0) {
                        if (geteuid() == 0)
                                must(setresuid(OTHER_USER, OTHER_USER, OTHER_USER), "setresuid");
                        _exit(churn(shared, namespaces / CHURNERS));
                }
        drop_to_user();
        bool good = true;
        while (running > 0) {
                struct stat st;
                int status;
                Holder holder = holder_new(&stage, false);

                must(fstat(holder.userns_fd, &st), "namespace");
                shared->recent[shared->n_recent++ % RECENT] = (unsigned) st.st_ino;
                close(holder.userns_fd);
                lent++;
                while (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
                        good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
                        running--;
                }
        }
        printf("# %d namespaces made and dropped, %d ranges lent beside, %u numbers met again\n",
               namespaces, lent, shared->n_met);
        tap(1, good, "namespaces come and go");
        tap(2, shared->n_met > 0, "numbers of dead holders come back, so this tells something");
        const char *error = ask_for_status(stage.socket);
        if (error)
                printf("# %s\n", error);
        tap(3, !error, "no dead holder's range counts as held");
        printf("1..3\n");
        return 0;
}
