/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/door/door.h"

#include <net/if.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/cgroup/cgroup.h"
#include "daemon/door/child.h"
#include "daemon/limits.h"
#include "tests/unit/door-fixture.h"

static int open_in_other_net(void) {
        int fd, ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        fd = unit_open_ns(pid, "net");
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        return fd;
}

static void test_kinds(void) {
        g_autofree char *folder = NULL, *fake = NULL;
        UnitUserns userns;
        Fixture f;
        Result result;
        struct stat st, passed;
        int fds[8];

        if (!fixture_set_up(&f))
                return;
        folder = g_dir_make_tmp("test-door-XXXXXX", NULL);
        fake = g_build_filename(folder, "user:[4026531837]", NULL);
        userns = unit_userns_new(ACCOUNT);
        fds[0] = userns.fd;
        fds[1] = open_in_other_net();
        fds[2] = open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fds[2] < 0)
                fds[2] = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fds[3] = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fds[4] = open("/proc/self/ns/user", O_PATH | O_CLOEXEC);
        fds[5] = open(fake, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        fds[6] = unit_open_ns(getpid(), "mnt");
        fds[7] = open("/dev/null", O_RDWR | O_APPEND | O_CLOEXEC);
        send_fds(f.client, "hello", fds, 8);
        receive(f.keeper, f.server, 4, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, 0);
        g_assert_cmpuint(result.n_consumed, ==, 4);
        g_assert_cmpuint(result.n_descriptors, ==, 8);

        g_assert_cmpuint(result.descriptors[0].kind, ==, DOOR_KIND_USERNS);
        g_assert_cmpuint(result.descriptors[1].kind, ==, DOOR_KIND_NETNS);
        g_assert_cmpint(result.descriptors[1].fd, ==, -1);
        g_assert_cmpint(fstat(fds[0], &st), ==, 0);
        g_assert_cmpint(fstat(result.descriptors[0].fd, &passed), ==, 0);
        g_assert_cmpuint(st.st_ino, ==, passed.st_ino);
        g_assert_cmpint(fcntl(result.descriptors[0].fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
        if (fds[2] >= 0 && fstat(fds[2], &st) == 0 &&
            result.descriptors[2].kind == DOOR_KIND_CGROUP) {
                g_assert_cmpuint(result.descriptors[2].detail, ==, st.st_ino);
                g_assert_cmpint(result.descriptors[2].fd, ==, -1);
        } else
                g_test_message("no cgroup2 file system here");
        g_assert_cmpuint(result.descriptors[3].kind, ==, DOOR_KIND_DIRECTORY);
        g_assert_cmpuint(result.descriptors[4].kind, ==, DOOR_KIND_O_PATH);
        g_assert_cmpint(result.descriptors[4].open_flags & O_PATH, ==, O_PATH);
        g_assert_cmpuint(result.descriptors[5].kind, ==, DOOR_KIND_OTHER);
        g_assert_cmpuint(result.descriptors[6].kind, ==, DOOR_KIND_OTHER);
        g_assert_cmpuint(result.descriptors[7].kind, ==, DOOR_KIND_OTHER);
        g_assert_cmpint(
                result.descriptors[7].open_flags & (O_ACCMODE | O_APPEND), ==, O_RDWR | O_APPEND);
        for (unsigned i = 3; i < 8; i++)
                g_assert_cmpint(result.descriptors[i].fd, ==, -1);

        result_close(&result);
        /* What was not asked for is still there. */
        receive(f.keeper, f.server, 10, ACCOUNT, &result);
        g_assert_cmpuint(result.n_consumed, ==, 1);
        g_assert_cmpuint(result.n_descriptors, ==, 0);
        for (unsigned i = 1; i < 8; i++)
                close(fds[i]);
        unit_userns_clear(&userns);
        unlink(fake);
        rmdir(folder);
        fixture_tear_down(&f);
}

/* A namespace opened by way of a bind mount has the mount's path for a name. */
static void test_bind_mounted_namespace(void) {
        Fixture f;
        Result result;
        char path[] = "/tmp/test-door-XXXXXX";
        int fd;

        if (!fixture_set_up(&f))
                return;
        fd = mkstemp(path);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        g_assert_cmpint(mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL), ==, 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        send_fds(f.client, "x", &fd, 1);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpuint(result.n_descriptors, ==, 1);
        g_assert_cmpuint(result.descriptors[0].kind, ==, DOOR_KIND_NETNS);
        result_close(&result);
        close(fd);
        g_assert_cmpint(umount2(path, MNT_DETACH), ==, 0);
        unlink(path);
        fixture_tear_down(&f);
}

static void test_number_of_descriptors(void) {
        static const size_t numbers[] = { 0, 1, VARLINK_DESCRIPTORS_MAX,
                                          VARLINK_DESCRIPTORS_MAX + 1, 253 };
        Fixture f;
        int fds[253];

        if (!fixture_set_up(&f))
                return;
        fds[0] = unit_open_ns(getpid(), "user");
        for (size_t i = 1; i < G_N_ELEMENTS(fds); i++)
                fds[i] = fds[0];
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                bool fits = numbers[i] <= VARLINK_DESCRIPTORS_MAX;
                Result result;

                send_fds(f.client, "message", fds, numbers[i]);
                receive(f.keeper, f.server, 100, ACCOUNT, &result);
                g_assert_cmpint(result.result, ==, 0);
                g_assert_cmpuint(result.n_consumed, ==, 7);
                g_assert_cmpuint(result.n_descriptors, ==, fits ? numbers[i] : 0);
                for (size_t k = 0; k < result.n_descriptors; k++)
                        g_assert_cmpint(result.descriptors[k].fd, >=, 0);
                result_close(&result);
        }
        close(fds[0]);
        g_assert_true(wait_for(f.keeper, 0, 0, 2000));
        fixture_tear_down(&f);
}

static void test_nothing_to_receive(void) {
        Fixture f;
        Result result;

        if (!fixture_set_up(&f))
                return;
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, -EAGAIN);
        g_assert_cmpint(shutdown(f.client, SHUT_WR), ==, 0);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, 0);
        g_assert_cmpuint(result.n_consumed, ==, 0);
        fixture_tear_down(&f);
}

