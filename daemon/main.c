/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/manager.h"
#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "lib/table/socket.h"
#include "lib/util/log.h"

/* nsresourced: the process around the manager. */

typedef struct Arguments {
        char *config_file, *socket, *runtime_folder, *state_folder, *etc, *nspawn_folder,
                *pin_folder, *run_user_folder, *linger_folder, *logind_folder, *ask_program,
                *userdb_socket, *nscd_socket;
        gboolean debug, version;
        bool host_mounts; /* the runtime folders are the host's; others are where we are */
} Arguments;

/* After parsing: GOption forgets what was there before an option. */
static void set_default(char **argument, const char *value) {
        if (!*argument)
                *argument = g_strdup(value);
}

static int arguments_parse(int *argc, char ***argv, Arguments *ret_arguments) {
        static Arguments a; /* GOption writes through pointers that its table holds */
        const GOptionEntry entries[] = {
                { "config", 0, 0, G_OPTION_ARG_FILENAME, &a.config_file, "Configuration", "FILE" },
                { "socket", 0, 0, G_OPTION_ARG_FILENAME, &a.socket,
                  "Socket to bind when none is passed", "PATH" },
                { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.runtime_folder,
                  "Folder of the table", "DIR" },
                { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.state_folder,
                  "Folder of what outlives a reboot", "DIR" },
                { "etc", 0, 0, G_OPTION_ARG_FILENAME, &a.etc,
                  "Folder of passwd, group, subuid, subgid", "DIR" },
                { "nspawn-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.nspawn_folder,
                  "Folder of systemd-nspawn's lock files", "DIR" },
                { "pin-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.pin_folder,
                  "Folder of the policy's pins", "DIR" },
                { "run-user-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.run_user_folder,
                  "Folder of users' runtime folders", "DIR" },
                { "linger-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.linger_folder,
                  "Folder of systemd-logind's linger files", "DIR" },
                { "logind-dir", 0, 0, G_OPTION_ARG_FILENAME, &a.logind_folder,
                  "Folder of systemd-logind's records", "DIR" },
                { "ask-program", 0, 0, G_OPTION_ARG_FILENAME, &a.ask_program,
                  "Program that asks whose IDs are", "FILE" },
                { "userdb-socket", 0, 0, G_OPTION_ARG_FILENAME, &a.userdb_socket,
                  "Socket of the user database provider", "PATH" },
                { "nscd-socket", 0, 0, G_OPTION_ARG_FILENAME, &a.nscd_socket, "Socket of nscd",
                  "PATH" },
                { "debug", 0, 0, G_OPTION_ARG_NONE, &a.debug, "Log every request", NULL },
                { "version", 0, 0, G_OPTION_ARG_NONE, &a.version, "Show the version", NULL },
                { NULL },
        };
        g_autoptr(GOptionContext) context =
                g_option_context_new("- hand out user namespace ranges");
        g_autoptr(GError) error = NULL;

        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, argc, argv, &error) || *argc > 1) {
                log_error("%s; see --help", error ? error->message : "Too many arguments");
                return -EINVAL;
        }
        set_default(&a.config_file, SYSCONFDIR "/nsresource/nsresourced.conf");
        set_default(&a.socket, "/run/systemd/io.systemd.NamespaceResource");
        set_default(&a.runtime_folder, "/run/nsresource");
        set_default(&a.state_folder, "/var/lib/nsresource");
        set_default(&a.etc, "/etc");
        set_default(&a.nspawn_folder, "/run/systemd/nspawn-uid");
        set_default(&a.pin_folder, "/sys/fs/bpf/nsresource");
        a.host_mounts = !a.run_user_folder;
        set_default(&a.run_user_folder, "/run/user");
        set_default(&a.ask_program, LIBEXECDIR "/nsresource-ask");
        set_default(&a.linger_folder, "/var/lib/systemd/linger");
        set_default(&a.logind_folder, "/run/systemd");
        set_default(&a.userdb_socket, TABLE_SOCKET_PATH);
        set_default(&a.nscd_socket, "/run/nscd/socket");
        *ret_arguments = a;
        return 0;
}

static void arguments_clear(Arguments *a) {
        char **const strings[] = { &a->config_file,     &a->socket,        &a->runtime_folder,
                                   &a->state_folder,    &a->etc,           &a->nspawn_folder,
                                   &a->run_user_folder, &a->linger_folder, &a->pin_folder,
                                   &a->logind_folder,   &a->ask_program,   &a->userdb_socket,
                                   &a->nscd_socket };

        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(*strings[i]);
}

/* In the service manager's store, so that it outlives this process: host/slot-locks.h. */
#define SLOT_LOCKS_FDNAME "slot-locks"

/* The one listening socket that the service manager passed, and what it kept for us; -1 for what
 * there is not. */
static int main_passed_fds(int *ret_socket, int *ret_slot_locks) {
        g_auto(GStrv) names = NULL;
        int n = sd_listen_fds_with_names(true, &names);

        *ret_socket = *ret_slot_locks = -1;
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (*ret_slot_locks < 0 && g_str_equal(names[i], SLOT_LOCKS_FDNAME))
                        *ret_slot_locks = fd;
                else if (*ret_socket < 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
                        *ret_socket = fd;
                else
                        return -EINVAL;
        }
        return 0;
}

