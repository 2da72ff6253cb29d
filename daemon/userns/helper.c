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

#include <glib-unix.h>

#include "daemon/limits.h"
#include "daemon/userns/joiner.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/source.h"

/* A line is three numbers of at most 10 digits, each with a byte after it. */
#define MAP_SIZE_MAX (LIMIT_MAP_EXTENTS * 33u)

/* A child until it is reaped, which may be after its helper was freed. */
typedef struct Joiner {
        Child *child;
        int fd;
        GSource *source; /* of fd, from the start on: GLib wakes its loop up, which costs a turn,
                            for every descriptor that is added or removed */
        bool is_charged; /* to `account`: has been given a namespace */
        uint32_t account;
        UsernsHelper *helper; /* NULL: idle, or the helper was freed */
} Joiner;

struct UsernsHelper {
        uint32_t account;
        uid_t owner;
        struct stat identity;
        UsernsJoinedFunc joined;
        void *userdata;

        int ns_fd; /* while waiting for its turn */
        Joiner *joiner;
        GSource *deadline; /* NULL: not at work, or answered for */
        int uid_map_fd, gid_map_fd;
};

/* Who has a child and who waits for one: state of the process, as its children are. */
static struct {
        unsigned n_children;      /* that were given a namespace */
        GHashTable *n_by_account; /* of n_children */
        GQueue idle;              /* Joiner */
        GQueue done;              /* Joiner: to be killed */
        GQueue waiting;           /* UsernsHelper */
        GSource *tidy;
        bool is_filling; /* `idle` */
} turns = { .idle = G_QUEUE_INIT, .done = G_QUEUE_INIT, .waiting = G_QUEUE_INIT };

/* counting */

static unsigned account_n_children(uint32_t account) {
        if (!turns.n_by_account)
                return 0;
        return GPOINTER_TO_UINT(g_hash_table_lookup(turns.n_by_account, GUINT_TO_POINTER(account)));
}

static void account_add(uint32_t account, int difference) {
        unsigned n = account_n_children(account) + (unsigned) difference;

        if (!turns.n_by_account)
                turns.n_by_account = g_hash_table_new(NULL, NULL);
        if (n > 0)
                g_hash_table_insert(
                        turns.n_by_account, GUINT_TO_POINTER(account), GUINT_TO_POINTER(n));
        else
                g_hash_table_remove(turns.n_by_account, GUINT_TO_POINTER(account));
        turns.n_children += (unsigned) difference;

        if (turns.n_children == 0)
                g_clear_pointer(&turns.n_by_account, g_hash_table_unref);
}

static bool may_start(uint32_t account) {
        return turns.n_children < LIMIT_HELPERS &&
               account_n_children(account) < LIMIT_HELPERS_PER_ACCOUNT;
}

unsigned userns_helper_count(void) {
        return turns.n_children;
}

/* children */

static void start_waiting(void);

static void joiner_free(Joiner *joiner) {
        source_drop(&joiner->source);
        fd_close(joiner->fd);
        g_free(joiner);
}

static void on_exited(Child *child, void *userdata) {
        Joiner *joiner = userdata;
        UsernsHelper *helper = joiner->helper;
        int r;

        r = userns_joiner_receive(joiner->fd); /* why it ended, if it said so */
        if (joiner->is_charged)
                account_add(joiner->account, -1);
        (void) g_queue_remove(&turns.idle, joiner);
        (void) g_queue_remove(&turns.done, joiner);
        joiner_free(joiner);

        if (helper)
                helper->joiner = NULL;
        if (helper && helper->deadline) { /* it has not been answered for yet */
                source_drop(&helper->deadline);
                helper->joined(helper, r < 0 && r != -EAGAIN ? r : -ESRCH, helper->userdata);
        }
        start_waiting();
}

static GSource *attach(GSource *source, GSourceFunc func, void *userdata) {
        g_source_set_callback(source, func, userdata, NULL);
        g_source_attach(source, NULL);
        return source;
}

static gboolean on_answer(int fd, GIOCondition condition, gpointer userdata);

