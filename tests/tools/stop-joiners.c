/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* A hostile owner: makes a user namespace and stops, all the time, every process that it may
 * signal, which is whoever joins the namespace.  To be run under a UID of its own, for it stops
 * that UID's processes too. */
int main(void) {
        if (unshare(CLONE_NEWUSER) < 0)
                return 1;
        for (;;)
                (void) kill(-1, SIGSTOP);
}
