/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* What a look-up costs, in nanoseconds a call: of our module, of `files`, and of nss-systemd asking
 * our provider, in one process, with 1, 100 and 10,000 ranges.
 *
 *      bench-names MODULE PROVIDER [NSS-SYSTEMD]
 *
 * Runs as root, in a mount namespace and under a /run of its own.  The modules' functions are
 * called as glibc calls them, without what glibc adds for all alike.  Each figure is the median of
 * many batches; hits go to random IDs of random ranges. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/table/file.h"
#include "lib/table/write.h"

#define N_SLOTS 28664u
#define N_KEYS 4096u
#define N_BATCHES 101u
#define BATCH_NSEC 500000u /* about what a batch takes */
#define PROVIDER_SOCKET "/run/systemd/userdb/io.systemd.NamespaceResource"

typedef enum nss_status (*ByIdFunc)(uid_t, struct passwd *, char *, size_t, int *);
typedef enum nss_status (*ByNameFunc)(const char *, struct passwd *, char *, size_t, int *);

typedef struct Module {
        ByIdFunc by_id;
        ByNameFunc by_name;
} Module;

/* What is looked up: random choices, made before the clock runs. */
typedef struct Keys {
        uid_t hits[N_KEYS], misses[N_KEYS];
        char names[N_KEYS][32];
} Keys;

static const uint32_t sizes[] = { 1, 100, 10000 };
#define N_SIZES G_N_ELEMENTS(sizes)

static void fail(const char *what) {
        fprintf(stderr, "bench-names: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

/* the stage */

static void make_private_run(void) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "/run", "tmpfs", 0, "mode=755") < 0)
                fail("a private /run (this needs root)");
        if (mkdir("/run/nsresource", 0755) < 0 || mkdir("/run/systemd", 0755) < 0 ||
            mkdir("/run/systemd/userdb", 0755) < 0)
                fail("folders in /run");
}

/* Put a table with that many ranges in the place of the one that is there. */
static void make_table(uint32_t n_ranges, Keys *keys) {
        TableWriterConfig config = { .path = TABLE_PATH,
                                     .pool_start = TABLE_POOL_START,
                                     .n_slots = N_SLOTS };
        g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(TableWriter) writer = NULL;
        g_autofree char *aside = NULL;
        TableOpenReport report;

        if (access(TABLE_PATH, F_OK) == 0 && table_file_set_aside(TABLE_PATH, &aside) != 0)
                fail("the table before");
        if (table_writer_open(&config, &writer, &report) != 0)
                fail("a table");
        for (uint32_t i = 0; i < n_ranges; i++) {
                g_autofree char *name = g_strdup_printf("1000-bench%u", i);
                uint32_t record;

                if (table_writer_reserve(
                            writer,
                            &(TableRange){ .name = name,
                                           .owner_uid = 1000,
                                           .userns_inode = i + 1,
                                           .size = TABLE_SLOT_SIZE },
                            NULL, NULL, &record) != 0)
                        fail("a range");
                table_writer_set_state(writer, record, TABLE_STATE_MAPPING);
                table_writer_set_state(writer, record, TABLE_STATE_ACTIVE);
                g_array_append_val(starts, table_writer_record(writer, record)->start);
        }

        for (uint32_t i = 0; i < N_KEYS; i++) {
                uint32_t range = g_random_int() % n_ranges, offset = g_random_int() % 65536;
                uid_t id;

                keys->hits[i] = g_array_index(starts, uint32_t, range) + offset;
                g_snprintf(
                        keys->names[i], sizeof(keys->names[i]), "ns-1000-bench%u-%u", range,
                        offset);
                do
                        id = TABLE_POOL_START + g_random_int() % (N_SLOTS * TABLE_SLOT_SIZE);
                while (table_writer_find_id(writer, id) != TABLE_NONE);
                keys->misses[i] = id;
        }
}

static pid_t start_provider(const char *path) {
        pid_t pid = fork();

        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                execl(path, path, "--socket", PROVIDER_SOCKET, "--table", TABLE_PATH,
                      (char *) NULL);
                _exit(127);
        }
        for (unsigned i = 0; i < 500 && access(PROVIDER_SOCKET, F_OK) < 0; i++)
                (void) usleep(10000);
        return pid;
}

static Module load_module(const char *path, const char *service) {
        void *handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : RTLD_DEFAULT;
        g_autofree char *by_id = g_strdup_printf("_nss_%s_getpwuid_r", service);
        g_autofree char *by_name = g_strdup_printf("_nss_%s_getpwnam_r", service);
        Module module = { .by_id = NULL };

        if (handle || !path) {
                module.by_id = (ByIdFunc) dlsym(handle, by_id);
                module.by_name = (ByNameFunc) dlsym(handle, by_name);
        }
        return module;
}

/* measuring */

typedef struct Case {
        const char *what;
        const Module *module;
        enum nss_status expected;
        const uid_t *ids;  /* N_KEYS of them, or ... */
        const char *names; /* ... one every `stride` bytes */
        size_t stride;     /* 0: the first one is asked for again and again */
} Case;

