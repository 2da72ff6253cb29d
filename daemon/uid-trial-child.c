/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/uid-trial-internal.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* 32-bit systems number the calls with UIDs of 16 bits first. */
#ifdef SYS_setresuid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETRESUID SYS_setresuid
#endif

/* Pipes that are made to reach the limit of one user; 64 with the kernel's defaults.  Beyond, what
 * is kept is seen only if it is more than these leave. */
#define PIPES_MAX 256u
#define DESCRIPTORS (2u * PIPES_MAX + 64u)

/* What is the same for each UID. */
typedef struct Bench {
        int sockets[2];         /* Unix */
        int tcp;                /* never connected */
        size_t page, pipe_size; /* of a new pipe, where no limit is met */
        uint32_t pipe_limit;    /* pages of one user; 0: none that could be met */
        uint32_t largest_pipe;  /* pages */
        struct rlimit no_files, files;
} Bench;

/* setting up */

static int read_number(const char *path, uint32_t *ret_number) {
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[32];
        ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
        uint64_t number;

        if (size < 0)
                return -errno;
        if (size > 0 && text[size - 1] == '\n')
                size--;
        if (!parse_decimal(text, (size_t) size, UINT64_MAX, &number))
                return -EBADMSG;
        *ret_number = number > UINT32_MAX ? UINT32_MAX : (uint32_t) number;
        return 0;
}

static int measure_pipes(Bench *bench) {
        uint32_t soft, hard, largest;
        int ends[2], size, r;

        r = read_number("/proc/sys/fs/pipe-user-pages-soft", &soft);
        if (r == 0)
                r = read_number("/proc/sys/fs/pipe-user-pages-hard", &hard);
        if (r == 0)
                r = read_number("/proc/sys/fs/pipe-max-size", &largest);
        if (r < 0)
                return r;
        /* Still with the privilege to pass both limits. */
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        size = fcntl(ends[0], F_GETPIPE_SZ);
        (void) fd_close(ends[0]);
        (void) fd_close(ends[1]);
        if (size <= 0)
                return -EIO;
        bench->pipe_size = (size_t) size;
        bench->largest_pipe = largest / (uint32_t) bench->page;
        bench->pipe_limit = soft == 0 || (hard != 0 && hard < soft) ? hard : soft;
        /* So low that it is met by everybody, always: nobody notices another. */
        if (bench->pipe_limit < bench->pipe_size / bench->page)
                bench->pipe_limit = 0;
        return 0;
}

static int set_limits(Bench *bench) {
        struct rlimit memory;

        if (getrlimit(RLIMIT_NOFILE, &bench->files) < 0 || getrlimit(RLIMIT_MEMLOCK, &memory) < 0)
                return -errno;
        if (bench->files.rlim_max < DESCRIPTORS)
                return -EMFILE;
        bench->files.rlim_cur = DESCRIPTORS;
        bench->no_files = bench->files;
        bench->no_files.rlim_cur = 0;
        /* What MSG_ZEROCOPY accounts for one byte, and not a page more. */
        memory.rlim_cur = 2 * bench->page;
        if (setrlimit(RLIMIT_NOFILE, &bench->files) < 0 || setrlimit(RLIMIT_MEMLOCK, &memory) < 0)
                return -errno;
        return 0;
}

static int set_up(Bench *bench) {
        const int on = 1;
        int r;

        bench->page = (size_t) sysconf(_SC_PAGESIZE);
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, bench->sockets) < 0)
                return -errno;
        bench->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (bench->tcp < 0 || setsockopt(bench->tcp, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) < 0)
                return -errno;
        r = measure_pipes(bench);
        return r < 0 ? r : set_limits(bench);
}

/* From now on with no capability but CAP_SETUID: not one of those that pass the limits. */
static int give_up_privilege(uid_t first, pid_t parent) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct setuid[_LINUX_CAPABILITY_U32S_3] = {
                { .effective = 1u << CAP_SETUID, .permitted = 1u << CAP_SETUID },
        };

        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
            syscall(CALL_SETRESUID, first, first, first) < 0 ||
            syscall(SYS_capset, &header, setuid) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        child_die_with(parent);
        return 0;
}

/* trying */

