/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/varlink/client.h"
#include "lib/varlink/json.h"
#include "tests/unit/holder.h"

/* How long AllocateUserRange takes beside the floor: a root process that forks, has the child join
 * the namespace and writes both maps, nothing else.  The two alternate, so that a noisy machine is
 * noisy for both.
 *
 *      bench-allocate SOCKET ROUNDS LIVE
 *
 * Before measuring it makes LIVE namespaces with a range each and keeps them.  Prints medians and
 * their ratio. */

static void fail(const char *what, int error) {
        fprintf(stderr, "bench-allocate: %s: %s\n", what, g_strerror(abs(error)));
        exit(EXIT_FAILURE);
}

/* A namespace that only its descriptor keeps alive. */
static int make_namespace(void) {
        pid_t pid = -1;
        int r;

        r = holder_new(&pid);
        if (r < 0)
                fail("holder", r);
        r = holder_open(pid);
        if (r < 0)
                fail("namespace", r);
        holder_end(pid);
        return r;
}

static uint64_t now_nsec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void write_map(pid_t pid, const char *map) {
        char path[64];
        auto_fd fd = -1;

        (void) g_snprintf(path, sizeof(path), "/proc/%d/%s", pid, map);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 ||
            file_write_all(fd, "0 1000000000 65536\n", strlen("0 1000000000 65536\n")) < 0)
                fail(path, errno);
}

static uint64_t measure_floor(void) {
        auto_fd userns = make_namespace();
        uint64_t begin, end;
        int gate[2];
        char byte;
        pid_t pid;

        begin = now_nsec();
        if (pipe2(gate, O_CLOEXEC) < 0)
                fail("pipe", errno);
        pid = fork();
        if (pid == 0) {
                if (setns(userns, CLONE_NEWUSER) < 0)
                        _exit(1);
                (void) !write(gate[1], "x", 1);
                (void) pause();
                _exit(0);
        }
        (void) close(gate[1]);
        if (read(gate[0], &byte, 1) != 1)
                fail("setns", EPERM);
        (void) close(gate[0]);
        write_map(pid, "uid_map");
        write_map(pid, "gid_map");
        end = now_nsec();

        holder_end(pid);
        return end - begin;
}

static void allocate(VarlinkClient *client, int userns, unsigned n) {
        g_autofree char *name = g_strdup_printf("bench-%u", n);
        g_autoptr(json_t) parameters = json_pack(
                "{s:s, s:i, s:i}", "name", name, "size", 65536, "userNamespaceFileDescriptor", 0);
        g_autoptr(json_t) reply = NULL;
        g_autofree char *error = NULL;
        int r;

        r = varlink_client_call(
                client, "io.systemd.NamespaceResource.AllocateUserRange", parameters, &userns, 1,
                &reply, &error);
        if (r < 0)
                fail("call", r);
        if (error) {
                fprintf(stderr, "bench-allocate: refused: %s\n", error);
                exit(EXIT_FAILURE);
        }
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static double median_usec(uint64_t *nsec, unsigned n) {
        qsort(nsec, n, sizeof(*nsec), compare);
        return (double) nsec[n / 2] / 1000.0;
}

int main(int argc, char **argv) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autofree uint64_t *least_nsec = NULL, *call_nsec = NULL;
        g_autofree int *live = NULL;
        unsigned rounds, n_live;
        double least_usec, call_usec;
        int r;

        if (argc != 4) {
                fprintf(stderr, "usage: bench-allocate SOCKET ROUNDS LIVE\n");
                return 2;
        }
        rounds = (unsigned) strtoul(argv[2], NULL, 10);
        n_live = (unsigned) strtoul(argv[3], NULL, 10);
        r = varlink_client_connect(argv[1], 10000, &client);
        if (r < 0)
                fail(argv[1], r);

        live = g_new(int, n_live);
        for (unsigned i = 0; i < n_live; i++) {
                live[i] = make_namespace();
                allocate(client, live[i], i);
        }

        least_nsec = g_new(uint64_t, rounds);
        call_nsec = g_new(uint64_t, rounds);
        for (unsigned i = 0; i < rounds; i++) {
                auto_fd userns = make_namespace();
                uint64_t begin;

                least_nsec[i] = measure_floor();
                begin = now_nsec();
                allocate(client, userns, n_live + i);
                call_nsec[i] = now_nsec() - begin;
        }

        least_usec = median_usec(least_nsec, rounds);
        call_usec = median_usec(call_nsec, rounds);
        printf("AllocateUserRange, %u ranges live, median of %u: %.1f us; floor %.1f us; ratio "
               "%.2f\n",
               n_live, rounds, call_usec, least_usec, call_usec / least_usec);
        for (unsigned i = 0; i < n_live; i++)
                (void) close(live[i]);
        return EXIT_SUCCESS;
}
