/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel keeps by UID alone: keys that stay in a keyring of somebody else, and whom an
 * open file signals on whose behalf. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fscrypt.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVERYBODY_MAY_ALL 0x3f3f3f3f
#define KEYS_MAX 64
#define KEY_TIMEOUT 100

static int keyctl(int command, long a, long b, long c) {
        return (int) syscall(SYS_keyctl, command, a, b, c, 0);
}

static int add_key(const char *name, int keyring) {
        return (int) syscall(SYS_add_key, "user", name, "x", 1, keyring);
}

/* --- keys --- */

/* A session keyring of the user's, as a login has made it. */
static void prepare_session(Stage *stage) {
        drop_to_user();
        must(keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0), "session keyring");
}

static int key_to_session(Stage *stage) {
        return outcome(add_key("attack", KEY_SPEC_SESSION_KEYRING));
}

static int key_to_session_from_nested(Stage *stage) {
        enter_nested(true);
        return key_to_session(stage);
}

static int keyring_to_session(Stage *stage) {
        return outcome(
                (int) syscall(SYS_add_key, "keyring", "attack", NULL, 0, KEY_SPEC_SESSION_KEYRING));
}

static int link_to_session(Stage *stage) {
        int key = must(add_key("attack", KEY_SPEC_PROCESS_KEYRING), "own key");
        return outcome(keyctl(KEYCTL_LINK, key, KEY_SPEC_SESSION_KEYRING, 0));
}

static int move_to_session(Stage *stage) {
        int key = must(add_key("attack", KEY_SPEC_PROCESS_KEYRING), "own key");
        return outcome((int) syscall(
                SYS_keyctl, KEYCTL_MOVE, key, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING,
                0));
}

static int persistent_to_session(Stage *stage) {
        int r = outcome(keyctl(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_SESSION_KEYRING, 0));
        if (r == -EOPNOTSUPP)
                not_here("no persistent keyrings");
        return r;
}

/* Nothing of it is left but that the user's keyring is gone when the time is up. */
static int time_out_session(Stage *stage) {
        return outcome(keyctl(KEYCTL_SET_TIMEOUT, KEY_SPEC_SESSION_KEYRING, KEY_TIMEOUT, 0));
}

/* A key in the keyring of a user inside lives as long as the namespace.  The user outside takes it.
 */
static int offer(Stage *stage, int serial) {
        *(int *) stage->shared = serial;
        must(keyctl(KEYCTL_SETPERM, serial, EVERYBODY_MAY_ALL, 0), "permissions");
        return outcome(keyctl(KEYCTL_LINK, serial, KEY_SPEC_USER_KEYRING, 0));
}

static int offer_key(Stage *stage) {
        return offer(stage, must(add_key("attack", KEY_SPEC_PROCESS_KEYRING), "own key"));
}

static int link_offered(Stage *stage, int fd) {
        const int *serial = stage->shared;
        return outcome(keyctl(KEYCTL_LINK, *serial, KEY_SPEC_SESSION_KEYRING, 0));
}

/* Or puts one of his own into it: what is found there would be taken for the holder's. */
static int offer_keyring(Stage *stage) {
        int keyring =
                (int) syscall(SYS_add_key, "keyring", "attack", NULL, 0, KEY_SPEC_PROCESS_KEYRING);

        return offer(stage, must(keyring, "own keyring"));
}

static int key_to_offered(Stage *stage, int fd) {
        const int *serial = stage->shared;
        return outcome(add_key("attack", *serial));
}

/* Whether a keyring of the session has a key that a lent ID owns. */
static bool found_key(Stage *stage) {
        int keys[KEYS_MAX];
        char text[256];
        unsigned uid = 0;
        long n =
                keyctl(KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, (long) (intptr_t) keys, sizeof(keys));

        for (long i = 0; i < n / (long) sizeof(keys[0]) && i < KEYS_MAX; i++) {
                /* A key that is not ours to look at is somebody else's. */
                if (keyctl(KEYCTL_DESCRIBE, keys[i], (long) (intptr_t) text, sizeof(text)) < 0 ||
                    (sscanf(text, "%*[^;];%u;", &uid) == 1 && is_pool_id(uid)))
                        return true;
        }
        return false;
}

static int nothing(Stage *stage) {
        return 0;
}

/* A host process whose UID is lent: its user's keyring is the host's, for good. */
static int task_key(Stage *stage) {
        uid_t id = stage->holder.start + 11;

        must(setgroups(0, NULL), "setgroups");
        must(setresgid(id, id, id), "setresgid");
        must(setresuid(id, id, id), "setresuid");
        return outcome(add_key("attack", KEY_SPEC_USER_KEYRING));
}

static int task_key_host(Stage *stage, int fd) {
        return in_child(task_key, stage);
}

/* The file system keeps who gave it a key. */
static int key_of_file_system(Stage *stage) {
        struct {
                struct fscrypt_add_key_arg arguments;
                uint8_t raw[64];
        } key = { .arguments = { .raw_size = 64 } };

        key.arguments.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
        memset(key.raw, 7, sizeof(key.raw));
        int fd = must(open(".", O_RDONLY | O_DIRECTORY), "folder");
        int r = outcome(ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, &key));
        if (r == -EOPNOTSUPP || r == -ENOTTY)
                not_here("no encryption on this file system");
        if (r == -ENOENT)
                not_here("the machine lacks an algorithm it needs");
        return r;
}

/* --- signals --- */

static void prepare_pipe(Stage *stage) {
        int *pipe_fds = (int *) stage->shared + 8;
        must(pipe(pipe_fds), "pipe");
}

