/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/limits.h"
#include "tests/unit/unit.h"

#define USER 4711u
#define OTHER 4712u

static UsernsIdentity own(void) {
        UsernsIdentity identity;

        g_assert_cmpint(userns_self(&identity), ==, 0);
        return identity;
}

static uid_t outer_owner(int fd) {
        UsernsIdentity self = own();
        uid_t owner;

        g_assert_cmpint(userns_outer_owner(fd, &self, &owner), ==, 0);
        return owner;
}

static int inspect(
        int fd, UsernsIdentity *ret_identity, uid_t *ret_owner, bool *ret_parent_is_own) {
        UsernsIdentity self = own();

        return userns_inspect(fd, &self, ret_identity, ret_owner, ret_parent_is_own);
}

typedef struct Joined {
        gboolean done;
        int result;
        UsernsHelper *helper;
} Joined;

static void on_joined(UsernsHelper *helper, int result, void *userdata) {
        Joined *joined = userdata;

        g_assert_false(joined->done);
        joined->done = TRUE;
        joined->result = result;
        joined->helper = helper;
}

static gboolean has_children(gconstpointer data) {
        return userns_helper_count() > GPOINTER_TO_UINT(data);
}

static void wait_for_no_children(void) {
        g_assert_true(unit_run_while(has_children, GUINT_TO_POINTER(0), 60000));
}

/* End the idle children, and see them reaped. */
static gboolean has_any_child(gconstpointer data) {
        g_autoptr(GArray) pids = unit_find_children();

        return pids->len > 0;
}

static void settle(void) {
        (void) g_main_context_iteration(NULL, FALSE);
        userns_helper_stop();
        g_assert_true(unit_run_while(has_any_child, NULL, 60000));
}

static UsernsHelper *join_for(int fd, uint32_t account) {
        Joined joined = { FALSE };
        UsernsHelper *helper = NULL;

        g_assert_cmpint(
                userns_helper_new(fd, outer_owner(fd), account, on_joined, &joined, &helper), ==,
                0);
        g_assert_true(unit_run_until(&joined.done, 60000));
        g_assert_cmpint(joined.result, ==, 0);
        g_assert_true(joined.helper == helper);
        return helper;
}

static UsernsHelper *join(int fd) {
        return join_for(fd, USER);
}

static gboolean keep_busy(gpointer userdata) {
        (*(unsigned *) userdata)++;
        return G_SOURCE_CONTINUE;
}

/* A loop that is never idle, as clients can make it, ends a helper that is done all the same: it
 * would keep its namespace. */
static void test_ends_on_a_busy_loop(void) {
        GSource *busy = g_idle_source_new();
        UnitUserns userns;
        unsigned n_turns = 0;

        if (!unit_need_root()) {
                g_source_unref(busy);
                return;
        }
        g_source_set_priority(busy, G_PRIORITY_DEFAULT);
        g_source_set_callback(busy, keep_busy, &n_turns, NULL);
        g_source_attach(busy, NULL);
        userns = unit_userns_new(USER);
        userns_helper_free(join(userns.fd));
        g_assert_cmpuint(userns_helper_count(), ==, 1);
        wait_for_no_children();
        g_assert_cmpuint(n_turns, >, 0);
        g_source_destroy(busy);
        g_source_unref(busy);
        unit_userns_clear(&userns);
        settle();
}

static pid_t find_child(int userns_fd, pid_t besides) {
        struct stat wanted, st;
        DIR *folder = opendir("/proc");
        struct dirent *entry;
        pid_t found = -1;

        g_assert_cmpint(fstat(userns_fd, &wanted), ==, 0);
        while ((entry = readdir(folder))) {
                g_autofree char *path = g_strdup_printf("/proc/%s/ns/user", entry->d_name);
                pid_t pid = (pid_t) atoi(entry->d_name);

                if (pid > 0 && pid != besides && stat(path, &st) == 0 && st.st_ino == wanted.st_ino)
                        found = pid;
        }
        closedir(folder);
        return found;
}

