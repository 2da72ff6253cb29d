/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/joiner.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/child.h"

/* A group that owns nothing, by convention of every distribution. */
#define GID_NOBODY 65534u

typedef union Control {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
} Control;

/* Wait for a namespace and its owner. */
static int receive_namespace(uid_t *ret_owner) {
        Control control = { 0 };
        struct iovec iov = { .iov_base = ret_owner, .iov_len = sizeof(*ret_owner) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n;
        int fd;

        do
                n = recvmsg(0, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n != sizeof(*ret_owner) || !CMSG_FIRSTHDR(&message))
                _exit(1);
        memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
        return fd;
}

/* What joins a namespace is at the mercy of whoever has CAP_SYS_PTRACE and CAP_KILL in it.  So the
 * child gives up all it is before: it becomes the namespace's owner, without a capability, which is
 * just enough for setns() (an owner has all capabilities in a namespace of theirs and in those
 * below) and nothing that the client does not have.  It cannot be traced, and ends with the daemon:
 * both were set after its last change of UID, and an owner's setns() leaves them alone, as that of
 * another UID would not.  It can be stopped, killed and so on: no harm but the deadline. */
void userns_joiner_run(const void *data) {
        pid_t parent = *(const pid_t *) data;
        uid_t owner = (uid_t) -1;
        int fd, error = 0;

        child_die_with(parent);
        fd = receive_namespace(&owner);
        child_drop_privileges(owner, GID_NOBODY, parent);
        if (setns(fd, CLONE_NEWUSER) < 0)
                error = errno;
        if (send(0, &error, sizeof(error), MSG_NOSIGNAL) != sizeof(error) || error != 0)
                _exit(1);
        for (;;)
                (void) pause();
}

int userns_joiner_receive(int socket) {
        int error = 0;
        ssize_t n;

        n = recv(socket, &error, sizeof(error), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return -EAGAIN;
        if (n != sizeof(error))
                return -ESRCH;
        return error > 0 ? -error : error == 0 ? 0 : -ESRCH;
}