static void signal_me(int fd) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        must(sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
        must(fcntl(fd, F_SETOWN, getpid()), "F_SETOWN");
        must(fcntl(fd, F_SETFL, O_ASYNC), "O_ASYNC");
}

static int write_and_wait(int fd) {
        const struct timespec now = { 0 };
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        must((int) write(fd, "x", 1), "write");
        return sigtimedwait(&set, NULL, &now) == SIGIO ? 0 : -EPERM;
}

/* As a holder before would have, with the same UID. */
static void set_owner_early(Stage *stage) {
        const int *pipe_fds = (int *) stage->shared + 8;
        signal_me(pipe_fds[0]);
}

static int fire(Stage *stage) {
        const int *pipe_fds = (int *) stage->shared + 8;
        return write_and_wait(pipe_fds[1]);
}

static void set_socket_owner_early(Stage *stage) {
        int *fds = (int *) stage->shared + 8, pid = getpid();

        signal_me(fds[0]);
        must(ioctl(fds[0], FIOSETOWN, &pid), "FIOSETOWN");
}

static void prepare_sockets(Stage *stage) {
        int *fds = (int *) stage->shared + 8;
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
}

/* --- what must go on working --- */

static int keys_of_ones_own(Stage *stage) {
        int key = add_key("attack", KEY_SPEC_PROCESS_KEYRING);

        if (key < 0 || keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0) < 0 ||
            keyctl(KEYCTL_LINK, key, KEY_SPEC_SESSION_KEYRING, 0) < 0 ||
            keyctl(KEYCTL_LINK, key, KEY_SPEC_USER_KEYRING, 0) < 0)
                return -errno;
        /* Another user of the same holder. */
        if (keyctl(KEYCTL_SETPERM, KEY_SPEC_SESSION_KEYRING, EVERYBODY_MAY_ALL, 0) < 0)
                return -errno;
        must(setresuid(77, 77, 77), "setresuid");
        return outcome(add_key("attack-77", KEY_SPEC_SESSION_KEYRING));
}

static int keys_from_nested(Stage *stage) {
        must(keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0), "session keyring");
        enter_nested(true);
        return outcome(add_key("attack", KEY_SPEC_SESSION_KEYRING));
}

/* The kernel makes a list of the users' keyrings for each namespace, in the name of its owner. */
static int keys_of_nested_user(Stage *stage) {
        enter_nested(true);
        return outcome(add_key("attack", KEY_SPEC_USER_KEYRING));
}

static int keys_of_the_user(Stage *stage) {
        must(keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0), "session keyring");
        return outcome(add_key("attack", KEY_SPEC_SESSION_KEYRING))
                       ?: outcome(add_key("attack", KEY_SPEC_USER_KEYRING));
}

static int signal_by_file_from_outside(Stage *stage) {
        set_owner_early(stage);
        return fire(stage);
}

static int signal_by_own_file(Stage *stage) {
        int pipe_fds[2];

        must(pipe(pipe_fds), "pipe");
        signal_me(pipe_fds[0]);
        return write_and_wait(pipe_fds[1]);
}

#define SESSION(text, function)                                                            \
        {                                                                                  \
                .name = text, .rule = "keys", .prepare = prepare_session, .run = function, \
                .found = found_key                                                         \
        }

const Attack attack_keys[] = {
        SESSION("a key in the user's session keyring", key_to_session),
        SESSION("the same from a nested namespace", key_to_session_from_nested),
        SESSION("a keyring in the user's session keyring", keyring_to_session),
        SESSION("a link in the user's session keyring", link_to_session),
        SESSION("a key moved to the user's session keyring", move_to_session),
        SESSION("the persistent keyring in the user's session keyring", persistent_to_session),
        { "a time limit for the user's session keyring", "keys", NULL, ATTACK_NO_TRACE,
          .prepare = prepare_session, .run = time_out_session },
        { "a key from inside, linked by the user", "keys", .prepare = prepare_session,
          .run = offer_key, .host = link_offered, .found = found_key },
        { "the user's key in a keyring from inside", "keys", NULL, ATTACK_NO_TRACE,
          .prepare = prepare_session, .run = offer_keyring, .host = key_to_offered },
        /* The kernel says it in its own words. */
        { "a host task's key with a lent UID", "keys", NULL, ATTACK_ROOT | ATTACK_NO_TRACE, ENOKEY,
          .run = nothing, .host = task_key_host },
        { "a key for the file system's encryption", "keys", "ext4", ATTACK_NO_TRACE,
          .run = key_of_file_system },
        { "a signal asked for by a holder before", "signal", NULL, ATTACK_LATE | ATTACK_NO_TRACE,
          .prepare = prepare_pipe, .before = set_owner_early, .run = fire },
        { "a socket's signal asked for by a holder before", "signal", NULL,
          ATTACK_LATE | ATTACK_NO_TRACE, .prepare = prepare_sockets,
          .before = set_socket_owner_early, .run = fire },
        { "keys of one's own", NULL, NULL, ATTACK_HARMLESS, .run = keys_of_ones_own },
        { "keys of the holder's from a nested namespace", NULL, NULL, ATTACK_HARMLESS,
          .run = keys_from_nested },
        { "keys of a user of a nested namespace", NULL, NULL, ATTACK_HARMLESS,
          .run = keys_of_nested_user },
        { "keys of the user", NULL, NULL, ATTACK_HARMLESS | ATTACK_OWN_CONTEXT,
          .run = keys_of_the_user },
        { "a signal by a file from outside", NULL, NULL, ATTACK_HARMLESS, .prepare = prepare_pipe,
          .run = signal_by_file_from_outside },
        { "a signal by a file of one's own", NULL, NULL, ATTACK_HARMLESS,
          .run = signal_by_own_file },
        { 0 },
};
