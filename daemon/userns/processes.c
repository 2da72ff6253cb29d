/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/userns/userns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "lib/util/child.h"

/* What the child leaves in shared memory: it stays LOOK_UNKNOWN if that cannot finish. */
enum { LOOK_UNKNOWN = 0, LOOK_NONE, LOOK_FOUND };

struct UsernsProcessLook {
        UsernsProcessLookFunc done;
        void *userdata;
        Child *child;
        int *outcome;
        guint deadline;
};

typedef struct LookTask {
        pid_t parent;
        int *outcome;
        char wanted[32]; /* what the link says: user:[INODE] */
} LookTask;

/* A process that ends meanwhile is no process. */
static bool is_inside(int proc, const char *pid, const char *wanted) {
        char path[64], text[32];
        ssize_t n;

        if (snprintf(path, sizeof(path), "%s/ns/user", pid) >= (int) sizeof(path))
                return false;
        n = readlinkat(proc, path, text, sizeof(text));
        return n == (ssize_t) strlen(wanted) && memcmp(text, wanted, (size_t) n) == 0;
}

static void look_child(const void *data) {
        const LookTask *task = data;
        const struct dirent *entry;
        DIR *proc;

        child_die_with(task->parent);
        proc = opendir("/proc");
        if (!proc)
                _exit(1);
        while ((errno = 0, entry = readdir(proc)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
                    is_inside(dirfd(proc), entry->d_name, task->wanted)) {
                        *task->outcome = LOOK_FOUND;
                        _exit(0);
                }
        if (errno == 0)
                *task->outcome = LOOK_NONE;
        _exit(0);
}

static void look_destroy(UsernsProcessLook *look) {
        if (look->deadline != 0)
                g_source_remove(look->deadline);
        (void) munmap(look->outcome, sizeof(*look->outcome));
        g_free(look);
}

static void look_end(UsernsProcessLook *look, bool found) {
        UsernsProcessLookFunc done = look->done;
        void *userdata = look->userdata;

        look_destroy(look);
        done(found, userdata);
}

static void on_exited(Child *child, void *userdata) {
        UsernsProcessLook *look = userdata;

        look_end(look, *look->outcome != LOOK_NONE);
}

static gboolean on_deadline(gpointer userdata) {
        UsernsProcessLook *look = userdata;

        look->deadline = 0;
        child_forget(look->child);
        look_end(look, true);
        return G_SOURCE_REMOVE;
}

int userns_process_look_new(
        uint64_t inode, UsernsProcessLookFunc done, void *userdata, UsernsProcessLook **ret_look) {
        LookTask task = { .parent = getpid() };
        UsernsProcessLook *look;
        void *outcome;
        int r;

        outcome =
                mmap(NULL, sizeof(*look->outcome), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (outcome == MAP_FAILED)
                return -errno;
        look = g_new(UsernsProcessLook, 1);
        *look = (UsernsProcessLook){ .done = done, .userdata = userdata, .outcome = outcome };
        task.outcome = outcome;
        (void) snprintf(
                task.wanted, sizeof(task.wanted), "user:[%llu]", (unsigned long long) inode);
        r = child_new(NULL, 0, look_child, &task, on_exited, look, &look->child);
        if (r < 0) {
                look_destroy(look);
                return r;
        }
        look->deadline = g_timeout_add(LIMIT_PROCESS_LOOK_MSEC, on_deadline, look);
        *ret_look = look;
        return 0;
}

void userns_process_look_free(UsernsProcessLook *look) {
        if (!look)
                return;
        child_forget(look->child);
        look_destroy(look);
}
