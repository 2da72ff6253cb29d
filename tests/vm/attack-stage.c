/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/vm/attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define POOL_FIRST 0x00080000u
#define POOL_LAST 0x6fffffffu
#define REPLY_MAX 4096
#define STATUS_TRIES 20
#define PATH_SIZE 4096
/* Exit statuses of a child that has no result to tell. */
#define EXIT_SETUP 254
#define EXIT_NOT_HERE 253

/* struct posix_acl_xattr_entry, as it is in the attribute. */
typedef struct AclEntry {
        uint16_t tag, perm;
        uint32_t id;
} AclEntry;
#define ACL_HEADER_SIZE 4
#define ACL_TAG_USER 0x02
#define ACL_TAG_GROUP 0x08

int must(int result, const char *what) {
        if (result >= 0)
                return result;
        printf("# cannot set the stage: %s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(EXIT_SETUP);
}

void not_here(const char *why) {
        printf("# not here: %s\n", why);
        fflush(stdout);
        _exit(EXIT_NOT_HERE);
}

int outcome(int result) {
        return result < 0 ? -errno : 0;
}

int touch_at(int dir_fd, const char *name, mode_t mode) {
        int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0)
                return -1;
        /* The mode without the umask. */
        return fchmod(fd, mode) < 0 ? -1 : fd;
}

static void send_with_fd(int socket_fd, const void *data, size_t size, int fd) {
        union {
                char buffer[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd >= 0) {
                message.msg_control = control.buffer;
                message.msg_controllen = sizeof(control.buffer);
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        }
        must((int) sendmsg(socket_fd, &message, MSG_NOSIGNAL), "sendmsg");
}

void hand_over(Stage *stage, int fd) {
        send_with_fd(stage->hand_over_fd, "d", 1, fd);
}

/* One varlink call; the reply, which the caller frees. */
static char *call(const char *path, const char *message, int fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int socket_fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        must(connect(socket_fd, (struct sockaddr *) &address, sizeof(address)), path);
        /* The NUL ends the message. */
        send_with_fd(socket_fd, message, strlen(message) + 1, fd);

        char *reply = calloc(1, REPLY_MAX);
        size_t got = 0;
        while (got < REPLY_MAX - 1 && (got == 0 || reply[got - 1] != '\0')) {
                ssize_t n = read(socket_fd, reply + got, REPLY_MAX - 1 - got);
                must(n > 0 ? 0 : -1, "reply");
                got += (size_t) n;
        }
        close(socket_fd);
        return reply;
}

const char *ask_for_range(const char *socket_path, int userns_fd, bool late) {
        char message[512], name[32];

        /* The lender takes "late" for an order, the daemon wants names that are not in use. */
        snprintf(name, sizeof(name), late ? "late" : "attack-%d", (int) getpid());

        snprintf(
                message, sizeof(message),
                "{\"method\":\"io.systemd.NamespaceResource.AllocateUserRange\",\"parameters\":{"
                "\"name\":\"%s\",\"size\":65536,\"userNamespaceFileDescriptor\":0,"
                "\"mangleName\":true}}",
                name);
        char *reply = call(socket_path, message, userns_fd);
        if (strstr(reply, "\"error\""))
                return reply;
        free(reply);
        return NULL;
}

const char *ask_for_status(const char *socket_path) {
        char *reply = NULL;

        for (int i = 0; i < STATUS_TRIES; i++) {
                free(reply);
                reply = call(socket_path, "{\"method\":\"vm.Status\"}", -1);
                if (strstr(reply, "\"lent\":0,"))
                        return NULL;
                usleep(100 * 1000);
        }
        return reply;
}

void skip_rules(const char *socket_path, const char *rules) {
        char message[256];

        snprintf(
                message, sizeof(message),
                "{\"method\":\"vm.Skip\",\"parameters\":{\"rules\":\"%s\"}}", rules);
        free(call(socket_path, message, -1));
}

/* The first ID of the range a process's namespace maps its root to. */
static uint32_t map_start(pid_t pid) {
        char path[64];
        unsigned inside, outside, size;

        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) pid);
        FILE *f = fopen(path, "re");
        must(f ? 0 : -1, path);
        int n = fscanf(f, "%u %u %u", &inside, &outside, &size);
        fclose(f);
        errno = ENODATA;
        must(n == 3 && inside == 0 && size == 65536 ? 0 : -1, "the map that was lent");
        return outside;
}

void drop_to_user(void) {
        if (geteuid() != 0)
                return;
        must(setgroups(0, NULL), "setgroups");
        must(setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), "setresgid");
        must(setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), "setresuid");
        /* Or nobody but root could look at it through /proc. */
        prctl(PR_SET_DUMPABLE, 1);
}

