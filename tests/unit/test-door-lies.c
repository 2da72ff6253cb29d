/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/door/door.h"

#include "daemon/door/child.h"
#include "tests/unit/door-fixture.h"

/* Doors that were taken over */

static const char *hanging_folder; /* of the liars */

typedef enum What {
        WHAT_NOTHING,
        WHAT_FILE,   /* of the hanging file system */
        WHAT_FOLDER, /* its root */
        WHAT_ORDINARY,
        WHAT_USERNS,
} What;

/* What a liar says; the first byte of the client's message picks one. */
typedef struct Lie {
        char pick;
        uint32_t kind;
        What named;
        What sent; /* as descriptors of a message, which no door does */
        unsigned n_sent;
        gboolean is_late; /* an honest answer first, then this, unasked */
        gboolean is_true;
} Lie;

static const Lie lies[] = {
        { 'u', DOOR_KIND_USERNS, .named = WHAT_FILE },
        { 'U', DOOR_KIND_USERNS, .named = WHAT_FOLDER },
        { 'n', DOOR_KIND_NETNS, .named = WHAT_FILE },
        { 'N', DOOR_KIND_NETNS, .named = WHAT_USERNS },
        { 'c', DOOR_KIND_CGROUP, .named = WHAT_FOLDER },
        { 'f', DOOR_KIND_CGROUP, .named = WHAT_FILE },
        { 'C', DOOR_KIND_CGROUP, .named = WHAT_USERNS },
        { 'o', DOOR_KIND_CGROUP, .named = WHAT_ORDINARY },
        { 'p', DOOR_KIND_OTHER, .named = WHAT_FILE },
        /* Of the right number, without a descriptor for it. */
        { 'i', DOOR_KIND_CGROUP },
        { 's', DOOR_KIND_OTHER, .sent = WHAT_FILE, .n_sent = 1 },
        { 'S', DOOR_KIND_OTHER, .sent = WHAT_FILE, .n_sent = 253 },
        { 'l', DOOR_KIND_OTHER, .sent = WHAT_FILE, .n_sent = 1, .is_late = TRUE },
        { 't', DOOR_KIND_USERNS, .named = WHAT_USERNS, .is_true = TRUE },
        { 'h', DOOR_KIND_OTHER, .is_true = TRUE },
};

static int liar_open(What what) {
        g_autofree char *file = g_build_filename(hanging_folder, "file", NULL);

        switch (what) {
        case WHAT_FILE:
                return open(file, O_RDWR | O_CLOEXEC);
        case WHAT_FOLDER:
                return open(hanging_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        case WHAT_ORDINARY:
                return open("/proc/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        case WHAT_USERNS:
                return open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        default:
                return -1;
        }
}

static void liar_send(const DoorReply *reply, int fd, unsigned n) {
        char control[CMSG_SPACE(253 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec iov = { (void *) reply, sizeof(*reply) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n > 0) {
                struct cmsghdr *c = (struct cmsghdr *) (void *) control;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n * sizeof(int));
                for (unsigned i = 0; i < n; i++)
                        memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
        }
        if (sendmsg(0, &message, MSG_NOSIGNAL) < 0)
                _exit(1);
}

static void liar_serve(char pick) {
        DoorReply reply = { .n_consumed = 1, .n_descriptors = 1, .ready = 1 };
        const Lie *lie = NULL;
        char taken;

        for (size_t i = 0; i < G_N_ELEMENTS(lies); i++)
                if (lies[i].pick == pick)
                        lie = &lies[i];
        if (!lie)
                _exit(1);
        if (lie->is_late)
                liar_send(&reply, -1, 0);
        reply.verdicts[0] = (DoorVerdict){
                .kind = lie->kind,
                .detail = 1,
                .passed = lie->named != WHAT_NOTHING,
                .number = (uint32_t) liar_open(lie->named),
        };
        liar_send(&reply, liar_open(lie->sent), lie->n_sent);
        if (lie->is_true && lie->named && recv(0, &taken, 1, 0) != 1)
                _exit(1);
        while (!lie->is_true)
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

/* Whether a descriptor of what is below a folder is open here. */
static gboolean has_open(const char *folder) {
        for (int fd = 3; fd < 4096; fd++) {
                g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
                g_autofree char *target = g_file_read_link(path, NULL);

                if (target && g_str_has_prefix(target, folder))
                        return TRUE;
        }
        return FALSE;
}

/* One after the other, so that new doors are forked after each lie. */
static void test_one_lie(const HangingFs *fs, const Lie *lie) {
        Fixture f;
        Result result;

        if (!fixture_set_up_with(&f, run_liar))
                return;
        send_fds(f.client, (const char[]){ lie->pick, 0 }, NULL, 0);
        receive(f.keeper, f.server, 1, ACCOUNT, &result);
        g_assert_cmpint(result.result, ==, lie->is_true || lie->is_late ? 0 : -EPROTO);
        if (lie->is_true) {
                g_assert_cmpuint(result.n_descriptors, ==, 1);
                g_assert_cmpuint(result.descriptors[0].kind, ==, lie->kind);
                g_assert_cmpint(result.descriptors[0].fd >= 0, ==, lie->named == WHAT_USERNS);
        } else if (!lie->is_late)
                g_assert_cmpuint(result.n_descriptors, ==, 0);
        result_close(&result);
        g_assert_false(has_open(fs->folder));
        /* Others are served, by more doors than there were; one may meet the liar that comes late.
         */
        for (unsigned i = 0, n_failed = 0; i < 2 * LIMIT_DOORS_IDLE + n_failed; i++) {
                send_fds(f.client, "h", NULL, 0);
                receive(f.keeper, f.server, 1, OTHER, &result);
                if (result.result == -EPROTO && lie->is_late && n_failed == 0) {
                        n_failed++;
                        continue;
                }
                g_assert_cmpint(result.result, ==, 0);
                g_assert_cmpuint(result.n_consumed, ==, 1);
        }
        g_assert_false(has_open(fs->folder));
        fixture_stop(&f);
        /* Lets go of a liar that hangs. */
        kill(fs->server, SIGKILL);
        fixture_tear_down(&f);
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

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/door/lies", test_lies);
        return g_test_run();
}