/* ETOOMANYREFS: more is in flight than RLIMIT_NOFILE allows. */
static int try_descriptor(const Bench *bench) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
        struct iovec data = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        ssize_t n;
        int error;

        *header = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
                .cmsg_len = CMSG_LEN(sizeof(int)),
        };
        memcpy(CMSG_DATA(header), &bench->sockets[0], sizeof(int));
        if (setrlimit(RLIMIT_NOFILE, &bench->no_files) < 0)
                return -errno;
        n = sendmsg(bench->sockets[0], &message, MSG_NOSIGNAL);
        error = errno;
        if (setrlimit(RLIMIT_NOFILE, &bench->files) < 0)
                return -errno;
        if (n < 0)
                return error == ETOOMANYREFS ? UID_TRIAL_DESCRIPTORS : -error;
        /* Without room for it, so that it is dropped. */
        n = recv(bench->sockets[1], &byte, 1, 0);
        return n == 1 ? 0 : -EIO;
}

/* A socket that is not connected accounts for the memory before it says so. */
static int try_locked_memory(const Bench *bench) {
        if (send(bench->tcp, "", 1, MSG_ZEROCOPY | MSG_NOSIGNAL) >= 0)
                return -EIO;
        if (errno == ENOBUFS)
                return UID_TRIAL_LOCKED_MEMORY;
        return errno == EPIPE ? 0 : -errno;
}

/* A new pipe, made as large as asked (pages; 0: as it is).  ENFILE: over the hard limit. */
static int make_pipe(const Bench *bench, uint32_t pages, int ends[static 2]) {
        int size;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return errno == ENFILE ? UID_TRIAL_PIPES : -errno;
        size = fcntl(ends[0], F_GETPIPE_SZ);
        if (size < 0)
                return -errno;
        if ((size_t) size < bench->pipe_size)
                return UID_TRIAL_PIPES;
        if (pages == 0 || fcntl(ends[0], F_SETPIPE_SZ, (int) (pages * bench->page)) >= 0)
                return 0;
        return errno == EPERM ? UID_TRIAL_PIPES : -errno;
}

/* Powers of two, which are the sizes that pipes can have, until the rest fits one new pipe. */
static int try_pipes(const Bench *bench) {
        int ends[2 * PIPES_MAX + 2], r = 0;
        uint32_t rest = bench->pipe_limit - (uint32_t) (bench->pipe_size / bench->page);
        size_t n = 0;

        if (bench->pipe_limit == 0)
                return 0;
        memset(ends, -1, sizeof(ends));
        for (uint32_t pages = bench->largest_pipe; r == 0 && rest > 0 && n < 2 * PIPES_MAX;) {
                while (pages > rest)
                        pages /= 2;
                r = make_pipe(bench, pages, ends + n);
                rest -= pages;
                n += 2;
        }
        if (r == 0)
                r = make_pipe(bench, 0, ends + n);
        for (size_t i = 0; i < sizeof(ends) / sizeof(*ends) && i < n + 2; i++)
                (void) fd_close(ends[i]);
        return r;
}

static int try_uid(const Bench *bench, uid_t uid) {
        int r;

        if (syscall(CALL_SETRESUID, uid, uid, uid) < 0)
                return -errno;
        r = try_descriptor(bench);
        if (r == 0)
                r = try_locked_memory(bench);
        return r == 0 ? try_pipes(bench) : r;
}

static int64_t now_msec(void) {
        struct timespec now = {};

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int try_all(const UidTrialTask *task, const Bench *bench) {
        int64_t end = now_msec() + LIMIT_UID_TRIAL_TURN_MSEC;
        UidTrialProgress *progress = task->progress;

        for (; progress->interval < task->n; progress->interval++, progress->offset = 0) {
                const UidTrialInterval *interval = &task->intervals[progress->interval];

                for (; progress->offset < interval->n; progress->offset++) {
                        uint32_t uid = interval->start + progress->offset;
                        int r;

                        if (now_msec() >= end)
                                return 0;
                        r = try_uid(bench, uid);
                        if (r < 0)
                                return r;
                        if (r > 0) {
                                progress->found = (UidTrialFound){ (UidTrialWhat) r, uid };
                                return 0;
                        }
                }
        }
        progress->found = (UidTrialFound){ .what = UID_TRIAL_CLEAN };
        return 0;
}

void uid_trial_child(const void *data) {
        const UidTrialTask *task = data;
        Bench bench = {};

        child_die_with(task->parent);
        if (setsid() < 0 || set_up(&bench) < 0 ||
            give_up_privilege(task->intervals[0].start, task->parent) < 0)
                _exit(1);
        _exit(try_all(task, &bench) < 0);
}
