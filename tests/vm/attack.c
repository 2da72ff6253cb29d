/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the attacks and prints TAP; see attack.h.  Started by an ordinary user, or by root for those
 * that need it. */
#include "config.h"

#include "tests/vm/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_LIMIT 20 /* seconds an attack may take */
#define HOLD_TRIES 600

typedef struct Options {
        const char *dir, *socket, *rule, *not_rule, *only, *hold, *without;
        bool allowed; /* no policy: attacks must work */
        bool brief;   /* all contexts for the first attack only */
        bool daemon;  /* no way to protect late */
} Options;

typedef struct Run {
        const Options *options;
        Holder holder; /* of all attacks but late ones */
        int proc_fd;
        int n_tests;
} Run;

typedef struct Group {
        const char *name;
        const Attack *attacks;
        unsigned flags; /* that all of its attacks have */
} Group;

static const Group groups[] = {
        { "make", attack_make, 0 },
        { "owner", attack_owner, 0 },
        { "fs", attack_fs, 0 },
        { "ipc", attack_ipc, 0 },
        { "uring", attack_uring, 0 },
        { "host", attack_host, 0 },
        { "keys", attack_keys, 0 },
        { "nobody", attack_nobody, 0 },
        { "harmless", attack_harmless, ATTACK_HARMLESS },
};

/* What a child found out, in memory that is shared with it. */
typedef struct Result {
        int phase; /* how far it came */
        int error; /* of run() or host(): 0 or -errno */
        bool found;
} Result;
enum { PHASE_SETUP, PHASE_DONE };

static int receive_descriptor(int socket_fd) {
        union {
                char buffer[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control;
        char c;
        struct iovec iov = { &c, 1 };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = control.buffer,
                                  .msg_controllen = sizeof(control.buffer) };
        int fd = -1;

        if (recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
                return -1;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

/* --- inside --- */

/* What the attack's own process needs beside the stage. */
typedef struct Inside {
        const Attack *attack;
        const Context *context;
} Inside;

static int act_inside(Stage *stage, const Inside *inside) {
        drop_to_user();
        if (!(inside->attack->flags & ATTACK_OWN_CONTEXT))
                inside->context->enter(stage);
        if (inside->attack->before) {
                inside->attack->before(stage);
                protect_late(stage);
        }
        return inside->attack->run(stage);
}

/* Whatever of these the current credentials may remove. */
static void remove_ipc(void) {
        static const char *const files[] = { "/proc/sysvipc/shm", "/proc/sysvipc/sem",
                                             "/proc/sysvipc/msg" };
        for (int i = 0; i < 3; i++) {
                char line[512];
                int key, id;
                FILE *f = fopen(files[i], "re");
                while (f && fgets(line, sizeof(line), f)) {
                        if (sscanf(line, "%d %d", &key, &id) != 2)
                                continue;
                        (void) (i == 0   ? shmctl(id, IPC_RMID, NULL)
                                : i == 1 ? semctl(id, 0, IPC_RMID)
                                         : msgctl(id, IPC_RMID, NULL));
                }
                if (f)
                        fclose(f);
        }
}

/* A sticky folder lets only the owner remove, and an owner without a mapped group only as itself.
 */
static void remove_as_owner(const char *path) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return;
        (void) setfsuid(st.st_uid);
        remove_tree(path);
        (void) setfsuid(geteuid());
}

static void remove_all(Stage *stage) {
        remove_tree(stage->dir);
        remove_as_owner("/dev/mqueue/attack");
        remove_as_owner("/dev/shm/attack");
        remove_ipc();
}

static void clear_up(Stage *stage, bool found) {
        remove_all(stage);
        if (!found && access(stage->dir, F_OK) < 0)
                return;
        fflush(stdout);
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                drop_to_user();
                enter_holder(&stage->holder, 0, 0);
                remove_all(stage);
                _exit(0);
        }
        waitpid(child, NULL, 0);
        remove_all(stage);
        if (access(stage->dir, F_OK) == 0)
                printf("# %s stays\n", stage->dir);
}

/* --- one attack --- */

static void stage_init(Stage *stage, const Run *run, bool late, char *dir, size_t size) {
        snprintf(dir, size, "%s/attack.%d", run->options->dir, (int) getpid());
        umask(0);
        must(mkdir(dir, 0777), dir);
        if (geteuid() == 0)
                must(chown(dir, ORDINARY_USER, ORDINARY_USER), "chown");
        *stage = (Stage){
                .dir = dir,
                .dir_fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir),
                .socket = run->options->socket,
                .holder = run->holder,
                .proc_fd = run->proc_fd,
                .user = ORDINARY_USER,
                .group = ORDINARY_USER,
                .spare_fd = -1,
                .shared =
                        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
        };
        must(stage->shared == MAP_FAILED ? -1 : 0, "mmap");
        if (late)
                stage->holder = holder_new(stage, true);
}