static void test_inspect(void) {
        UsernsIdentity identity, self;
        UnitUserns userns;
        bool ours = false;
        uid_t owner = 0;
        int fd;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        self = own();
        g_assert_true(userns_is_own_user(&self, getpid(), 12345));
        /* whose it is, and nobody else of those inside, is a user here */
        g_assert_false(userns_is_own_user(&self, userns.pid, 12345));
        g_assert_true(userns_is_own_user(&self, userns.pid, USER));
        g_assert_false(userns_is_own_user(&self, 0, 0));
        g_assert_false(userns_is_own_user(&self, -1, 0));
        g_assert_cmpint(inspect(userns.fd, &identity, &owner, &ours), ==, 0);
        g_assert_cmpuint(owner, ==, USER);
        g_assert_true(ours);
        g_assert_cmpuint(identity.inode, !=, 0);

        g_assert_cmpint(userns_self(&self), ==, 0);
        g_assert_cmpuint(self.inode, !=, identity.inode);
        g_assert_true(self.id == 0 || self.id != identity.id);

        /* Our own has no parent that we could see. */
        fd = unit_open_ns(getpid(), "user");
        g_assert_cmpint(inspect(fd, &identity, &owner, &ours), ==, 0);
        g_assert_cmpuint(identity.inode, ==, self.inode);
        g_assert_cmpuint(identity.id, ==, self.id);
        g_assert_false(ours);
        close(fd);
        unit_userns_clear(&userns);
}

static int open_nested(void *data) {
        int *socket = data;
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec iov = { (void *) "x", 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
        int fd;

        if (unshare(CLONE_NEWUSER) < 0)
                return 1;
        fd = open("/proc/self/ns/user", O_RDONLY);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
        return sendmsg(socket[1], &message, 0) == 1 ? 0 : 1;
}

static void test_inspect_nested(void) {
        UsernsExtent extent = { 0, USER, 1 };
        UsernsIdentity identity;
        UnitUserns userns;
        UsernsHelper *helper;
        bool ours = true;
        uid_t owner;
        int sockets[2];
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        char byte;
        struct iovec iov = { &byte, 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int fd;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        helper = join(userns.fd);
        g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, 0);
        userns_helper_free(helper);
        wait_for_no_children();

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), ==, 0);
        g_assert_cmpint(unit_in_userns(userns.fd, USER, open_nested, sockets), ==, 0);
        g_assert_cmpint(recvmsg(sockets[0], &message, 0), ==, 1);
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        g_assert_cmpint(inspect(fd, &identity, &owner, &ours), ==, 0);
        g_assert_false(ours);

        /* It can be joined all the same, by way of the one above. */
        helper = join(fd);
        g_assert_cmpint(userns_helper_check_empty(helper), ==, 0);
        userns_helper_free(helper);
        wait_for_no_children();
        close(fd);
        close(sockets[0]);
        close(sockets[1]);
        unit_userns_clear(&userns);
}

static void test_inspect_others(void) {
        UsernsIdentity identity;
        bool ours;
        uid_t owner;
        const char *const paths[] = { "/proc/self/ns/net", "/proc/self/ns/mnt", "/dev/null", "/" };

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

                g_assert_cmpint(inspect(fd, &identity, &owner, &ours), ==, USERNS_E_NOT_USERNS);
                close(fd);
        }
}

static void test_map(void) {
        UsernsExtent extent = { 0, 0x80000, 65536 };
        g_auto(UsernsMaps) maps = { 0 };
        UsernsHelper *helper;
        UnitUserns userns;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        helper = join(userns.fd);
        g_assert_cmpint(userns_helper_check_empty(helper), ==, 0);
        g_assert_cmpint(userns_helper_read_maps(helper, &maps), ==, 0);
        g_assert_cmpuint(maps.n_uid + maps.n_gid, ==, 0);
        userns_maps_clear(&maps);

        g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, 0);
        g_assert_cmpint(userns_helper_check_empty(helper), ==, USERNS_E_NOT_EMPTY);
        g_assert_cmpint(userns_helper_read_maps(helper, &maps), ==, 0);
        g_assert_cmpuint(maps.n_uid, ==, 1);
        g_assert_cmpuint(maps.n_gid, ==, 1);
        g_assert_cmpmem(maps.uid, sizeof(extent), &extent, sizeof(extent));
        g_assert_cmpmem(maps.gid, sizeof(extent), &extent, sizeof(extent));
        g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, USERNS_E_NOT_EMPTY);

        userns_helper_free(helper);
        wait_for_no_children();
        unit_userns_clear(&userns);
}

