/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/userns/joiner.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/worker-pool.h"

/* A line is three numbers of at most 10 digits, each with a byte after it. */
#define MAP_SIZE_MAX (LIMIT_MAP_EXTENTS * 33u)

struct UsernsHelper {
        struct stat identity;
        UsernsJoinedFunc joined;
        void *userdata;
        WorkerTask *task; /* NULL: its child was ended, or never was */
        int uid_map_fd, gid_map_fd;
};

/* Made with the first child: state of the process, as its children are. */
static WorkerPool *pool;
static pid_t own_pid;

static WorkerPool *get_pool(void) {
        const WorkerPoolConfig config = {
                .run = userns_joiner_run,
                .data = &own_pid,
                .idle_low = LIMIT_HELPERS_IDLE_LOW,
                .idle_max = LIMIT_HELPERS_IDLE,
                .max = LIMIT_HELPERS,
                .max_per_account = LIMIT_HELPERS_PER_ACCOUNT,
                .max_waiting_per_account = LIMIT_HELPERS_WAITING,
                .max_waiting = LIMIT_HELPERS_WAITING,
                .msec = LIMIT_HELPER_MSEC,
        };

        own_pid = getpid();
        if (!pool)
                pool = worker_pool_new(&config);
        return pool;
}

unsigned userns_helper_count(void) {
        WorkerCounts counts = {};

        if (pool)
                worker_pool_count(pool, &counts);
        return counts.working + counts.killed;
}

void userns_helper_prepare(void) {
        /* Short of something: tried again with the first helper. */
        (void) worker_pool_prepare(get_pool());
}

void userns_helper_stop(void) {
        g_clear_pointer(&pool, worker_pool_free);
}

void userns_helper_end_child(UsernsHelper *helper) {
        g_clear_pointer(&helper->task, worker_task_free);
}

void userns_helper_free(UsernsHelper *helper) {
        if (!helper)
                return;

        userns_helper_end_child(helper);
        fd_close(helper->uid_map_fd);
        fd_close(helper->gid_map_fd);
        g_free(helper);
}

/* Open the maps of the joined child, having made sure that it is where it should be: where
 * fs.suid_dumpable is 1 there is a moment in which its owner could have caught it on its way, and
 * it might say so in another namespace of theirs.  To look takes CAP_SYS_PTRACE. */
static int open_maps(UsernsHelper *helper) {
        auto_fd proc = -1, uid_map = -1, gid_map = -1;
        char path[32];
        struct stat st;

        (void) snprintf(path, sizeof(path), "/proc/%d", (int) worker_task_pid(helper->task));
        proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc < 0 || fstatat(proc, "ns/user", &st, 0) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        if (st.st_dev != helper->identity.st_dev || st.st_ino != helper->identity.st_ino)
                return -ESRCH;

        uid_map = openat(proc, "uid_map", O_RDWR | O_CLOEXEC);
        if (uid_map < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        gid_map = openat(proc, "gid_map", O_RDWR | O_CLOEXEC);
        if (gid_map < 0)
                return errno == ENOENT ? -ESRCH : -errno;

        helper->uid_map_fd = g_steal_fd(&uid_map);
        helper->gid_map_fd = g_steal_fd(&gid_map);
        return 0;
}

static void on_event(WorkerTask *task, int result, void *userdata) {
        UsernsHelper *helper = userdata;
        int r = result;

        if (result == WORKER_E_LATE)
                r = -ETIMEDOUT;
        /* One that has ended may have said why. */
        if (result == 0 || result == WORKER_E_ENDED)
                r = userns_joiner_receive(worker_task_socket(task));
        if (r == -EAGAIN && result == 0)
                return;
        if (r == 0 && result == 0)
                r = open_maps(helper);
        else if (r >= 0 || r == -EAGAIN)
                r = -ESRCH;
        if (result == 0)
                worker_task_rest(task);
        helper->joined(helper, r, helper->userdata);
}

int userns_helper_new(
        int fd, uid_t outer_owner, uint32_t account, UsernsJoinedFunc joined, void *userdata,
        UsernsHelper **ret_helper) {
        g_autoptr(UsernsHelper) helper = g_new(UsernsHelper, 1);
        const WorkerRequest request = {
                .account = account,
                .message = &outer_owner,
                .size = sizeof(outer_owner),
                .fd = fd,
                .event = on_event,
                .userdata = helper,
        };
        int r;

        *helper = (UsernsHelper){
                .joined = joined,
                .userdata = userdata,
                .uid_map_fd = -1,
                .gid_map_fd = -1,
        };
        if (fstat(fd, &helper->identity) < 0)
                return -errno;
        r = worker_pool_ask(get_pool(), &request, &helper->task);
        if (r != 0)
                return r == WORKER_E_BUSY ? USERNS_E_BUSY : r;
        *ret_helper = g_steal_pointer(&helper);
        return 0;
}

/* maps */

/* The text of a map.  Reading is in pieces: the kernel gives a page at a time. */
static int read_map(int fd, char **ret_text) {
        g_autofree char *text = g_malloc(MAP_SIZE_MAX + 1);
        size_t size = 0;

        if (fd < 0)
                return -EBADF;
        for (;;) {
                ssize_t n = pread(fd, text + size, MAP_SIZE_MAX + 1 - size, (off_t) size);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > MAP_SIZE_MAX)
                        return -EFBIG;
        }
        text[size] = '\0';
        *ret_text = g_steal_pointer(&text);
        return 0;
}

