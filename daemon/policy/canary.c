/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <glib.h>
#include <linux/btrfs.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

/* A child enters a user namespace of its own, gets the canary's two IDs, and becomes the
 * first.  It makes files while the IDs are not lent yet, on a tmpfs that belongs to the daemon's
 * namespace, so outlives its own, and that is mounted nowhere else.  Then the slot is lent to it,
 * and it tries the rules one by one, with all others switched off for the slot: each would succeed
 * were it not for the one rule.
 *
 * The child shares the record with the kernel as the daemon does, so it needs no answer from the
 * daemon in between. In case it is stopped or hangs, the daemon waits for a time and kills it. */

#define CANARY_TIMEOUT_MS 20000 /* emulated machines are slow */
#define CANARY_QUEUE "/nsresource-canary"
#define RESULT_UNTRIED (-1)

typedef struct CanaryReport {
        int results[16];
} CanaryReport;

/* What the child takes in from outside. */
typedef struct CanaryBaggage {
        int keyring_error;     /* 0: it has a session keyring of the daemon's */
        int stale[2], good[2]; /* pipes */
} CanaryBaggage;

/* ---- in the child ---- */

/* 0 when the call went through. */
static int outcome(long r) {
        return r < 0 ? errno : 0;
}

/* Several ways to break one rule: the first that is not refused is what counts. */
static int worst(int a, int b) {
        return a == EPERM ? b : a;
}

static int try_make(int dir) {
        int r = outcome(mkdirat(dir, "made-dir", 0700));

        r = worst(r, outcome(mknodat(dir, "made-fifo", S_IFIFO | 0600, 0)));
        r = worst(r, outcome(symlinkat("x", dir, "made-link")));
        return worst(
                r, outcome(openat(dir, "made-file", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600)));
}

static int try_tmpfile(int dir) {
        return outcome(openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

static int try_resurrect(int dir, int nameless) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", nameless);
        return outcome(linkat(AT_FDCWD, path, dir, "resurrected", AT_SYMLINK_FOLLOW));
}

static int try_chown(int dir) {
        return worst(
                outcome(fchownat(dir, "own", 1, (gid_t) -1, 0)),
                outcome(fchownat(dir, "own", (uid_t) -1, 1, 0)));
}

static int try_mode(int dir) {
        return outcome(fchmodat(dir, "own", 04755, 0));
}

static int try_whiteout(int dir) {
        return outcome(
                syscall(SYS_renameat2, dir, "white", dir, "whiter", 4 /* RENAME_WHITEOUT */));
}

static int try_overlay(void) {
        return outcome(mount(
                "overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"));
}

static int try_subvolume(int dir) {
        struct btrfs_ioctl_vol_args arguments = { .name = "subvolume" };

        return outcome(ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &arguments));
}

static int try_acl(void) {
        struct {
                struct posix_acl_xattr_header header;
                struct posix_acl_xattr_entry entries[5];
        } acl = {
                .header = { .a_version = GUINT32_TO_LE(POSIX_ACL_XATTR_VERSION) },
                .entries = {
                        { GUINT16_TO_LE(ACL_USER_OBJ), GUINT16_TO_LE(7), GUINT32_TO_LE(ACL_UNDEFINED_ID) },
                        { GUINT16_TO_LE(ACL_USER), GUINT16_TO_LE(7), GUINT32_TO_LE(1) },
                        { GUINT16_TO_LE(ACL_GROUP_OBJ), GUINT16_TO_LE(7), GUINT32_TO_LE(ACL_UNDEFINED_ID) },
                        { GUINT16_TO_LE(ACL_MASK), GUINT16_TO_LE(7), GUINT32_TO_LE(ACL_UNDEFINED_ID) },
                        { GUINT16_TO_LE(ACL_OTHER), GUINT16_TO_LE(0), GUINT32_TO_LE(ACL_UNDEFINED_ID) },
                },
        };

        return outcome(setxattr("own", "system.posix_acl_access", &acl, sizeof(acl), 0));
}

