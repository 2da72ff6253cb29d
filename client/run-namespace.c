/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-namespace.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/message.h"
#include "client/run-message.h"

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

static int fail(const char *what, const char *next) {
        int error = errno;

        message_error(next, "%s: %s", what, strerror(error));
        return -error;
}

/* what the command does not get of its caller */

/* All descriptors but standard ones, those that are to be kept, and our own: whatever the caller
 * had open would be open inside. */
static int close_descriptors(const RunCommand *command, int control) {
        unsigned first = RUN_DESCRIPTOR_FIRST + command->n_preserved, own = (unsigned) control;

        /* Those to be kept were open before the socket was made. */
        if (own < first)
                return fail("the descriptors to keep are not open", NULL);
        if (own > first && syscall(SYS_close_range, first, own - 1, 0) < 0)
                return fail("cannot close the caller's descriptors", NULL);
        if (syscall(SYS_close_range, own + 1, ~0u, 0) < 0)
                return fail("cannot close the caller's descriptors", NULL);
        return 0;
}

/* The caller's session keyring, which leads to its user keyring: whoever has it may use and read
 * what is in there, whatever UID they are.  Keyrings of thread and process are not inherited, the
 * right to answer for a key (request_key_auth) ends at a new user namespace, and the keyrings of a
 * UID are looked up by the UID, and by the namespace.  Call it as root inside: the new keyring is
 * owned by, and charged to, whoever makes it. */
static int leave_keyrings(void) {
        static const char hint[] = "is this a sandbox that forbids keyctl(2)?";

        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
                return 0;
        /* A kernel that has no keys has nothing to leak. */
        if (errno == ENOSYS && access("/proc/sys/kernel/keys", F_OK) < 0 && errno == ENOENT)
                return 0;
        return fail("cannot part our keyrings from the caller's", hint);
}

/* A process that stands in a folder reaches what is in it, whatever folder above it is closed to
 * others: stand where the command gets by itself, by name, in the file system as it sees it. */
static void leave_directory(void) {
        char path[PATH_MAX];

        /* "(unreachable)..." is what is no longer below the root. */
        if (getcwd(path, sizeof(path)) && *path == '/' && chdir(path) == 0)
                return;
        if (chdir("/") < 0)
                _exit(RUN_EXIT_FAILURE);
        (void) setenv("PWD", "/", 1);
}

/* Become root of the user namespace: mapped to whatever IDs the daemon chose. */
static int become_root(void) {
        /* Where the parent namespace forbids setgroups() for good, the kernel does so here: then
         * the caller's groups would stay, and open what they open. */
        if (setgroups(0, NULL) < 0 && (errno != EPERM || getgroups(0, NULL) != 0))
                return fail("cannot give up supplementary groups", NULL);
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return fail("cannot become root inside", NULL);
        /* Not made so again: who is root inside can neither trace this process, which is the host's
         * program and has no filter, nor take its descriptors.  The change of UID does it too, but
         * for what fs.suid_dumpable says. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                return fail("cannot keep root inside from tracing the first process", NULL);
        return 0;
}

static int mount_private(void) {
        static const char hint[] =
                "inside a container whose /proc is partly hidden this cannot work";

        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return fail("cannot part our mounts from the host's", NULL);
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return fail("cannot mount /proc", errno == EPERM ? hint : NULL);
        if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
                return fail("cannot mount /tmp", NULL);
        return 0;
}

static void __attribute__((noreturn)) first_process(int control, const RunCommand *command) {
        RunMessage message;

        (void) prctl(PR_SET_NAME, "nsresource-init");
        if (close_descriptors(command, control) < 0)
                _exit(RUN_EXIT_FAILURE);
        /* Who went away has said why. */
        if (run_message_receive(control, 0, &message) <= 0 || message.type != RUN_MESSAGE_GO)
                _exit(RUN_EXIT_FAILURE);
        if (become_root() < 0 || leave_keyrings() < 0 || mount_private() < 0)
                _exit(RUN_EXIT_FAILURE);
        leave_directory();
        run_init(control, command);
}

int run_namespace_spawn(const RunCommand *command, int group, pid_t *ret_pid, int *ret_control) {
        struct clone_args arguments = { .flags = NAMESPACES, .exit_signal = SIGCHLD };
        int pair[2], error;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;

        if (group >= 0) {
                arguments.flags |= CLONE_INTO_CGROUP;
                arguments.cgroup = (uint64_t) group;
        }
        /* As fork(), but straight into all namespaces: one process less, that would have to be
         * waited for through another. */
        pid = (pid_t) syscall(SYS_clone3, &arguments, sizeof(arguments));
        error = -errno;
        if (pid == 0) {
                (void) close(pair[0]);
                first_process(pair[1], command);
        }
        (void) close(pair[1]);
        if (pid < 0) {
                (void) close(pair[0]);
                return error;
        }
        *ret_pid = pid;
        *ret_control = pair[0];
        return 0;
}
