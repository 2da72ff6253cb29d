/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/door/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/door/door.h"
#include "lib/util/child.h"

#ifndef STATX_MNT_ID /* Linux 5.8 */
#define STATX_MNT_ID 0x00001000U
#endif

/* Descriptors of one message, and of a reply. */
typedef union Control {
        char space[CMSG_SPACE(VARLINK_DESCRIPTORS_MAX * sizeof(int))];
        struct cmsghdr align;
} Control;

typedef struct Received {
        int fds[VARLINK_DESCRIPTORS_MAX];
        size_t n_fds;
        bool truncated; /* there were more */
} Received;

/* Receive up to `size` bytes and their descriptors.  Returns the number of bytes or -errno. */
static ssize_t receive(int fd, void *buffer, size_t size, int flags, Received *ret_received) {
        struct iovec iov = { .iov_base = buffer, .iov_len = size };
        Control control;
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                /* Without the padding, in which one more might fit. */
                .msg_controllen = CMSG_LEN(VARLINK_DESCRIPTORS_MAX * sizeof(int)),
        };
        Received received = { .n_fds = 0 };
        ssize_t n;

        do
                n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                received.n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(received.fds, CMSG_DATA(c), received.n_fds * sizeof(int));
        }
        received.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
        *ret_received = received;
        return n;
}

static void vet_namespace(int fd, DoorVerdict *verdict) {
        switch (ioctl(fd, NS_GET_NSTYPE)) {
        case CLONE_NEWUSER:
                verdict->kind = DOOR_KIND_USERNS;
                verdict->passed = true;
                break;
        case CLONE_NEWNET:
                verdict->kind = DOOR_KIND_NETNS;
                break;
        default:
                break;
        }
}

int door_stat(int fd, struct statx *ret_st) {
        const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;

        if (statx(fd, "", flags, STATX_TYPE | STATX_INO | STATX_MNT_ID, ret_st) < 0)
                return -errno;
        return 0;
}

/* Until its file system is known, nothing is called that the file system answers: F_GETFL reads the
 * open file, and statx() with AT_STATX_DONT_SYNC what the kernel remembers, FUSE included.  The
 * device number it tells is the file system's own: no user can mount something with that of nsfs or
 * cgroup2.  (overlayfs shows the number of its upper layer, but not for directories, and nsfs has
 * none that could be a layer.)  The inode number of a directory of cgroup2 is its id. */
DoorVerdict door_vet(const DoorChildData *door, int fd) {
        DoorVerdict verdict = { .kind = DOOR_KIND_OTHER };
        struct statx st;
        dev_t device;

        verdict.open_flags = fcntl(fd, F_GETFL);
        if (verdict.open_flags < 0)
                return verdict;
        if (verdict.open_flags & O_PATH)
                verdict.kind = DOOR_KIND_O_PATH;
        if (door_stat(fd, &st) < 0)
                return verdict;

        device = makedev(st.stx_dev_major, st.stx_dev_minor);
        if (verdict.kind == DOOR_KIND_O_PATH && !S_ISDIR(st.stx_mode))
                return verdict;
        if (door->nsfs != 0 && device == door->nsfs)
                vet_namespace(fd, &verdict);
        else if (
                S_ISDIR(st.stx_mode) && door->cgroup2 != 0 && device == door->cgroup2 &&
                verdict.kind != DOOR_KIND_O_PATH) {
                verdict.kind = DOOR_KIND_CGROUP;
                verdict.detail = st.stx_ino;
                verdict.passed = true;
        } else if (S_ISDIR(st.stx_mode)) {
                verdict.kind = DOOR_KIND_DIRECTORY;
#ifdef HAVE_STRUCT_STATX_STX_MNT_ID
                if (st.stx_mask & STATX_MNT_ID)
                        verdict.detail = st.stx_mnt_id;
#endif
        }
        return verdict;
}

static void send_reply(const DoorReply *reply, bool names_any) {
        char taken;

        if (send(0, reply, sizeof(*reply), MSG_NOSIGNAL) != sizeof(*reply))
                _exit(1);
        if (names_any && recv(0, &taken, 1, 0) != 1)
                _exit(1);
}

/* Receive one message from the connection, answer, and only then close what may hang. */
static void serve(const DoorChildData *door, int connection, size_t n_bytes) {
        char buffer[VARLINK_MESSAGE_MAX]; /* thrown away: the daemon has seen it */
        Received received = { .n_fds = 0 };
        DoorReply reply = { .ready = true };
        int fit[VARLINK_DESCRIPTORS_MAX], unfit[VARLINK_DESCRIPTORS_MAX];
        size_t n_fit = 0, n_unfit = 0;
        ssize_t n;

        n = receive(connection, buffer, MIN(n_bytes, sizeof(buffer)), MSG_DONTWAIT, &received);
        (void) close(connection);
        if (n < 0)
                reply.result = (int32_t) n;
        else
                reply.n_consumed = (uint32_t) n;

        /* If there were more than fit, the message counts as having none. */
        if (!received.truncated)
                reply.n_descriptors = (uint32_t) received.n_fds;
        for (size_t i = 0; i < received.n_fds; i++) {
                DoorVerdict verdict = { .passed = false };

                if (!received.truncated) {
                        verdict = door_vet(door, received.fds[i]);
                        verdict.number = (uint32_t) received.fds[i];
                        reply.verdicts[i] = verdict;
                }
                if (verdict.passed)
                        fit[n_fit++] = received.fds[i];
                else
                        unfit[n_unfit++] = received.fds[i];
        }

        reply.ready = n_unfit == 0;
        send_reply(&reply, n_fit > 0);
        for (size_t i = 0; i < n_fit; i++)
                (void) close(fit[i]);
        for (size_t i = 0; i < n_unfit; i++)
                (void) close(unfit[i]);
        if (n_unfit > 0 && send(0, "", 1, MSG_NOSIGNAL) != 1)
                _exit(1);
}

void door_child_run(const void *data) {
        const DoorChildData *door = data;

        child_drop_privileges(door->uid, door->gid, door->parent);
        for (;;) {
                Received received = { .n_fds = 0 };
                DoorRequest request;
                ssize_t n;

                n = receive(0, &request, sizeof(request), 0, &received);
                if (n != sizeof(request) || received.n_fds != 1)
                        _exit(n == 0 ? 0 : 1);
                serve(door, received.fds[0], request.n_bytes);
        }
}