static int try_ipc(void) {
        int result = EPERM, id;
        mqd_t queue;

        id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
        result = worst(result, outcome(id));
        if (id >= 0)
                (void) shmctl(id, IPC_RMID, NULL);
        id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
        result = worst(result, outcome(id));
        if (id >= 0)
                (void) semctl(id, 0, IPC_RMID);
        id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
        result = worst(result, outcome(id));
        if (id >= 0)
                (void) msgctl(id, IPC_RMID, NULL);
        queue = mq_open(CANARY_QUEUE, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
        result = worst(result, outcome(queue));
        if (queue >= 0)
                (void) mq_unlink(CANARY_QUEUE);
        return result;
}

/* Into a keyring of the daemon's. */
static int try_keys(const CanaryBaggage *baggage) {
        if (baggage->keyring_error != 0)
                return baggage->keyring_error;
        return outcome(syscall(
                SYS_add_key, "user", "nsresource-canary", "x", 1, KEY_SPEC_SESSION_KEYRING));
}

static int signal_by(const int pipe_fds[static 2]) {
        return fcntl(pipe_fds[0], F_SETOWN, getpid()) < 0 ||
                               fcntl(pipe_fds[0], F_SETFL, O_ASYNC) < 0
                       ? -errno
                       : 0;
}

static bool signals(const int pipe_fds[static 2]) {
        const struct timespec now = {};
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGIO);
        return write(pipe_fds[1], "x", 1) == 1 && sigtimedwait(&set, NULL, &now) == SIGIO;
}

/* A holder is signalled by a file from outside, if it asked for that; but not by one that was asked
 * before the ID was lent. */
static int try_signal(const CanaryBaggage *baggage) {
        if (signal_by(baggage->good) < 0 || !signals(baggage->good))
                return ENODATA;
        return signals(baggage->stale) ? 0 : EPERM;
}

/* The effective UID that the rule asks for is the first of ours.  The pipe keeps the kernel's
 * account of that UID, so it is not to be had again. */
static int try_uids(void) {
        int pipe_fds[2], result;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return ENODATA;
        result = outcome(setresuid(1, (uid_t) -1, (uid_t) -1));
        if (result == 0)
                result = outcome(setresuid(0, (uid_t) -1, (uid_t) -1));
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        /* An account of the second's, or of the first's: nobody else says that. */
        return result == EUSERS ? EPERM : result;
}

static int try_last_line(int dir) {
        return outcome(mkdirat(dir, "last-line", 0700));
}

/* What has to be there before the IDs are lent.  Returns an inode without a name. */
static int prepare_files(int dir) {
        static const char *const dirs[] = { "lower", "upper", "work", "merged" };
        static const char *const files[] = { "own", "white" };

        if (fchdir(dir) < 0)
                return -errno;
        for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++)
                if (mkdir(dirs[i], 0700) < 0)
                        return -errno;
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                auto_fd fd = open(files[i], O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

                if (fd < 0)
                        return -errno;
        }
        return open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* While it is the daemon still. */
static int pack(CanaryBaggage *ret_baggage) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGIO);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        ret_baggage->keyring_error =
                outcome(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
        /* Not to be taken for the policy's. */
        if (ret_baggage->keyring_error == EPERM)
                ret_baggage->keyring_error = EACCES;
        return pipe2(ret_baggage->stale, O_CLOEXEC) < 0 || pipe2(ret_baggage->good, O_CLOEXEC) < 0
                       ? -errno
                       : 0;
}

static void try_rules(
        const PolicyCanary *canary, int dir, int nameless, const CanaryBaggage *baggage,
        CanaryReport *report) {
        for (unsigned i = 0; i < G_N_ELEMENTS(report->results); i++) {
                uint32_t rule = 1u << i;
                int *result = &report->results[i];

                *result = RESULT_UNTRIED;
                if (!(canary->rules & rule))
                        continue;
                canary->record->skip_rules =
                        POLICY_RULES_ALL & ~rule &
                        ~(canary->stand_in & rule ? POLICY_RULE_LAST_LINE : 0u);
                __atomic_thread_fence(__ATOMIC_SEQ_CST);
                switch (rule) {
                case POLICY_RULE_MAKE:
                        *result = try_make(dir);
                        break;
                case POLICY_RULE_TMPFILE:
                        *result = try_tmpfile(dir);
                        break;
                case POLICY_RULE_RESURRECT:
                        *result = try_resurrect(dir, nameless);
                        break;
                case POLICY_RULE_CHOWN:
                        *result = try_chown(dir);
                        break;
                case POLICY_RULE_MODE:
                        *result = try_mode(dir);
                        break;
                case POLICY_RULE_WHITEOUT:
                        *result = try_whiteout(dir);
                        break;
                case POLICY_RULE_OVERLAY:
                        *result = try_overlay();
                        break;
                case POLICY_RULE_SUBVOLUME:
                        *result = try_subvolume(dir);
                        break;
                case POLICY_RULE_ACL:
                        *result = try_acl();
                        break;
                case POLICY_RULE_IPC:
                        *result = try_ipc();
                        break;
                case POLICY_RULE_KEYS:
                        *result = try_keys(baggage);
                        break;
                case POLICY_RULE_SIGNAL:
                        *result = try_signal(baggage);
                        break;
                case POLICY_RULE_UIDS:
                        *result = try_uids();
                        break;
                case POLICY_RULE_LAST_LINE:
                        *result = try_last_line(dir);
                        break;
                }
        }
}

