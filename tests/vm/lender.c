/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for the daemon before the attacks: lends a range to any user namespace it is sent, with
 * the same call, but without a table, quotas or an end.  Unlike the daemon it can be told to lend
 * first and protect later (a range asked for under the name "late", then the call vm.Protect), so
 * that files with lent owners can exist that the rules on changing them are tried on.  The call
 * vm.Skip names rules that do not judge the ranges that are lent after it.
 *
 * Usage: lender SOCKET none | policy [RULE,RULE...]     the latter without these rules
 */
#include "config.h"

#include "daemon/policy/policy.h"
#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "tests/vm/lender-policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_SLOTS ((TABLE_POOL_END - TABLE_POOL_START) / TABLE_SLOT_SIZE)
#define LATE_MAX 64
#define MESSAGE_MAX 4096

typedef struct Lender {
        Policy *policy; /* NULL: lend without */
        char skip[128]; /* rules that do not judge what is lent from now on */
        uint32_t next_slot;
        struct {
                uint32_t slot;
                uint64_t inode;
        } late[LATE_MAX];
        size_t n_late;
} Lender;

static int protect(Lender *lender, uint32_t slot, uint64_t inode) {
        int r = lender->policy ? policy_protect(lender->policy, slot, 1, inode) : 0;

        return r == 0 && *lender->skip ? lender_policy_skip(lender->policy, slot, lender->skip) : r;
}

static int write_maps(pid_t pid, uint32_t start) {
        static const char *const files[] = { "uid_map", "gid_map" };
        char path[64], map[64];
        int length = snprintf(map, sizeof(map), "0 %u %u", start, TABLE_SLOT_SIZE);

        for (int i = 0; i < 2; i++) {
                snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, files[i]);
                auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd < 0 || write(fd, map, (size_t) length) != length)
                        return -errno;
        }
        return 0;
}

/* A namespace has no /proc entry but through a process in it. */
static int map_namespace(int userns_fd, uint32_t start) {
        int ready[2], go[2];
        char c = 0;

        if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
                return -errno;
        pid_t child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                close(go[1]);
                if (setns(userns_fd, CLONE_NEWUSER) < 0 || write(ready[1], &c, 1) != 1)
                        _exit(1);
                _exit(read(go[0], &c, 1) == 0 ? 0 : 1);
        }
        close(ready[1]);
        close(go[0]);
        int r = read(ready[0], &c, 1) == 1 ? write_maps(child, start) : -ECHILD;
        close(ready[0]);
        close(go[1]);
        waitpid(child, NULL, 0);
        return r;
}

static int lend(Lender *lender, int userns_fd, bool late) {
        struct stat st;
        if (userns_fd < 0 || fstat(userns_fd, &st) < 0)
                return -EBADF;
        if (lender->next_slot >= N_SLOTS || (late && lender->n_late >= LATE_MAX))
                return -ENOSPC;

        uint32_t slot = lender->next_slot++;
        if (late) {
                lender->late[lender->n_late].slot = slot;
                lender->late[lender->n_late++].inode = st.st_ino;
        } else {
                int r = protect(lender, slot, st.st_ino);
                if (r != 0)
                        return r > 0 ? -ENOTRECOVERABLE : r;
        }
        return map_namespace(userns_fd, TABLE_POOL_START + slot * TABLE_SLOT_SIZE);
}

static int protect_late(Lender *lender) {
        for (size_t i = 0; i < lender->n_late; i++) {
                int r = protect(lender, lender->late[i].slot, lender->late[i].inode);
                if (r != 0)
                        return r > 0 ? -ENOTRECOVERABLE : r;
        }
        lender->n_late = 0;
        return 0;
}

/* From the message {"method":"vm.Skip","parameters":{"rules":"make,chown"}}. */
static int set_skip(Lender *lender, const char *message) {
        const char *names = strstr(message, "\"rules\":\"");

        if (!names || !lender->policy)
                return -EINVAL;
        names += strlen("\"rules\":\"");
        snprintf(lender->skip, sizeof(lender->skip), "%.*s", (int) strcspn(names, "\""), names);
        return 0;
}

