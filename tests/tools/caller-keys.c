/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Secrets in the keyrings of whoever calls a program, and who can read them.
 *
 *      caller-keys give COMMAND...   join a session keyring with a secret in it and one in the user
 *                                    keyring; run COMMAND with their numbers in KEY_SESSION,
 * KEY_USER caller-keys take              try to read them: by name and by number
 *
 * `take` prints a line each: "HOW: the payload or the error". */

static const char *const names[] = { "nsresource-test-session", "nsresource-test-user" };
static const char *const variables[] = { "KEY_SESSION", "KEY_USER" };
static const int keyrings[] = { KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING };

static int give(char **command) {
        /* As a login does: the session leads to what the user has. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
            syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING) < 0) {
                perror("session keyring");
                return 1;
        }
        for (int i = 0; i < 2; i++) {
                char number[24];
                long key = syscall(SYS_add_key, "user", names[i], "secret", 6L, keyrings[i]);

                if (key < 0) {
                        perror("add_key");
                        return 1;
                }
                (void) snprintf(number, sizeof(number), "%ld", key);
                (void) setenv(variables[i], number, 1);
        }
        execvp(*command, command);
        perror(*command);
        return 1;
}

static void try_read(const char *how, const char *which, long key) {
        char payload[64] = "";

        if (key > 0 && syscall(SYS_keyctl, KEYCTL_READ, key, payload, sizeof(payload) - 1) < 0)
                key = -1;
        printf("%s %s: %s\n", which, how, key < 0 ? strerrorname_np(errno) : payload);
}

static int take(void) {
        for (int i = 0; i < 2; i++) {
                const char *number = getenv(variables[i]);

                try_read(
                        "by name", variables[i],
                        syscall(SYS_request_key, "user", names[i], NULL, 0));
                try_read("by number", variables[i], number ? atol(number) : 0);
        }
        return 0;
}

int main(int argc, char **argv) {
        if (argc > 2 && strcmp(argv[1], "give") == 0)
                return give(argv + 2);
        return argc == 2 && strcmp(argv[1], "take") == 0 ? take() : 2;
}