static void test_largest_message(void) {
        static const size_t sizes[] = { VARLINK_MESSAGE_MAX, VARLINK_MESSAGE_MAX + 1 };
        Fixture f;

        if (!fixture_set_up(&f))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *text = g_strnfill(sizes[i], 'x');
                size_t n = 0;

                send_fds(f.client, text, NULL, 0);
                while (n < sizes[i]) { /* the kernel may have cut it up */
                        Result result;

                        receive(f.keeper, f.server, sizes[i] - n, ACCOUNT, &result);
                        g_assert_cmpuint(result.n_consumed, >, 0);
                        g_assert_cmpuint(result.n_consumed, <=, VARLINK_MESSAGE_MAX);
                        n += result.n_consumed;
                }
                g_assert_cmpuint(n, ==, sizes[i]);
        }
        fixture_tear_down(&f);
}

/* Doors are the only children in these tests, but for what a test itself forks. */
static void signal_doors(int number) {
        unit_signal_children(number, LIMIT_DOORS_IDLE);
}

static void test_doors_have_nothing(void) {
        g_autoptr(GArray) pids = NULL;
        g_autofree char *path = NULL, *fd_path = NULL, *text = NULL;
        Fixture f;
        Result result;
        DIR *folder;
        unsigned n = 0;

        if (!fixture_set_up(&f))
                return;
        send_fds(f.client, "x", NULL, 0);
        pids = unit_find_children();
        g_assert_cmpuint(pids->len, ==, LIMIT_DOORS_IDLE);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);

        /* The first one served: it has dropped all there was. */
        path = g_strdup_printf("/proc/%d/status", (int) g_array_index(pids, pid_t, 0));
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_assert_nonnull(strstr(text, "\nUid:\t65534\t65534\t65534\t65534\n"));
        g_assert_nonnull(strstr(text, "\nGid:\t65534\t65534\t65534\t65534\n"));
        g_assert_nonnull(strstr(text, "\nGroups:\t \n"));
        g_assert_nonnull(strstr(text, "\nNoNewPrivs:\t1\n"));
        g_assert_nonnull(strstr(text, "\nCapInh:\t0000000000000000\n"));
        g_assert_nonnull(strstr(text, "\nCapPrm:\t0000000000000000\n"));
        g_assert_nonnull(strstr(text, "\nCapEff:\t0000000000000000\n"));

        fd_path = g_strdup_printf("/proc/%d/fd", (int) g_array_index(pids, pid_t, 0));
        folder = opendir(fd_path);
        while (readdir(folder))
                n++;
        closedir(folder);
        g_assert_cmpuint(n, ==, 2 + 1);
        fixture_tear_down(&f);
}