static int joiner_new(Joiner **ret_joiner) {
        auto_fd ours = -1, theirs = -1;
        pid_t parent = getpid();
        Joiner *joiner = NULL;
        int r, ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];

        joiner = g_new(Joiner, 1);
        *joiner = (Joiner){ .fd = -1 };
        r = child_new(&theirs, 1, userns_joiner_run, &parent, on_exited, joiner, &joiner->child);
        if (r < 0) {
                g_free(joiner);
                return r;
        }
        joiner->fd = g_steal_fd(&ours);
        joiner->source =
                attach(g_unix_fd_source_new(joiner->fd, G_IO_IN | G_IO_HUP),
                       G_SOURCE_FUNC(on_answer), joiner);
        *ret_joiner = joiner;
        return 0;
}

static void kill_done(void) {
        Joiner *joiner;

        while ((joiner = g_queue_pop_head(&turns.done)))
                child_kill(joiner->child);
}

/* One child a turn, so that what has come in meanwhile is served in between. */
static gboolean on_tidy(gpointer userdata) {
        Joiner *joiner;

        kill_done();
        if (turns.idle.length <= LIMIT_HELPERS_IDLE_LOW)
                turns.is_filling = true;
        if (turns.is_filling && turns.idle.length < LIMIT_HELPERS_IDLE &&
            joiner_new(&joiner) == 0) {
                g_queue_push_tail(&turns.idle, joiner);
                return G_SOURCE_CONTINUE;
        }
        turns.is_filling =
                false; /* full; or short of something: tried again after the next helper */
        source_drop(&turns.tidy);
        return G_SOURCE_REMOVE;
}

/* In the next turn of the loop, not now: to fork and to kill are the slowest parts of it all, and
 * whoever was served has the answer by then.  But not when the loop is idle: clients can keep it
 * from being so, and a child that is done holds its namespace, whose end its user waits for.  And
 * not one new child for each that was used: after a fork the daemon has to copy every page it
 * writes to. */
static void schedule_tidy(void) {
        if (turns.tidy)
                return;
        turns.tidy = g_idle_source_new();
        g_source_set_priority(turns.tidy, G_PRIORITY_DEFAULT);
        g_source_set_callback(turns.tidy, on_tidy, NULL, NULL);
        g_source_attach(turns.tidy, NULL);
}

void userns_helper_prepare(void) {
        turns.is_filling = true;
        while (on_tidy(NULL) == G_SOURCE_CONTINUE)
                ;
}

void userns_helper_stop(void) {
        Joiner *joiner;

        source_drop(&turns.tidy);
        kill_done();
        while ((joiner = g_queue_pop_head(&turns.idle))) {
                child_forget(joiner->child);
                joiner_free(joiner);
        }
}

/* helpers */

void userns_helper_end_child(UsernsHelper *helper) {
        Joiner *joiner = g_steal_pointer(&helper->joiner);

        if (!joiner)
                return;
        joiner->helper = NULL;
        if (helper->deadline) /* it may be stopped, or yet to begin */
                child_kill(joiner->child);
        else
                g_queue_push_tail(&turns.done, joiner);
        if (turns.waiting.length > 0)
                kill_done();
        schedule_tidy();
}

