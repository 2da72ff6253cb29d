/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/fd.h"
#include "lib/varlink/client.h"
#include "lib/varlink/json.h"
#include "tests/unit/holder.h"

/* Allocate and end in a row, for tests:
 *
 *      cycle SOCKET ROUNDS SIZE
 *
 * Prints how many rounds were answered with success, then each error id with its count. */

/* One round.  Returns 0, or a negative errno where the machine or the connection failed. */
static int cycle(VarlinkClient *client, unsigned round, int size, char **ret_error) {
        g_autoptr(json_t) parameters = NULL, reply = NULL;
        g_autofree char *name = g_strdup_printf("c%u", round);
        auto_fd fd = -1;
        pid_t pid = -1;
        int r;

        r = holder_new(&pid);
        if (r < 0)
                return r;
        fd = holder_open(pid);
        parameters = json_pack(
                "{s:s, s:i, s:i}", "name", name, "size", size, "userNamespaceFileDescriptor", 0);
        r = fd < 0 ? fd
                   : varlink_client_call(
                             client, "io.systemd.NamespaceResource.AllocateUserRange", parameters,
                             &fd, 1, &reply, ret_error);
        holder_end(pid);
        return r;
}

int main(int argc, char **argv) {
        g_autoptr(GHashTable) errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(VarlinkClient) client = NULL;
        unsigned rounds, n_done = 0;
        GHashTableIter i;
        gpointer id, n;
        int r;

        if (argc != 4)
                return 2;
        rounds = (unsigned) strtoul(argv[2], NULL, 10);
        r = varlink_client_connect(argv[1], 60000, &client);
        for (unsigned round = 0; r == 0 && round < rounds; round++) {
                g_autofree char *error = NULL;

                r = cycle(client, round, atoi(argv[3]), &error);
                if (r == 0 && !error)
                        n_done++;
                else if (error)
                        g_hash_table_insert(
                                errors, g_strdup(error),
                                GUINT_TO_POINTER(
                                        GPOINTER_TO_UINT(g_hash_table_lookup(errors, error)) + 1));
        }
        if (r < 0) {
                fprintf(stderr, "cycle: %s\n", g_strerror(-r));
                return EXIT_FAILURE;
        }
        printf("done %u\n", n_done);
        g_hash_table_iter_init(&i, errors);
        while (g_hash_table_iter_next(&i, &id, &n))
                printf("%s %u\n", (const char *) id, GPOINTER_TO_UINT(n));
        return EXIT_SUCCESS;
}