static void test_killed_while_idle(void) {
        Fixture f;
        Result result;

        if (!fixture_set_up(&f))
                return;
        signal_doors(SIGKILL);
        for (unsigned i = 0; i < 3; i++) {
                send_fds(f.client, "x", NULL, 0);
                receive(f.keeper, f.server, 1, ACCOUNT, &result);
                g_assert_cmpint(result.result, ==, 0);
                g_assert_cmpuint(result.n_consumed, ==, 1);
        }
        fixture_tear_down(&f);
}

static void test_killed_at_work(void) {
        Fixture f;
        Result result = { FALSE };

        if (!fixture_set_up(&f))
                return;
        signal_doors(SIGSTOP);
        send_fds(f.client, "x", NULL, 0);
        g_assert_cmpint(door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, &result), ==, 0);
        signal_doors(SIGKILL);
        g_assert_true(unit_run_until(&result.done, 60000));
        g_assert_cmpint(result.result, ==, -ECONNRESET);
        /* It died before it had received: nothing was lost. */
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, 0);
        g_assert_cmpuint(result.n_consumed, ==, 1);
        fixture_tear_down(&f);
}

/* What a door answers that something has taken over: never believed. */
static void spoil_nothing(DoorReply *reply) {
}

static void spoil_consumed(DoorReply *reply) {
        reply->n_consumed = 2; /* of one that was asked for */
}

static void spoil_number(DoorReply *reply) {
        reply->n_descriptors = VARLINK_DESCRIPTORS_MAX + 1;
}

static void spoil_passed(DoorReply *reply) {
        reply->verdicts[0].passed = true; /* of no kind that is, and it has none of that number */
        reply->verdicts[0].number = 100;
}

static void spoil_socket(DoorReply *reply) {
        reply->verdicts[0].passed = true; /* its own socket */
        reply->verdicts[0].kind = DOOR_KIND_NETNS;
        reply->verdicts[0].number = 0;
}

static void spoil_kind(DoorReply *reply) {
        reply->verdicts[0].kind = DOOR_KIND_USERNS; /* not named */
}

static void spoil_result(DoorReply *reply) {
        reply->result = 1;
}

/* Answer in the place of a stopped door. */
static void answer_as(pid_t door, const DoorReply *reply, size_t size) {
        int pidfd = (int) syscall(SYS_pidfd_open, door, 0), socket;
        g_autofree char *text = g_memdup2(reply, size);
        g_assert_cmpint(pidfd, >=, 0);
        socket = (int) syscall(SYS_pidfd_getfd, pidfd, 0, 0);
        g_assert_cmpint(socket, >=, 0);
        g_assert_cmpint(send(socket, text, size, 0), ==, size);
        close(socket);
        close(pidfd);
}

