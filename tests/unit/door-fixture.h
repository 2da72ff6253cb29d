/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Doors with a connection of the test's, and a file system that hangs whoever closes its files. */

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/cgroup/cgroup.h"
#include "daemon/door/door.h"
#include "daemon/limits.h"
#include "tests/unit/hanging-fuse.h"
#include "tests/unit/unit.h"

#define DOOR_ID 65534u
#define ACCOUNT 4711u
#define OTHER 4712u

/* A file system whose flush never ends */

typedef struct HangingFs {
        char *folder;
        pid_t server;
} HangingFs;

static inline gboolean hanging_fs_new(HangingFs *fs) {
        g_autofree char *options = NULL;
        int fd;

        *fs = (HangingFs){ .folder = g_dir_make_tmp("test-door-XXXXXX", NULL) };
        g_assert_nonnull(fs->folder);
        fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (fd < 0) {
                unit_skip("fuse", "no /dev/fuse");
                return FALSE;
        }
        options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
        g_assert_cmpint(
                mount("test-door", fs->folder, "fuse", MS_NOSUID | MS_NODEV, options), ==, 0);
        fs->server = fork();
        if (fs->server == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                hanging_fuse_serve(fd);
        }
        close(fd);
        return TRUE;
}

static inline void hanging_fs_clear(HangingFs *fs) {
        kill(fs->server, SIGKILL); /* ends the connection, and with it whoever hangs */
        g_assert_cmpint(waitpid(fs->server, NULL, 0), ==, fs->server);
        g_assert_cmpint(umount2(fs->folder, MNT_DETACH), ==, 0);
        g_assert_cmpint(rmdir(fs->folder), ==, 0);
        g_free(fs->folder);
}

/* Receiving */

typedef struct Result {
        gboolean done;
        int result;
        size_t n_consumed, n_descriptors;
        VarlinkDescriptor descriptors[VARLINK_DESCRIPTORS_MAX];
} Result;

static inline void on_received(
        int result, size_t n_consumed, VarlinkDescriptor *descriptors, size_t n_descriptors,
        void *userdata) {
        Result *r = userdata;

        g_assert_false(r->done);
        g_assert_cmpuint(n_descriptors, <=, VARLINK_DESCRIPTORS_MAX);
        r->done = TRUE;
        r->result = result;
        r->n_consumed = n_consumed;
        r->n_descriptors = n_descriptors;
        for (size_t i = 0; i < n_descriptors; i++)
                r->descriptors[i] = descriptors[i];
}

static inline void result_close(Result *result) {
        for (size_t i = 0; i < result->n_descriptors; i++)
                if (result->descriptors[i].fd >= 0)
                        close(result->descriptors[i].fd);
        result->n_descriptors = 0;
}

static inline void send_fds(int socket, const char *text, const int *fds, size_t n_fds) {
        g_autofree char *control = g_malloc0(CMSG_SPACE(n_fds * sizeof(int)));
        struct iovec iov = { (void *) text, strlen(text) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *c = (struct cmsghdr *) (void *) control;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        g_assert_cmpint(sendmsg(socket, &message, 0), ==, strlen(text));
}

/* A client in a process of its own: its exit hangs when it has a descriptor of the hanging file
 * system. */
static inline pid_t send_path(int socket, const char *folder, unsigned n) {
        g_autofree char *path = g_strdup_printf("%s/file", folder);
        int ready[2];
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                int fds[VARLINK_DESCRIPTORS_MAX];

                for (unsigned i = 0; i < n; i++) {
                        fds[i] = open(path, O_RDWR | O_CLOEXEC);
                        if (fds[i] < 0)
                                _exit(1);
                }
                send_fds(socket, "x", fds, n);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) !write(ready[1], "x", 1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        return pid;
}

static inline void receive(
        DoorKeeper *keeper, int socket, size_t n_bytes, uint32_t account, Result *result) {
        *result = (Result){ FALSE };
        g_assert_cmpint(door_receive(keeper, socket, n_bytes, account, on_received, result), ==, 0);
        g_assert_true(unit_run_until(&result->done, LIMIT_DOOR_MSEC + 60000));
}

typedef struct Wanted {
        const DoorKeeper *keeper;
        unsigned n_working, n_stuck;
} Wanted;

static inline gboolean differs(gconstpointer data) {
        const Wanted *wanted = data;
        DoorCounts counts;

        door_keeper_count(wanted->keeper, &counts);
        return counts.n_working != wanted->n_working || counts.n_stuck != wanted->n_stuck;
}

static inline gboolean wait_for(
        const DoorKeeper *keeper, unsigned n_working, unsigned n_stuck, unsigned msec) {
        Wanted wanted = { keeper, n_working, n_stuck };

        return unit_run_while(differs, &wanted, msec);
}

typedef struct Fixture {
        DoorKeeper *keeper;
        int client, server; /* a connection */
        unsigned n_fds;
} Fixture;

static inline gboolean fixture_set_up_with(Fixture *f, void (*run)(const void *data)) {
        DoorKeeperConfig config = { .uid = DOOR_ID, .gid = DOOR_ID, .run = run };
        g_autoptr(CgroupTree) tree = NULL;
        int ends[2];

        if (!unit_need_root())
                return FALSE;
        if (cgroup_tree_new(&tree) == 0)
                config.cgroup2 = cgroup_tree_device(tree);
        g_clear_pointer(&tree, cgroup_tree_free);
        (void) g_main_context_iteration(NULL, FALSE); /* it has a descriptor of its own */
        f->n_fds = unit_count_fds();
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
        f->client = ends[0];
        f->server = ends[1];
        g_assert_cmpint(door_keeper_new(&config, &f->keeper), ==, 0);
        return TRUE;
}

static inline gboolean fixture_set_up(Fixture *f) {
        return fixture_set_up_with(f, NULL);
}

static inline void fixture_stop(Fixture *f) {
        gint64 begin = g_get_monotonic_time();

        g_clear_pointer(&f->keeper, door_keeper_free);
        g_assert_cmpint(g_get_monotonic_time() - begin, <, LIMIT_DOOR_MSEC * 1000);
}

static inline void fixture_tear_down(Fixture *f) {
        fixture_stop(f);
        close(f->client);
        close(f->server);
        /* What has been killed is reaped by and by. */
        for (unsigned i = 0; i < 300 && unit_count_fds() != f->n_fds; i++) {
                (void) g_main_context_iteration(NULL, FALSE);
                g_usleep(10 * 1000);
        }
        g_assert_cmpuint(unit_count_fds(), ==, f->n_fds);
}