/* In a child of its own, so that nothing of one attack is there for the next. */
static void play(const Run *run, const Attack *attack, const Context *context, Result *result) {
        char dir[256];
        Stage stage;
        int sockets[2], status = 0;
        Inside inside = { attack, context };

        stage_init(&stage, run, attack->flags & ATTACK_LATE, dir, sizeof(dir));
        if (attack->prepare)
                attack->prepare(&stage);
        must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets), "socketpair");
        stage.hand_over_fd = sockets[1];

        int *error = (int *) ((char *) stage.shared + 2048);
        fflush(stdout);
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                alarm(CHILD_LIMIT);
                *error = act_inside(&stage, &inside);
                fflush(stdout);
                _exit(0);
        }
        must(waitpid(child, &status, 0), "waitpid");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                clear_up(&stage, true);
                fflush(stdout);
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        }
        result->error = *error;
        if (result->error == 0 && attack->host)
                result->error = attack->host(&stage, receive_descriptor(sockets[0]));
        result->found = attack->found ? attack->found(&stage) : walk_finds(stage.dir, false);
        result->phase = PHASE_DONE;
        clear_up(&stage, result->found);
}

static void judge(
        Run *run, const char *name, const Attack *attack, unsigned flags, const Result *result) {
        bool works = run->options->allowed || (flags & ATTACK_HARMLESS);
        int wanted =
                works || (flags & ATTACK_NO_ERROR) ? 0 : -(attack->error ? attack->error : EPERM);
        bool trace = works && !(flags & (ATTACK_HARMLESS | ATTACK_NO_TRACE));
        bool good = result->phase == PHASE_DONE && result->error == wanted &&
                    (result->found == trace || (flags & ATTACK_HARMLESS));

        printf("%sok %d - %s %s\n", good ? "" : "not ", ++run->n_tests, name,
               works ? "works" : "is refused and leaves nothing");
        if (good)
                return;
        if (result->phase != PHASE_DONE)
                printf("# did not come to its end\n");
        else
                printf("# answered '%s', wanted '%s'; %s\n", strerror(-result->error),
                       strerror(-wanted),
                       result->found ? "a lent ID owns something" : "nothing left");
}

static void run_attack(Run *run, const Attack *attack, const Context *context, unsigned flags) {
        char name[256];
        int status = 0;
        Result *result = mmap(
                NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        must(result == MAP_FAILED ? -1 : 0, "mmap");
        bool named = flags & ATTACK_EVERY_CONTEXT;
        snprintf(
                name, sizeof(name), "%s%s%s%s", attack->name, named ? " (" : "",
                named ? context->name : "", named ? ")" : "");
        fflush(stdout);
        pid_t child = must(fork(), "fork");
        if (child == 0) {
                play(run, attack, context, result);
                fflush(stdout);
                _exit(0);
        }
        must(waitpid(child, &status, 0), "waitpid");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 253)
                printf("ok %d - %s # SKIP not here\n", ++run->n_tests, name);
        else
                judge(run, name, attack, flags, result);
        munmap(result, sizeof(*result));
}

/* --- choice --- */

static bool chosen(const Options *options, const Attack *attack, unsigned flags) {
        const char *fs = strrchr(options->dir, '/') + 1;

        if (options->only && !strstr(attack->name, options->only))
                return false;
        if (options->rule && (!attack->rule || strcmp(attack->rule, options->rule) != 0))
                return false;
        if (options->not_rule && attack->rule && strcmp(attack->rule, options->not_rule) == 0)
                return false;
        if (attack->fs && strcmp(attack->fs, fs) != 0)
                return false;
        if ((flags & ATTACK_LATE) && options->daemon)
                return false;
        return ((flags & ATTACK_ROOT) != 0) == (geteuid() == 0);
}

