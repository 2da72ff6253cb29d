/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/peek.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The largest piece (what one sendmsg() puts into the queue as one buffer) that a sender can make
 * with 4 KiB pages is about 196 KiB, and half the sender's SO_SNDBUF, which is 208 KiB at most
 * unless the administrator raised it. */
#define PEEK_MAX (256u * 1024)

struct VarlinkPeek {
        char *buffer; /* PEEK_MAX bytes, then a page that cannot be written */
        size_t page_size;
};

int varlink_peek_new(VarlinkPeek **ret_peek) {
        g_autoptr(VarlinkPeek) peek = g_new0(VarlinkPeek, 1);
        void *map;

        peek->page_size = (size_t) sysconf(_SC_PAGESIZE);
        map =
                mmap(NULL, PEEK_MAX + peek->page_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
                return -errno;
        peek->buffer = map;
        if (mprotect(peek->buffer + PEEK_MAX, peek->page_size, PROT_NONE) < 0)
                return -errno;

        *ret_peek = g_steal_pointer(&peek);
        return 0;
}

void varlink_peek_free(VarlinkPeek *peek) {
        if (!peek)
                return;
        if (peek->buffer)
                (void) munmap(peek->buffer, PEEK_MAX + peek->page_size);
        g_free(peek);
}

static int peek_once(int fd, char *data, size_t size, size_t *ret_size, bool *ret_truncated) {
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        do
                n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        *ret_size = (size_t) n;
        *ret_truncated = message.msg_flags & MSG_CTRUNC;
        return 0;
}

/* As peek_once(), but only whole pieces that fit into `size` bytes are looked at.  The kernel
 * copies piece by piece, and one that runs into the page that cannot be written ends the read
 * before anything of it, its descriptors included, counts. */
static int peek_whole_pieces(
        VarlinkPeek *peek, int fd, size_t size, size_t *ret_size, bool *ret_truncated) {
        int r;

        r = peek_once(
                fd, peek->buffer + PEEK_MAX - size, size + peek->page_size, ret_size,
                ret_truncated);
        if (r == -EFAULT) {
                *ret_size = 0;
                *ret_truncated = false;
                return 0;
        }
        return r;
}

/* Something in the queue carries descriptors: find out what.  MSG_CTRUNC alone does not tell: a
 * look that has had all the bytes it wanted still visits what is queued behind them, up to the
 * first descriptors (seen on 6.18). */
static int look_closer(VarlinkPeek *peek, int fd, size_t max, VarlinkPeekResult *ret_result) {
        size_t end, start;
        bool truncated;
        int r;

        /* A look ends with the first piece that has descriptors, so `end` is that piece's end. */
        r = peek_once(fd, peek->buffer, PEEK_MAX, &end, &truncated);
        if (r < 0)
                return r;
        if (!truncated || end == 0)
                return -EPROTO;

        /* The whole pieces within one byte less are those in front of it. */
        r = peek_whole_pieces(peek, fd, end - 1, &start, &truncated);
        if (r < 0)
                return r;
        if (truncated || start >= end)
                return -EPROTO;
        if (start > 0) {
                *ret_result = (VarlinkPeekResult){
                        .data = peek->buffer + PEEK_MAX - (end - 1),
                        .size = MIN(start, max),
                };
                return 0;
        }

        /* A front piece as long as the buffer: whether the
         * descriptors are its own cannot be told. */
        if (end == PEEK_MAX)
                return -EPROTO;
        r = peek_once(fd, peek->buffer, end, &end, &truncated);
        if (r < 0)
                return r;
        *ret_result = (VarlinkPeekResult){
                .data = peek->buffer,
                .size = end,
                .descriptors = true,
        };
        return 0;
}

int varlink_peek_look(VarlinkPeek *peek, int fd, size_t max, VarlinkPeekResult *ret_result) {
        size_t size;
        bool truncated;
        int r;

        g_assert(max > 0 && max < PEEK_MAX);
        r = peek_once(fd, peek->buffer, max, &size, &truncated);
        if (r < 0)
                return r;
        if (truncated)
                return look_closer(peek, fd, max, ret_result);
        *ret_result = (VarlinkPeekResult){ .data = peek->buffer, .size = size };
        return 0;
}

bool varlink_peek_holds_descriptors(VarlinkPeek *peek, int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLPRI };
        bool truncated;
        size_t size;
        int r;

        /* A look stops at out-of-band data, which can carry descriptors too. */
        if (poll(&poll_fd, 1, 0) < 0 || (poll_fd.revents & POLLPRI))
                return true;
        r = peek_once(fd, peek->buffer, PEEK_MAX, &size, &truncated);
        /* Said once, and of an empty queue: the peer has closed and left answers unread. */
        if (r == -ECONNRESET)
                r = peek_once(fd, peek->buffer, PEEK_MAX, &size, &truncated);
        if (r == -EAGAIN)
                return false;
        return r < 0 || truncated || size >= PEEK_MAX;
}