static void test_malformed_answers(void) {
        static const struct {
                void (*spoil)(DoorReply *reply);
                size_t size;
                int result;
        } cases[] = {
                { spoil_nothing, sizeof(DoorReply), 0 },
                { spoil_nothing, sizeof(DoorReply) - 1, -EPROTO },
                { spoil_nothing, 1, -EPROTO },
                { spoil_consumed, sizeof(DoorReply), -EPROTO },
                { spoil_number, sizeof(DoorReply), -EPROTO },
                { spoil_passed, sizeof(DoorReply), -EPROTO },
                { spoil_socket, sizeof(DoorReply), -EPROTO },
                { spoil_kind, sizeof(DoorReply), -EPROTO },
                { spoil_result, sizeof(DoorReply), -EPROTO },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                DoorReply reply = {
                        .n_consumed = 1,
                        .n_descriptors = 1,
                        .ready = true,
                        .verdicts = { { .kind = DOOR_KIND_OTHER } },
                };
                g_autoptr(GArray) pids = NULL;
                Result result = { FALSE };
                Fixture f;

                if (!fixture_set_up(&f))
                        return;
                pids = unit_find_children();
                signal_doors(SIGSTOP);
                send_fds(f.client, "x", NULL, 0);
                g_assert_cmpint(
                        door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, &result), ==, 0);
                cases[i].spoil(&reply);
                /* The idle one has nothing to answer at all. */
                for (guint k = 0; k < pids->len; k++)
                        answer_as(g_array_index(pids, pid_t, k), &reply, cases[i].size);
                g_assert_true(unit_run_until(&result.done, 60000));
                g_assert_cmpint(result.result, ==, cases[i].result);
                g_assert_cmpuint(result.n_descriptors, ==, cases[i].result == 0 ? 1 : 0);
                result_close(&result);

                /* Those doors are not used again. */
                if (cases[i].result != 0) {
                        receive(f.keeper, f.server, 1, ACCOUNT, &result);
                        g_assert_cmpint(result.result, ==, 0);
                        g_assert_cmpuint(result.n_consumed, ==, 1);
                }
                fixture_tear_down(&f);
        }
}

static void test_stopped(void) {
        Fixture f;
        Result result = { FALSE }, other;
        gint64 begin;

        if (!fixture_set_up(&f))
                return;
        signal_doors(SIGSTOP);
        send_fds(f.client, "xy", NULL, 0);
        begin = g_get_monotonic_time();
        for (unsigned i = 0; i < LIMIT_DOORS_IDLE; i++) {
                Result *r = i == 0 ? &result : &other;

                *r = (Result){ FALSE };
                g_assert_cmpint(
                        door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, r), ==, 0);
        }
        g_assert_true(unit_run_until(&result.done, LIMIT_DOOR_MSEC + 60000));
        g_assert_true(unit_run_until(&other.done, 60000));
        g_assert_cmpint(result.result, ==, -ETIMEDOUT);
        g_assert_cmpint(other.result, ==, -ETIMEDOUT);
        g_assert_cmpint(g_get_monotonic_time() - begin, >=, (LIMIT_DOOR_MSEC - 100) * 1000);
        g_assert_true(wait_for(f.keeper, 0, 0, 2000));
        fixture_tear_down(&f);
}

/* One client after another hangs a door, until the account is full; others are served all along,
 * and the end of the keeper waits for nobody. */
static void test_hanging(void) {
        pid_t clients[LIMIT_DOORS_STUCK_PER_ACCOUNT];
        Fixture f;
        HangingFs fs;
        Result result;
        DoorCounts counts;
        gint64 begin;

        if (!unit_need_root() || !hanging_fs_new(&fs))
                return;
        g_assert_true(fixture_set_up(&f));
        begin = g_get_monotonic_time();
        for (unsigned i = 0; i < LIMIT_DOORS_STUCK_PER_ACCOUNT; i++) {
                clients[i] = send_path(f.client, fs.folder, i == 1 ? VARLINK_DESCRIPTORS_MAX : 1);
                receive(f.keeper, f.server, 1, ACCOUNT, &result);
                /* What it was is answered before it is closed. */
                g_assert_cmpint(result.result, ==, 0);
                g_assert_cmpuint(result.n_descriptors, ==, i == 1 ? VARLINK_DESCRIPTORS_MAX : 1);
                g_assert_cmpuint(result.descriptors[0].kind, ==, DOOR_KIND_OTHER);
                g_assert_cmpint(result.descriptors[0].fd, ==, -1);
                door_keeper_count(f.keeper, &counts);
                g_assert_cmpuint(counts.n_working, ==, i + 1);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin, <, LIMIT_DOOR_MSEC * 1000);

        send_fds(f.client, "x", NULL, 0);
        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);

        /* The fifth waits, and is told when all four are known to hang. */
        send_fds(f.client, "x", NULL, 0);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, -EBUSY);
        door_keeper_count(f.keeper, &counts);
        g_assert_cmpuint(counts.n_stuck, ==, LIMIT_DOORS_STUCK_PER_ACCOUNT);
        g_assert_cmpint(
                door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, &result), ==,
                DOOR_E_BUSY);

        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);
        fixture_stop(&f);

        hanging_fs_clear(&fs);
        for (unsigned i = 0; i < G_N_ELEMENTS(clients); i++) {
                kill(clients[i], SIGKILL);
                g_assert_cmpint(waitpid(clients[i], NULL, 0), ==, clients[i]);
        }
        fixture_tear_down(&f);
}

