/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/manager.h"
#include "client/message.h"
#include "client/run-group.h"
#include "client/run-name.h"
#include "client/run-message.h"
#include "client/run-namespace.h"
#include "client/run-supervise.h"
#include "client/verb.h"
#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"

#define ALLOCATE "io.systemd.NamespaceResource.AllocateUserRange"
#define ERRORS "io.systemd.NamespaceResource."
#define DEFAULT_SIZE 65536u
#define NAME_ATTEMPTS 99u /* of a name that we chose */
#define PRESERVED_MAX 1024u

typedef struct RunOptions {
        const char *name; /* NULL: after the command */
        uint32_t size;
        RunCommand command;
} RunOptions;

/* what went wrong */

typedef struct RunRefusal {
        const char *error, *cause, *next;
} RunRefusal;

static const RunRefusal refusals[] = {
        { ERRORS "UserNamespaceInterfaceNotSupported",
          "nsresourced lends no IDs here: the kernel policy that confines them is not in force",
          "nsresourcectl check" },
        { ERRORS "NameExists", "another namespace has that name", "choose another with --name" },
        { ERRORS "NoDynamicRange", "all IDs are in use",
          "nsresourcectl status; nsresourcectl list" },
        { ERRORS "DynamicRangeUnavailable", "no IDs can be lent in this user namespace",
          "call it from outside of containers" },
        { "org.varlink.service.PermissionDenied", "you may not have a range", NULL },
};

static void say_invalid(const RunOptions *options, const char *field) {
        if (g_strcmp0(field, "size") == 0)
                message_error(
                        "ask for fewer with --size", "nsresourced does not lend %u IDs",
                        options->size);
        else if (g_strcmp0(field, "name") == 0)
                message_error(
                        "letters, digits, - and _ with --name", "the name \"%s\" cannot be used",
                        options->name ?: options->command.arguments[0]);
        else
                message_error(
                        "nsresourcectl check", "nsresourced did not understand us: %s",
                        field ?: "-");
}

static void say_refusal(const RunOptions *options, const char *error, const json_t *parameters) {
        const char *name = manager_string(parameters, "errnoName");
        json_int_t number = manager_integer(parameters, "errno");

        if (g_str_equal(error, ERRORS "NameExists") && options->name) {
                g_autofree char *full = getuid() == 0
                                                ? g_strdup(options->name)
                                                : g_strdup_printf("%u-%s", getuid(), options->name);
                g_autofree char *next = g_strdup_printf(
                        "nsresourcectl show %s, or choose another with --name", full);

                message_error(next, "the namespace %s has that name, and has not ended", full);
                return;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++)
                if (g_str_equal(refusals[i].error, error)) {
                        message_error(refusals[i].next, "%s", refusals[i].cause);
                        return;
                }
        if (g_str_equal(error, "org.varlink.service.InvalidParameter"))
                say_invalid(options, manager_string(parameters, "parameter"));
        else if (number == EDQUOT)
                message_error(
                        "an administrator looks for files of theirs, then: nsresourcectl "
                        "unenforced clear; or QuarantinedPerUser= in nsresourced.conf",
                        "too many IDs that you had are out of use: they were lent without "
                        "enforcement, or their end is not proven");
        else if (number == EUSERS)
                message_error(
                        "end some (nsresourcectl list), or NamespacesPerUser= and IDsPerUser= in "
                        "nsresourced.conf",
                        "you have as many namespaces or IDs as one user may have");
        else if (g_str_equal(error, "io.systemd.System"))
                message_error(
                        "journalctl -u nsresourced.service", "nsresourced failed: %s",
                        name ?: "without a reason");
        else
                message_error("nsresourcectl check", "nsresourced refused: %s", error);
}

static int say_no_namespace(int error) {
        const char *next = NULL;

        if (error == -EPERM || error == -EACCES || error == -ENOSYS)
                next = "user namespaces are forbidden: sysctl kernel.unprivileged_userns_clone, "
                       "kernel.apparmor_restrict_unprivileged_userns; or this is a sandbox";
        else if (error == -ENOSPC || error == -EUSERS)
                next = "sysctl user.max_user_namespaces, or namespaces are nested too deeply";
        message_error(next, "cannot make a user namespace: %s", strerror(-error));
        return RUN_EXIT_FAILURE;
}

/* asking for IDs */

/* One call.  0: granted; 1: the name is taken; negative: refused, and said. */
static int ask_once(
        VarlinkClient *client, const RunOptions *options, const char *name, int userns_fd) {
        g_autoptr(json_t) parameters = NULL, reply = NULL;
        g_autofree char *error = NULL;
        int r;

        /* A name that was asked for is taken as it is, or refused. */
        parameters = json_pack(
                "{s:s, s:b, s:I, s:i, s:i, s:s}", "name", name, "mangleName", !options->name,
                "size", (json_int_t) options->size, "target", 0, "userNamespaceFileDescriptor", 0,
                "type", "managed");
        if (!parameters) {
                say_invalid(options, "name"); /* no UTF-8 */
                return -EINVAL;
        }
        r = varlink_client_call(client, ALLOCATE, parameters, &userns_fd, 1, &reply, &error);
        if (r < 0) {
                message_error(
                        "journalctl -u nsresourced.service", "no answer from nsresourced: %s",
                        strerror(-r));
                return r;
        }
        if (!error)
                return 0;
        if (!options->name && g_str_equal(error, ERRORS "NameExists"))
                return 1;
        say_refusal(options, error, reply);
        return -EREMOTEIO;
}

