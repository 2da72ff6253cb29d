/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same by io_uring, whose work is done by kernel threads, later, and for others: a ring that
 * was made inside can be driven from outside with the credentials it holds. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

typedef struct Ring {
        int fd;
        struct io_uring_params params;
        unsigned char *rings;
        struct io_uring_sqe *entries;
} Ring;

static int ring_setup(struct io_uring_params *params) {
        int fd = (int) syscall(SYS_io_uring_setup, 4, params);
        if (fd < 0 && (errno == ENOSYS || errno == EPERM))
                not_here("no io_uring");
        return must(fd, "io_uring_setup");
}

static Ring ring_map(int fd, const struct io_uring_params *params) {
        Ring ring = { .fd = fd, .params = *params };
        size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
        size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

        /* One mapping holds both rings since 5.4. */
        ring.rings =
                mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                     IORING_OFF_SQ_RING);
        must(ring.rings == MAP_FAILED ? -1 : 0, "rings");
        ring.entries =
                mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
        must(ring.entries == MAP_FAILED ? -1 : 0, "entries");
        return ring;
}

static int ring_do(Ring *ring, const struct io_uring_sqe *entry) {
        const struct io_uring_params *p = &ring->params;
        unsigned *tail = (unsigned *) (ring->rings + p->sq_off.tail);
        unsigned *array = (unsigned *) (ring->rings + p->sq_off.array);
        unsigned *cq_head = (unsigned *) (ring->rings + p->cq_off.head);
        struct io_uring_cqe *results = (struct io_uring_cqe *) (ring->rings + p->cq_off.cqes);
        unsigned at = *tail & (p->sq_entries - 1);

        ring->entries[at] = *entry;
        array[at] = at;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
        must((int) syscall(
                     SYS_io_uring_enter, ring->fd, 1, 1,
                     IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0),
             "io_uring_enter");
        int result = results[*cq_head & (p->cq_entries - 1)].res;
        __atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
        return result < 0 ? result : 0;
}

static uint64_t address(const void *p) {
        return (uint64_t) (uintptr_t) p;
}

static int do_inside(const struct io_uring_sqe *entry) {
        struct io_uring_params params = { 0 };
        int fd = ring_setup(&params);
        Ring ring = ring_map(fd, &params);
        return ring_do(&ring, entry);
}

static struct io_uring_sqe mkdir_entry(int dir_fd) {
        return (struct io_uring_sqe){
                .opcode = IORING_OP_MKDIRAT, .fd = dir_fd, .addr = address("x"), .len = 0777
        };
}

static int uring_mkdir(Stage *stage) {
        struct io_uring_sqe entry = mkdir_entry(AT_FDCWD);
        return do_inside(&entry);
}

/* Always by a kernel worker. */
static int uring_mkdir_async(Stage *stage) {
        struct io_uring_sqe entry = mkdir_entry(AT_FDCWD);
        entry.flags = IOSQE_ASYNC;
        return do_inside(&entry);
}

static int uring_open(Stage *stage) {
        struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT,
                                      .fd = AT_FDCWD,
                                      .addr = address("x"),
                                      .len = 0666,
                                      .open_flags = O_CREAT | O_WRONLY };
        return do_inside(&entry);
}

static int uring_symlink(Stage *stage) {
        struct io_uring_sqe entry = { .opcode = IORING_OP_SYMLINKAT,
                                      .fd = AT_FDCWD,
                                      .addr = address("to"),
                                      .addr2 = address("x") };
        return do_inside(&entry);
}

static void prepare_file(Stage *stage) {
        close(must(touch_at(stage->dir_fd, "from", 0666), "file"));
}

static int uring_whiteout(Stage *stage) {
        struct io_uring_sqe entry = { .opcode = IORING_OP_RENAMEAT,
                                      .fd = AT_FDCWD,
                                      .addr = address("from"),
                                      .len = (unsigned) AT_FDCWD,
                                      .addr2 = address("to"),
                                      .rename_flags = RENAME_WHITEOUT };
        return do_inside(&entry);
}

static int uring_tmpfile(Stage *stage) {
        struct io_uring_sqe entry = { .opcode = IORING_OP_OPENAT,
                                      .fd = AT_FDCWD,
                                      .addr = address("."),
                                      .len = 0666,
                                      .open_flags = O_TMPFILE | O_RDWR };
        struct io_uring_params params = { 0 };
        int ring_fd = ring_setup(&params);
        Ring ring = ring_map(ring_fd, &params);
        int r = ring_do(&ring, &entry);
        if (r < 0)
                return r;
        /* The new file has the lowest free number, which came after the ring. */
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", ring_fd + 1);
        entry = (struct io_uring_sqe){ .opcode = IORING_OP_LINKAT,
                                       .fd = AT_FDCWD,
                                       .addr = address(path),
                                       .len = (unsigned) AT_FDCWD,
                                       .addr2 = address("x"),
                                       .hardlink_flags = AT_SYMLINK_FOLLOW };
        return ring_do(&ring, &entry);
}