/* When the client lets go, the account is free again. */
static void test_hanging_ends(void) {
        pid_t clients[LIMIT_DOORS_STUCK_PER_ACCOUNT];
        Fixture f;
        HangingFs fs;
        Result result;

        if (!unit_need_root() || !hanging_fs_new(&fs))
                return;
        g_assert_true(fixture_set_up(&f));
        for (unsigned i = 0; i < G_N_ELEMENTS(clients); i++) {
                clients[i] = send_path(f.client, fs.folder, 1);
                receive(f.keeper, f.server, 1, ACCOUNT, &result);
        }
        g_assert_true(wait_for(f.keeper, 0, G_N_ELEMENTS(clients), LIMIT_DOOR_MSEC + 60000));
        hanging_fs_clear(&fs);
        g_assert_true(wait_for(f.keeper, 0, 0, 3000));
        send_fds(f.client, "x", NULL, 0);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(clients); i++) {
                kill(clients[i], SIGKILL);
                g_assert_cmpint(waitpid(clients[i], NULL, 0), ==, clients[i]);
        }
        fixture_tear_down(&f);
}

/* Hang a door for the account; whether it got one. */
static bool hang_one(Fixture *f, const HangingFs *fs, uint32_t account, GArray *clients) {
        pid_t client = send_path(f->client, fs->folder, 1);
        Result result = { FALSE };

        g_array_append_val(clients, client);
        receive(f->keeper, f->server, 1, account, &result);
        return result.result == 0;
}

/* Many hostile accounts, each with all it gets: those before leave something for whoever has none,
 * and at LIMIT_DOORS nothing more starts, and requests are refused. */
static void test_limit_of_all(void) {
        g_autoptr(GArray) clients = g_array_new(FALSE, FALSE, sizeof(pid_t));
        unsigned n_hanging = 0, n_accounts = 0;
        Fixture f;
        HangingFs fs;
        Result result;

        if (!unit_need_root() || !hanging_fs_new(&fs))
                return;
        g_assert_true(fixture_set_up(&f));
        /* As many as its share is, without waiting for what is beyond. */
        while (n_hanging < LIMIT_DOORS) {
                unsigned left = LIMIT_DOORS - n_hanging,
                         most =
                                 MIN(LIMIT_DOORS_STUCK_PER_ACCOUNT,
                                     (left + LIMIT_DOORS_SHARE - 1) / LIMIT_DOORS_SHARE),
                         n = 0;

                while (n < most && n_hanging < LIMIT_DOORS) {
                        g_assert_true(hang_one(&f, &fs, 10000 + n_accounts, clients));
                        n++;
                        n_hanging++;
                        left = LIMIT_DOORS - n_hanging;
                        most = MIN(most, (left + LIMIT_DOORS_SHARE - 1) / LIMIT_DOORS_SHARE);
                }
                n_accounts++;
                /* Sixteen accounts took all, once. */
                if (n_accounts == 16) {
                        send_fds(f.client, "x", NULL, 0);
                        receive(f.keeper, f.server, 1, OTHER, &result);
                        g_assert_cmpint(result.result, ==, 0);
                }
        }
        g_assert_cmpuint(n_accounts, >, LIMIT_DOORS / LIMIT_DOORS_STUCK_PER_ACCOUNT + 8);
        g_assert_true(wait_for(f.keeper, 0, LIMIT_DOORS, LIMIT_DOOR_MSEC + 60000));
        g_assert_cmpint(
                door_receive(f.keeper, f.server, 1, OTHER, on_received, &result), ==, DOOR_E_BUSY);

        hanging_fs_clear(&fs);
        g_assert_true(wait_for(f.keeper, 0, 0, 60000));
        send_fds(f.client, "x", NULL, 0);
        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);
        for (guint i = 0; i < clients->len; i++) {
                pid_t pid = g_array_index(clients, pid_t, i);

                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        }
        fixture_tear_down(&f);
}

