/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/leftovers/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/util/fd.h"

#define MQUEUE_FOLDER "/dev/mqueue"
#define MQUEUE_MAGIC 0x19800202

#ifndef SHM_DEST
#define SHM_DEST 01000
#endif

/* For semctl(); the caller has to define it. */
union semun {
        int val;
        struct semid_ds *buf;
        unsigned short *array;
        struct seminfo *info;
};

/* Whether the object is to be removed.  It is the range's if its owner is: whoever owns one can
 * give it to any ID, and that is as good as none made by the ID itself.  One that an ID of the
 * range made and another owns was given away by root: it stays, and the range with it, for its next
 * holder would have the maker's rights.  A group alone, which any owner may set, makes it nobody's
 * but the owner's, who can let in whom they like at any time. */
static bool is_left(const LeftoversTask *task, const struct ipc_perm *perm) {
        if (leftovers_is_ours(task, perm->uid))
                return true;
        (void) leftovers_find(task, LEFTOVERS_IPC, perm->uid, 0);
        (void) leftovers_find(task, LEFTOVERS_IPC, perm->cuid, 0);
        if (!leftovers_has(task, perm->uid))
                (void) leftovers_find(task, LEFTOVERS_IPC, perm->cgid, 0);
        return false;
}

/* What another removed meanwhile is gone too. */
static void note_result(const LeftoversTask *task, const struct ipc_perm *perm, int result) {
        if (result < 0 && errno != EINVAL && errno != EIDRM)
                (void) leftovers_find(task, LEFTOVERS_IPC, perm->uid, 0);
}

/* Memory that is attached somewhere goes with the last one who has it; until then, nobody can get
 * at it by its owner's ID. */
static void remove_memory(const LeftoversTask *task) {
        struct shmid_ds object;
        struct shm_info info;
        int last = shmctl(0, SHM_INFO, (struct shmid_ds *) (void *) &info);

        for (int i = 0; i <= last; i++) {
                int id = shmctl(i, SHM_STAT_ANY, &object), r;
                struct shmid_ds nobody = {};

                if (id < 0 || (object.shm_perm.mode & SHM_DEST) || !is_left(task, &object.shm_perm))
                        continue;
                r = shmctl(id, IPC_SET, &nobody);
                if (r == 0)
                        r = shmctl(id, IPC_RMID, NULL);
                note_result(task, &object.shm_perm, r);
        }
}

static void remove_semaphores(const LeftoversTask *task) {
        struct semid_ds object;
        struct seminfo info;
        int last = semctl(0, 0, SEM_INFO, (union semun){ .info = &info });

        for (int i = 0; i <= last; i++) {
                int id = semctl(i, 0, SEM_STAT_ANY, (union semun){ .buf = &object });

                if (id >= 0 && is_left(task, &object.sem_perm))
                        note_result(task, &object.sem_perm, semctl(id, 0, IPC_RMID));
        }
}

static void remove_queues(const LeftoversTask *task) {
        struct msqid_ds object;
        struct msginfo info;
        int last = msgctl(0, MSG_INFO, (struct msqid_ds *) (void *) &info);

        for (int i = 0; i <= last; i++) {
                int id = msgctl(i, MSG_STAT_ANY, &object);

                if (id >= 0 && is_left(task, &object.msg_perm))
                        note_result(task, &object.msg_perm, msgctl(id, IPC_RMID, NULL));
        }
}

static int remove_posix_queue(const LeftoversTask *task, int folder, const char *name) {
        struct stat st;

        if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!leftovers_has(task, st.st_uid))
                return 0;
        if (!leftovers_is_ours(task, st.st_uid) ||
            (unlinkat(folder, name, 0) < 0 && errno != ENOENT))
                (void) leftovers_find(task, LEFTOVERS_IPC, st.st_uid, 0);
        return 0;
}

/* A mount of our own shows the queues of this IPC namespace, wherever the host has mounted them,
 * if at all. */
static int open_posix_queues(int *ret_fd) {
        auto_fd context = -1, tree = -1;

        context = (int) syscall(SYS_fsopen, "mqueue", FSOPEN_CLOEXEC);
        if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        tree = (int) syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
        if (tree < 0)
                return -errno;
        *ret_fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? -errno : 0;
}

/* Where a filter takes the calls away (containers), the usual place has to do. */
static int open_mounted_queues(int *ret_fd) {
        auto_fd fd = open(MQUEUE_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs st;

        if (fd < 0 || fstatfs(fd, &st) < 0)
                return -errno;
        if (st.f_type != MQUEUE_MAGIC)
                return -ENOENT;
        *ret_fd = g_steal_fd(&fd);
        return 0;
}

static int remove_posix_queues(const LeftoversTask *task) {
        auto_fd folder = -1;
        int r;

        r = open_posix_queues(&folder);
        if (r == -ENODEV) /* the kernel has none */
                return 0;
        if (r < 0)
                r = open_mounted_queues(&folder);
        return r < 0 ? r : leftovers_for_each(task, folder, remove_posix_queue);
}

int leftovers_remove_ipc(const LeftoversTask *task) {
        remove_memory(task);
        remove_semaphores(task);
        remove_queues(task);
        return remove_posix_queues(task);
}