void userns_helper_free(UsernsHelper *helper) {
        if (!helper)
                return;

        (void) g_queue_remove(&turns.waiting, helper);
        userns_helper_end_child(helper);
        source_drop(&helper->deadline);
        fd_close(helper->ns_fd);
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

        if (!helper->joiner)
                return -ESRCH;
        (void) snprintf(path, sizeof(path), "/proc/%d", (int) child_pid(helper->joiner->child));
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

static gboolean on_answer(int fd, GIOCondition condition, gpointer userdata) {
        Joiner *joiner = userdata;
        UsernsHelper *helper = joiner->helper;
        int r;

        /* The child has answered already, or the request does not wait for it any more; or the
         * socket says that the child has ended, and on_exited() will tell why. */
        if (!helper || !helper->deadline || !(condition & G_IO_IN)) {
                source_drop(&joiner->source);
                return G_SOURCE_REMOVE;
        }
        r = userns_joiner_receive(fd);
        if (r == -EAGAIN)
                return G_SOURCE_CONTINUE;
        if (r == 0)
                r = open_maps(helper);

        source_drop(&helper->deadline);
        helper->joined(helper, r, helper->userdata);
        return G_SOURCE_CONTINUE;
}

static gboolean on_deadline(gpointer userdata) {
        UsernsHelper *helper = userdata;

        source_drop(&helper->deadline);
        if (helper->joiner)
                child_kill(helper->joiner->child);
        helper->joined(helper, -ETIMEDOUT, helper->userdata);
        return G_SOURCE_REMOVE;
}

/* A child that takes the namespace: an idle one if there is. */
static int send_namespace(int ns_fd, uid_t owner, Joiner **ret_joiner) {
        Joiner *joiner;
        int r;

        while ((joiner = g_queue_pop_head(&turns.idle))) {
                r = userns_joiner_send(joiner->fd, ns_fd, owner);
                if (r == 0) {
                        *ret_joiner = joiner;
                        return 0;
                }
                child_kill(joiner->child); /* it has died while idle, and will be reaped */
        }
        r = joiner_new(&joiner);
        if (r < 0)
                return r;
        r = userns_joiner_send(joiner->fd, ns_fd, owner);
        if (r < 0) {
                child_kill(joiner->child);
                return r;
        }
        *ret_joiner = joiner;
        return 0;
}

static int start(UsernsHelper *helper, int ns_fd) {
        Joiner *joiner = NULL;
        int r;

        r = send_namespace(ns_fd, helper->owner, &joiner);
        if (r < 0)
                return r;

        joiner->is_charged = true;
        joiner->account = helper->account;
        joiner->helper = helper;
        account_add(helper->account, 1);

        helper->joiner = joiner;
        helper->deadline = attach(g_timeout_source_new(LIMIT_HELPER_MSEC), on_deadline, helper);
        return 0;
}

/* The next to start: of those whose account has fewest children, who
 * has waited longest.  In plain order, a few accounts with many
 * calls that all run into the deadline would keep others waiting. */
static UsernsHelper *find_next(void) {
        UsernsHelper *next = NULL;
        unsigned fewest = UINT_MAX;

        for (GList *l = turns.waiting.head; l && fewest > 0; l = l->next) {
                UsernsHelper *helper = l->data;
                unsigned n = account_n_children(helper->account);

                if (n < fewest && may_start(helper->account)) {
                        next = helper;
                        fewest = n;
                }
        }
        return next;
}

static void start_waiting(void) {
        UsernsHelper *helper;

        /* Looked up anew each time: `joined` may free and start others. */
        while ((helper = find_next())) {
                int r;

                (void) g_queue_remove(&turns.waiting, helper);
                r = start(helper, helper->ns_fd);
                helper->ns_fd = fd_close(helper->ns_fd);
                if (r < 0)
                        helper->joined(helper, r, helper->userdata);
        }
}

int userns_helper_new(
        int fd, uid_t outer_owner, uint32_t account, UsernsJoinedFunc joined, void *userdata,
        UsernsHelper **ret_helper) {
        g_autoptr(UsernsHelper) helper = NULL;
        int r;

        if (!may_start(account) && turns.waiting.length >= LIMIT_HELPERS_WAITING)
                return USERNS_E_BUSY;

        helper = g_new(UsernsHelper, 1);
        *helper = (UsernsHelper){
                .account = account,
                .owner = outer_owner,
                .joined = joined,
                .userdata = userdata,
                .ns_fd = -1,
                .uid_map_fd = -1,
                .gid_map_fd = -1,
        };
        if (fstat(fd, &helper->identity) < 0)
                return -errno;

        if (!may_start(account))
                kill_done();
        if (may_start(account)) {
                r = start(helper, fd);
                if (r < 0)
                        return r;
        } else {
                helper->ns_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (helper->ns_fd < 0)
                        return -errno;
                g_queue_push_tail(&turns.waiting, helper);
        }
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
