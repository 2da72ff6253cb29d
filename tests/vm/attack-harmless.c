/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must go on working with the policy in force (invariant I7), inside and on the host. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FOREIGN_BASE 2147352576u
#define DYNAMIC_USER 61200u
/* A slot that the lender does not get to. */
#define UNLENT_ID (0x00080000u + 28000u * 65536u + 17u)
#define TRY(call)                                                         \
        do {                                                              \
                if ((call) < 0) {                                         \
                        int try_errno = errno;                            \
                        printf("# %s: %s\n", #call, strerror(try_errno)); \
                        return -try_errno;                                \
                }                                                         \
        } while (0)

static int link_unnamed(void) {
        char path[64];
        int fd = open(".", O_TMPFILE | O_RDWR, 0666);

        /* Overlays have none before 6.3. */
        if (fd < 0 && errno == EOPNOTSUPP)
                return 0;
        TRY(fd);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        TRY(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
        close(fd);
        return 0;
}

/* Everything a container does with files, in the current folder. */
static int use_files(bool foreign_owners, bool whiteouts) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };

        TRY(mkdir("folder", 0755));
        TRY(close(open("file", O_WRONLY | O_CREAT | O_EXCL, 0644)));
        TRY(mkfifo("fifo", 0666));
        TRY(symlink("to", "symlink"));
        TRY(link("file", "second-name"));
        TRY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *) &address, sizeof(address)));
        TRY(rename("fifo", "renamed"));
        TRY(link_unnamed());
        TRY(chmod("file", 04755));
        if (whiteouts)
                TRY(mknod("whiteout", S_IFCHR | 0666, makedev(0, 0)));
        if (!foreign_owners)
                return 0;
        TRY(chown("file", 1000, 65534));
        TRY(lchown("symlink", 1, 1));
        return 0;
}

static int own_tmpfs(Stage *stage) {
        enter_mount_namespace();
        TRY(chdir("/tmp"));
        return use_files(true, true);
}

static int nested_tmpfs(Stage *stage) {
        enter_nested(true);
        enter_mount_namespace();
        TRY(chdir("/tmp"));
        return use_files(false, false);
}

/* A file system of the holder, used from a namespace below it. */
static int tmpfs_of_holder_from_nested(Stage *stage) {
        enter_mount_namespace();
        enter_nested(true);
        TRY(chdir("/tmp"));
        return use_files(false, false);
}

static int own_ramfs(Stage *stage) {
        enter_mount_namespace();
        TRY(mkdir("/tmp/ramfs", 0755));
        TRY(mount("ramfs", "/tmp/ramfs", "ramfs", 0, NULL));
        TRY(chdir("/tmp/ramfs"));
        TRY(mkdir("folder", 0755));
        TRY(chown("folder", 5, 5));
        return 0;
}

static void prepare_lower(Stage *stage) {
        must(mkdirat(stage->dir_fd, "lower", 0777), "mkdir");
        close(must(touch_at(stage->dir_fd, "lower/host-file", 0666), "file"));
}

static int overlay_on_own_tmpfs(Stage *stage) {
        char options[512];

        enter_mount_namespace();
        TRY(mkdir("/tmp/upper", 0755));
        TRY(mkdir("/tmp/work", 0755));
        TRY(mkdir("/tmp/merged", 0755));
        snprintf(
                options, sizeof(options),
                "lowerdir=%s/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr", stage->dir);
        if (mount("overlay", "/tmp/merged", "overlay", 0, options) < 0) {
                /* tmpfs has user attributes from 6.6 on; before, overlayfs does without. */
                options[strlen(options) - strlen(",userxattr")] = '\0';
                TRY(mount("overlay", "/tmp/merged", "overlay", 0, options));
        }
        TRY(chdir("/tmp/merged"));
        /* The lower file is the user's, who is not mapped, so it can be removed but not changed. */
        TRY(unlink("host-file"));
        /* An overlay has whiteouts of its own and lets nobody make one. */
        return use_files(true, false);
}

static int pipes_and_sockets(Stage *stage) {
        int pipe_fds[2], sockets[2];
        char path[64];

        TRY(pipe(pipe_fds));
        TRY(fchown(pipe_fds[1], 1, 1));
        TRY(fchmod(pipe_fds[1], 0620));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", pipe_fds[0]);
        TRY(chown(path, 2, 2));
        TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
        TRY(fchown(sockets[0], 1, 1));
        TRY(fchmod(sockets[0], 0600));
        return 0;
}

static int memory_files(Stage *stage) {
        int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        TRY(fd);
        TRY(fchown(fd, 1, 1));
        TRY(fchmod(fd, 0700));
        TRY(ftruncate(fd, 4096));
        void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        TRY(shared == MAP_FAILED ? -1 : 0);
        return 0;
}

static int huge_memory_files(Stage *stage) {
        int fd = memfd_create("memory", MFD_CLOEXEC | MFD_HUGETLB);

        TRY(fd);
        TRY(fchown(fd, 1, 1));
        return 0;
}