/* The longest map there can be, written by the namespace's own parent. */
static void test_map_of_most_extents(void) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *path = NULL;
        g_auto(UsernsMaps) maps = { 0 };
        UsernsHelper *helper;
        UnitUserns userns;
        int fd;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        /* The numbers are as long as they get, and the kernel takes less than a page. */
        for (unsigned i = 0; i < LIMIT_MAP_EXTENTS && text->len < 4060; i++)
                g_string_append_printf(text, "%u %u 1\n", i, 2000 + 2 * i);
        path = g_strdup_printf("/proc/%d/uid_map", (int) userns.pid);
        fd = open(path, O_WRONLY);
        g_assert_cmpint(write(fd, text->str, text->len), ==, text->len);
        close(fd);

        helper = join(userns.fd);
        g_assert_cmpint(userns_helper_check_empty(helper), ==, USERNS_E_NOT_EMPTY);
        g_assert_cmpint(userns_helper_read_maps(helper, &maps), ==, 0);
        g_assert_cmpuint(maps.n_uid, >=, 330);
        g_assert_cmpuint(maps.n_gid, ==, 0);
        for (size_t i = 0; i < maps.n_uid; i++) {
                g_assert_cmpuint(maps.uid[i].inside, ==, i);
                g_assert_cmpuint(maps.uid[i].outside, ==, 2000 + 2 * i);
                g_assert_cmpuint(maps.uid[i].size, ==, 1);
        }
        userns_helper_free(helper);
        wait_for_no_children();
        unit_userns_clear(&userns);
}

/* The client writes one map between our check and our write. */
static void test_map_race(void) {
        static const char *const names[] = { "uid_map", "gid_map" };
        UsernsExtent extent = { 0, 0x80000, 65536 };

        if (!unit_need_root())
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                UnitUserns userns = unit_userns_new(USER);
                UsernsHelper *helper = join(userns.fd);
                g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) userns.pid, names[i]);
                int fd;

                g_assert_cmpint(userns_helper_check_empty(helper), ==, 0);
                fd = open(path, O_WRONLY);
                g_assert_cmpint(write(fd, "0 4711 1\n", 9), ==, 9);
                close(fd);
                g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, USERNS_E_NOT_EMPTY);
                g_assert_cmpint(userns_helper_check_empty(helper), ==, USERNS_E_NOT_EMPTY);
                userns_helper_free(helper);
                wait_for_no_children();
                unit_userns_clear(&userns);
        }
}

static int stop_all(void *data) {
        pid_t helper = *(pid_t *) data;

        return kill(helper, SIGSTOP) < 0;
}

static int attack(void *data) {
        pid_t helper = *(pid_t *) data;
        g_autofree char *maps = g_strdup_printf("/proc/%d/maps", (int) helper);
        g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int) helper);
        g_autofree char *memory = g_strdup_printf("/proc/%d/mem", (int) helper);
        g_autofree char *root = g_strdup_printf("/proc/%d/root/etc", (int) helper);
        const char *const closed[] = { maps, fds, memory, root };

        if (ptrace(PTRACE_SEIZE, helper, NULL, NULL) == 0)
                return 1;
        for (size_t i = 0; i < G_N_ELEMENTS(closed); i++)
                if (open(closed[i], O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                        return 2 + (int) i;
        return 0;
}

static int attack_as_owner(pid_t helper) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0)
                        _exit(1);
                _exit(attack(&helper));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_helper_is_nothing_to_gain(void) {
        g_autofree char *status_path = NULL, *fd_path = NULL, *status = NULL;
        UsernsHelper *helper;
        UnitUserns userns;
        pid_t child;
        DIR *folder;
        unsigned n_fds = 0;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        helper = join(userns.fd);
        child = find_child(userns.fd, userns.pid);
        g_assert_cmpint(child, >, 0);

        /* Whoever has all capabilities inside, with the helper's own UID. */
        g_assert_cmpint(unit_in_userns(userns.fd, USER, attack, &child), ==, 0);
        g_assert_cmpint(attack_as_owner(child), ==, 0);

        status_path = g_strdup_printf("/proc/%d/status", (int) child);
        g_assert_true(g_file_get_contents(status_path, &status, NULL, NULL));
        g_assert_nonnull(strstr(status, "\nUid:\t4711\t4711\t4711\t4711\n"));
        g_assert_nonnull(strstr(status, "\nGid:\t65534\t65534\t65534\t65534\n"));
        g_assert_nonnull(strstr(status, "\nGroups:\t \n"));

        fd_path = g_strdup_printf("/proc/%d/fd", (int) child);
        folder = opendir(fd_path);
        while (readdir(folder))
                n_fds++;
        closedir(folder);
        g_assert_cmpuint(n_fds, ==, 2 + 2);

        /* A helper that was stopped still serves, and can be got rid of. */
        g_assert_cmpint(unit_in_userns(userns.fd, USER, stop_all, &child), ==, 0);
        g_assert_cmpint(userns_helper_check_empty(helper), ==, 0);
        userns_helper_free(helper);
        wait_for_no_children();
        unit_userns_clear(&userns);
}