/* An account that has one does not get another of the last ones; whoever has none does. */
static void test_the_last_ones(void) {
        g_autoptr(GArray) clients = g_array_new(FALSE, FALSE, sizeof(pid_t));
        Fixture f;
        HangingFs fs;
        Result result = { FALSE };

        if (!unit_need_root() || !hanging_fs_new(&fs))
                return;
        g_assert_true(fixture_set_up(&f));
        for (unsigned i = 0; i < LIMIT_DOORS - LIMIT_DOORS_SHARE; i++)
                g_assert_true(hang_one(&f, &fs, 10000 + i, clients));
        g_assert_true(
                wait_for(f.keeper, 0, LIMIT_DOORS - LIMIT_DOORS_SHARE, LIMIT_DOOR_MSEC + 60000));
        g_assert_cmpint(
                door_receive(f.keeper, f.server, 1, 10000, on_received, &result), ==, DOOR_E_BUSY);
        send_fds(f.client, "x", NULL, 0);
        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);
        hanging_fs_clear(&fs);
        for (guint i = 0; i < clients->len; i++) {
                pid_t pid = g_array_index(clients, pid_t, i);

                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        }
        g_assert_true(wait_for(f.keeper, 0, 0, 60000));
        fixture_tear_down(&f);
}

static gboolean all_done(const Result *results, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                if (!results[i].done)
                        return FALSE;
        return TRUE;
}

/* More than there are doors, of few accounts: all wait their turn and are served. */
static void test_many_at_once(void) {
        enum { N = 150 };
        g_autofree Result *results = g_new0(Result, N);
        Fixture f;
        gint64 end;

        if (!fixture_set_up(&f))
                return;
        for (unsigned i = 0; i < N; i++) {
                send_fds(f.client, "x", NULL, 0);
                g_assert_cmpint(
                        door_receive(
                                f.keeper, f.server, 1, 10000 + i % 3, on_received, &results[i]),
                        ==, 0);
        }
        end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        while (!all_done(results, N) && g_get_monotonic_time() < end)
                (void) g_main_context_iteration(NULL, FALSE);
        for (unsigned i = 0; i < N; i++) {
                g_assert_true(results[i].done);
                g_assert_cmpint(results[i].result, ==, 0);
                g_assert_cmpuint(results[i].n_consumed, ==, 1);
        }
        fixture_tear_down(&f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        /* File systems mounted here are nobody else's. */
        if (geteuid() == 0 &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                g_error("no mount namespace: %s", g_strerror(errno));
        g_test_add_func("/door/kinds", test_kinds);
        g_test_add_func("/door/bind-mounted-namespace", test_bind_mounted_namespace);
        g_test_add_func("/door/number-of-descriptors", test_number_of_descriptors);
        g_test_add_func("/door/nothing-to-receive", test_nothing_to_receive);
        g_test_add_func("/door/largest-message", test_largest_message);
        g_test_add_func("/door/doors-have-nothing", test_doors_have_nothing);
        g_test_add_func("/door/killed-while-idle", test_killed_while_idle);
        g_test_add_func("/door/killed-at-work", test_killed_at_work);
        g_test_add_func("/door/malformed-answers", test_malformed_answers);
        g_test_add_func("/door/stopped", test_stopped);
        g_test_add_func("/door/many-at-once", test_many_at_once);
        g_test_add_func("/door/hanging", test_hanging);
        g_test_add_func("/door/hanging-ends", test_hanging_ends);
        g_test_add_func("/door/limit-of-all", test_limit_of_all);
        g_test_add_func("/door/the-last-ones", test_the_last_ones);
        return g_test_run();
}