static bool parse_extent(const char *line, UsernsExtent *ret_extent) {
        uint32_t values[3];

        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
                char word[16];
                size_t n;

                line += strspn(line, " ");
                n = strcspn(line, " ");
                if (n >= sizeof(word))
                        return false;
                memcpy(word, line, n);
                word[n] = '\0';
                if (!parse_u32(word, &values[i]))
                        return false;
                line += n;
        }
        *ret_extent = (UsernsExtent){ values[0], values[1], values[2] };
        return *line == '\0';
}

static int read_extents(int fd, UsernsExtent **ret_extents, size_t *ret_n) {
        g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(UsernsExtent));
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        int r;

        r = read_map(fd, &text);
        if (r < 0)
                return r;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line && **line; line++) {
                UsernsExtent extent;

                if (!parse_extent(*line, &extent))
                        return -EBADMSG;
                g_array_append_val(extents, extent);
        }
        *ret_n = extents->len;
        *ret_extents = (UsernsExtent *) (void *) g_array_free(g_steal_pointer(&extents), FALSE);
        return 0;
}

int userns_helper_read_maps(UsernsHelper *helper, UsernsMaps *ret_maps) {
        g_auto(UsernsMaps) maps = { 0 };
        int r;

        r = read_extents(helper->uid_map_fd, &maps.uid, &maps.n_uid);
        if (r == 0)
                r = read_extents(helper->gid_map_fd, &maps.gid, &maps.n_gid);
        if (r < 0)
                return r;
        *ret_maps = maps;
        maps = (UsernsMaps){ 0 };
        return 0;
}

/* Whether a map has been written: one byte tells. */
static int check_map_empty(int fd) {
        char byte;
        ssize_t n;

        n = pread(fd, &byte, 1, 0);
        if (n < 0)
                return -errno;
        return n > 0 ? USERNS_E_NOT_EMPTY : 0;
}

int userns_helper_check_empty(UsernsHelper *helper) {
        int r;

        r = check_map_empty(helper->uid_map_fd);
        return r == 0 ? check_map_empty(helper->gid_map_fd) : r;
}

static int write_map(int fd, const char *line) {
        ssize_t n;
        int error;

        /* These files lack pwrite(), and take nothing but at offset 0. */
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        n = write(fd, line, strlen(line));
        if (n >= 0)
                return (size_t) n == strlen(line) ? 0 : -EIO;

        /* EPERM is for a map that has been written as well as for a lack of capabilities. */
        error = errno;
        if (error == EPERM && check_map_empty(fd) == USERNS_E_NOT_EMPTY)
                return USERNS_E_NOT_EMPTY;
        return -error;
}

int userns_helper_write_maps(UsernsHelper *helper, const UsernsExtent *extent) {
        char line[48];
        int r;

        (void) snprintf(
                line, sizeof(line), "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", extent->inside,
                extent->outside, extent->size);
        r = write_map(helper->uid_map_fd, line);
        return r == 0 ? write_map(helper->gid_map_fd, line) : r;
}