static void signal_idle(int number) {
        unit_signal_children(number, LIMIT_HELPERS_IDLE);
}

/* Helpers that are stopped before they have joined.  (A client does it from when they have the
 * client's UID.) */
static void test_stopped(void) {
        Joined joined[LIMIT_HELPERS_IDLE] = { { FALSE } };
        UsernsHelper *helpers[LIMIT_HELPERS_IDLE], *served;
        UnitUserns userns, other;
        gint64 begin;

        if (!unit_need_root())
                return;
        userns_helper_prepare();
        signal_idle(SIGSTOP);
        userns = unit_userns_new(USER);
        other = unit_userns_new(OTHER);
        begin = g_get_monotonic_time();
        for (unsigned i = 0; i < LIMIT_HELPERS_IDLE; i++)
                g_assert_cmpint(
                        userns_helper_new(
                                userns.fd, outer_owner(userns.fd), USER, on_joined, &joined[i],
                                &helpers[i]),
                        ==, 0);

        /* Another is served at once. */
        served = join_for(other.fd, OTHER);
        g_assert_cmpint(g_get_monotonic_time() - begin, <, LIMIT_HELPER_MSEC * 1000);
        userns_helper_free(served);

        for (unsigned i = 0; i < LIMIT_HELPERS_IDLE; i++) {
                g_assert_true(unit_run_until(&joined[i].done, LIMIT_HELPER_MSEC + 60000));
                g_assert_cmpint(joined[i].result, ==, -ETIMEDOUT);
                userns_helper_free(helpers[i]);
        }
        g_assert_cmpint(g_get_monotonic_time() - begin, >=, (LIMIT_HELPER_MSEC - 100) * 1000);
        wait_for_no_children();
        unit_userns_clear(&userns);
        unit_userns_clear(&other);
}

static void test_killed_before_joined(void) {
        Joined joined[LIMIT_HELPERS_IDLE] = { { FALSE } };
        UsernsHelper *helpers[LIMIT_HELPERS_IDLE];
        UnitUserns userns;

        if (!unit_need_root())
                return;
        userns_helper_prepare();
        signal_idle(SIGSTOP);
        userns = unit_userns_new(USER);
        for (unsigned i = 0; i < LIMIT_HELPERS_IDLE; i++)
                g_assert_cmpint(
                        userns_helper_new(
                                userns.fd, outer_owner(userns.fd), USER, on_joined, &joined[i],
                                &helpers[i]),
                        ==, 0);
        unit_userns_kill(&userns);
        signal_idle(SIGKILL);
        for (unsigned i = 0; i < LIMIT_HELPERS_IDLE; i++) {
                g_assert_true(unit_run_until(&joined[i].done, 60000));
                g_assert_cmpint(joined[i].result, ==, -ESRCH);
                g_assert_cmpint(userns_helper_check_empty(helpers[i]), <, 0);
                userns_helper_free(helpers[i]);
        }
        wait_for_no_children();
        unit_userns_clear(&userns);
}

static void test_killed_while_idle(void) {
        UnitUserns userns;

        if (!unit_need_root())
                return;
        userns_helper_prepare();
        signal_idle(SIGKILL);
        userns = unit_userns_new(USER);
        userns_helper_free(join(userns.fd));
        wait_for_no_children();
        unit_userns_clear(&userns);
}