Holder holder_new(Stage *stage, bool late) {
        int ready[2], go[2];
        char c = 0, path[64];

        must(pipe2(ready, O_CLOEXEC), "pipe");
        must(pipe2(go, O_CLOEXEC), "pipe");
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                close(go[1]);
                drop_to_user();
                must(unshare(CLONE_NEWUSER), "unshare");
                must((int) write(ready[1], &c, 1), "write");
                /* Ends when the parent has what it wants, or is gone. */
                (void) !read(go[0], &c, 1);
                _exit(0);
        }
        close(ready[1]);
        must(read(ready[0], &c, 1) == 1 ? 0 : -1, "the child's namespace");
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) child);

        Holder holder = { .userns_fd = must(open(path, O_RDONLY | O_CLOEXEC), path) };
        const char *error = ask_for_range(stage->socket, holder.userns_fd, late);
        if (error) {
                printf("# no range: %s\n", error);
                errno = EPROTO;
                must(-1, "a range");
        }
        holder.start = map_start(child);
        close(go[0]);
        close(go[1]);
        close(ready[0]);
        waitpid(child, NULL, 0);
        return holder;
}

void protect_late(Stage *stage) {
        free(call(stage->socket, "{\"method\":\"vm.Protect\"}", -1));
}

void enter_holder(const Holder *holder, uid_t uid, gid_t gid) {
        must(setns(holder->userns_fd, CLONE_NEWUSER), "setns");
        if (gid != (gid_t) -1) {
                must(setgroups(0, NULL), "setgroups");
                must(setresgid(gid, gid, gid), "setresgid");
        }
        if (uid != (uid_t) -1)
                must(setresuid(uid, uid, uid), "setresuid");
        /* setresuid() took the right to be looked at through /proc. */
        prctl(PR_SET_DUMPABLE, 1);
}

static void write_file(const char *path, const char *text) {
        int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);
        must((int) write(fd, text, strlen(text)), path);
        close(fd);
}

void enter_nested(bool mapped) {
        must(unshare(CLONE_NEWUSER), "nested namespace");
        if (!mapped)
                return;
        write_file("/proc/self/setgroups", "deny");
        write_file("/proc/self/uid_map", "0 0 1");
        write_file("/proc/self/gid_map", "0 0 1");
}

void enter_mount_namespace(void) {
        must(unshare(CLONE_NEWNS), "mount namespace");
        must(mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"), "tmpfs");
}

int in_child(int (*f)(Stage *stage), Stage *stage) {
        int status = 0;
        pid_t child = must(fork(), "fork");
        if (child == 0)
                _exit(-f(stage));
        must(waitpid(child, &status, 0), "waitpid");
        if (WIFEXITED(status) && WEXITSTATUS(status) < EXIT_NOT_HERE)
                return -WEXITSTATUS(status);
        fflush(stdout);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SETUP);
}

bool is_pool_id(uint32_t id) {
        return id >= POOL_FIRST && id <= POOL_LAST;
}

static bool acl_finds(const char *path, const char *attribute) {
        char buffer[4096];
        ssize_t n = lgetxattr(path, attribute, buffer, sizeof(buffer));

        for (ssize_t at = ACL_HEADER_SIZE; at + (ssize_t) sizeof(AclEntry) <= n;
             at += (ssize_t) sizeof(AclEntry)) {
                AclEntry entry;
                memcpy(&entry, buffer + at, sizeof(entry));
                if ((entry.tag == ACL_TAG_USER || entry.tag == ACL_TAG_GROUP) &&
                    is_pool_id(entry.id))
                        return true;
        }
        return false;
}

static bool node_finds(const char *path, bool verbose, bool *ret_directory) {
        struct stat st;

        *ret_directory = false;
        if (lstat(path, &st) < 0)
                return false;
        *ret_directory = S_ISDIR(st.st_mode);
        bool found = is_pool_id(st.st_uid) || is_pool_id(st.st_gid) ||
                     (!S_ISLNK(st.st_mode) && (acl_finds(path, "system.posix_acl_access") ||
                                               acl_finds(path, "system.posix_acl_default")));
        if (found && verbose)
                printf("# %s: owner %u:%u mode %o\n", path, st.st_uid, st.st_gid, st.st_mode);
        return found;
}

bool walk_finds(const char *path, bool verbose) {
        bool directory, found = node_finds(path, verbose, &directory);
        if (!directory)
                return found;

        DIR *dir = opendir(path);
        if (!dir)
                return found;
        struct dirent *entry;
        while ((entry = readdir(dir))) {
                char child[PATH_SIZE];
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
                if (walk_finds(child, verbose))
                        found = true;
        }
        closedir(dir);
        return found;
}

void remove_tree(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char child[PATH_SIZE];
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
                if (unlink(child) < 0)
                        remove_tree(child);
        }
        if (dir)
                closedir(dir);
        if (unlink(path) < 0)
                rmdir(path);
}
