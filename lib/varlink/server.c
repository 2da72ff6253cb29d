/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util/fd.h"
#include "lib/varlink/call.h"
#include "lib/varlink/connection.h"
#include "lib/varlink/discard.h"
#include "lib/varlink/interface.h"
#include "lib/varlink/listener.h"
#include "lib/varlink/peek.h"
#include "lib/varlink/run-queue.h"
#include "lib/varlink/service.h"

#define CONNECTIONS_MAX 4096u
#define CONNECTIONS_PER_ACCOUNT_MAX 128u
#define DISCARDS_MAX 4096u
#define DISCARDS_PER_ACCOUNT_MAX 4096u

typedef struct MethodEntry {
        const VarlinkMethod *method;
        const VarlinkInterfaceMethod *description;
        void *userdata;
} MethodEntry;

struct VarlinkServer {
        VarlinkServerConfig config;
        GMainContext *context;
        VarlinkConnectionHandlers handlers;
        VarlinkPeek *peek;
        VarlinkRunQueue *queue;
        VarlinkDiscards *discards;
        GPtrArray *interfaces; /* of VarlinkInterface */
        GHashTable *methods;   /* name -> MethodEntry */
        VarlinkServiceInfo info;
        GPtrArray *listeners;
        GQueue connections;   /* the one longest without a call first */
        GHashTable *accounts; /* account -> number of its connections */
        void (*idle)(void *userdata);
        void *idle_userdata;
};

/* accounts */

static unsigned account_n_connections(const VarlinkServer *server, uint32_t account) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(server->accounts, GUINT_TO_POINTER(account)));
}

static void account_set_n_connections(VarlinkServer *server, uint32_t account, unsigned n) {
        if (n > 0)
                (void) g_hash_table_insert(
                        server->accounts, GUINT_TO_POINTER(account), GUINT_TO_POINTER(n));
        else
                (void) g_hash_table_remove(server->accounts, GUINT_TO_POINTER(account));
}

/* connections */

static void forget_connection(VarlinkServer *server, VarlinkConnection *connection) {
        uint32_t account = varlink_connection_account(connection);

        g_queue_unlink(&server->connections, varlink_connection_link(connection));
        account_set_n_connections(server, account, account_n_connections(server, account) - 1);
        varlink_connection_unref(connection);
}

static void drop_connection(VarlinkServer *server, VarlinkConnection *connection) {
        varlink_connection_close(connection);
        forget_connection(server, connection);
}

/* Drop a connection that is idle, for its peer sends nothing, or half a message, or does not read
 * its answers: of those whose account has most connections, `n_own` of them at least, the one that
 * has been idle for longest.  Returns whether there was one. */
static bool drop_idle_connection(VarlinkServer *server, unsigned n_own) {
        VarlinkConnection *idlest = NULL;
        unsigned most = 0;

        for (GList *l = server->connections.head; l; l = l->next) {
                unsigned n = account_n_connections(server, varlink_connection_account(l->data));

                if (n > most && n >= n_own && !varlink_connection_is_busy(l->data)) {
                        idlest = l->data;
                        most = n;
                }
        }
        if (idlest)
                drop_connection(server, idlest);
        return idlest != NULL;
}

static void on_closed(VarlinkConnection *connection, void *userdata) {
        VarlinkServer *server = userdata;

        forget_connection(server, connection);
        for (guint i = 0; i < server->listeners->len; i++)
                varlink_listener_resume(g_ptr_array_index(server->listeners, i));
        if (server->connections.length == 0 && server->idle)
                server->idle(server->idle_userdata);
}

static void on_discard(VarlinkConnection *connection, int take_fd, void *userdata) {
        VarlinkServer *server = userdata;

        if (server->config.discard)
                server->config.discard(
                        take_fd, varlink_connection_account(connection), server->config.userdata);
        else
                varlink_discards_add(
                        server->discards, take_fd, varlink_connection_account(connection));
}

static void set_active(VarlinkServer *server, VarlinkConnection *connection) {
        GList *link = varlink_connection_link(connection);

        g_queue_unlink(&server->connections, link);
        g_queue_push_tail_link(&server->connections, link);
}