static void test_killed(void) {
        UsernsExtent extent = { 0, 0x80000, 1 };
        UsernsHelper *helper;
        UnitUserns userns;
        pid_t child;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        helper = join(userns.fd);
        child = find_child(userns.fd, userns.pid);
        kill(child, SIGKILL);
        wait_for_no_children();
        /* The maps are open: that the process is gone does not matter any more. */
        g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, 0);
        userns_helper_free(helper);
        unit_userns_clear(&userns);
}

/* Says, by a byte, that it is at it. */
static pid_t hostile_new(uid_t uid) {
        int ready[2];
        pid_t pid;
        char byte;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                        _exit(1);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (unsigned i = 0;; i++) { /* never itself */
                        (void) kill(-1, i % 100 ? SIGSTOP : SIGKILL);
                        if (i == 0 && write(ready[1], "x", 1) != 1)
                                _exit(1);
                }
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        return pid;
}

/* A client in the namespace, or of its owner's UID, stops and kills what it can as fast as it can:
 * a helper joins in spite of it, or is known to have ended, or hangs until it is given up.  Nobody
 * is told anything else, or twice, or of one that was given up. */
static void test_hostile_owner(void) {
        enum { N_MIN = 40, N_MAX = 2000 };
        g_autofree Joined *joined = g_new0(Joined, N_MAX);
        unsigned n_joined = 0, n_ended = 0, n_hung = 0, n = 0;
        uid_t uid = 1900000000u + (uid_t) getpid(); /* nobody else's */
        UnitUserns userns;
        pid_t hostile;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(uid);
        hostile = hostile_new(uid);
        /* How often it is fast enough is the machine's affair: go on until it was. */
        for (; n < N_MIN || (n_ended + n_hung == 0 && n < N_MAX); n++) {
                UsernsHelper *helper;

                g_assert_cmpint(
                        userns_helper_new(
                                userns.fd, outer_owner(userns.fd), USER, on_joined, &joined[n],
                                &helper),
                        ==, 0);
                if (!unit_run_until(&joined[n].done, 20)) {
                        n_hung++;
                } else if (joined[n].result == 0) {
                        g_assert_true(joined[n].helper == helper);
                        n_joined++;
                } else {
                        g_assert_cmpint(joined[n].result, ==, -ESRCH);
                        n_ended++;
                }
                userns_helper_free(helper);
        }
        g_test_message(
                "of %u helpers %u joined in spite of it, %u were killed, %u hung", n, n_joined,
                n_ended, n_hung);
        g_assert_cmpuint(n_ended + n_hung, >, 0);
        kill(hostile, SIGKILL);
        g_assert_cmpint(waitpid(hostile, NULL, 0), ==, hostile);
        wait_for_no_children();
        for (unsigned i = 0; i < n; i++)
                n_hung -= !joined[i].done;
        g_assert_cmpuint(n_hung, ==, 0);
        unit_userns_clear(&userns);
}

typedef struct Crowd {
        unsigned n_joined, n_running_most;
        UsernsHelper *held[LIMIT_HELPERS_PER_ACCOUNT];
        unsigned n_held;
} Crowd;

static void on_crowd_joined(UsernsHelper *helper, int result, void *userdata) {
        Crowd *crowd = userdata;

        g_assert_cmpint(result, ==, 0);
        crowd->n_joined++;
        crowd->n_running_most = MAX(crowd->n_running_most, userns_helper_count());
        if (crowd->n_held < G_N_ELEMENTS(crowd->held))
                crowd->held[crowd->n_held++] = helper;
        else
                userns_helper_free(helper);
}

static gboolean is_below(gconstpointer data) {
        return ((const Crowd *) data)->n_joined < LIMIT_HELPERS_PER_ACCOUNT;
}

static gboolean is_not_nine(gconstpointer data) {
        return ((const Crowd *) data)->n_joined <= LIMIT_HELPERS_PER_ACCOUNT;
}

static gboolean has_none(gconstpointer data) {
        return ((const Crowd *) data)->n_joined == 0;
}