static void tell_status(Lender *lender, char *reply, size_t size) {
        unsigned n[POLICY_SLOT_ORPHANED + 1] = { 0 };

        for (uint32_t slot = 0; lender->policy && slot < lender->next_slot; slot++) {
                uint64_t inode;
                int state = policy_slot(lender->policy, slot, &inode);
                if (state >= 0 && state <= POLICY_SLOT_ORPHANED)
                        n[state]++;
        }
        snprintf(
                reply, size, "{\"parameters\":{\"lent\":%u,\"orphaned\":%u,\"free\":%u}}",
                n[POLICY_SLOT_LENT], n[POLICY_SLOT_ORPHANED], n[POLICY_SLOT_FREE]);
}

static ssize_t receive(int fd, char *buffer, size_t size, int *ret_fd) {
        union {
                char buffer[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = buffer, .iov_len = size - 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buffer,
                .msg_controllen = sizeof(control.buffer),
        };
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

        if (n <= 0)
                return -1;
        buffer[n] = '\0';
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
        return n;
}

static void serve(Lender *lender, int fd) {
        char message[MESSAGE_MAX], reply[128] = "{\"parameters\":{}}";
        auto_fd userns_fd = -1;

        if (receive(fd, message, sizeof(message), &userns_fd) < 0)
                return;
        if (strstr(message, "vm.Status")) {
                tell_status(lender, reply, sizeof(reply));
                (void) !write(fd, reply, strlen(reply) + 1);
                return;
        }
        int r = strstr(message, "vm.Protect") ? protect_late(lender)
                : strstr(message, "vm.Skip")
                        ? set_skip(lender, message)
                        : lend(lender, userns_fd, strstr(message, "\"late\"") != NULL);
        if (r != 0)
                snprintf(reply, sizeof(reply), "{\"error\":\"%s\"}", strerror(-r));
        (void) !write(fd, reply, strlen(reply) + 1);
}

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            chmod(path, 0666) < 0 || listen(fd, 16) < 0)
                return -errno;
        return fd;
}

static void ignore_event(const PolicyEvent *event, void *userdata) {
}

static int open_policy(const char *without, Policy **ret_policy) {
        const PolicyConfig config = {
                .pool_start = TABLE_POOL_START,
                .n_slots = N_SLOTS,
                .enforce = true,
                .event = ignore_event,
        };
        int r = lender_policy_open(&config, without, ret_policy);
        if (!*ret_policy)
                return r;

        size_t n = 0;
        const PolicyRule *rules = policy_rules(*ret_policy, &n);
        for (size_t i = 0; i < n; i++)
                fprintf(stderr, "# rule %s: %s, by %s%s%s\n", rules[i].name,
                        rules[i].active ? "active" : "NOT active",
                        rules[i].hook ? rules[i].hook : "nothing", rules[i].reason ? ": " : "",
                        rules[i].reason ? rules[i].reason : "");
        return r;
}

int main(int argc, char **argv) {
        Lender lender = { 0 };

        if (argc < 3) {
                fprintf(stderr, "usage: lender SOCKET none | policy [RULE,RULE...]\n");
                return 2;
        }
        if (strcmp(argv[2], "policy") == 0) {
                int r = open_policy(argc > 3 ? argv[3] : NULL, &lender.policy);
                if (r < 0) {
                        fprintf(stderr, "lender: no policy: %s\n", strerror(-r));
                        return 1;
                }
        }
        int fd = listen_at(argv[1]);
        if (fd < 0) {
                fprintf(stderr, "lender: %s: %s\n", argv[1], strerror(-fd));
                return 1;
        }
        for (;;) {
                auto_fd connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                if (connection >= 0)
                        serve(&lender, connection);
        }
}
