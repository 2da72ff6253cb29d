/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define CGROUP_TEXT_MAX 65536u /* of /proc/self/cgroup */
#define LOOK_AGAIN_MSEC 1000

struct RunGroup {
        char *name;
        int parent; /* the caller's own group */
        int fd;     /* the group, below it */
        int kill, events;
        pid_t guard;
        int alive; /* the guard sees the end of it when we are gone */
};

/* the caller's own group */

/* An ordinary user's own; of root, to whom every directory belongs, what a service manager has
 * marked as handed over. */
static bool is_delegated(int fd) {
        char value[2];
        struct stat st;

        if (geteuid() != 0)
                return fstat(fd, &st) == 0 && st.st_uid == geteuid();
        return (fgetxattr(fd, "user.delegate", value, sizeof(value)) == 1 && *value == '1') ||
               (fgetxattr(fd, "trusted.delegate", value, sizeof(value)) == 1 && *value == '1');
}

static int open_own_group(void) {
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        g_autofree char *text = NULL;
        const char *own;

        if (file_read(AT_FDCWD, "/proc/self/cgroup", CGROUP_TEXT_MAX, &text, NULL) < 0)
                return -1;
        own = g_str_has_prefix(text, "0::") ? text : strstr(text, "\n0::");
        if (!own)
                return -1;
        own = strchr(own, '/');
        if (!own)
                return -1;
        *strchrnul(own, '\n') = '\0';
        for (size_t i = 0; i < G_N_ELEMENTS(mounts); i++) {
                g_autofree char *path = g_strconcat(mounts[i], own, NULL);
                auto_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                struct statfs fs;

                if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return is_delegated(fd) ? g_steal_fd(&fd) : -1;
        }
        return -1;
}

/* the guard */

static bool is_populated(int events) {
        char text[256];
        ssize_t n = pread(events, text, sizeof(text) - 1, 0);

        if (n < 0)
                return false; /* removed by somebody else */
        text[n] = '\0';
        return strstr(text, "populated 1") != NULL;
}

/* It keeps nothing of ours: whoever waits for the end of our output need not wait for it. */
static void __attribute__((noreturn)) guard(const RunGroup *group, int alive) {
        enum { ALIVE, KILL, EVENTS, PARENT, N };
        struct pollfd change = { .fd = EVENTS, .events = POLLPRI };
        sigset_t all;
        char byte;
        ssize_t n;

        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) setsid();
        (void) prctl(PR_SET_NAME, "nsresource-end");
        /* Ours are above the standard ones, and so above where each goes. */
        if (dup2(alive, ALIVE) < 0 || dup2(group->kill, KILL) < 0 ||
            dup2(group->events, EVENTS) < 0 || dup2(group->parent, PARENT) < 0 ||
            syscall(SYS_close_range, N, ~0u, 0) < 0 || chdir("/") < 0)
                _exit(1);

        do
                n = read(ALIVE, &byte, 1);
        while (n < 0 && errno == EINTR);
        do {
                /* Again, for what has come in meanwhile. */
                if (write(KILL, "1", 1) != 1)
                        _exit(1);
                if (is_populated(EVENTS))
                        (void) poll(&change, 1, LOOK_AGAIN_MSEC);
        } while (is_populated(EVENTS));
        (void) unlinkat(PARENT, group->name, AT_REMOVEDIR);
        _exit(0);
}

static bool start_guard(RunGroup *group) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return false;
        group->guard = fork();
        if (group->guard == 0)
                guard(group, pair[0]);
        (void) close(pair[0]);
        group->alive = pair[1];
        return group->guard > 0;
}

/* the group */

static bool open_group(RunGroup *group) {
        group->parent = open_own_group();
        if (group->parent < 0 || mkdirat(group->parent, group->name, 0755) < 0)
                return false;
        group->fd =
                openat(group->parent, group->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (group->fd < 0)
                return false;
        group->kill = openat(group->fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        group->events = openat(group->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return group->kill >= 0 && group->events >= 0;
}

RunGroup *run_group_new(void) {
        g_autoptr(RunGroup) group = g_new(RunGroup, 1);

        *group = (RunGroup){
                .name = g_strdup_printf("nsresource-run-%d", getpid()),
                .parent = -1,
                .fd = -1,
                .kill = -1,
                .events = -1,
                .alive = -1,
        };
        return open_group(group) && start_guard(group) ? g_steal_pointer(&group) : NULL;
}

int run_group_fd(const RunGroup *group) {
        return group ? group->fd : -1;
}

void run_group_free(RunGroup *group) {
        if (!group)
                return;
        if (group->guard > 0) {
                (void) kill(group->guard, SIGKILL);
                (void) waitpid(group->guard, NULL, 0);
        }
        if (group->fd >= 0)
                (void) unlinkat(group->parent, group->name, AT_REMOVEDIR);
        group->alive = fd_close(group->alive);
        group->events = fd_close(group->events);
        group->kill = fd_close(group->kill);
        group->fd = fd_close(group->fd);
        group->parent = fd_close(group->parent);
        g_free(group->name);
        g_free(group);
}
