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
#include "lib/util/options.h"

/* nsresourced: the process around the manager. */

#define EXIT_USAGE 2

typedef struct Arguments {
        const char *config_file, *socket, *runtime_folder, *state_folder, *etc, *nspawn_folder,
                *pin_folder, *run_user_folder, *linger_folder, *logind_folder, *ask_program,
                *userdb_socket, *nscd_socket;
        bool debug, help, version;
} Arguments;

#define DEFAULT_RUN_USER "/run/user"

static const Arguments default_arguments = {
        .config_file = SYSCONFDIR "/nsresource/nsresourced.conf",
        .socket = "/run/systemd/io.systemd.NamespaceResource",
        .runtime_folder = "/run/nsresource",
        .state_folder = "/var/lib/nsresource",
        .etc = "/etc",
        .nspawn_folder = "/run/systemd/nspawn-uid",
        .pin_folder = "/sys/fs/bpf/nsresource",
        .ask_program = LIBEXECDIR "/nsresource-ask",
        .linger_folder = "/var/lib/systemd/linger",
        .logind_folder = "/run/systemd",
        .userdb_socket = TABLE_SOCKET_PATH,
        .nscd_socket = "/run/nscd/socket",
};

static void print_help(const Option *options) {
        puts("Usage: nsresourced [OPTION]...\n"
             "Lends ranges of UIDs and GIDs to user namespaces.\n");
        options_print(options, stdout);
}

/* Returns whether to go on; if not, *ret_status is the exit status. */
static bool arguments_parse(int argc, char **argv, Arguments *ret_arguments, int *ret_status) {
        Arguments a = default_arguments;
        const Option options[] = {
                { "config", "FILE", "Configuration", &a.config_file },
                { "socket", "PATH", "Socket to bind when none is passed", &a.socket },
                { "runtime-dir", "DIR", "Folder of the table", &a.runtime_folder },
                { "state-dir", "DIR", "Folder of what outlives a reboot", &a.state_folder },
                { "etc", "DIR", "Folder of passwd, group, subuid, subgid", &a.etc },
                { "nspawn-dir", "DIR", "Folder of systemd-nspawn's lock files", &a.nspawn_folder },
                { "pin-dir", "DIR", "Folder of the policy's pins", &a.pin_folder },
                { "run-user-dir", "DIR", "Folder of users' runtime folders", &a.run_user_folder },
                { "linger-dir", "DIR", "Folder of systemd-logind's linger files",
                  &a.linger_folder },
                { "logind-dir", "DIR", "Folder of systemd-logind's records", &a.logind_folder },
                { "ask-program", "FILE", "Program that asks whose IDs are", &a.ask_program },
                { "userdb-socket", "PATH", "Socket of the user database provider",
                  &a.userdb_socket },
                { "nscd-socket", "PATH", "Socket of nscd", &a.nscd_socket },
                { "debug", .help = "Log every request", .flag = &a.debug },
                { "help", .help = "Show this", .flag = &a.help, .ends = true },
                { "version", .help = "Show the version", .flag = &a.version, .ends = true },
                {},
        };
        g_autofree char *message = NULL;
        int first;

        *ret_status = EXIT_USAGE;
        if (options_parse(options, OPTIONS_ANYWHERE, argc, argv, &first, &message) != 0) {
                log_error("%s; see --help", message);
                return false;
        }
        if (a.help)
                print_help(options);
        if (a.version)
                puts("nsresourced " PACKAGE_VERSION);
        if (a.help || a.version) {
                *ret_status = EXIT_SUCCESS;
                return false;
        }
        if (first < argc) {
                log_error("unexpected argument \"%s\"; see --help", argv[first]);
                return false;
        }
        *ret_arguments = a;
        return true;
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
                        /* Runtime folders are the host's; others are where we are. */
                        .mount_namespace = a->run_user_folder ? NULL : "/proc/1/ns/mnt",
                        .proc_folder = "/proc",
                        .run_user_folder = a->run_user_folder ?: DEFAULT_RUN_USER,
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
        log_info("Stopping; namespaces keep the ranges that are lent to them");
        return 0;
}

int main(int argc, char **argv) {
        Arguments arguments = {};
        int r;

        g_set_prgname("nsresourced");
        if (main_open_standard_fds() < 0)
                return EXIT_FAILURE;
        if (!arguments_parse(argc, argv, &arguments, &r))
                return r;
        if (arguments.debug)
                log_set_max_priority(LOG_DEBUG);

        /* A peer that has gone is an error of write(), not a signal. */
        (void) signal(SIGPIPE, SIG_IGN);
        (void) umask(0022);
        main_raise_descriptor_limit();
        r = process_run(&arguments);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