/* A store that cannot take it, or has no room, costs what names are there for. */
static void main_store_slot_locks(const Manager *manager) {
        bool is_new;
        int fd = manager_slot_locks_fd(manager, &is_new);

        if (!is_new)
                return;
        (void) sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" SLOT_LOCKS_FDNAME);
        (void) sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" SLOT_LOCKS_FDNAME, &fd, 1);
}

/* Standard descriptors must be something: a socket in their place would be written log lines. */
static int main_open_standard_fds(void) {
        for (;;) {
                int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

                if (fd < 0)
                        return -errno;
                if (fd > STDERR_FILENO) {
                        (void) fd_close(fd);
                        return 0;
                }
                if (fcntl(fd, F_SETFD, 0) < 0)
                        return -errno;
        }
}

static void main_raise_descriptor_limit(void) {
        struct rlimit limit;

        /* Without more descriptors the server drops idle connections earlier: nothing fails. */
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) 65536);
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

typedef struct Process {
        GMainLoop *loop;
        Manager *manager;
} Process;

static void process_notify_ready(Process *process) {
        g_autofree char *status = manager_status_line(process->manager);

        (void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

static gboolean process_watchdog(gpointer userdata) {
        (void) sd_notify(0, "WATCHDOG=1");
        return G_SOURCE_CONTINUE;
}

static gboolean process_terminate(gpointer userdata) {
        Process *process = userdata;

        (void) sd_notify(0, "STOPPING=1");
        g_main_loop_quit(process->loop);
        return G_SOURCE_CONTINUE;
}

static gboolean process_reload(gpointer userdata) {
        Process *process = userdata;
        struct timespec now = {};

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        (void) sd_notifyf(
                0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                (unsigned long long) now.tv_sec * 1000000ull +
                        (unsigned long long) now.tv_nsec / 1000);
        if (manager_reload(process->manager) < 0)
                log_error("The configuration was not taken: going on with the one before");
        else
                log_info("Configuration reloaded");
        process_notify_ready(process);
        return G_SOURCE_CONTINUE;
}

static int process_run(const Arguments *a) {
        const ManagerPaths paths = {
                .config_file = a->config_file,
                .socket = a->socket,
                .runtime_folder = a->runtime_folder,
                .state_folder = a->state_folder,
                .etc = a->etc,
                .nspawn_folder = a->nspawn_folder,
                .pin_folder = a->pin_folder,
                .ask_program = a->ask_program,
                .userdb_socket = a->userdb_socket,
                .nscd_socket = a->nscd_socket,
                .leftovers = {
                        .mount_namespace = a->host_mounts ? "/proc/1/ns/mnt" : NULL,
                        .proc_folder = "/proc",
                        .run_user_folder = a->run_user_folder,
                        .linger_folder = a->linger_folder,
                        .etc_folder = a->etc,
                        .logind_folder = a->logind_folder,
                },
        };
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(Manager) manager = NULL;
        Process process = { .loop = loop };
        uint64_t watchdog_usec;
        int r, listen_fd, slot_locks_fd;

        r = main_passed_fds(&listen_fd, &slot_locks_fd);
        if (r < 0) {
                log_error_errno(
                        r,
                        "Expected one listening stream socket from the service manager, and what "
                        "was stored with it");
                return r;
        }
        r = manager_new(&paths, listen_fd, slot_locks_fd, &manager);
        if (r < 0)
                return r;
        main_store_slot_locks(manager);
        process.manager = manager;

        (void) g_unix_signal_add(SIGTERM, process_terminate, &process);
        (void) g_unix_signal_add(SIGINT, process_terminate, &process);
        (void) g_unix_signal_add(SIGHUP, process_reload, &process);
        if (sd_watchdog_enabled(true, &watchdog_usec) > 0)
                (void) g_timeout_add(
                        MAX((guint) (watchdog_usec / 3000), 1u), process_watchdog, NULL);

        process_notify_ready(&process);
        g_main_loop_run(loop);
        log_info("Stopping; namespaces that are out keep their ranges");
        return 0;
}

int main(int argc, char **argv) {
        Arguments arguments = {};
        int r;

        g_set_prgname("nsresourced");
        if (main_open_standard_fds() < 0)
                return EXIT_FAILURE;
        if (arguments_parse(&argc, &argv, &arguments) < 0)
                return 2;
        if (arguments.version) {
                printf("nsresourced %s\n", PACKAGE_VERSION);
                arguments_clear(&arguments);
                return EXIT_SUCCESS;
        }
        if (arguments.debug)
                log_set_max_priority(LOG_DEBUG);

        /* A peer that has gone is an error of write(), not a signal. */
        (void) signal(SIGPIPE, SIG_IGN);
        (void) umask(0022);
        main_raise_descriptor_limit();
        r = process_run(&arguments);
        arguments_clear(&arguments);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
