/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what can be left of an ID on the host without being a file: leave UID, as root.  Prints the
 * line "left" when all is there, then waits as a process that has the ID in both of its threads.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

/* For semctl(); the caller has to define it. */
union semun {
        int val;
        struct semid_ds *buf;
};

/* The policy sees who makes an object, and not to whom it is given later. */
static int give(uid_t uid) {
        struct shmid_ds shm = { .shm_perm = { .uid = uid, .gid = uid } };
        struct semid_ds sem = { .sem_perm = { .uid = uid, .gid = uid } };
        struct msqid_ds msg = { .msg_perm = { .uid = uid, .gid = uid }, .msg_qbytes = 1024 };

        if (shmctl(shmget(IPC_PRIVATE, 4096, 0600), IPC_SET, &shm) < 0)
                return -1;
        if (semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_SET, (union semun){ .buf = &sem }) < 0)
                return -1;
        return msgctl(msgget(IPC_PRIVATE, 0600), IPC_SET, &msg);
}

static void become(uid_t uid) {
        /* The kernel's own call: this thread alone. */
        if (syscall(SYS_setresuid, uid, uid, uid) < 0) {
                perror("leave");
                exit(EXIT_FAILURE);
        }
}

static void *run_thread(void *data) {
        const uid_t *uid = data;

        become(*uid);
        puts("left");
        (void) fflush(stdout);
        while (pause() < 0)
                ; /* each signal */
        return NULL;
}

int main(int argc, char **argv) {
        uid_t uid = argc == 2 ? (uid_t) strtoul(argv[1], NULL, 10) : 0;
        pthread_t thread;

        if (uid == 0 || give(uid) < 0 || pthread_create(&thread, NULL, run_thread, &uid) != 0) {
                perror("leave");
                return EXIT_FAILURE;
        }
        become(uid);
        (void) pthread_join(thread, NULL);
        return EXIT_FAILURE;
}
