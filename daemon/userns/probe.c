/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/userns/sweep.h"
#include "lib/util/fd-send.h"
#include "lib/util/fd.h"

#ifndef FD_NSFS_ROOT /* Linux 6.18 */
#define FD_NSFS_ROOT (-10003)
#endif
#define HANDLE_TYPE_NSFS 0xf1

/* The call that lists namespaces came with the kernel (6.19) from which on ESTALE does not prove an
 * end. */
#ifndef SYS_listns
#define SYS_listns 470
#endif

/* What the kernel gives as the file handle of a namespace,
 * all of which we know from its identity. */
typedef struct NamespaceHandle {
        uint64_t id;
        uint32_t type;
        uint32_t inode;
} NamespaceHandle;

typedef union FileHandle {
        struct file_handle header;
        char space[sizeof(struct file_handle) + sizeof(NamespaceHandle)];
} FileHandle;

struct UsernsProbe {
        UsernsProof proof;
        /* Sweeping: inodes of the namespaces seen, and of those that were noted during the sweep
         * that is under way, which may have begun too early for them. */
        GHashTable *seen, *young;
        UsernsSweep *sweep; /* NULL: none under way */
        UsernsRefreshedFunc refreshed;
        void *refreshed_userdata;
        int result; /* of the last sweep */
};

/* handles */

static void fill_handle(const UsernsIdentity *identity, FileHandle *handle) {
        NamespaceHandle namespace_handle = {
                .id = identity->id,
                .type = CLONE_NEWUSER,
                .inode = (uint32_t) identity->inode,
        };

        *handle = (FileHandle){
                .header = { .handle_bytes = sizeof(namespace_handle),
                            .handle_type = HANDLE_TYPE_NSFS },
        };
        memcpy(handle->header.f_handle, &namespace_handle, sizeof(namespace_handle));
}

static int open_by_handle(const UsernsIdentity *identity) {
        FileHandle handle;
        int fd;

        fill_handle(identity, &handle);
        fd = open_by_handle_at(FD_NSFS_ROOT, &handle.header, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Whether the kernel's handles are what we make of an identity, and can be opened. */
static bool handles_work(void) {
        UsernsIdentity self;
        FileHandle wanted, got = { .header.handle_bytes = sizeof(NamespaceHandle) };
        auto_fd ns = -1, opened = -1;
        int mount_id;

        if (userns_self(&self) != 0 || self.id == 0)
                return false;
        ns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        if (ns < 0 || name_to_handle_at(ns, "", &got.header, &mount_id, AT_EMPTY_PATH) < 0)
                return false;
        fill_handle(&self, &wanted);
        if (got.header.handle_type != HANDLE_TYPE_NSFS ||
            got.header.handle_bytes != wanted.header.handle_bytes ||
            memcmp(got.header.f_handle, wanted.header.f_handle, sizeof(NamespaceHandle)) != 0)
                return false;
        opened = open_by_handle(&self);
        return opened >= 0;
}

/* In a child: a new user namespace, a file opened in it, passed on. */
static void send_file_of_new_userns(int socket) {
        int fds[2];

        if (unshare(CLONE_NEWUSER) < 0)
                _exit(1);
        fds[0] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        fds[1] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        if (fds[0] < 0 || fds[1] < 0)
                _exit(1);
        _exit(fd_send(socket, "x", 1, fds, G_N_ELEMENTS(fds)) < 0);
}

static int receive_two(int socket, int fds[static 2]) {
        union {
                char space[CMSG_SPACE(2 * sizeof(int))];
                struct cmsghdr align;
        } control;
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message) ||
            CMSG_FIRSTHDR(&message)->cmsg_len != CMSG_LEN(2 * sizeof(int)))
                return -EPROTO;
        memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), 2 * sizeof(int));
        return 0;
}

/* Make a namespace that nothing holds but the credentials of a file, which is *ret_file.  Waits for
 * a child of our own: this is for the start, when there is no client. */
static int make_inactive_userns(int *ret_file, UsernsIdentity *ret_identity) {
        auto_fd ours = -1, theirs = -1, file = -1, ns = -1;
        int r, ends[2], fds[2] = { -1, -1 };
        UsernsIdentity own;
        bool parent_is_own;
        uid_t owner;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                send_file_of_new_userns(theirs);
        theirs = fd_close(theirs);
        r = receive_two(ours, fds);
        file = fds[0];
        ns = fds[1];
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return r;
        r = userns_self(&own);
        if (r == 0)
                r = userns_inspect(ns, &own, ret_identity, &owner, &parent_is_own);
        if (r != 0)
                return r < 0 ? r : -ENOTRECOVERABLE;
        *ret_file = g_steal_fd(&file);
        return 0;
}

/* Whether a handle that cannot be opened proves the end: it must open as long as anything, though
 * no process, holds the namespace.  To be wrong here would lend IDs twice; so a kernel that has the
 * newer call is not believed, and the handle is tried a few times, lest the first try came before
 * the namespace was let go. */
