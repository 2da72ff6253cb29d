/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel keeps by UID, made in a range and kept outside after its end:
 *
 *      poison KIND NAME UID FOLDER     runs `nsresourcectl run --name NAME`, in which UID makes
 *                                      something of the kind; when that has ended it prints
 *                                      "poisoned", and keeps it until it is killed
 *      poison whole UID                inside: UID finds all of its limits untouched
 *
 * Kinds: pipe, descriptor, zerocopy, key.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

#define LARGEST_PIPE (1024 * 1024) /* pipe-max-size */
#define PIPES_MAX 64               /* of these: pipe-user-pages-soft */
#define PINNED 65536

static int must(int r, const char *what) {
        if (r >= 0)
                return r;
        fprintf(stderr, "poison: %s: %s\n", what, strerror(errno));
        exit(EXIT_FAILURE);
}

static int send_descriptor(int fd) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
        struct iovec data = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        return (int) sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* ---- inside: standard input is what the keeper has the other end of ---- */

/* The first to open a FIFO is charged for it. */
static void poison_pipe(const char *fifo) {
        char byte = 'p';

        must(open(fifo, O_RDWR), fifo);
        must((int) write(STDIN_FILENO, &byte, 1), "write");
        must((int) read(STDIN_FILENO, &byte, 1), "read");
}

static void poison_descriptor(const char *unused) {
        must(send_descriptor(STDIN_FILENO), "SCM_RIGHTS");
}

/* Until it takes no more: the last of it stays in the queue of a peer that does not read. */
static void poison_zerocopy(const char *unused) {
        struct rlimit memory = { 1 << 20, 1 << 20 };
        const int on = 1;
        char *pages =
                mmap(NULL, PINNED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED)
                must(-1, "mmap");
        (void) setrlimit(RLIMIT_MEMLOCK, &memory);
        must(setsockopt(STDIN_FILENO, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)), "SO_ZEROCOPY");
        memset(pages, 'x', PINNED);
        while (send(STDIN_FILENO, pages, PINNED, MSG_ZEROCOPY | MSG_DONTWAIT) >= 0)
                ;
        if (errno != EAGAIN && errno != ENOBUFS)
                must(-1, "MSG_ZEROCOPY");
}

/* Tells its number, and keeps it until it is held. */
static void poison_key(const char *unused) {
        int serial =
                must((int) syscall(SYS_add_key, "user", "poison", "x", 1, KEY_SPEC_PROCESS_KEYRING),
                     "add_key");
        char byte;

        must((int) write(STDIN_FILENO, &serial, sizeof(serial)), "write");
        must((int) read(STDIN_FILENO, &byte, 1), "read");
}

static void whole(void) {
        struct rlimit files = { 0, 0 };
        int sockets[2], ends[2];

        must(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets), "socketpair");
        for (int i = 0; i < PIPES_MAX; i++) {
                must(pipe(ends), "pipe");
                must(fcntl(ends[0], F_SETPIPE_SZ, LARGEST_PIPE), "F_SETPIPE_SZ");
        }
        must(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
        files.rlim_cur = 0;
        must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
        must(send_descriptor(sockets[0]), "SCM_RIGHTS");
        puts("whole");
}

/* ---- the keeper ---- */

static void tcp_pair(int fds[2]) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        const int small = 4096;
        int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

        fds[1] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(bind(listener, (struct sockaddr *) &address, size), "bind");
        must(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), "SO_RCVBUF");
        must(listen(listener, 1), "listen");
        must(getsockname(listener, (struct sockaddr *) &address, &size), "getsockname");
        must(connect(fds[1], (struct sockaddr *) &address, size), "connect");
        fds[0] = must(accept(listener, NULL, NULL), "accept");
}

static void run_inside(char **argv, const char *fifo, int input) {
        must(dup2(input, STDIN_FILENO), "dup2");
        execlp("nsresourcectl", "nsresourcectl", "run", "--name", argv[2], "--", "/vm/poison",
               "inside", argv[1], argv[3], fifo, NULL);
        must(-1, "nsresourcectl");
}

/* Opens the FIFO while the one inside has it, and lets that one go on. */
static void keep_fifo(const char *fifo, int fd) {
        char byte;

        must((int) read(fd, &byte, 1) == 1 ? 0 : -1, "the process inside");
        must(open(fifo, O_RDWR), fifo);
        must((int) write(fd, &byte, 1), "write");
}

/* A keyring takes what the key has signed, and no permission is asked for: the only way to hold a
 * key by its number alone. */
static void keep_key(int fd) {
        char restriction[64];
        int serial, keyring;

        must((int) read(fd, &serial, sizeof(serial)) == sizeof(serial) ? 0 : -1,
             "the process inside");
        keyring = must(
                (int) syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL), "session keyring");
        (void) snprintf(restriction, sizeof(restriction), "key_or_keyring:%d", serial);
        must((int) syscall(SYS_keyctl, KEYCTL_RESTRICT_KEYRING, keyring, "asymmetric", restriction),
             "KEYCTL_RESTRICT_KEYRING");
        must((int) write(fd, "", 1), "write");
}

static int keep(char **argv) {
        char fifo[256];
        int fds[2], status;
        pid_t pid;

        (void) snprintf(fifo, sizeof(fifo), "%s/poison", argv[4]);
        (void) unlink(fifo);
        must(mkfifo(fifo, 0666), fifo);
        must(chmod(fifo, 0666), fifo);
        if (strcmp(argv[1], "zerocopy") == 0)
                tcp_pair(fds);
        else
                must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
        pid = must(fork(), "fork");
        if (pid == 0)
                run_inside(argv, fifo, fds[1]);
        if (strcmp(argv[1], "pipe") == 0)
                keep_fifo(fifo, fds[0]);
        else if (strcmp(argv[1], "key") == 0)
                keep_key(fds[0]);
        must(waitpid(pid, &status, 0), "waitpid");
        (void) unlink(fifo);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return EXIT_FAILURE;
        puts("poisoned");
        (void) fflush(stdout);
        for (;;)
                (void) pause();
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*run)(const char *fifo);
        } kinds[] = {
                { "pipe", poison_pipe },
                { "descriptor", poison_descriptor },
                { "zerocopy", poison_zerocopy },
                { "key", poison_key },
        };
        uid_t uid;

        if (argc == 3 && strcmp(argv[1], "whole") == 0) {
                uid = (uid_t) strtoul(argv[2], NULL, 10);
                must(setresuid(uid, uid, uid), "setresuid");
                whole();
                return 0;
        }
        if (argc != 5)
                return EXIT_FAILURE;
        if (strcmp(argv[1], "inside") != 0)
                return keep(argv);
        uid = (uid_t) strtoul(argv[3], NULL, 10);
        must(setresuid(uid, uid, uid), "setresuid");
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
                if (strcmp(kinds[i].name, argv[2]) == 0) {
                        kinds[i].run(argv[4]);
                        return 0;
                }
        return EXIT_FAILURE;
}