/* calls */

/* What is refused without asking the method: 0 if nothing is, else the call has been answered. */
static int check_call(VarlinkCall *call, const MethodEntry *entry) {
        const VarlinkCallMessage *message = varlink_call_message(call);
        const char *field, *refusal = NULL;

        /* Also when the interface is unknown, as the reference does. */
        if (!entry) {
                varlink_call_error(
                        call, VARLINK_ERROR_METHOD_NOT_FOUND,
                        json_pack("{s:s}", "method", message->method));
                return -ENOENT;
        }
        /* The client would speak another protocol after our answer, and no method of ours does. */
        if (message->upgrade) {
                varlink_call_invalid_parameter(call, "upgrade");
                return -EINVAL;
        }
        if (!varlink_interface_method_accepts(entry->description, message->parameters, &field)) {
                varlink_call_invalid_parameter(call, field);
                return -EINVAL;
        }
        if (entry->method->gate)
                refusal = entry->method->gate(call, entry->userdata);
        if (refusal) {
                varlink_call_error(call, refusal, NULL);
                return -EOPNOTSUPP;
        }
        if (!entry->method->handle) {
                varlink_call_error(
                        call, VARLINK_ERROR_METHOD_NOT_IMPLEMENTED,
                        json_pack("{s:s}", "method", message->method));
                return -ENOSYS;
        }
        if (entry->method->requires_more && !message->more) {
                varlink_call_error(call, VARLINK_ERROR_EXPECTED_MORE, NULL);
                return -EINVAL;
        }
        return 0;
}

static void run_call(VarlinkServer *server, VarlinkCall *call) {
        const VarlinkCallMessage *message = varlink_call_message(call);
        const MethodEntry *entry = g_hash_table_lookup(server->methods, message->method);
        const VarlinkMethod *method;
        const char *field;
        void *parameters;

        if (check_call(call, entry) < 0)
                return;
        method = entry->method;
        parameters = varlink_call_allocate_parameters(call, method->parameters_size);
        if (varlink_dispatch(
                    method->fields, method->n_fields, message->parameters, parameters, &field) < 0)
                varlink_call_invalid_parameter(call, field);
        else
                method->handle(call, parameters, entry->userdata);
}

static void on_message(
        VarlinkConnection *connection, const VarlinkMessage *message, void *userdata) {
        g_auto(VarlinkCallMessage) parsed = { 0 };
        g_autoptr(VarlinkCall) call = NULL;
        VarlinkServer *server = userdata;

        if (varlink_call_message_parse(message->text, message->size, &parsed) < 0) {
                for (size_t i = 0; i < message->n_descriptors; i++)
                        fd_close(message->descriptors[i].fd);
                g_free(message->descriptors);
                varlink_connection_finish(connection);
                return;
        }
        set_active(server, connection);
        call = varlink_call_new(connection, &parsed, message->descriptors, message->n_descriptors);
        varlink_call_set_answered(call, server->config.answered, server->config.userdata);
        run_call(server, call);
}

static void on_unreceived(
        VarlinkConnection *connection, const VarlinkMessage *message, int error, void *userdata) {
        g_auto(VarlinkCallMessage) parsed = { 0 };
        g_autoptr(VarlinkCall) call = NULL;
        VarlinkServer *server = userdata;
        size_t size = strnlen(message->text, message->size);

        /* Half a call, or none: nobody to answer. */
        if (varlink_call_message_parse(message->text, size, &parsed) < 0)
                return;
        call = varlink_call_new(connection, &parsed, NULL, 0);
        varlink_call_set_answered(call, server->config.answered, server->config.userdata);
        varlink_call_errno(call, error);
}

static int on_receive(VarlinkConnection *connection, int fd, size_t n_bytes, void *userdata) {
        VarlinkServer *server = userdata;

        return server->config.receive(connection, fd, n_bytes, server->config.userdata);
}

/* accepting */