static int ask(VarlinkClient *client, const RunOptions *options, int userns_fd) {
        int r = 1;

        if (options->name)
                return ask_once(client, options, options->name, userns_fd);
        for (unsigned attempt = 0; r == 1 && attempt < NAME_ATTEMPTS; attempt++) {
                g_autofree char *name =
                        run_name(options->command.arguments[0], getuid(), options->size, attempt);

                r = ask_once(client, options, name, userns_fd);
        }
        if (r == 1) {
                say_refusal(options, ERRORS "NameExists", NULL);
                return -EEXIST;
        }
        return r;
}

/* Have the namespace of `pid` mapped.  A failure has been said. */
static int get_ids(const VerbContext *context, const RunOptions *options, pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", pid);
        g_autoptr(VarlinkClient) client = NULL;
        auto_fd userns_fd = open(path, O_RDONLY | O_CLOEXEC);

        if (userns_fd < 0) {
                message_error(NULL, "cannot open %s: %s", path, strerror(errno));
                return -errno;
        }
        if (manager_connect(context->socket, &client) < 0)
                return -ENOTCONN;
        return ask(client, options, userns_fd);
}

static int run_command(const VerbContext *context, const RunOptions *options) {
        g_autoptr(RunGroup) group = run_group_new();
        int control, r;
        pid_t pid;

        /* Whoever ignores it has its children reaped by the kernel: the first process would be
         * waited for without end. */
        (void) signal(SIGCHLD, SIG_DFL);
        r = run_namespace_spawn(&options->command, run_group_fd(group), &pid, &control);
        /* Not every group takes processes: one of threads does not. */
        if (r < 0 && group) {
                run_group_free(g_steal_pointer(&group));
                r = run_namespace_spawn(&options->command, -1, &pid, &control);
        }
        if (r < 0)
                return say_no_namespace(r);
        r = get_ids(context, options, pid);
        if (r < 0) {
                /* It sees the end of the socket, and goes. */
                fd_close(control);
                (void) waitpid(pid, NULL, 0);
                return RUN_EXIT_FAILURE;
        }
        return run_supervise(pid, control);
}

/* the command line */

static bool take_size(const char *text, RunOptions *options) {
        if (parse_u32(text, &options->size) && options->size > 0 &&
            options->size <= TABLE_RANGE_SIZE_MAX)
                return true;
        message_error(
                NULL, "--size takes a number from 1 to %u, not \"%s\"", TABLE_RANGE_SIZE_MAX, text);
        return false;
}

/* Before we open anything ourselves, which would take the place of one that is missing. */
static bool take_preserved(const char *text, RunOptions *options) {
        uint32_t n;

        if (!parse_u32(text, &n) || n > PRESERVED_MAX) {
                message_error(
                        NULL, "--preserve-fds takes a number from 0 to %u, not \"%s\"",
                        PRESERVED_MAX, text);
                return false;
        }
        for (unsigned i = 0; i < n; i++)
                if (fcntl((int) (RUN_DESCRIPTOR_FIRST + i), F_GETFD) < 0) {
                        message_error(
                                NULL, "--preserve-fds %u: descriptor %u is not open", n,
                                RUN_DESCRIPTOR_FIRST + i);
                        return false;
                }
        options->command.n_preserved = n;
        return true;
}

/* After the size, on which it depends how long a name may be. */
static bool check_name(const RunOptions *options) {
        size_t max;

        if (!options->name || run_name_is_valid(options->name, getuid(), options->size, &max))
                return true;
        message_error(
                NULL, "--name takes 1 to %zu letters, digits, - and _, not \"%s\"", max,
                options->name);
        return false;
}

static int run_run(VerbContext *context, int argc, char **argv) {
        RunOptions given = { .size = DEFAULT_SIZE };
        const char *size = NULL, *preserved = NULL;
        const Option options[] = {
                { "size", "N", "IDs inside, 1 to 1048576 (65536)", &size },
                { "name", "NAME",
                  "what the namespace is called; \"UID-\" is put in front (the command's)",
                  &given.name },
                { "preserve-fds", "N", "descriptors 3 to N + 2 stay open inside (0)", &preserved },
                {},
        };
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_run, options, argc, argv, &arguments, &status))
                return status == VERB_EXIT_OK ? VERB_EXIT_OK : RUN_EXIT_FAILURE;
        if ((size && !take_size(size, &given)) ||
            (preserved && !take_preserved(preserved, &given)) || !check_name(&given))
                return RUN_EXIT_FAILURE;
        given.command.arguments = arguments;
        return run_command(context, &given);
}

const Verb verb_run = {
        .name = "run",
        .arguments = "[--size N] [--name NAME] [--preserve-fds N] [--] CMD...",
        .summary = "Run a command as root of a namespace of its own",
        .help = "The command gets a user namespace with IDs that are its alone, mount, PID, IPC "
                "and UTS\n"
                "namespaces, and a private /proc and /tmp.  When it ends, everything it started "
                "ends.\n"
                "Exit status: the command's, 128 + N if signal N ended it, 127 if it is not found, "
                "126\n"
                "if it cannot be executed, 125 if it was not started.",
        .n_min = 1,
        .n_max = G_MAXINT,
        .order = OPTIONS_IN_FRONT,
        .run = run_run,
};