static void test_limit_of_account(void) {
        Crowd crowd = { 0 }, others = { 0 };
        UnitUserns userns, other;
        UsernsHelper *helper;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        other = unit_userns_new(OTHER);
        for (unsigned i = 0; i < LIMIT_HELPERS_PER_ACCOUNT + 1; i++)
                g_assert_cmpint(
                        userns_helper_new(
                                userns.fd, outer_owner(userns.fd), USER, on_crowd_joined, &crowd,
                                &helper),
                        ==, 0);
        g_assert_cmpuint(userns_helper_count(), ==, LIMIT_HELPERS_PER_ACCOUNT);
        g_assert_true(unit_run_while(is_below, &crowd, 60000));
        /* Nothing tells that the ninth does not start. */
        g_assert_false(unit_run_while(is_not_nine, &crowd, 100));

        /* Not full for another account. */
        g_assert_cmpint(
                userns_helper_new(
                        other.fd, outer_owner(other.fd), OTHER, on_crowd_joined, &others, &helper),
                ==, 0);
        g_assert_cmpuint(userns_helper_count(), ==, LIMIT_HELPERS_PER_ACCOUNT + 1);
        g_assert_true(unit_run_while(has_none, &others, 60000));

        /* The ninth starts when the first has gone. */
        userns_helper_free(crowd.held[0]);
        g_assert_true(unit_run_while(is_not_nine, &crowd, 60000));
        for (unsigned i = 1; i < crowd.n_held; i++)
                userns_helper_free(crowd.held[i]);
        userns_helper_free(others.held[0]);
        wait_for_no_children();
        unit_userns_clear(&userns);
        unit_userns_clear(&other);
}

static void test_limit_of_all(void) {
        g_autoptr(GPtrArray) helpers =
                g_ptr_array_new_with_free_func((GDestroyNotify) userns_helper_free);
        Joined joined[LIMIT_HELPERS + 1] = { { FALSE } };
        UnitUserns userns;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(USER);
        for (unsigned i = 0; i < LIMIT_HELPERS + 1; i++) {
                UsernsHelper *helper;

                g_assert_cmpint(
                        userns_helper_new(
                                userns.fd, outer_owner(userns.fd), 10000 + i, on_joined, &joined[i],
                                &helper),
                        ==, 0);
                g_ptr_array_add(helpers, helper);
        }
        g_assert_cmpuint(userns_helper_count(), ==, LIMIT_HELPERS);
        for (unsigned i = 0; i < LIMIT_HELPERS; i++)
                g_assert_true(unit_run_until(&joined[i].done, 60000));
        g_assert_false(joined[LIMIT_HELPERS].done);

        for (unsigned i = 0; i < LIMIT_HELPERS_WAITING; i++) {
                UsernsHelper *helper = NULL;
                int r = userns_helper_new(
                        userns.fd, outer_owner(userns.fd), USER, on_joined, NULL, &helper);

                if (i == LIMIT_HELPERS_WAITING - 1) {
                        g_assert_cmpint(r, ==, USERNS_E_BUSY);
                        break;
                }
                g_assert_cmpint(r, ==, 0);
                g_ptr_array_add(helpers, helper);
        }
        /* Those that wait are dropped without ever having started. */
        while (helpers->len > 0)
                g_ptr_array_set_size(helpers, (int) helpers->len - 1);
        wait_for_no_children();
        unit_userns_clear(&userns);
}

static void test_owner_root(void) {
        UsernsExtent extent = { 0, 0x80000, 65536 };
        UnitUserns userns;
        UsernsHelper *helper;

        if (!unit_need_root())
                return;
        userns = unit_userns_new(0);
        helper = join(userns.fd);
        g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, 0);
        userns_helper_free(helper);
        wait_for_no_children();
        unit_userns_clear(&userns);
}

/* Our own namespace cannot be joined; and of no other do we have one at hand that refuses. */
static void test_refused(void) {
        Joined joined = { FALSE };
        UsernsHelper *helper;
        int fd;

        if (!unit_need_root())
                return;
        fd = unit_open_ns(getpid(), "user");
        g_assert_cmpint(
                userns_helper_new(fd, outer_owner(fd), USER, on_joined, &joined, &helper), ==, 0);
        g_assert_true(unit_run_until(&joined.done, 60000));
        g_assert_cmpint(joined.result, ==, -EINVAL);
        g_assert_cmpint(userns_helper_check_empty(helper), <, 0);
        userns_helper_free(helper);
        wait_for_no_children();
        close(fd);
}

