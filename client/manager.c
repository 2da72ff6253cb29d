/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/manager.h"

#include <errno.h>
#include <string.h>

#include "client/message.h"

/* Ranges that are listed at most: more than any table holds. */
#define LIST_MAX 65536u

const char *manager_connect_hint(int error) {
        switch (-error) {
        case ENOENT:
                return "is nsresource installed?  systemctl enable --now nsresourced.socket";
        case ECONNREFUSED:
                return "systemctl start nsresourced.socket";
        case EACCES:
        case EPERM:
                return "a sandbox or security policy keeps this process from the socket";
        case EAGAIN:
        case ETIMEDOUT:
                return "systemctl status nsresourced.service";
        default:
                return "systemctl status nsresourced.socket nsresourced.service";
        }
}

int manager_connect(const char *path, VarlinkClient **ret_client) {
        int r;

        r = varlink_client_connect(path, MANAGER_TIMEOUT_MSEC, ret_client);
        if (r < 0)
                message_error(
                        manager_connect_hint(r), "cannot reach nsresourced at %s: %s", path,
                        strerror(-r));
        return r;
}

static int say_failure(const char *method, int r, const char *error) {
        if (r < 0)
                message_error(
                        "journalctl -u nsresourced.service", "no answer to %s: %s", method,
                        strerror(-r));
        else
                message_error(
                        g_str_has_prefix(error, "org.varlink.service.")
                                ? "is this socket another program's?  nsresourcectl check"
                                : "journalctl -u nsresourced.service",
                        "%s was refused: %s", method, error);
        return r < 0 ? r : -EREMOTEIO;
}

int manager_call(VarlinkClient *client, const char *method, json_t **ret_reply) {
        g_autoptr(json_t) reply = NULL;
        g_autofree char *error = NULL;
        int r;

        r = varlink_client_call(client, method, NULL, NULL, 0, &reply, &error);
        if (r < 0 || error)
                return say_failure(method, r, error);
        *ret_reply = g_steal_pointer(&reply);
        return 0;
}

int manager_list(VarlinkClient *client, json_t **ret_ranges) {
        static const char method[] = "org.nsresource.Manager.List";
        g_autoptr(json_t) ranges = json_array();
        bool continues = true;
        int r;

        r = varlink_client_call_more(client, method, NULL);
        if (r < 0)
                return say_failure(method, r, NULL);
        while (continues) {
                g_autoptr(json_t) reply = NULL;
                g_autofree char *error = NULL;
                json_t *range;

                r = varlink_client_next(client, &reply, &error, &continues);
                if (r < 0 || error)
                        return say_failure(method, r, error);
                range = json_member(reply, "range");
                if (json_is_object(range))
                        json_array_append(ranges, range);
                if (json_array_size(ranges) > LIST_MAX)
                        return say_failure(method, -E2BIG, NULL);
        }
        *ret_ranges = g_steal_pointer(&ranges);
        return 0;
}

json_int_t manager_integer(const json_t *object, const char *key) {
        return json_integer_value(json_object_get(object, key));
}

const char *manager_string(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

bool manager_boolean(const json_t *object, const char *key) {
        return json_is_true(json_object_get(object, key));
}