static int host_terminal(Stage *stage) {
        TRY(open("/dev/ptmx", O_RDWR | O_NOCTTY));
        return 0;
}

static int own_terminals(Stage *stage) {
        enter_mount_namespace();
        TRY(mkdir("/tmp/pts", 0755));
        TRY(mount("devpts", "/tmp/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
        TRY(open("/tmp/pts/ptmx", O_RDWR | O_NOCTTY));
        TRY(chown("/tmp/pts/0", 1000, 5));
        return 0;
}

static int mount_proc(Stage *stage) {
        TRY(mkdir("/tmp/proc", 0755));
        TRY(mount("proc", "/tmp/proc", "proc", 0, NULL));
        TRY(access("/tmp/proc/1/status", R_OK));
        return 0;
}

static int own_proc(Stage *stage) {
        enter_mount_namespace();
        TRY(unshare(CLONE_NEWPID));
        return in_child(mount_proc, stage);
}

static int own_ipc(Stage *stage) {
        struct msqid_ds queue;

        enter_mount_namespace();
        TRY(unshare(CLONE_NEWIPC));
        TRY(shmget(1, 4096, IPC_CREAT | 0600));
        TRY(semget(1, 1, IPC_CREAT | 0600));
        int id = msgget(1, IPC_CREAT | 0600);
        TRY(id);
        TRY(msgctl(id, IPC_STAT, &queue));
        queue.msg_perm.uid = 33;
        TRY(msgctl(id, IPC_SET, &queue));
        TRY((int) mq_open("/queue", O_RDWR | O_CREAT, 0600, NULL));
        TRY(mkdir("/tmp/mqueue", 0755));
        TRY(mount("mqueue", "/tmp/mqueue", "mqueue", 0, NULL));
        TRY(open("/tmp/mqueue/other", O_RDWR | O_CREAT, 0600));
        return 0;
}

static int keys(Stage *stage) {
        /* KEY_SPEC_PROCESS_KEYRING */
        TRY((int) syscall(SYS_add_key, "user", "attack", "x", 1, -2));
        return 0;
}

static int own_fuse(Stage *stage) {
        char options[64];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        TRY(fd);
        enter_mount_namespace();
        TRY(mkdir("/tmp/fuse", 0755));
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
        /* Nobody serves it: what counts is that it may be mounted. */
        TRY(mount("attack", "/tmp/fuse", "fuse", 0, options));
        TRY(umount2("/tmp/fuse", MNT_DETACH));
        return 0;
}

static void prepare_own_files(Stage *stage) {
        close(must(touch_at(stage->dir_fd, "own", 0666), "file"));
        close(must(touch_at(stage->dir_fd, "doomed", 0666), "file"));
}

/* The user's files, from inside: nothing is made or given away. */
static int host_files(Stage *stage) {
        int fd = open("own", O_RDWR | O_TRUNC);

        TRY(fd);
        TRY((int) write(fd, "text", 4));
        TRY(link("own", "own-second-name"));
        TRY(rename("own-second-name", "own-renamed"));
        TRY(unlink("doomed"));
        return 0;
}

/* Without privilege over the range: the user mapped to root, as `unshare -r` does. */
static int plain_namespace(Stage *stage) {
        char map[64];

        must(fchdir(stage->dir_fd), "chdir");
        TRY(unshare(CLONE_NEWUSER));
        static const char *const files[] = { "setgroups", "uid_map", "gid_map" };
        for (int i = 0; i < 3; i++) {
                char path[64];
                snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
                snprintf(
                        map, sizeof(map), "0 %u 1",
                        (unsigned) (i == 1 ? stage->user : stage->group));
                int fd = open(path, O_WRONLY);
                TRY(fd);
                TRY((int) write(fd, i == 0 ? "deny" : map, i == 0 ? 4 : strlen(map)));
                close(fd);
        }
        return use_files(false, false);
}

static int ordinary_user(Stage *stage) {
        must(fchdir(stage->dir_fd), "chdir");
        TRY(use_files(false, false));
        TRY(chown("file", stage->user, stage->group));
        TRY(shmctl(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), IPC_RMID, NULL));
        return 0;
}

static int nothing(Stage *stage) {
        return 0;
}

static void become(Stage *stage, uid_t id) {
        must(setgroups(0, NULL), "setgroups");
        must(setresgid(id, id, id), "setresgid");
        must(setresuid(id, id, id), "setresuid");
        must(fchdir(stage->dir_fd), "chdir");
}

static int as_dynamic_user(Stage *stage) {
        become(stage, DYNAMIC_USER);
        return use_files(false, false);
}

static int as_unlent_id(Stage *stage) {
        become(stage, UNLENT_ID);
        return use_files(false, false);
}

static int dynamic_user(Stage *stage, int fd) {
        return in_child(as_dynamic_user, stage);
}

static int unlent_id(Stage *stage, int fd) {
        return in_child(as_unlent_id, stage);
}

static int root_gives_to_unlent(Stage *stage, int fd) {
        close(must(touch_at(stage->dir_fd, "own", 0666), "file"));
        TRY(fchownat(stage->dir_fd, "own", UNLENT_ID, UNLENT_ID, 0));
        TRY(fchownat(stage->dir_fd, "own", DYNAMIC_USER, DYNAMIC_USER, 0));
        return 0;
}

/* A folder of the foreign range, through a mount that shows it as the holder's: what mountfsd gives
 * a container. */
static void prepare_foreign_mount(Stage *stage) {
        must(mkdirat(stage->dir_fd, "foreign", 0755), "mkdir");
        must(fchownat(stage->dir_fd, "foreign", FOREIGN_BASE, FOREIGN_BASE, 0), "chown");
        int fd = must(openat(stage->dir_fd, "foreign", O_RDONLY | O_DIRECTORY), "folder");
        char map[64];
        snprintf(map, sizeof(map), "%u %u 65536", FOREIGN_BASE, stage->holder.start);
        Stage there = *stage;
        there.dir_fd = fd;
        stage->spare_fd = idmapped_mount(&there, map);
        close(fd);
}

static int use_foreign_mount(Stage *stage) {
        TRY(fchdir(stage->spare_fd));
        return use_files(true, true);
}

static int owners_are_foreign(Stage *stage, int fd) {
        struct stat st;

        TRY(fstatat(stage->dir_fd, "foreign/folder", &st, 0));
        return st.st_uid == FOREIGN_BASE && st.st_gid == FOREIGN_BASE ? 0 : -EUCLEAN;
}

#define CGROUP "/sys/fs/cgroup/attack"

static void prepare_cgroup(Stage *stage) {
        if (mkdir(CGROUP, 0755) < 0 && errno != EEXIST)
                must(-1, CGROUP);
        must(chown(CGROUP, stage->holder.start, stage->holder.start), "chown");
        must(chown(CGROUP "/cgroup.procs", stage->holder.start, stage->holder.start), "chown");
}

static int use_cgroup(Stage *stage) {
        TRY(mkdir(CGROUP "/inner", 0755));
        TRY(mkdir(CGROUP "/inner/inner", 0755));
        TRY(chown(CGROUP "/inner/inner", 1000, 1000));
        must(setresgid(1000, 1000, 1000), "setresgid");
        must(setresuid(1000, 1000, 1000), "setresuid");
        TRY(mkdir(CGROUP "/inner/inner/inner", 0755));
        return 0;
}

static int remove_cgroup(Stage *stage, int fd) {
        TRY(rmdir(CGROUP "/inner/inner/inner"));
        TRY(rmdir(CGROUP "/inner/inner"));
        TRY(rmdir(CGROUP "/inner"));
        TRY(rmdir(CGROUP));
        return 0;
}

const Attack attack_harmless[] = {
        { "files on its own tmpfs", .run = own_tmpfs },
        { "files on a nested namespace's tmpfs", .run = nested_tmpfs },
        { "files on the holder's tmpfs from a nested namespace",
          .run = tmpfs_of_holder_from_nested },
        { "its own ramfs", .run = own_ramfs },
        { "overlay with the host's files below its own tmpfs", .prepare = prepare_lower,
          .run = overlay_on_own_tmpfs },
        { "chown and chmod of pipes and sockets", .run = pipes_and_sockets },
        { "chown and chmod of memory files", .run = memory_files },
        { "chown of huge memory files", .run = huge_memory_files },
        { "a terminal of the host", .run = host_terminal },
        { "terminals of its own", .run = own_terminals },
        { "its own /proc", .run = own_proc },
        { "IPC in its own IPC namespace", .run = own_ipc },
        { "keys", .run = keys },
        { "a FUSE mount of its own", .run = own_fuse },
        { "writing, linking, renaming, removing the user's files", .prepare = prepare_own_files,
          .run = host_files },
        { "files in a namespace that was lent nothing", NULL, NULL, ATTACK_OWN_CONTEXT,
          .run = plain_namespace },
        { "files of the ordinary user", NULL, NULL, ATTACK_OWN_CONTEXT, .run = ordinary_user },
        { "files of a service with a dynamic user", NULL, NULL, ATTACK_ROOT, .run = nothing,
          .host = dynamic_user },
        { "files of a pool ID that is not lent", NULL, NULL, ATTACK_ROOT, .run = nothing,
          .host = unlent_id },
        { "root's chown to IDs that are not lent", NULL, NULL, ATTACK_ROOT, .run = nothing,
          .host = root_gives_to_unlent },
        { "files of the foreign range through an id-mapped mount", NULL, NULL, ATTACK_ROOT,
          .prepare = prepare_foreign_mount, .run = use_foreign_mount, .host = owners_are_foreign },
        { "folders in a delegated cgroup", NULL, NULL, ATTACK_ROOT, .prepare = prepare_cgroup,
          .run = use_cgroup, .host = remove_cgroup },
        { 0 },
};
