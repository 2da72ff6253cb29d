/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <glib.h>

#include "daemon/host/asker.h"
#include "daemon/host/name-services.h"
#include "daemon/host/used-ids.h"
#include "lib/table/format.h"
#include "lib/util/parse.h"

/* nsresource-ask: what the daemon wants to know and must not find out itself, because whoever
 * answers may never do so: the name service (any library, any server), /home, a pass over /proc.  A
 * program of its own, for libraries of the name service allocate memory and make threads, which a
 * child without exec must not.  Its answers are lines; see host/asker.h. */

/* Where directories begin to count (their RIDs: 500 and on are built in, 513 is everybody's group,
 * users from 1000 on), where a slot ends, and its middle. */
static const uint32_t sample[] = { 0, 1, 500, 513, 1000, 1001, 32768, 65535 };

#define RANDOM_SAMPLES 3
#define SHOWN_NAME_MAX 64

/* A name that a directory made up must not pass for a line of ours. */
static void print_taken(uint32_t start, const char *kind, const char *name) {
        printf("%" PRIu32 " taken %s ", start, kind);
        for (size_t i = 0; name[i] != '\0' && i < SHOWN_NAME_MAX; i++)
                putchar(g_ascii_isgraph(name[i]) ? name[i] : '?');
        putchar('\n');
}

/* Returns whether the answer has been given. */
static bool answer_id(NameServices *services, uint32_t start, uint32_t id) {
        NameServicesAnswer answer;
        int r = name_services_find(services, id, &answer);

        if (r == NAME_SERVICES_E_UNKNOWN)
                return false;
        if (r == 0)
                print_taken(start, answer.kind, answer.name);
        else
                printf("%" PRIu32 " error %s: %s\n", start, answer.service, strerror(-r));
        return true;
}

static void answer_slot(NameServices *services, uint32_t start) {
        for (size_t i = 0; i < G_N_ELEMENTS(sample); i++)
                if (answer_id(services, start, start + sample[i]))
                        return;
        for (unsigned i = 0; i < RANDOM_SAMPLES; i++)
                if (answer_id(services, start, start + g_random_int() % TABLE_SLOT_SIZE))
                        return;
        printf("%" PRIu32 " free\n", start);
}

static bool run_names(int n, char **arguments) {
        g_autoptr(NameServices) services = NULL;

        if (name_services_open("/etc", &services) < 0)
                return false;
        for (int i = 0; i < n; i++) {
                uint32_t start;

                if (!parse_u32(arguments[i], &start))
                        return false;
                answer_slot(services, start);
                if (fflush(stdout) != 0)
                        return false;
        }
        return true;
}

/* A long pass is not one that hangs, nor is a program that had to wait for a processor. */
#define SIGN_USEC (G_USEC_PER_SEC / 2)

static void give_sign(void) {
        printf(ASKER_ALIVE "\n");
        (void) fflush(stdout);
}

/* IDs within the pool: where they start, and how many of them have been told already. */
typedef struct Seen {
        uint32_t start, end;
        gint64 sign_usec; /* of the last sign of life */
        GHashTable *sizes;
} Seen;

static void see(uint32_t start, uint32_t n_ids, void *userdata) {
        Seen *seen = userdata;
        uint64_t end = MIN((uint64_t) start + n_ids, seen->end);
        gint64 now = g_get_monotonic_time();

        if (now - seen->sign_usec >= SIGN_USEC) {
                seen->sign_usec = now;
                give_sign();
        }
        start = MAX(start, seen->start);
        if (start >= end)
                return;
        n_ids = (uint32_t) (end - start);
        if (n_ids <= GPOINTER_TO_UINT(g_hash_table_lookup(seen->sizes, GUINT_TO_POINTER(start))))
                return;
        g_hash_table_insert(seen->sizes, GUINT_TO_POINTER(start), GUINT_TO_POINTER(n_ids));
        printf("%" PRIu32 " %" PRIu32 "\n", start, n_ids);
}

static bool run_used(int n, char **arguments, int (*find)(UsedIdFunc func, void *userdata)) {
        g_autoptr(GHashTable) sizes = g_hash_table_new(NULL, NULL);
        Seen seen = { .sizes = sizes };

        return n == 2 && parse_u32(arguments[0], &seen.start) &&
               parse_u32(arguments[1], &seen.end) && find(see, &seen) == 0;
}

int main(int argc, char **argv) {
        bool done = false;

        /* Others of the same user run too, and are to be kept out of the answers. */
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        /* From here on it is those who are asked that may be slow. */
        give_sign();
        if (argc >= 2 && strcmp(argv[1], ASKER_NAMES) == 0)
                done = run_names(argc - 2, argv + 2);
        else if (argc >= 2 && strcmp(argv[1], ASKER_USED) == 0)
                done = run_used(argc - 2, argv + 2, used_ids_find);
        else if (argc >= 2 && strcmp(argv[1], ASKER_HOMES) == 0)
                done = run_used(argc - 2, argv + 2, used_ids_find_homes);
        else
                fprintf(stderr, "nsresource-ask is run by nsresourced.\n");
        if (!done)
                return EXIT_FAILURE;
        printf(ASKER_END "\n");
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
