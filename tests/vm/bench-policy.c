/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the policy costs who has nothing to do with it: an ordinary process makes and removes files
 * and folders and changes owners, in turn without the policy and with it.  Of many short batches
 * the fastest counts: whatever else the machine does only makes a batch slower.
 *
 * Usage: bench-policy ROUNDS DIR...
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/policy/policy.h"
#include "lib/table/format.h"
#include "tests/vm/lender-policy.h"

#define ORDINARY_USER 1000
#define BATCHES 40
#define BATCH 100 /* times a loop goes round in a batch */
#define N_SLOTS ((TABLE_POOL_END - TABLE_POOL_START) / TABLE_SLOT_SIZE)

static int make_file(void) {
        int fd = open("bench", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

        return fd < 0 || close(fd) < 0 ? -1 : unlink("bench");
}

static int make_folder(void) {
        return mkdir("bench", 0700) < 0 ? -1 : rmdir("bench");
}

static int change_owner(void) {
        return chown("bench-own", (uid_t) -1, ORDINARY_USER);
}

static const struct {
        const char *name;
        int (*run)(void);
} loops[] = {
        { "create and unlink", make_file },
        { "mkdir and rmdir", make_folder },
        { "chown", change_owner },
};
#define N_LOOPS (sizeof(loops) / sizeof(loops[0]))

typedef struct Best {
        uint64_t ns[N_LOOPS][2]; /* without, with the policy: of the fastest batch */
} Best;

static void die(const char *what) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static void measure(Best *best, bool with) {
        for (size_t i = 0; i < N_LOOPS; i++)
                for (int batch = 0; batch < BATCHES; batch++) {
                        uint64_t start = now_ns(), took;

                        for (int n = 0; n < BATCH; n++)
                                if (loops[i].run() < 0)
                                        die(loops[i].name);
                        took = now_ns() - start;
                        if (best->ns[i][with] == 0 || took < best->ns[i][with])
                                best->ns[i][with] = took;
                }
}

static void measure_as_user(const char *dir, Best *best, bool with) {
        int status = 0;
        pid_t child;

        (void) fflush(stdout);
        child = fork();
        if (child == 0) {
                if (chdir(dir) < 0 || setgid(ORDINARY_USER) < 0 || setuid(ORDINARY_USER) < 0)
                        die(dir);
                int fd = open("bench-own", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
                if (fd < 0)
                        die("bench-own");
                (void) close(fd);
                measure(best, with);
                (void) unlink("bench-own");
                (void) fflush(stdout);
                _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
                die("the measuring process");
}

static void ignore_event(const PolicyEvent *event, void *userdata) {
}

static void tell(const char *dir, const Best *best) {
        for (size_t i = 0; i < N_LOOPS; i++) {
                double without = (double) best->ns[i][0] / BATCH,
                       with = (double) best->ns[i][1] / BATCH;

                printf("# %s, %s: %.0f ns without, %.0f ns with the policy: %+.1f %%\n", dir,
                       loops[i].name, without, with, (with / without - 1) * 100);
        }
}

int main(int argc, char **argv) {
        const PolicyConfig config = { .pool_start = TABLE_POOL_START,
                                      .n_slots = N_SLOTS,
                                      .enforce = true,
                                      .event = ignore_event };
        int n_dirs = argc - 2, rounds = argc > 1 ? atoi(argv[1]) : 0;
        Best *best =
                mmap(NULL, sizeof(Best) * (size_t) argc, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (n_dirs < 1 || rounds < 1 || best == MAP_FAILED) {
                (void) fprintf(stderr, "usage: bench-policy ROUNDS DIR...\n");
                return 2;
        }
        for (int round = 0; round < rounds; round++)
                for (int with = 0; with < 2; with++) {
                        Policy *policy = NULL;

                        if (with && lender_policy_open(&config, NULL, &policy) < 0)
                                die("the policy");
                        for (int i = 0; i < n_dirs; i++)
                                measure_as_user(argv[i + 2], &best[i], with);
                        if (policy)
                                policy_free(policy);
                }
        for (int i = 0; i < n_dirs; i++)
                tell(argv[i + 2], &best[i]);
        printf("ok 1 - measured\n1..1\n");
        return 0;
}