/* Waits for the daemon's word. */
static bool child_sync(int socket) {
        char byte = 'c';

        return send(socket, &byte, 1, MSG_NOSIGNAL) == 1 && recv(socket, &byte, 1, 0) == 1;
}

static void child_main(const PolicyCanary *canary, int socket, int tree) {
        CanaryBaggage baggage;
        CanaryReport report;
        int dir, nameless;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pack(&baggage) < 0)
                _exit(6);
        if (unshare(CLONE_NEWUSER) < 0 || !child_sync(socket))
                _exit(1);
        /* Maps and holder are written now; the slot is not lent yet. */
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0)
                _exit(2);
        /* overlayfs takes no layer that is mounted nowhere; this mount namespace is nobody else's.
         */
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                _exit(3);
        dir = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) umask(0);
        if (dir < 0)
                _exit(4);
        nameless = prepare_files(dir);
        if (nameless < 0 || signal_by(baggage.stale) < 0)
                _exit(5);
        __atomic_store_n(&canary->record->state, POLICY_RECORD_LENT, __ATOMIC_SEQ_CST);
        try_rules(canary, dir, nameless, &baggage, &report);
        (void) send(socket, &report, sizeof(report), MSG_NOSIGNAL);
        _exit(0);
}

/* ---- in the daemon ---- */

static int make_tree(int *ret_tree) {
        auto_fd context = (int) syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), tree = -1;

        if (context < 0 ||
            syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "nsresource-canary", 0) <
                    0 ||
            syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0777", 0) < 0 ||
            syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
            syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        tree = (int) syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
        if (tree < 0)
                return -errno;
        *ret_tree = g_steal_fd(&tree);
        return 0;
}

static int wait_readable(int socket) {
        struct pollfd item = { .fd = socket, .events = POLLIN };
        int r;

        do
                r = poll(&item, 1, CANARY_TIMEOUT_MS);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static int receive(int socket, void *data, size_t size) {
        ssize_t n;
        int r;

        r = wait_readable(socket);
        if (r < 0)
                return r;
        n = recv(socket, data, size, 0);
        if (n < 0)
                return -errno;
        return (size_t) n == size ? 0 : -EPIPE;
}

static int write_map(pid_t pid, const char *name, const char *text) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, name);
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
}

static int lend_to(const PolicyCanary *canary, pid_t pid, uint32_t *ret_userns_inode) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", pid);
        g_autofree char *map = g_strdup_printf("0 %u %u", canary->first_id, POLICY_CANARY_IDS);
        struct stat st;
        int r;

        if (stat(path, &st) < 0)
                return -errno;
        r = canary->lend((uint32_t) st.st_ino, canary->userdata);
        if (r < 0)
                return r;
        *ret_userns_inode = (uint32_t) st.st_ino;
        r = write_map(pid, "gid_map", map);
        return r < 0 ? r : write_map(pid, "uid_map", map);
}

static int converse(const PolicyCanary *canary, int socket, pid_t pid, PolicyCanaryResult *result) {
        CanaryReport report;
        char byte = 0;
        int r;

        r = receive(socket, &byte, sizeof(byte));
        if (r < 0)
                return r;
        r = lend_to(canary, pid, &result->userns_inode);
        if (r < 0)
                return r;
        if (send(socket, &byte, sizeof(byte), MSG_NOSIGNAL) < 0)
                return -errno;
        r = receive(socket, &report, sizeof(report));
        if (r < 0)
                return r;
        memcpy(result->results, report.results, sizeof(report.results));
        return 0;
}

int policy_canary_run(const PolicyCanary *canary, PolicyCanaryResult *ret_result) {
        PolicyCanaryResult result = {};
        auto_fd ours = -1, theirs = -1, tree = -1;
        int sockets[2], r, status = 0;
        pid_t pid;

        r = make_tree(&tree);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        ours = sockets[0];
        theirs = sockets[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) close(ours);
                child_main(canary, theirs, tree);
        }
        theirs = fd_close(theirs);
        r = converse(canary, ours, pid, &result);
        if (r == -ETIMEDOUT)
                (void) kill(pid, SIGKILL);
        ours = fd_close(ours);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        __atomic_store_n(&canary->record->state, POLICY_RECORD_FREE, __ATOMIC_SEQ_CST);
        canary->record->skip_rules = 0;
        if (r == -EPIPE && WIFEXITED(status))
                r = -ECHILD;
        if (r >= 0)
                *ret_result = result;
        return r;
}
