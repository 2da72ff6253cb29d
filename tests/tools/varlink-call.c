/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/varlink/client.h"
#include "lib/varlink/json.h"

/* One varlink call for bats tests: prints the answer's parameters as one line of JSON with sorted
 * keys.  Exit status: 0 answered, 1 answered with an error (its id is printed before its
 * parameters), 2 no answer (what went wrong is printed on standard error). */

#define TIMEOUT_MSEC 30000
#define DESCRIPTORS_MAX 300u

static int usage(void) {
        fputs("Usage: varlink-call [--more] SOCKET METHOD [JSON [DESCRIPTOR...]]\n"
              "Each DESCRIPTOR is sent with the call, in order:\n"
              "  userns:PATH   open(PATH, O_RDONLY), e.g. userns:/proc/PID/ns/user\n"
              "  file:PATH     open(PATH, O_RDONLY)\n"
              "  rw:PATH       open(PATH, O_RDWR)\n"
              "  opath:PATH    open(PATH, O_PATH)\n"
              "  directory:PATH\n"
              "  null          /dev/null\n"
              "  dup:N         our own descriptor N\n",
              stderr);
        return 2;
}

static int open_descriptor(const char *text) {
        static const struct {
                const char *prefix;
                int flags;
        } kinds[] = {
                { "userns:", O_RDONLY },
                { "file:", O_RDONLY },
                { "rw:", O_RDWR },
                { "opath:", O_PATH },
                { "directory:", O_RDONLY | O_DIRECTORY },
        };
        uint32_t number;

        if (g_str_equal(text, "null"))
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (g_str_has_prefix(text, "dup:") && parse_u32(text + 4, &number))
                return fcntl((int) number, F_DUPFD_CLOEXEC, 3);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (g_str_has_prefix(text, kinds[i].prefix))
                        return open(text + strlen(kinds[i].prefix), kinds[i].flags | O_CLOEXEC);
        errno = EINVAL;
        return -1;
}

static void print_answer(const json_t *parameters, const char *error) {
        g_autoptr(json_t) none = json_object();

        if (error)
                printf("%s ", error);
        (void) json_dumpf(parameters ?: none, stdout, JSON_SORT_KEYS | JSON_ENSURE_ASCII);
        putchar('\n');
        /* Before a descriptor is closed: that may hang, and is meant to in some tests. */
        (void) fflush(stdout);
}

static int fail(int error, const char *what) {
        fprintf(stderr, "varlink-call: %s: %s\n", what, strerror(-error));
        return 2;
}

static int call_once(
        VarlinkClient *client, const char *method, json_t *parameters, const int *fds,
        size_t n_fds) {
        g_autoptr(json_t) reply = NULL;
        g_autofree char *error = NULL;
        int r;

        r = varlink_client_call(client, method, parameters, fds, n_fds, &reply, &error);
        if (r < 0)
                return fail(r, method);
        print_answer(reply, error);
        return error ? 1 : 0;
}

static int call_more(VarlinkClient *client, const char *method, json_t *parameters) {
        bool continues = true, failed = false;
        int r;

        r = varlink_client_call_more(client, method, parameters);
        while (r == 0 && continues) {
                g_autoptr(json_t) reply = NULL;
                g_autofree char *error = NULL;

                r = varlink_client_next(client, &reply, &error, &continues);
                if (r == 0)
                        print_answer(reply, error);
                failed = error != NULL;
        }
        return r < 0 ? fail(r, method) : failed;
}

int main(int argc, char **argv) {
        bool more = argc > 1 && g_str_equal(argv[1], "--more");
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) parameters = NULL;
        int fds[DESCRIPTORS_MAX];
        size_t n_fds = 0;
        int r;

        if (more) {
                argv++;
                argc--;
        }
        if (argc < 3 || argc > 4 + (int) DESCRIPTORS_MAX)
                return usage();
        if (argc > 3) {
                parameters = json_loads(argv[3], JSON_ALLOW_NUL, NULL);
                if (!parameters)
                        return fail(-EINVAL, argv[3]);
        }

        r = varlink_client_connect(argv[1], TIMEOUT_MSEC, &client);
        if (r < 0)
                return fail(r, argv[1]);
        for (int i = 4; i < argc; i++) {
                fds[n_fds] = open_descriptor(argv[i]);
                if (fds[n_fds++] < 0)
                        return fail(-errno, argv[i]);
        }
        return more ? call_more(client, argv[2], parameters)
                    : call_once(client, argv[2], parameters, fds, n_fds);
}