/* In perf mode (-m perf): the cost beside the floor, which forks, joins and writes both maps and
 * nothing else. */
static gint64 floor_once(int fd) {
        gint64 begin = g_get_monotonic_time();
        g_autofree char *uid_map = NULL, *gid_map = NULL;
        int ready[2], map;
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                if (setns(fd, CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        uid_map = g_strdup_printf("/proc/%d/uid_map", (int) pid);
        gid_map = g_strdup_printf("/proc/%d/gid_map", (int) pid);
        map = open(uid_map, O_WRONLY);
        g_assert_cmpint(write(map, "0 524288 65536\n", 15), ==, 15);
        close(map);
        map = open(gid_map, O_WRONLY);
        g_assert_cmpint(write(map, "0 524288 65536\n", 15), ==, 15);
        close(map);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(ready[0]);
        close(ready[1]);
        return g_get_monotonic_time() - begin;
}

static int compare_times(gconstpointer a, gconstpointer b) {
        gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

        return (x > y) - (x < y);
}

static void test_cost(void) {
        enum { N = 400 };
        UsernsExtent extent = { 0, 0x80000, 65536 };
        gint64 floors[N], ours[N];

        if (!unit_need_root())
                return;
        for (unsigned i = 0; i < N; i++) {
                UnitUserns userns = unit_userns_new(USER);
                UsernsHelper *helper;

                floors[i] = floor_once(userns.fd);
                unit_userns_clear(&userns);

                userns = unit_userns_new(USER);
                ours[i] = g_get_monotonic_time();
                helper = join(userns.fd);
                g_assert_cmpint(userns_helper_check_empty(helper), ==, 0);
                g_assert_cmpint(userns_helper_write_maps(helper, &extent), ==, 0);
                userns_helper_free(helper);
                ours[i] = g_get_monotonic_time() - ours[i];
                wait_for_no_children();
                while (g_main_context_iteration(NULL, FALSE))
                        ; /* what is done when idle is not counted */
                unit_userns_clear(&userns);
        }
        qsort(floors, N, sizeof(*floors), compare_times);
        qsort(ours, N, sizeof(*ours), compare_times);
        g_test_minimized_result(
                (double) ours[N / 2], "median %d us, floor %d us", (int) ours[N / 2],
                (int) floors[N / 2]);
}

typedef struct Fixture {
        unsigned n_fds;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
        settle();
        f->n_fds = unit_count_fds();
}

static void tear_down(Fixture *f, gconstpointer data) {
        g_assert_cmpuint(userns_helper_count(), ==, 0);
        settle();
        g_assert_cmpuint(unit_count_fds(), ==, f->n_fds);
}

static void run(Fixture *f, gconstpointer data) {
        void (*func)(void) = data;

        func();
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*func)(void);
        } tests[] = {
                { "/userns/inspect", test_inspect },
                { "/userns/inspect-nested", test_inspect_nested },
                { "/userns/inspect-others", test_inspect_others },
                { "/userns/map", test_map },
                { "/userns/map-of-most-extents", test_map_of_most_extents },
                { "/userns/map-race", test_map_race },
                { "/userns/helper-is-nothing-to-gain", test_helper_is_nothing_to_gain },
                { "/userns/stopped", test_stopped },
                { "/userns/killed", test_killed },
                { "/userns/killed-before-joined", test_killed_before_joined },
                { "/userns/killed-while-idle", test_killed_while_idle },
                { "/userns/hostile-owner", test_hostile_owner },
                { "/userns/ends-on-a-busy-loop", test_ends_on_a_busy_loop },
                { "/userns/limit-of-account", test_limit_of_account },
                { "/userns/limit-of-all", test_limit_of_all },
                { "/userns/owner-root", test_owner_root },
                { "/userns/refused", test_refused },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, (gconstpointer) tests[i].func, set_up, run,
                        tear_down);
        /* Prints times, decides nothing: with -m perf only. */
        if (g_test_perf())
                g_test_add(
                        "/userns/cost", Fixture, (gconstpointer) test_cost, set_up, run, tear_down);
        return g_test_run();
}