static void run_group(Run *run, const Group *group) {
        bool brief = run->options->brief;
        for (const Attack *attack = group->attacks; attack->name; attack++) {
                unsigned flags = attack->flags | group->flags;
                if (!chosen(run->options, attack, flags))
                        continue;
                for (const Context *context = attack_contexts; context->name; context++) {
                        if (!(flags & ATTACK_NOT_BY_FSUID) || !context->fsuid_only)
                                run_attack(run, attack, context, flags);
                        if (!(flags & ATTACK_EVERY_CONTEXT) || (brief && attack != attack_make))
                                break;
                }
        }
}

/* Says that the range is there, by making FILE.ready, and waits for FILE. */
static void wait_for_go(const char *file) {
        char ready[256];

        if (!file)
                return;
        snprintf(ready, sizeof(ready), "%s.ready", file);
        close(must(open(ready, O_WRONLY | O_CREAT, 0666), ready));
        for (int i = 0; access(file, F_OK) < 0; i++) {
                errno = ETIMEDOUT;
                must(i < HOLD_TRIES ? 0 : -1, file);
                usleep(100 * 1000);
        }
}

static void usage(void) {
        printf("usage: attack --dir DIR --socket PATH [--allowed] [--brief] [--daemon] [--rule "
               "RULE] [--not-rule RULE]\n"
               "              [--only WORDS] [--hold FILE] [--without RULES] [GROUP]...\n"
               "       attack --walk DIR...\n\n"
               "Attacks the world-writable folder DIR with IDs from the service at PATH; each must "
               "be refused, or\n"
               "with --allowed must work.  --daemon: the service is nsresourced itself, which "
               "cannot be asked to\n"
               "protect late.  --without: these rules do not judge.  --hold: wait for FILE when "
               "the range is "
               "there.  --brief: every context for the first attack only.  --walk lists "
               "what IDs of the pool own.  Groups:");
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
                printf(" %s", groups[i].name);
        printf("\n");
}

static int walk(char **dirs) {
        int found = 0;
        for (; *dirs; dirs++)
                found |= walk_finds(*dirs, true);
        return found;
}

static bool parse(int argc, char **argv, Options *options) {
        static const struct option known[] = {
                { "dir", required_argument, NULL, 'd' },
                { "socket", required_argument, NULL, 's' },
                { "rule", required_argument, NULL, 'r' },
                { "not-rule", required_argument, NULL, 'n' },
                { "only", required_argument, NULL, 'o' },
                { "hold", required_argument, NULL, 'h' },
                { "without", required_argument, NULL, 'w' },
                { "allowed", no_argument, NULL, 'a' },
                { "daemon", no_argument, NULL, 'D' },
                { "brief", no_argument, NULL, 'b' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
                switch (c) {
                case 'd':
                        options->dir = optarg;
                        break;
                case 's':
                        options->socket = optarg;
                        break;
                case 'r':
                        options->rule = optarg;
                        break;
                case 'n':
                        options->not_rule = optarg;
                        break;
                case 'o':
                        options->only = optarg;
                        break;
                case 'h':
                        options->hold = optarg;
                        break;
                case 'w':
                        options->without = optarg;
                        break;
                case 'a':
                        options->allowed = true;
                        break;
                case 'b':
                        options->brief = true;
                        break;
                case 'D':
                        options->daemon = true;
                        break;
                default:
                        return false;
                }
        }
        return options->dir && strchr(options->dir, '/') && options->socket;
}

int main(int argc, char **argv) {
        Options options = { 0 };
        Run run = { .options = &options };

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc > 2 && strcmp(argv[1], "--walk") == 0)
                return walk(argv + 2);
        if (!parse(argc, argv, &options)) {
                usage();
                return 2;
        }
        run.proc_fd = must(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), "/proc");
        Stage asking = { .socket = options.socket };
        if (options.without)
                skip_rules(options.socket, options.without);
        run.holder = holder_new(&asking, false);
        wait_for_go(options.hold);
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
                bool wanted = optind == argc;
                for (int j = optind; j < argc; j++)
                        if (strcmp(argv[j], groups[i].name) == 0)
                                wanted = true;
                if (wanted)
                        run_group(&run, &groups[i]);
        }
        printf("1..%d\n", run.n_tests);
        return 0;
}
