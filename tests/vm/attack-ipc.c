/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IPC objects of the host's IPC namespace: no file system holds them, but they have owners and
 * stay. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWNER_COLUMNS 4 /* uid, gid, cuid, cgid stand side by side in /proc/sysvipc */

static int shared_memory(Stage *stage) {
        return outcome(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666));
}

static int semaphores(Stage *stage) {
        return outcome(semget(IPC_PRIVATE, 1, IPC_CREAT | 0666));
}

static int message_queue(Stage *stage) {
        return outcome(msgget(IPC_PRIVATE, IPC_CREAT | 0666));
}

static bool found_in(const char *path, int first_column, const Holder *holder) {
        char line[512];
        bool found = false;
        FILE *f = fopen(path, "re");

        must(f ? 0 : -1, path);
        while (fgets(line, sizeof(line), f)) {
                char *save = NULL, *word = strtok_r(line, " \n", &save);
                for (int i = 0; word; i++, word = strtok_r(NULL, " \n", &save)) {
                        unsigned id = 0;
                        if (i < first_column || i >= first_column + OWNER_COLUMNS)
                                continue;
                        if (sscanf(word, "%u", &id) == 1 && id - holder->start < 65536)
                                found = true;
                }
        }
        fclose(f);
        return found;
}

static bool found_ipc(Stage *stage) {
        return found_in("/proc/sysvipc/shm", 7, &stage->holder) ||
               found_in("/proc/sysvipc/sem", 4, &stage->holder) ||
               found_in("/proc/sysvipc/msg", 7, &stage->holder);
}

/* --- POSIX queues --- */

#define QUEUE "/attack"
#define QUEUE_PATH "/dev/mqueue/attack"

static int posix_queue(Stage *stage) {
        return outcome((int) mq_open(QUEUE, O_RDWR | O_CREAT | O_EXCL, 0666, NULL));
}

/* The same by the file system it can be seen in. */
static int posix_queue_by_path(Stage *stage) {
        return outcome(open(QUEUE_PATH, O_RDWR | O_CREAT | O_EXCL, 0666));
}

static void prepare_queue(Stage *stage) {
        mqd_t queue = mq_open(QUEUE, O_RDWR | O_CREAT | O_EXCL, 0666, NULL);
        must((int) queue, "mq_open");
        mq_close(queue);
}

static int chgrp_queue(Stage *stage) {
        enter_holder(&stage->holder, (uid_t) -1, 0);
        return outcome(chown(QUEUE_PATH, (uid_t) -1, 0));
}

static bool found_queue(Stage *stage) {
        struct stat st;
        return stat(QUEUE_PATH, &st) == 0 && (is_pool_id(st.st_uid) || is_pool_id(st.st_gid));
}

const Attack attack_ipc[] = {
        { "shmget", "ipc", NULL, ATTACK_EVERY_CONTEXT | ATTACK_NOT_BY_FSUID, .run = shared_memory,
          .found = found_ipc },
        { "semget", "ipc", NULL, ATTACK_EVERY_CONTEXT | ATTACK_NOT_BY_FSUID, .run = semaphores,
          .found = found_ipc },
        { "msgget", "ipc", NULL, ATTACK_EVERY_CONTEXT | ATTACK_NOT_BY_FSUID, .run = message_queue,
          .found = found_ipc },
        { "mq_open", "ipc", NULL, ATTACK_EVERY_CONTEXT, .run = posix_queue, .found = found_queue },
        { "a queue made by path", "make", .run = posix_queue_by_path, .found = found_queue },
        { "chgrp of one's own queue", "chown", NULL, ATTACK_OWN_CONTEXT, .prepare = prepare_queue,
          .run = chgrp_queue, .found = found_queue },
        { 0 },
};