static void call(const Case *c, uint32_t i) {
        struct passwd passwd;
        char buffer[512];
        int error = 0;
        enum nss_status status;

        i %= N_KEYS;
        status =
                c->ids ? c->module->by_id(
                                 c->ids[c->stride ? i : 0], &passwd, buffer, sizeof(buffer), &error)
                       : c->module->by_name(
                                 c->names + i * c->stride, &passwd, buffer, sizeof(buffer), &error);
        if (status != c->expected) {
                fprintf(stderr, "bench-names: %s: status %d, errno %d\n", c->what, status, error);
                exit(1);
        }
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double measure(const Case *c) {
        double figures[N_BATCHES];
        uint64_t begin = now_nsec();
        uint32_t n = 1, i = 0;

        /* Warm up, and learn how many calls make a batch. */
        while (now_nsec() - begin < BATCH_NSEC) {
                call(c, i++);
                n++;
        }
        for (size_t batch = 0; batch < N_BATCHES; batch++) {
                begin = now_nsec();
                for (uint32_t k = 0; k < n; k++)
                        call(c, i++);
                figures[batch] = (double) (now_nsec() - begin) / n;
        }
        qsort(figures, N_BATCHES, sizeof(figures[0]), compare_doubles);
        return figures[N_BATCHES / 2];
}

/* The first look-up of a process: it opens and maps the table, or the one that replaced its
 * parent's.  The module is loaded already. */
static double measure_first(const Case *c) {
        double figures[N_BATCHES];

        for (size_t i = 0; i < N_BATCHES; i++) {
                int pipes[2], status;
                pid_t pid;

                if (pipe(pipes) < 0 || (pid = fork()) < 0)
                        fail("fork");
                if (pid == 0) {
                        uint64_t begin = now_nsec(), taken;

                        call(c, (uint32_t) i);
                        taken = now_nsec() - begin;
                        _exit(write(pipes[1], &taken, sizeof(taken)) != sizeof(taken));
                } else {
                        uint64_t taken = 0;

                        (void) close(pipes[1]);
                        if (read(pipes[0], &taken, sizeof(taken)) != sizeof(taken))
                                fail("a child");
                        (void) close(pipes[0]);
                        (void) waitpid(pid, &status, 0);
                        figures[i] = (double) taken;
                }
        }
        qsort(figures, N_BATCHES, sizeof(figures[0]), compare_doubles);
        return figures[N_BATCHES / 2];
}

int main(int argc, char **argv) {
        static const uid_t root = 0, user = 1000, nobody_knows = 4000000000u;
        g_autofree Keys *keys = g_new0(Keys, 1);
        pid_t provider;

        if (argc < 3) {
                fprintf(stderr, "usage: bench-names MODULE PROVIDER [NSS-SYSTEMD]\n");
                return 2;
        }

        const Module ours = load_module(argv[1], "nsresource");
        const Module files = load_module(NULL, "files"); /* in libc itself since glibc 2.34 */
        const Module systemd = load_module(argc > 3 ? argv[3] : "libnss_systemd.so.2", "systemd");
        const Case first = {
                "first hit of a process", &ours, NSS_STATUS_SUCCESS, keys->hits, NULL, 1
        };
        const Case cases[] = {
                { "nsresource: hit by number", &ours, NSS_STATUS_SUCCESS, keys->hits, NULL, 1 },
                { "nsresource: hit by name", &ours, NSS_STATUS_SUCCESS, NULL, keys->names[0],
                  sizeof(keys->names[0]) },
                { "nsresource: miss in the pool", &ours, NSS_STATUS_NOTFOUND, keys->misses, NULL,
                  1 },
                { "nsresource: miss by name", &ours, NSS_STATUS_NOTFOUND, NULL, "ns-nobody-0", 0 },
                { "nsresource: number outside", &ours, NSS_STATUS_NOTFOUND, &user, NULL, 0 },
                { "nsresource: unrelated name", &ours, NSS_STATUS_NOTFOUND, NULL, "root", 0 },
                { "files: root by number", &files, NSS_STATUS_SUCCESS, &root, NULL, 0 },
                { "files: root by name", &files, NSS_STATUS_SUCCESS, NULL, "root", 0 },
                { "files: miss by number", &files, NSS_STATUS_NOTFOUND, &nobody_knows, NULL, 0 },
                { "nss-systemd: hit by number", &systemd, NSS_STATUS_SUCCESS, keys->hits, NULL, 1 },
                { "nss-systemd: hit by name", &systemd, NSS_STATUS_SUCCESS, NULL, keys->names[0],
                  sizeof(keys->names[0]) },
                { "nss-systemd: miss in the pool", &systemd, NSS_STATUS_NOTFOUND, keys->misses,
                  NULL, 1 },
        };
        double figures[G_N_ELEMENTS(cases)][N_SIZES] = { { 0 } }, firsts[N_SIZES];

        if (!ours.by_id || !ours.by_name)
                fail("the module");
        make_private_run();
        make_table(sizes[0], keys);
        provider = start_provider(argv[2]);
        for (size_t size = 0; size < N_SIZES; size++) {
                make_table(sizes[size], keys); /* in place of the one before: the module follows */
                firsts[size] = measure_first(&first);
                for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                        if (cases[i].module->by_id)
                                figures[i][size] = measure(&cases[i]);
        }
        (void) kill(provider, SIGTERM);
        (void) waitpid(provider, NULL, 0);

        printf("%-32s %12s %12s %12s\n", "ns a call, with so many ranges", "1", "100", "10,000");
        printf("%-32s %12.0f %12.0f %12.0f\n", "nsresource: a process's first", firsts[0],
               firsts[1], firsts[2]);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (cases[i].module->by_id)
                        printf("%-32s %12.0f %12.0f %12.0f\n", cases[i].what, figures[i][0],
                               figures[i][1], figures[i][2]);
        return 0;
}