static int uring_acl(Stage *stage) {
        /* Version 2; owner, user 5, group, mask, others. */
        static const struct {
                uint32_t version;
                struct {
                        uint16_t tag, perm;
                        uint32_t id;
                } entries[5];
        } acl = { 2,
                  { { 1, 6, ~0u }, { 2, 6, 5 }, { 4, 6, ~0u }, { 16, 6, ~0u }, { 32, 0, ~0u } } };

        enter_holder(&stage->holder, (uid_t) -1, (gid_t) -1);
        must(fchdir(stage->dir_fd), "chdir");
        struct io_uring_sqe entry = { .opcode = IORING_OP_SETXATTR,
                                      .addr = address("system.posix_acl_access"),
                                      .addr2 = address(&acl),
                                      .addr3 = address("from"),
                                      .len = sizeof(acl) };
        return do_inside(&entry);
}

/* --- driven from outside --- */

/* A thread of the kernel does the work, with the credentials of whoever made the ring.  A ring
 * cannot be sent, but taken from the process by one that may trace it. */
static int drive_polled_ring(Stage *stage) {
        struct io_uring_params *params = stage->shared;
        int ready[2];

        must(pipe2(ready, O_CLOEXEC), "pipe");
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                enter_holder(&stage->holder, 0, 0);
                *params = (struct io_uring_params){ .flags = IORING_SETUP_SQPOLL,
                                                    .sq_thread_idle = 5000 };
                int fd = ring_setup(params);
                must((int) write(ready[1], &fd, sizeof(fd)), "write");
                pause();
        }
        close(ready[1]);
        int remote_fd = -1;
        if (read(ready[0], &remote_fd, sizeof(remote_fd)) != sizeof(remote_fd))
                not_here("no polled ring");
        int pidfd = must((int) syscall(SYS_pidfd_open, child, 0), "pidfd_open");
        int fd = must((int) syscall(SYS_pidfd_getfd, pidfd, remote_fd, 0), "pidfd_getfd");
        Ring ring = ring_map(fd, params);
        struct io_uring_sqe entry = mkdir_entry(stage->dir_fd);
        int r = ring_do(&ring, &entry);
        kill(child, SIGKILL);
        return r;
}

/* Credentials that are kept in a ring of the host, to be put on for single requests. */
static void prepare_ring(Stage *stage) {
        struct io_uring_params *params = stage->shared;
        stage->spare_fd = ring_setup(params);
}

static int register_personality(Stage *stage) {
        struct io_uring_params *params = stage->shared;
        int id = (int) syscall(
                SYS_io_uring_register, stage->spare_fd, IORING_REGISTER_PERSONALITY, NULL, 0);
        must(id, "personality");
        params->resv[0] = (unsigned) id;
        return 0;
}

static int use_personality(Stage *stage, int fd) {
        struct io_uring_params *params = stage->shared;
        Ring ring = ring_map(stage->spare_fd, params);
        struct io_uring_sqe entry = mkdir_entry(stage->dir_fd);
        entry.personality = (uint16_t) params->resv[0];
        return ring_do(&ring, &entry);
}

const Attack attack_uring[] = {
        { "io_uring mkdirat", "make", .run = uring_mkdir },
        { "io_uring mkdirat by a worker", "make", .run = uring_mkdir_async },
        { "io_uring openat", "make", .run = uring_open },
        { "io_uring symlinkat", "make", .run = uring_symlink },
        { "io_uring renameat that leaves a whiteout", "whiteout", .prepare = prepare_file,
          .run = uring_whiteout },
        { "io_uring O_TMPFILE and linkat", "tmpfile", .run = uring_tmpfile },
        { "io_uring setxattr of an ACL", "acl", NULL, ATTACK_OWN_CONTEXT, .prepare = prepare_file,
          .run = uring_acl },
        { "a polled ring driven from outside", "make", NULL, ATTACK_OWN_CONTEXT,
          .run = drive_polled_ring },
        { "credentials lent to a ring outside", "make", .prepare = prepare_ring,
          .run = register_personality, .host = use_personality },
        { 0 },
};
