/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <systemd/sd-daemon.h>

#include "lib/table/read.h"
#include "lib/table/socket.h"
#include "lib/util/log.h"
#include "lib/util/options.h"
#include "lib/util/parse.h"
#include "lib/varlink/server.h"
#include "userdb/privileges.h"
#include "userdb/service.h"

#define DEFAULT_SOCKET TABLE_SOCKET_PATH
#define DEFAULT_IDLE_SECONDS 30u
#define IDLE_SECONDS_MAX 86400u
#define USER_NAME "nsresource"

typedef struct Options {
        const char *socket, *table;
        uint32_t idle_seconds; /* 0: never */
        bool idle_given;
} Options;

typedef struct Provider {
        GMainLoop *loop;
        UserdbService *service;
        unsigned idle_seconds;
        guint idle_source;
} Provider;

static void print_help(const Option *options) {
        puts("Usage: nsresource-userdbd [OPTION]...\n"
             "Answers look-ups of users and groups of namespaces (io.systemd.UserDatabase).\n");
        options_print(options, stdout);
}

/* Returns whether to go on; if not, *ret_status is the exit status. */
static bool parse_options(int argc, char **argv, Options *ret_options, int *ret_status) {
        Options given = { .socket = DEFAULT_SOCKET, .table = TABLE_PATH };
        const char *idle = NULL;
        bool debug = false, help = false, version = false;
        const Option options[] = {
                { "socket", "PATH",
                  "listen here, unless the service manager passes a socket\n(" DEFAULT_SOCKET ")",
                  &given.socket },
                { "table", "PATH", "the table to read (" TABLE_PATH ")", &given.table },
                { "idle-seconds", "N",
                  "exit when nobody has been connected for so long; 0: never\n"
                  "(30 with a socket of the service manager's, else 0)",
                  &idle },
                { "debug", .help = "log every refused call", .flag = &debug },
                { "help", .help = "this text", .flag = &help, .ends = true },
                { "version", .help = "the version", .flag = &version, .ends = true },
                {},
        };
        g_autofree char *message = NULL;
        int first;

        *ret_status = EXIT_FAILURE;
        if (options_parse(options, OPTIONS_ANYWHERE, argc, argv, &first, &message) != 0) {
                log_error("%s; see --help", message);
                return false;
        }
        if (help)
                print_help(options);
        if (version)
                puts("nsresource-userdbd " PACKAGE_VERSION);
        if (help || version) {
                *ret_status = EXIT_SUCCESS;
                return false;
        }
        given.idle_given = idle;
        if (idle &&
            (!parse_u32(idle, &given.idle_seconds) || given.idle_seconds > IDLE_SECONDS_MAX)) {
                log_error("--idle-seconds takes a number from 0 to %u", IDLE_SECONDS_MAX);
                return false;
        }
        if (first < argc) {
                log_error("unexpected argument \"%s\"", argv[first]);
                return false;
        }
        if (debug)
                log_set_max_priority(LOG_DEBUG);
        *ret_options = given;
        return true;
}

static bool set_attribute(const char *path, const char *name, const char *value) {
        return lsetxattr(path, name, value, strlen(value), 0) == 0;
}

/* Tell clients that can read it (systemd 262, Linux with extended attributes on sockets) which keys
 * are worth asking us for.  Numbers only if the table is there to say which ones are ours: a wrong
 * range would hide us.  When a table of another pool takes its place later, we are not root any
 * more: nsresourced, which made it, sets them (table/socket.h). */
static void tag_socket(const char *path, const char *table_path) {
        bool tagged;
        TableView view;

        if (!set_attribute(path, "user.varlink", "entrypoint") ||
            !set_attribute(path, "user.userdb.username", "ns*") ||
            !set_attribute(path, "user.userdb.groupname", "ns*")) {
                log_debug("%s takes no attributes: clients will ask about every user", path);
                return;
        }
        if (table_view_open(table_path, &view) != 0)
                return;
        tagged = table_socket_tag(path, view.pool_start, view.n_slots);
        table_view_close(&view);
        if (!tagged)
                log_debug("%s does not take all attributes", path);
}

/* Listen, as root: nobody else may make a socket there. */
static int listen_somewhere(VarlinkServer *server, Options *options) {
        int n = sd_listen_fds(1);

        if (n < 0)
                return n;
        if (n == 0)
                return varlink_server_listen_path(server, options->socket, 0666);

        if (!options->idle_given)
                options->idle_seconds = DEFAULT_IDLE_SECONDS;
        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
                int r;

                r = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);
                if (r == 0)
                        r = -EPROTOTYPE;
                if (r > 0)
                        r = varlink_server_listen_fd(server, fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

static gboolean on_signal(void *userdata) {
        Provider *provider = userdata;

        g_main_loop_quit(provider->loop);
        return G_SOURCE_CONTINUE;
}

static gboolean on_watchdog(void *userdata) {
        (void) sd_notify(0, "WATCHDOG=1");
        return G_SOURCE_CONTINUE;
}

/* idle exit */

static gboolean on_idle_timeout(void *userdata) {
        Provider *provider = userdata;

        provider->idle_source = 0;
        /* The listening socket is the service manager's: a client that connects just now starts us
         * again. */
        if (varlink_server_n_connections(userdb_service_server(provider->service)) == 0)
                g_main_loop_quit(provider->loop);
        return G_SOURCE_REMOVE;
}

static void on_idle(void *userdata) {
        Provider *provider = userdata;

        if (provider->idle_source != 0)
                g_source_remove(provider->idle_source);
        provider->idle_source =
                g_timeout_add_seconds(provider->idle_seconds, on_idle_timeout, provider);
}

static int serve(const Options *options, UserdbService *service) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        Provider provider = {
                .loop = loop,
                .service = service,
                .idle_seconds = options->idle_seconds,
        };
        uint64_t watchdog_usec = 0;

        g_unix_signal_add(SIGTERM, on_signal, &provider);
        g_unix_signal_add(SIGINT, on_signal, &provider);
        if (sd_watchdog_enabled(0, &watchdog_usec) > 0)
                g_timeout_add((guint) (watchdog_usec / 2000), on_watchdog, NULL);
        if (options->idle_seconds > 0) {
                varlink_server_set_idle(userdb_service_server(service), on_idle, &provider);
                on_idle(&provider);
        }

        (void) sd_notify(0, "READY=1");
        g_main_loop_run(loop);
        (void) sd_notify(0, "STOPPING=1");
        return 0;
}

static int run(Options *options) {
        g_autoptr(UserdbService) service = NULL;
        uid_t uid;
        gid_t gid;
        int r;

        r = userdb_service_new(
                &(UserdbServiceConfig){ .table_path = options->table, .etc = "/etc" }, NULL,
                &service);
        if (r < 0) {
                log_error_errno(r, "cannot set up the service");
                return r;
        }
        r = listen_somewhere(userdb_service_server(service), options);
        if (r < 0) {
                log_error_errno(r, "cannot listen on %s", options->socket);
                return r;
        }
        tag_socket(options->socket, options->table);

        /* Nothing of any client has been read yet, and the table is read as the user we become. */
        privileges_find_user("/etc/passwd", USER_NAME, &uid, &gid);
        r = privileges_drop(uid, gid);
        if (r < 0) {
                log_error_errno(r, "cannot give up root for UID %u", uid);
                return r;
        }
        return serve(options, service);
}

int main(int argc, char **argv) {
        Options options;
        int status;

        g_set_prgname("nsresource-userdbd");
        if (!parse_options(argc, argv, &options, &status))
                return status;
        return run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
