/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What unit tests of the daemon's resources share: namespaces to work on, waiting on the main loop,
 * counting what may leak. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

/* Skip, and say why; or fail, where NSR_REQUIRE says that `what` must be there. */
static inline void unit_skip(const char *what, const char *why) {
        const char *require = g_getenv("NSR_REQUIRE");

        if (require && strstr(require, what))
                g_error("NSR_REQUIRE=%s, but: %s", require, why);
        g_test_skip(why);
}

static inline gboolean unit_need_root(void) {
        if (geteuid() == 0)
                return TRUE;
        unit_skip("root", "needs root");
        return FALSE;
}

static inline unsigned unit_count_fds(void) {
        DIR *folder = opendir("/proc/self/fd");
        unsigned n = 0;

        g_assert_nonnull(folder);
        while (readdir(folder))
                n++;
        closedir(folder);
        return n - 3; /* ".", "..", the folder's own */
}

/* Process IDs of our children. */
static inline GArray *unit_find_children(void) {
        GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int) getpid());
        g_autofree char *text = NULL;
        g_auto(GStrv) words = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        words = g_strsplit(text, " ", -1);
        for (char **word = words; *word; word++) {
                pid_t pid = (pid_t) atoi(*word);

                if (pid > 0)
                        g_array_append_val(pids, pid);
        }
        return pids;
}

/* Wait until the state of a process is one of these: as long as it takes, for who is slow is the
 * machine. */
static inline void unit_wait_for_state(pid_t pid, const char *states) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) pid);

        for (;;) {
                g_autofree char *status = NULL;
                const char *state;

                g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
                state = strstr(status, "\nState:\t");
                g_assert_nonnull(state);
                if (strchr(states, state[strlen("\nState:\t")]))
                        return;
                g_usleep(1000);
        }
}

/* Signal all children, once they are asleep: they wait for work then, and have been through what
 * comes before.  Those that are killed are dead afterwards, and not reaped. */
static inline void unit_signal_children(int number, unsigned n_wanted) {
        g_autoptr(GArray) pids = unit_find_children();

        g_assert_cmpuint(pids->len, ==, n_wanted);
        for (guint i = 0; i < pids->len; i++) {
                pid_t pid = g_array_index(pids, pid_t, i);

                unit_wait_for_state(pid, "ST");
                g_assert_cmpint(kill(pid, number), ==, 0);
                unit_wait_for_state(pid, number == SIGKILL ? "Z" : "T");
        }
}

/* A process that has just unshared a user namespace as `uid`, and the namespace. */
typedef struct UnitUserns {
        pid_t pid;
        int fd;
} UnitUserns;

static inline int unit_open_ns(pid_t pid, const char *name) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", (int) pid, name);

        return open(path, O_RDONLY | O_CLOEXEC);
}

static inline UnitUserns unit_userns_new(uid_t uid) {
        UnitUserns userns = { -1, -1 };
        int ready[2];
        char byte;

        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        userns.pid = fork();
        g_assert_cmpint(userns.pid, >=, 0);
        if (userns.pid == 0) {
                if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
                    unshare(CLONE_NEWUSER) < 0)
                        _exit(1);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) prctl(PR_SET_DUMPABLE, 1); /* its own /proc files are its own */
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        userns.fd = unit_open_ns(userns.pid, "user");
        g_assert_cmpint(userns.fd, >=, 0);
        return userns;
}

static inline void unit_userns_kill(UnitUserns *userns) {
        if (userns->pid > 0) {
                kill(userns->pid, SIGKILL);
                g_assert_cmpint(waitpid(userns->pid, NULL, 0), ==, userns->pid);
        }
        userns->pid = -1;
}

static inline void unit_userns_clear(UnitUserns *userns) {
        unit_userns_kill(userns);
        if (userns->fd >= 0)
                close(userns->fd);
        userns->fd = -1;
}

/* Become `uid`, the namespace's owner, join it with all its powers, run `run(data)`. */
static inline int unit_join_and_run(int fd, uid_t uid, int (*run)(void *data), void *data) {
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
            setns(fd, CLONE_NEWUSER) < 0)
                return 126;
        return run(data);
}

/* The same in a child, whose exit status is returned. */
static inline int unit_in_userns(int fd, uid_t uid, int (*run)(void *data), void *data) {
        int status = -1;
        pid_t pid;

        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                _exit(unit_join_and_run(fd, uid, run, data));
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Run the main loop until `*done`, or fail after `msec`. */
static inline gboolean unit_on_timeout(gpointer userdata) {
        *(gboolean *) userdata = TRUE;
        return G_SOURCE_CONTINUE;
}

static inline gboolean unit_run_until(const gboolean *done, unsigned msec) {
        gboolean expired = FALSE;
        guint timeout = g_timeout_add(msec, unit_on_timeout, &expired);

        while (!*done && !expired)
                (void) g_main_context_iteration(NULL, TRUE);
        g_source_remove(timeout);
        return *done;
}

/* Run the main loop until `check(data)`, or fail after `msec`. */
static inline gboolean unit_run_while(
        gboolean (*check)(gconstpointer data), gconstpointer data, unsigned msec) {
        gint64 end = g_get_monotonic_time() + (gint64) msec * 1000;

        while (check(data) && g_get_monotonic_time() < end) {
                if (!g_main_context_iteration(NULL, FALSE))
                        g_usleep(200);
        }
        return !check(data);
}