static uint32_t account_of(const VarlinkServer *server, const VarlinkPeer *peer) {
        return server->config.account ? server->config.account(peer, server->config.userdata)
                                      : peer->uid;
}

static void on_accepted(int take_fd, void *userdata) {
        VarlinkConnection *connection;
        VarlinkServer *server = userdata;
        struct ucred credentials = { .uid = (uid_t) -1, .gid = (gid_t) -1 };
        socklen_t size = sizeof(credentials);
        VarlinkPeer peer;
        uint32_t account;
        bool refused;

        refused = getsockopt(take_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0;
        peer = (VarlinkPeer){ .uid = credentials.uid,
                              .gid = credentials.gid,
                              .pid = credentials.pid };
        account = account_of(server, &peer);
        refused =
                refused || account_n_connections(server, account) +
                                           varlink_discards_n_waiting(server->discards, account) >=
                                   server->config.connections_per_account_max;
        if (!refused && server->connections.length >= server->config.connections_max)
                refused = !drop_idle_connection(server, account_n_connections(server, account));

        connection = varlink_connection_new(
                take_fd, &peer, account, server->context, server->peek, server->queue,
                &server->handlers, server);
        if (refused) {
                varlink_connection_close(connection);
                varlink_connection_unref(connection);
                return;
        }
        g_queue_push_tail_link(&server->connections, varlink_connection_link(connection));
        account_set_n_connections(server, account, account_n_connections(server, account) + 1);
}

/* A connection that is refused may hold descriptors as well, and waits for a child like any other
 * that ends: where there can be none, what has not been accepted waits with whoever made it. */
static bool on_may_accept(void *userdata) {
        VarlinkServer *server = userdata;

        return varlink_discards_n_descriptors(server->discards) < server->config.discards_max;
}

static bool on_short_of_descriptors(void *userdata) {
        return drop_idle_connection(userdata, 0);
}

static const VarlinkListenerHandlers listener_handlers = {
        .may_accept = on_may_accept,
        .accepted = on_accepted,
        .short_of = on_short_of_descriptors,
};

static int add_listener(VarlinkServer *server, int take_fd, bool own) {
        VarlinkListener *listener;
        int r;

        r = varlink_listener_new(
                take_fd, own, server->context, &listener_handlers, server, &listener);
        if (r < 0)
                return r;
        g_ptr_array_add(server->listeners, listener);
        return 0;
}

int varlink_server_listen_fd(VarlinkServer *server, int take_fd) {
        return add_listener(server, take_fd, false);
}

int varlink_server_listen_path(VarlinkServer *server, const char *path, mode_t mode) {
        auto_fd fd = -1;
        int r;

        r = varlink_listener_bind(path, mode, &fd);
        if (r < 0)
                return r;
        return add_listener(server, g_steal_fd(&fd), true);
}

unsigned varlink_server_n_connections(const VarlinkServer *server) {
        return server->connections.length;
}

void varlink_server_set_idle(VarlinkServer *server, void (*idle)(void *userdata), void *userdata) {
        server->idle = idle;
        server->idle_userdata = userdata;
}

/* construction */

static int add_interface(VarlinkServer *server, const char *text) {
        VarlinkInterface *interface;
        char *name;
        int r;

        r = varlink_interface_parse(text, &interface, NULL);
        if (r < 0)
                return r;
        g_ptr_array_add(server->interfaces, interface);
        name = (char *) varlink_interface_name(interface);
        if (!g_hash_table_insert(server->info.by_name, name, (void *) text))
                return -EINVAL;
        g_ptr_array_add(server->info.names, name);
        return 0;
}

static const VarlinkInterfaceMethod *describe(const VarlinkServer *server, const char *name) {
        const char *dot = strrchr(name, '.');

        for (guint i = 0; dot && i < server->interfaces->len; i++) {
                const VarlinkInterface *interface = g_ptr_array_index(server->interfaces, i);
                const char *interface_name = varlink_interface_name(interface);

                if (strlen(interface_name) == (size_t) (dot - name) &&
                    g_str_has_prefix(name, interface_name))
                        return varlink_interface_find_method(interface, dot + 1);
        }
        return NULL;
}

static int add_methods(
        VarlinkServer *server, const VarlinkMethod *methods, size_t n_methods, void *userdata) {
        for (size_t i = 0; i < n_methods; i++) {
                const VarlinkInterfaceMethod *description = describe(server, methods[i].name);
                MethodEntry *entry;

                if (!description)
                        return -EINVAL;
                entry = g_new(MethodEntry, 1);
                *entry = (MethodEntry){
                        .method = methods + i,
                        .description = description,
                        .userdata = userdata,
                };
                (void) g_hash_table_insert(server->methods, (void *) methods[i].name, entry);
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int add_api(VarlinkServer *server) {
        const VarlinkServerConfig *config = &server->config;
        int r = 0;

        for (size_t i = 0; r == 0 && varlink_service_texts[i]; i++)
                r = add_interface(server, varlink_service_texts[i]);
        for (size_t i = 0; r == 0 && i < config->n_interfaces; i++)
                r = add_interface(server, config->interfaces[i]);
        if (r == 0)
                r = add_methods(
                        server, varlink_service_methods, varlink_service_n_methods, &server->info);
        if (r == 0)
                r = add_methods(server, config->methods, config->n_methods, config->userdata);
        g_ptr_array_sort(server->info.names, compare_names);
        return r;
}

int varlink_server_new(
        const VarlinkServerConfig *config, GMainContext *context, VarlinkServer **ret_server) {
        g_autoptr(VarlinkServer) server = g_new0(VarlinkServer, 1);
        int r;

        server->config = *config;
        if (server->config.connections_max == 0)
                server->config.connections_max = CONNECTIONS_MAX;
        if (server->config.connections_per_account_max == 0)
                server->config.connections_per_account_max = CONNECTIONS_PER_ACCOUNT_MAX;
        if (server->config.discards_max == 0)
                server->config.discards_max = DISCARDS_MAX;
        if (server->config.discards_per_account_max == 0)
                server->config.discards_per_account_max = DISCARDS_PER_ACCOUNT_MAX;
        server->handlers = (VarlinkConnectionHandlers){
                .message = on_message,
                .receive = config->receive ? on_receive : NULL,
                .unreceived = on_unreceived,
                .closed = on_closed,
                .discard = on_discard,
                .output_high = config->output_high > 0 ? config->output_high : VARLINK_OUTPUT_HIGH,
        };
        server->info = (VarlinkServiceInfo){
                .vendor = config->vendor,
                .product = config->product,
                .version = config->version,
                .url = config->url,
                .names = g_ptr_array_new(),
                .by_name = g_hash_table_new(g_str_hash, g_str_equal),
        };
        server->context = g_main_context_ref(context ? context : g_main_context_default());
        server->discards = varlink_discards_new(server->config.discards_per_account_max);
        server->queue = varlink_run_queue_new(server->context);
        server->interfaces =
                g_ptr_array_new_with_free_func((GDestroyNotify) varlink_interface_free);
        server->methods = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        server->listeners = g_ptr_array_new_with_free_func((GDestroyNotify) varlink_listener_free);
        server->accounts = g_hash_table_new(NULL, NULL);
        g_queue_init(&server->connections);
        r = varlink_peek_new(&server->peek);
        if (r < 0)
                return r;
        r = add_api(server);
        if (r < 0)
                return r;

        *ret_server = g_steal_pointer(&server);
        return 0;
}

void varlink_server_free(VarlinkServer *server) {
        if (!server)
                return;
        g_ptr_array_unref(server->listeners);
        while (server->connections.head)
                drop_connection(server, server->connections.head->data);
        g_hash_table_unref(server->accounts);
        g_hash_table_unref(server->methods);
        g_hash_table_unref(server->info.by_name);
        g_ptr_array_unref(server->info.names);
        g_ptr_array_unref(server->interfaces);
        varlink_discards_free(server->discards);
        varlink_run_queue_free(server->queue);
        varlink_peek_free(server->peek);
        g_main_context_unref(server->context);
        g_free(server);
}
