/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/door.h"

#include "daemon/door-child.h"
#include "tests/unit/door-fixture.h"

/* Doors that were taken over */

#define ORDINARY_FOLDER "/proc/sys"

static const char *hanging_folder; /* of the liars */

/* What a liar says; the first byte of the client's message picks one. */
typedef struct Lie {
        char pick;
        uint32_t kind, passed;
        unsigned n_files, n_folders, n_more; /* descriptors: of the hanging file system, beyond */
        gboolean is_ordinary;                /* no: of an ordinary folder */
        gboolean is_late;                    /* an honest answer first, then one nobody asked for */
} Lie;

static const Lie lies[] = {
        { 'u', DOOR_KIND_USERNS, 1, .n_files = 1 },
        { 'U', DOOR_KIND_USERNS, 1, .n_folders = 1 },
        { 'n', DOOR_KIND_NETNS, 1, .n_files = 1 },
        { 'c', DOOR_KIND_CGROUP, 1, .n_folders = 1 },
        { 'f', DOOR_KIND_CGROUP, 1, .n_files = 1 },
        { 'o', DOOR_KIND_CGROUP, 1, .is_ordinary = TRUE },
        /* Of the right number, without a descriptor for it. */
        { 'i', DOOR_KIND_CGROUP, 0 },
        { 'p', DOOR_KIND_OTHER, 1, .n_files = 1 },
        { 'm', DOOR_KIND_OTHER, 0, .n_files = 1 },
        { 'M', DOOR_KIND_OTHER, 0, .n_files = 1, .n_more = 252 },
        { 'l', DOOR_KIND_OTHER, 0, .n_files = 1, .is_late = TRUE },
};

static int liar_open(const Lie *lie) {
        g_autofree char *file = g_build_filename(hanging_folder, "file", NULL);

        if (lie->is_ordinary)
                return open(ORDINARY_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return lie->n_folders ? open(hanging_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                              : open(file, O_RDWR | O_CLOEXEC);
}

static void liar_send(const DoorReply *reply, const int *fds, size_t n_fds) {
        char control[CMSG_SPACE(253 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { (void *) reply, sizeof(*reply) };
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
        if (sendmsg(0, &message, MSG_NOSIGNAL) < 0)
                _exit(1);
}

static void liar_serve(char pick) {
        DoorReply reply = { .n_consumed = 1, .n_descriptors = 1, .ready = 1 };
        const Lie *lie = NULL;
        int fds[253];
        size_t n;

        for (size_t i = 0; i < G_N_ELEMENTS(lies); i++)
                if (lies[i].pick == pick)
                        lie = &lies[i];
        if (!lie) { /* honest */
                reply.n_descriptors = 0;
                liar_send(&reply, NULL, 0);
                return;
        }
        reply.verdicts[0] = (DoorVerdict){ .kind = lie->kind, .detail = 1, .passed = lie->passed };
        n = lie->n_files + lie->n_folders + lie->n_more + (lie->is_ordinary ? 1 : 0);
        for (unsigned i = 0; i < n; i++)
                fds[i] = liar_open(lie);
        if (lie->is_late) {
                reply.n_descriptors = 0;
                liar_send(&reply, NULL, 0);
        }
        liar_send(&reply, fds, n);
        for (;;)
                (void) pause();
}

static void run_liar(const void *data) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
                char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
                DoorRequest request;
                struct iovec iov = { &request, sizeof(request) };
                struct msghdr message = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
                };
                char pick = 0;
                int connection;

                if (recvmsg(0, &message, 0) != sizeof(request))
                        _exit(0);
                memcpy(&connection, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(connection));
                if (recv(connection, &pick, 1, MSG_DONTWAIT) != 1)
                        _exit(1);
                close(connection);
                liar_serve(pick);
        }
}

/* How many descriptors of what is below a folder are open here; they are closed if `and_close`. */
static unsigned count_below(const char *folder, gboolean and_close) {
        unsigned n = 0;

        for (int fd = 3; fd < 4096; fd++) {
                g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
                g_autofree char *target = g_file_read_link(path, NULL);

                if (!target || !g_str_has_prefix(target, folder))
                        continue;
                n++;
                if (and_close)
                        close(fd);
        }
        return n;
}

static void test_one_lie(const HangingFs *fs, const Lie *lie) {
        gboolean keeps = lie->n_files + lie->n_folders > 0 || lie->is_ordinary;
        Fixture f;
        Result result;

        if (!fixture_set_up_with(&f, run_liar))
                return;
        send_fds(f.client, (const char[]){ lie->pick, 0 }, NULL, 0);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        if (lie->is_late) {
                g_assert_cmpint(result.result, ==, 0);
                g_assert_true(wait_for(f.keeper, 0, 1, 60000));
        } else
                g_assert_cmpint(result.result, ==, -EPROTO);
        g_assert_cmpuint(result.n_descriptors, ==, 0);
        /* Nothing of it is closed by us, and the account goes on paying. */
        g_assert_cmpuint(
                count_below(fs->folder, FALSE), ==, lie->n_files + lie->n_folders + lie->n_more);
        if (keeps) {
                for (unsigned i = 0; i < 20; i++) {
                        (void) g_main_context_iteration(NULL, FALSE);
                        g_usleep(1000);
                }
                g_assert_true(wait_for(f.keeper, 0, 1, 60000));
        }
        /* Others are served. */
        send_fds(f.client, "h", NULL, 0);
        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);
        g_assert_cmpuint(result.n_consumed, ==, 1);

        fixture_stop(&f);
        kill(fs->server, SIGKILL);
        (void) count_below(fs->folder, TRUE);
        (void) count_below(ORDINARY_FOLDER, TRUE);
        close(f.client);
        close(f.server);
}

static void test_lies(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
                HangingFs fs;

                if (!unit_need_root() || !hanging_fs_new(&fs))
                        return;
                hanging_folder = fs.folder;
                g_test_message("lie %c", lies[i].pick);
                test_one_lie(&fs, &lies[i]);
                hanging_fs_clear(&fs);
        }
}

/* One account's doors are taken over again and again: it is refused, nobody else. */
static void test_liars_of_one_account(void) {
        Fixture f;
        Result result;

        if (!fixture_set_up_with(&f, run_liar))
                return;
        for (unsigned i = 0; i < LIMIT_DOORS_STUCK_PER_ACCOUNT; i++) {
                send_fds(f.client, "o", NULL, 0);
                receive(f.keeper, f.server, 1, ACCOUNT, &result);
                g_assert_cmpint(result.result, ==, -EPROTO);
        }
        g_assert_cmpint(
                door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, &result), ==,
                DOOR_E_BUSY);
        /* Also when they are all dead. */
        for (unsigned i = 0; i < 100; i++) {
                (void) g_main_context_iteration(NULL, FALSE);
                g_usleep(1000);
        }
        g_assert_cmpint(
                door_receive(f.keeper, f.server, 1, ACCOUNT, on_received, &result), ==,
                DOOR_E_BUSY);
        send_fds(f.client, "h", NULL, 0);
        receive(f.keeper, f.server, 1, OTHER, &result);
        g_assert_cmpint(result.result, ==, 0);

        fixture_stop(&f);
        /* They are still open. */
        g_assert_cmpuint(count_below(ORDINARY_FOLDER, TRUE), ==, LIMIT_DOORS_STUCK_PER_ACCOUNT);
        fixture_tear_down(&f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/door/lies", test_lies);
        g_test_add_func("/door/liars-of-one-account", test_liars_of_one_account);
        return g_test_run();
}
