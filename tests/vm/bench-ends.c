/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/util/fd.h"
#include "lib/varlink/client.h"
#include "lib/varlink/json.h"
#include "tests/unit/holder.h"

/* How long many namespaces that end at once take until the last of their ranges is back:
 *
 *      bench-ends SOCKET N
 *
 * Prints the time from the first SIGKILL on, until the kernel has let go of the last process, until
 * no range is in use, and how many of them can be lent again. */

static void fail(const char *what, const char *why) {
        fprintf(stderr, "bench-ends: %s: %s\n", what, why);
        exit(EXIT_FAILURE);
}

static json_t *call(VarlinkClient *client, const char *method, json_t *take_parameters, int fd) {
        g_autoptr(json_t) parameters = take_parameters;
        g_autofree char *error = NULL;
        json_t *reply = NULL;
        int r;

        r = varlink_client_call(client, method, parameters, &fd, fd >= 0, &reply, &error);
        if (r < 0)
                fail(method, g_strerror(-r));
        if (error)
                fail(method, error);
        return reply;
}

static json_int_t count(const json_t *status, const char *state) {
        return json_integer_value(json_object_get(json_object_get(status, "counts"), state));
}

static void make(VarlinkClient *client, unsigned i, pid_t *ret_pid) {
        g_autofree char *name = g_strdup_printf("e%u", i);
        auto_fd fd = -1;

        if (holder_new(ret_pid) < 0 || (fd = holder_open(*ret_pid)) < 0)
                fail("a namespace", "cannot be made");
        json_decref(
                call(client, "io.systemd.NamespaceResource.AllocateUserRange",
                     json_pack(
                             "{s:s, s:i, s:i}", "name", name, "size", 65536,
                             "userNamespaceFileDescriptor", 0),
                     fd));
}

/* Wait until no range is in use. */
static json_t *wait_for_all(VarlinkClient *client) {
        for (;;) {
                json_t *status = call(client, "org.nsresource.Manager.GetStatus", NULL, -1);

                if (count(status, "active") + count(status, "mapping") +
                            count(status, "releasing") ==
                    0)
                        return status;
                json_decref(status);
                g_usleep(2000);
        }
}

int main(int argc, char **argv) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) status = NULL;
        g_autofree pid_t *pids = NULL;
        gint64 begin, ended, back;
        unsigned n;

        if (argc != 3)
                return 2;
        n = (unsigned) strtoul(argv[2], NULL, 10);
        if (varlink_client_connect(argv[1], 60000, &client) < 0)
                fail(argv[1], "cannot connect");
        pids = g_new(pid_t, n);
        for (unsigned i = 0; i < n; i++)
                make(client, i, &pids[i]);

        begin = g_get_monotonic_time();
        for (unsigned i = 0; i < n; i++)
                (void) kill(pids[i], SIGKILL);
        for (unsigned i = 0; i < n; i++)
                (void) waitpid(pids[i], NULL, 0);
        ended = g_get_monotonic_time();
        status = wait_for_all(client);
        back = g_get_monotonic_time();
        printf("%u namespaces ended at once: last process gone after %.3f s, last range back after "
               "%.3f s; %d quarantined\n",
               n, (double) (ended - begin) / 1e6, (double) (back - begin) / 1e6,
               (int) count(status, "quarantined"));
        return EXIT_SUCCESS;
}