static bool handles_prove_end(void) {
        UsernsIdentity identity;
        auto_fd file = -1;

        if (syscall(SYS_listns, NULL, NULL, 0, 0) >= 0 || errno != ENOSYS)
                return false;
        if (make_inactive_userns(&file, &identity) < 0)
                return false;
        for (unsigned i = 0; i < 5; i++) {
                auto_fd fd = open_by_handle(&identity);

                if (fd < 0)
                        return false;
                g_usleep(2000);
        }
        return true;
}

static int check_by_handle(const UsernsProbe *probe, const UsernsIdentity *identity) {
        auto_fd fd = -1;

        if (identity->id == 0)
                return USERNS_E_UNKNOWN;
        fd = open_by_handle(identity);
        if (fd >= 0)
                return 0;
        if (fd != -ESTALE)
                return fd;
        return probe->proof == USERNS_PROOF_HANDLES ? USERNS_E_DEAD : USERNS_E_UNKNOWN;
}

/* the sweep */

static void add(GHashTable *set, uint64_t inode) {
        if (!g_hash_table_contains(set, &inode))
                g_hash_table_add(set, g_memdup2(&inode, sizeof(inode)));
}

static void add_to(gpointer inode, gpointer value, gpointer set) {
        add(set, *(const uint64_t *) inode);
}

static void on_swept(GHashTable *take_seen, void *userdata) {
        UsernsProbe *probe = userdata;
        UsernsRefreshedFunc done = g_steal_pointer(&probe->refreshed);

        probe->sweep = NULL;
        if (take_seen) {
                g_hash_table_foreach(probe->young, add_to, take_seen);
                g_hash_table_unref(probe->seen);
                probe->seen = take_seen;
        }
        g_hash_table_remove_all(probe->young);
        probe->result = take_seen ? 0 : -EIO;
        if (done)
                done(probe->result, probe->refreshed_userdata);
}

int userns_probe_start_refresh(UsernsProbe *probe, UsernsRefreshedFunc done, void *userdata) {
        int r;

        g_assert(probe->proof == USERNS_PROOF_SWEEP);
        if (probe->sweep)
                return USERNS_E_BUSY;
        g_hash_table_remove_all(probe->young);
        r = userns_sweep_new(on_swept, probe, &probe->sweep);
        if (r != 0)
                return r;
        probe->refreshed = done;
        probe->refreshed_userdata = userdata;
        return 0;
}

void userns_probe_note(UsernsProbe *probe, const UsernsIdentity *identity) {
        if (probe->proof != USERNS_PROOF_SWEEP)
                return;
        add(probe->seen, identity->inode);
        if (probe->sweep)
                add(probe->young, identity->inode);
}

/* the probe */

int userns_probe_new_with(UsernsProof proof, UsernsProbe **ret_probe) {
        UsernsProbe *probe = g_new(UsernsProbe, 1);

        *probe = (UsernsProbe){
                .proof = proof,
                .seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
                .young = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
        };
        *ret_probe = probe;
        return 0;
}

int userns_probe_new(UsernsProbe **ret_probe) {
        UsernsProof proof = USERNS_PROOF_SWEEP;

        if (handles_work())
                proof = handles_prove_end() ? USERNS_PROOF_HANDLES : USERNS_PROOF_HINTS;
        return userns_probe_new_with(proof, ret_probe);
}

void userns_probe_free(UsernsProbe *probe) {
        if (!probe)
                return;
        userns_sweep_free(probe->sweep);
        g_hash_table_unref(probe->seen);
        g_hash_table_unref(probe->young);
        g_free(probe);
}

const char *userns_probe_describe(const UsernsProbe *probe) {
        static const char *const texts[] = {
                [USERNS_PROOF_HANDLES] = "file handles",
                [USERNS_PROOF_HINTS] = "file handles, end not provable",
                [USERNS_PROOF_SWEEP] = "sweep of /proc",
        };

        return texts[probe->proof];
}

bool userns_probe_sweeps(const UsernsProbe *probe) {
        return probe->proof == USERNS_PROOF_SWEEP;
}

int userns_probe_check(UsernsProbe *probe, const UsernsIdentity *identity) {
        if (probe->proof != USERNS_PROOF_SWEEP)
                return check_by_handle(probe, identity);
        return g_hash_table_contains(probe->seen, &identity->inode) ? 0 : USERNS_E_UNKNOWN;
}

int userns_probe_refresh(UsernsProbe *probe) {
        int r;

        if (probe->proof != USERNS_PROOF_SWEEP)
                return 0;
        r = userns_probe_start_refresh(probe, NULL, NULL);
        if (r != 0)
                return r < 0 ? r : -EBUSY;
        userns_sweep_finish(probe->sweep);
        return probe->result;
}
