/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tries the kernel policy alone, without daemon and table: opens it, lends IDs to namespaces made
 * here, and attacks from inside and from the host, on every file system given.  Each attack is
 * tried twice: with the policy, when it must be refused with EPERM, and with the rule against it
 * switched off, when it must succeed: so each is known to be able to fail.
 *
 * Usage: policy-harness attacks|positives|lifecycle|uids|rules [--no-path-hooks] [--kprobes]
 *        [--no-ioctl-compat] [FILE SYSTEM...]
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <linux/posix_acl.h>

#include "daemon/policy/for-test.h"
#include "daemon/policy/rules.h"

#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "tests/vm/policy-attacks.h"
#include "tests/vm/policy-harness.h"

#define FOREIGN 2147352576u /* owns trees on disk */
#define PINS "/sys/fs/bpf/nsresource-harness"

static int n_tests, n_failed;
static uint64_t unavailable;

void tap(bool good, const char *format, ...) {
        va_list arguments;

        printf("%sok %d - ", good ? "" : "not ", ++n_tests);
        va_start(arguments, format);
        (void) vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
        (void) fflush(stdout);
        n_failed += !good;
}

void die(const char *what) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
}

static void go_to(const char *path) {
        if (chdir(path) < 0)
                die(path);
}

/* ---- namespaces ---- */

static void write_text(const char *path, const char *text) {
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                die(path);
}

Namespace namespace_new(
        uint32_t first, void (*body)(int socket, const void *userdata), const void *userdata) {
        int sockets[2];
        char path[64], map[64], byte = 0;
        struct stat st;
        Namespace ns;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                die("socketpair");
        (void) fflush(stdout);
        ns.pid = fork();
        if (ns.pid == 0) {
                (void) close(sockets[0]);
                if (unshare(CLONE_NEWUSER) < 0 || write(sockets[1], &byte, 1) != 1 ||
                    read(sockets[1], &byte, 1) != 1 || setgid(0) < 0 || setuid(0) < 0)
                        _exit(90);
                (void) umask(0);
                body(sockets[1], userdata);
                _exit(0);
        }
        (void) close(sockets[1]);
        ns.socket = sockets[0];
        if (read(ns.socket, &byte, 1) != 1)
                die("the child has no namespace");
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/user", ns.pid);
        if (stat(path, &st) < 0)
                die(path);
        ns.inode = st.st_ino;
        (void) snprintf(map, sizeof(map), "0 %u 65536", first);
        (void) snprintf(path, sizeof(path), "/proc/%d/gid_map", ns.pid);
        write_text(path, map);
        (void) snprintf(path, sizeof(path), "/proc/%d/uid_map", ns.pid);
        write_text(path, map);
        return ns;
}

void namespace_go(const Namespace *ns) {
        char byte = 0;

        if (write(ns->socket, &byte, 1) != 1)
                die("the child is gone");
}

void namespace_end(Namespace *ns) {
        int status;

        (void) kill(ns->pid, SIGKILL);
        (void) waitpid(ns->pid, &status, 0);
        (void) close(ns->socket);
}

void body_wait(int socket, const void *userdata) {
        char byte;

        (void) !read(socket, &byte, 1);
}

/* ---- policies ---- */

typedef struct Seen {
        uint64_t inode; /* the last one told */
        unsigned n, n_lost;
        char *notices;
} Seen;

static void on_event(const PolicyEvent *event, void *userdata) {
        Seen *seen = userdata;

        if (event->userns_inode == 0)
                seen->n_lost++;
        else
                seen->inode = event->userns_inode;
        seen->n++;
}

static void on_notice(const char *text, void *userdata) {
        Seen *seen = userdata;
        char *all = g_strconcat(seen->notices ?: "", text, "\n", NULL);

        g_free(seen->notices);
        seen->notices = all;
}

static PolicyConfig make_config(Seen *seen, const char *pins) {
        return (PolicyConfig){
                .pool_start = TABLE_POOL_START,
                .n_slots = POOL_SLOTS,
                .enforce = true,
                .pin_folder = pins,
                .event = on_event,
                .notice = on_notice,
                .userdata = seen,
        };
}

static void show_rules(const Policy *policy) {
        const PolicyRule *rules;
        size_t n;

        rules = policy_rules(policy, &n);
        for (size_t i = 0; i < n; i++)
                printf("# %s: %s%s%s%s%s%s%s\n", rules[i].name,
                       rules[i].active ? "active" : "INACTIVE", rules[i].hook ? ", by " : "",
                       rules[i].hook ?: "", rules[i].reason ? "; " : "", rules[i].reason ?: "",
                       rules[i].remedy ? "; " : "", rules[i].remedy ?: "");
}

static Policy *open_policy(uint32_t rules_off, Seen *seen) {
        PolicyConfig config = make_config(seen, NULL);
        PolicyTest test = { .rules_off = rules_off,
                            .unavailable = unavailable,
                            .without_loop_helper = unavailable != 0 };
        Policy *policy = NULL;
        gint64 start = g_get_monotonic_time();
        int r = policy_open_for_test(&config, &test, &policy);

        printf("# opened in %d ms\n", (int) ((g_get_monotonic_time() - start) / 1000));
        if (r != 0) {
                printf("# policy_open: %d\n", r);
                if (policy)
                        show_rules(policy);
        }
        return policy;
}

/* Nothing that comes after makes sense without. */
static void expect_enforcing(const Policy *policy) {
        tap(policy_is_enforcing(policy), "every needed rule is active, and refused when tried");
        if (policy_is_enforcing(policy))
                return;
        printf("1..%d\n", n_tests);
        exit(1);
}

/* ---- attacks from inside ---- */

static int nameless_fd = -1;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *position) {
        return remove(path);
}

static void remove_tree(const char *path) {
        (void) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Files that are owned by IDs not lent yet, in a folder everybody can write to. */
static char *prepare_folder(const char *file_system) {
        static const char *const dirs[] = { "lower", "upper", "work", "merged", "own-dir" };
        static const char *const files[] = { "own", "white" };
        char *folder = g_build_filename(file_system, "harness", NULL);

        remove_tree(folder);
        if (mkdir(folder, 0777) < 0 || chmod(folder, 0777) < 0 || chdir(folder) < 0)
                die(folder);
        for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++)
                if (mkdir(dirs[i], 0700) < 0 || chown(dirs[i], LENT, LENT) < 0)
                        die(dirs[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                auto_fd fd = open(files[i], O_CREAT | O_EXCL | O_RDWR, 0600);

                if (fd < 0 || fchown(fd, LENT, LENT) < 0)
                        die(files[i]);
        }
        nameless_fd = open(".", O_TMPFILE | O_RDWR, 0600);
        if (nameless_fd < 0 || fchown(nameless_fd, LENT, LENT) < 0)
                die("O_TMPFILE");
        return folder;
}

static void body_attacks(int socket, const void *userdata) {
        uint32_t rules = *(const uint32_t *) userdata;
        int results[N_ATTACKS];

        for (size_t i = 0; i < N_ATTACKS; i++)
                results[i] = attacks[i].rule & rules ? attacks[i].run(nameless_fd) : -1;
        (void) !write(socket, results, sizeof(results));
        body_wait(socket, NULL);
}

/* Every attack against `rules`, from a namespace that holds the slot, on one file system. */
static void run_attacks(
        Policy *policy, const char *file_system, uint32_t rules, uint32_t skip, int results[]) {
        g_autofree char *folder = prepare_folder(file_system);
        Namespace ns = namespace_new(LENT, body_attacks, &rules);
        int r = policy_protect(policy, SLOT, 1, ns.inode);

        if (r != 0) {
                errno = -r;
                die("policy_protect");
        }
        policy_skip_rules_for_test(policy, SLOT, skip);
        namespace_go(&ns);
        if (read(ns.socket, results, sizeof(int) * N_ATTACKS) !=
            (ssize_t) (sizeof(int) * N_ATTACKS))
                die("the attacker died");
        namespace_end(&ns);
        (void) policy_unprotect(policy, SLOT, 1);
        nameless_fd = fd_close(nameless_fd);
        go_to("/");
        remove_tree(folder);
}

static bool is_btrfs(const char *file_system) {
        return g_str_has_suffix(file_system, "btrfs");
}

/* What this kernel cannot do, and says so in the rule's reason. */
static bool is_known_hole(const Attack *attack, const char *file_system) {
        return (unavailable & POLICY_AVAILABLE_PATH) && attack->rule == POLICY_RULE_WHITEOUT &&
               is_btrfs(file_system);
}

/* The rules that judge what `rule` judges as well, so that it takes both to be off for an attack to
 * succeed. */
static uint32_t with_backing(uint32_t rule) {
        switch (rule) {
        case POLICY_RULE_MAKE:
        case POLICY_RULE_WHITEOUT:
        case POLICY_RULE_OVERLAY:
                return rule | POLICY_RULE_LAST_LINE;
        case POLICY_RULE_TMPFILE:
                return rule | POLICY_RULE_LAST_LINE;
        default:
                return rule;
        }
}

static void test_without_rule(Policy *policy, uint32_t rule, char **file_systems) {
        int results[N_ATTACKS];

        /* One that the last line judges and one that it must not: the rules know no others. */
        for (char **fs = file_systems; *fs; fs++) {
                if (fs != file_systems && !is_btrfs(*fs))
                        continue;
                run_attacks(policy, *fs, rule, with_backing(rule), results);
                for (size_t i = 0; i < N_ATTACKS; i++)
                        if ((attacks[i].rule & rule) && (!attacks[i].only_btrfs || is_btrfs(*fs)))
                                tap(results[i] == 0, "without its rule, %s on %s succeeds (%s)",
                                    attacks[i].name, *fs, strerror(results[i]));
        }
}

static void test_attacks(char **file_systems) {
        uint32_t creating = POLICY_RULE_MAKE | POLICY_RULE_WHITEOUT;
        Seen seen = {};
        Policy *policy = open_policy(0, &seen);
        int results[N_ATTACKS];

        expect_enforcing(policy);
        show_rules(policy);
        for (char **fs = file_systems; *fs; fs++) {
                run_attacks(policy, *fs, POLICY_RULES_ALL, 0, results);
                for (size_t i = 0; i < N_ATTACKS; i++)
                        tap(results[i] == (is_known_hole(&attacks[i], *fs) ? 0 : EPERM),
                            "%s on %s is refused (%s)", attacks[i].name, *fs, strerror(results[i]));
        }
        /* The last line alone stops what makes inodes, where it may. */
        for (char **fs = file_systems; *fs; fs++) {
                run_attacks(
                        policy, *fs, creating, POLICY_RULES_ALL & ~POLICY_RULE_LAST_LINE, results);
                for (size_t i = 0; i < N_ATTACKS; i++)
                        if (attacks[i].rule & creating)
                                tap(results[i] == (is_btrfs(*fs) ? 0 : EPERM),
                                    "last line alone: %s on %s (%s)", attacks[i].name, *fs,
                                    strerror(results[i]));
        }
        /* Keys and signals: tests/vm/attack-keys.c. */
        for (uint32_t rule = 1; rule < POLICY_RULE_LAST_LINE; rule <<= 1)
                if (rule != POLICY_RULE_OVERLAY)
                        test_without_rule(policy, rule, file_systems);
        policy_free(policy);

        policy = open_policy(POLICY_RULE_OVERLAY, &seen);
        test_without_rule(policy, POLICY_RULE_OVERLAY, file_systems);
        policy_free(policy);
        policy = open_policy(POLICY_RULES_ALL, &seen);
        tap(policy != NULL, "with all rules off");
        run_attacks(policy, file_systems[0], POLICY_RULE_MAKE, 0, results);
        tap(results[0] == 0, "mkdir succeeds");
        policy_free(policy);
}

/* ---- what must work ---- */

static void check(GString *text, const char *what, int result) {
        g_string_append_printf(
                text, "%sok - %s%s%s\n", result == 0 ? "" : "not ", what, result ? ": " : "",
                result ? strerror(result) : "");
}

static int chown_fd(int fd) {
        return fd < 0 ? errno : outcome(fchown(fd, 5, 5)) ?: outcome(fchmod(fd, 0640));
}

static void check_all_kinds(GString *text, const char *where) {
        for (size_t i = 0; i < N_ATTACKS; i++) {
                g_autofree char *what = g_strdup_printf("%s on %s works", attacks[i].name, where);

                /* A mount that is nowhere cannot be cloned before 6.15. */
                if ((attacks[i].run == attack_clone && strcmp(where, "an ID-mapped mount") == 0) ||
                    attacks[i].rule == POLICY_RULE_SUBVOLUME ||
                    attacks[i].rule == POLICY_RULE_RESURRECT ||
                    attacks[i].rule == POLICY_RULE_OVERLAY || attacks[i].rule == POLICY_RULE_IPC)
                        continue;
                check(text, what, attacks[i].run(-1));
        }
}

static int make_own_files(void) {
        auto_fd own = open("own", O_CREAT | O_RDWR, 0600),
                white = open("white", O_CREAT | O_RDWR, 0600);

        return own < 0 || white < 0 ? errno : outcome(mkdir("own-dir", 0700));
}

/* With all layers on an ID-mapped mount of the host's file system, also one that does not unwind.
 */
static void check_overlay_on(GString *text, int tree) {
        static const char *const dirs[] = { "l", "l/open", "u", "w", "m" };

        check(text, "the ID-mapped mount can be attached",
              outcome(mkdir("/mnt/tree", 0700)) ?:
                      outcome(syscall(SYS_move_mount, tree, "", AT_FDCWD, "/mnt/tree",
                                      MOVE_MOUNT_F_EMPTY_PATH)) ?: outcome(chdir("/mnt/tree")));
        for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++)
                check(text, "layers", outcome(mkdir(dirs[i], 0700)));
        check(text, "layers", outcome(chmod("l/open", 01777)) ?: outcome(mkdir("l/gone", 0700)));
        check(text, "overlayfs on an ID-mapped mount can be mounted",
              outcome(mount("overlay", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w")));
        check(text, "mkdir on it works", outcome(mkdir("m/d", 0700)));
        check(text, "creat on it works", outcome(open("m/f", O_CREAT | O_RDWR, 0600)));
        check(text, "chown on it works", outcome(chown("m/d", 9, 9)));
        check(text, "chown of what is below works", outcome(chown("m/open", 9, 9)));
        check(text, "mkdir in a folder that everybody writes to works",
              outcome(mkdir("m/open/d", 0700)));
        check(text, "removing what is below works", outcome(rmdir("m/gone")));
        check(text, "a file in its place works", outcome(open("m/gone", O_CREAT | O_RDWR, 0600)));
}

/* The tree is an ID-mapped mount of a folder that the foreign range owns, on a file system of the
 * host. */
static void body_positives(int connection, const void *userdata) {
        int tree = *(const int *) userdata, pair[2];
        g_autoptr(GString) text = g_string_new(NULL);
        auto_fd own_socket = socket(AF_UNIX, SOCK_STREAM, 0), memory = memfd_create("m", 0),
                huge = memfd_create("h", MFD_HUGETLB), event = eventfd(0, 0);

        if (pipe(pair) == 0)
                check(text, "chown and chmod of a pipe work", chown_fd(pair[0]));
        check(text, "chown and chmod of a socket work", chown_fd(own_socket));
        check(text, "chown and chmod of a memfd work", chown_fd(memory));
        check(text, "chown and chmod of a memfd of huge pages work", chown_fd(huge));
        if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
                check(text, "unshare", errno);
        check(text, "a tmpfs can be mounted",
              outcome(mount("tmpfs", "/mnt", "tmpfs", 0, NULL)) ?: outcome(chdir("/mnt")));
        check(text, "files on it", make_own_files());
        check_all_kinds(text, "an own tmpfs");
        check(text, "layers", outcome(mkdir("lower", 0700)) ?: outcome(mkdir("upper", 0700)) ?: outcome(mkdir("work", 0700)) ?:
                      outcome(mkdir("merged", 0700)));
        check(text, "overlayfs on an own tmpfs can be mounted",
              outcome(
                      mount("overlay", "merged", "overlay", 0,
                            "lowerdir=lower,upperdir=upper,workdir=work")));
        check(text, "mkdir on it works",
              outcome(mkdir("merged/d", 0700)) ?: outcome(chown("merged/d", 9, 9)));
        check(text, "shared memory in an own IPC namespace works", attack_shm(-1));
        check(text, "semaphores in an own IPC namespace work", attack_sem(-1));
        check(text, "message queues in an own IPC namespace work", attack_msg(-1));
        check(text, "POSIX queues in an own IPC namespace work", attack_mqueue(-1));
        if (tree >= 0) {
                check(text, "the ID-mapped mount can be entered", outcome(fchdir(tree)));
                check(text, "files on it", make_own_files());
                check_all_kinds(text, "an ID-mapped mount");
                check_overlay_on(text, tree);
        }
        (void) !write(connection, text->str, text->len);
        body_wait(connection, NULL);
}

/* A mount of `path` that shows the foreign range as the namespace's. */
static int map_mount(const char *path, pid_t pid) {
        g_autofree char *ns_path = g_strdup_printf("/proc/%d/ns/user", pid);
        auto_fd tree =
                (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        auto_fd ns = open(ns_path, O_RDONLY | O_CLOEXEC);
        /* Private: what is mounted on it would appear on the host's mount too. */
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP,
                                         .propagation = MS_PRIVATE,
                                         .userns_fd = (__u64) ns };

        if (tree < 0 || ns < 0 ||
            syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) <
                    0)
                return -1;
        return g_steal_fd(&tree);
}

static void tap_lines(const char *text, const char *suffix) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, "ok - "))
                        tap(true, "%s%s", *line + 5, suffix);
                else if (g_str_has_prefix(*line, "not ok - "))
                        tap(false, "%s%s", *line + 9, suffix);
}

static int is_foreign(const char *path, const struct stat *st, int kind, struct FTW *position) {
        return st->st_uid - FOREIGN >= TABLE_SLOT_SIZE || st->st_gid - FOREIGN >= TABLE_SLOT_SIZE;
}

/* The map of a mount: the first ID of each extent is what is on disk, the second what processes
 * see. */
static Namespace map_namespace(void) {
        char path[64], byte = 0, map[64];
        int sockets[2];
        Namespace ns = {};

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                die("socketpair");
        ns.pid = fork();
        if (ns.pid == 0) {
                if (unshare(CLONE_NEWUSER) < 0 || write(sockets[1], &byte, 1) != 1)
                        _exit(90);
                for (;;)
                        (void) pause();
        }
        (void) close(sockets[1]);
        ns.socket = sockets[0];
        (void) !read(ns.socket, &byte, 1);
        (void) snprintf(map, sizeof(map), "%u %u 65536", FOREIGN, LENT);
        (void) snprintf(path, sizeof(path), "/proc/%d/uid_map", ns.pid);
        write_text(path, map);
        (void) snprintf(path, sizeof(path), "/proc/%d/gid_map", ns.pid);
        write_text(path, map);
        return ns;
}

static void test_positives_on(Policy *policy, const char *file_system) {
        g_autofree char *folder = g_build_filename(file_system, "harness", NULL),
                        *text = g_malloc0(65536);
        g_autofree char *suffix = g_strdup_printf(" (%s)", file_system);
        Namespace map = map_namespace();
        int tree;
        Namespace ns;

        remove_tree(folder);
        if (mkdir(folder, 0755) < 0 || chown(folder, FOREIGN, FOREIGN) < 0)
                die(folder);
        tree = map_mount(folder, map.pid);
        if (tree < 0)
                printf("# no ID-mapped mounts on %s\n", file_system);
        ns = namespace_new(LENT, body_positives, &tree);
        if (policy_protect(policy, SLOT, 1, ns.inode) != 0)
                die("policy_protect");
        namespace_go(&ns);
        if (read(ns.socket, text, 65535) <= 0)
                die("the child died");
        tap_lines(text, suffix);
        tap(nftw(folder, is_foreign, 16, FTW_PHYS) == 0,
            "everything below the ID-mapped mount is the foreign range's (%s)", file_system);
        namespace_end(&ns);
        namespace_end(&map);
        if (tree >= 0)
                (void) close(tree);
        (void) policy_unprotect(policy, SLOT, 1);
        remove_tree(folder);
}

/* On the host, as an ID of the pool: fsuid and fsgid, as a service or a subuid would have. */
static int as_id(uint32_t id, AttackFunc run) {
        int status;
        pid_t pid;

        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                if (setgid(id) < 0 || setuid(id) < 0)
                        _exit(90);
                _exit(run(-1));
        }
        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int attack_tmpfile_link(int nameless) {
        auto_fd fd = open(".", O_TMPFILE | O_RDWR, 0600);

        return fd < 0 ? errno : attack_resurrect(fd);
}

static void test_host(Policy *policy, const char *file_system) {
        g_autofree char *folder = g_build_filename(file_system, "harness", NULL);
        Namespace ns = namespace_new(LENT, body_wait, NULL);

        remove_tree(folder);
        if (mkdir(folder, 0777) < 0 || chmod(folder, 0777) < 0 || chdir(folder) < 0)
                die(folder);
        if (policy_protect(policy, SLOT, 1, ns.inode) != 0)
                die("policy_protect");
        tap(as_id(UNLENT, attack_mkdir) == 0,
            "a host process whose ID is not lent makes directories on %s", file_system);
        tap(as_id(UNLENT, attack_tmpfile_link) == 0, "... and names an O_TMPFILE on %s",
            file_system);
        tap(as_id(UNLENT, attack_shm) == 0, "... and makes shared memory");
        tap(outcome(chown("a-dir", UNLENT + 1, UNLENT + 1)) == 0,
            "root gives files to IDs that are not lent on %s", file_system);
        tap(set_acl("a-dir", "system.posix_acl_access", ACL_USER, UNLENT) == 0,
            "... and names them in an ACL on %s", file_system);
        tap(outcome(chmod("a-dir", 02755)) == 0, "... and sets the group bit of theirs on %s",
            file_system);
        remove_tree("a-dir");
        tap(as_id(LENT + 9, attack_mkdir) == EPERM,
            "a host process with a lent ID makes no directory on %s", file_system);
        tap(as_id(LENT + 9, attack_tmpfile) == EPERM, "... nor an O_TMPFILE on %s", file_system);
        tap(as_id(LENT + 9, attack_shm) == EPERM, "... nor shared memory");
        tap(outcome(mkdir("r", 0755)) == 0 && outcome(chown("r", LENT, -1)) == EPERM,
            "root cannot give a directory to a lent ID on %s", file_system);
        tap(outcome(chown("r", -1, LENT)) == EPERM, "... nor to a lent group");
        tap(set_acl("r", "system.posix_acl_access", ACL_USER, LENT + 1) == EPERM,
            "... nor name one in an ACL on %s", file_system);
        tap(set_acl("r", "system.posix_acl_default", ACL_GROUP, LENT + 1) == EPERM,
            "... nor in a default ACL");
        namespace_end(&ns);
        (void) policy_unprotect(policy, SLOT, 1);
        go_to("/");
        remove_tree(folder);
}

static void test_positives(char **file_systems) {
        Seen seen = {};
        g_autoptr(Policy) policy = open_policy(0, &seen);

        expect_enforcing(policy);
        for (char **fs = file_systems; *fs; fs++) {
                test_positives_on(policy, *fs);
                test_host(policy, *fs);
        }
}

/* ---- lending, death, restart ---- */

/* Until the end of `inode` was told.  Ends of namespaces from before come first, the canary's among
 * them. */
static bool is_told(Seen *seen, uint64_t inode, unsigned timeout_ms) {
        for (unsigned waited = 0; seen->inode != inode && waited < timeout_ms; waited += 5) {
                while (g_main_context_iteration(NULL, FALSE) && seen->inode != inode)
                        ;
                (void) g_usleep(5000);
        }
        return seen->inode == inode;
}

static void drain(Seen *seen) {
        while (g_main_context_iteration(NULL, FALSE))
                ;
        seen->inode = 0;
}

/* The last reference to a program goes some time after its pin. */
static bool works_soon(uint32_t id) {
        for (int i = 0; i < 100; i++) {
                if (as_id(id, attack_mkdir) == 0)
                        return rmdir("a-dir") == 0;
                (void) g_usleep(50000);
        }
        return false;
}

static void test_singles(Policy *policy, const char *file_system) {
        uint32_t record = POOL_SLOTS + TABLE_SINGLES_PER_SPLIT + 3, split = 30;
        uint32_t first = TABLE_POOL_START + split * TABLE_SLOT_SIZE;
        Namespace ns = namespace_new(LENT, body_wait, NULL);
        uint64_t inode;

        go_to(file_system);
        tap(policy_split(policy, split, TABLE_SINGLES_PER_SPLIT) == 0, "a slot is split");
        tap(policy_split(policy, split, TABLE_SINGLES_PER_SPLIT) == 0, "... again");
        tap(policy_split(policy, POOL_SLOTS, 0) == -EINVAL, "what is no slot is not split");
        tap(policy_split(policy, split + 1, TABLE_SINGLES_MAX) == -EINVAL,
            "no split beyond the single IDs");
        tap(policy_slot(policy, split, &inode) == POLICY_SLOT_SPLIT, "it is known as split");
        tap(policy_protect(policy, record, 1, ns.inode) == 0, "one of its IDs is lent");
        tap(policy_slot(policy, record, &inode) == POLICY_SLOT_LENT && inode == ns.inode,
            "... to the namespace");
        tap(as_id(first + 3, attack_mkdir) == EPERM, "that ID is refused");
        tap(as_id(first + 4, attack_mkdir) == 0 && rmdir("a-dir") == 0, "its neighbour is not");
        tap(as_id(first + TABLE_SINGLES_PER_SPLIT + 3, attack_mkdir) == 0 && rmdir("a-dir") == 0,
            "nor one nobody can get");
        tap(policy_protect(policy, split, 1, ns.inode) == -EBUSY,
            "a split slot cannot be lent whole");
        tap(policy_unprotect(policy, record, 1) == 0 && as_id(first + 3, attack_mkdir) == 0 &&
                    rmdir("a-dir") == 0,
            "and free again");
        namespace_end(&ns);
}

static void test_records(Policy *policy) {
        Namespace ns = namespace_new(LENT, body_wait, NULL),
                  other = namespace_new(UNLENT, body_wait, NULL);
        uint32_t n_records = POOL_SLOTS + TABLE_SINGLES_MAX + TABLE_REGISTRATIONS_MAX;
        uint64_t inode = 0;

        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_FREE, "a slot starts free");
        tap(policy_protect(policy, SLOT, 2, ns.inode) == 0, "two slots are lent");
        tap(policy_slot(policy, SLOT + 1, &inode) == POLICY_SLOT_LENT && inode == ns.inode,
            "the second is the namespace's");
        tap(policy_protect(policy, SLOT, 2, ns.inode) == 0, "again, to the same, is fine");
        tap(policy_protect(policy, SLOT - 1, 2, other.inode) == -EBUSY, "not to another");
        tap(policy_slot(policy, SLOT - 1, &inode) == POLICY_SLOT_FREE, "and then nothing is lent");
        tap(policy_protect(policy, SLOT + 5, 1, ns.inode) == 0 &&
                    policy_unprotect(policy, SLOT + 5, 1) == 0 &&
                    policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT,
            "unprotecting one slot leaves the others lent");
        tap(policy_protect(policy, n_records, 1, ns.inode) == -EINVAL,
            "the canary's record is not for lending");
        tap(policy_protect(policy, n_records - 1, 2, ns.inode) == -EINVAL, "nor a run into it");
        tap(policy_protect(policy, n_records - 1, 1, ns.inode) == 0,
            "the last registration can be watched");
        tap(policy_unprotect(policy, n_records - 1, 1) == 0, "and let go");
        tap(policy_protect(policy, 1, 1, 0) == -EINVAL, "no holder 0");
        tap(policy_protect(policy, 1, 1, UINT64_C(1) << 32) == -EINVAL, "no holder beyond 32 bits");
        tap(policy_orphan(policy, SLOT, 2) == 0 &&
                    policy_slot(policy, SLOT, &inode) == POLICY_SLOT_ORPHANED && !inode,
            "orphaned slots have no holder");
        tap(as_id(LENT, attack_mkdir) == EPERM, "and are refused");
        tap(policy_unprotect(policy, SLOT, 2) == 0 &&
                    policy_slot(policy, SLOT, &inode) == POLICY_SLOT_FREE,
            "and are free in the end");
        namespace_end(&ns);
        namespace_end(&other);
}

/* Namespaces until one has that inode number. */
static bool inode_comes_back(uint64_t inode) {
        for (int i = 0; i < 3000; i++) {
                struct stat st;
                int status;
                pid_t pid = fork();

                if (pid == 0)
                        _exit(unshare(CLONE_NEWUSER) == 0 && stat("/proc/self/ns/user", &st) == 0 &&
                              st.st_ino == inode);
                (void) waitpid(pid, &status, 0);
                if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
                        return true;
        }
        return false;
}

static void test_death(Policy *policy, Seen *seen) {
        Namespace ns = namespace_new(LENT, body_wait, NULL);
        uint64_t inode;

        drain(seen);
        (void) policy_protect(policy, SLOT, 1, ns.inode);
        (void) policy_protect(policy, SLOT + 4, 3, ns.inode);
        namespace_end(&ns);
        tap(is_told(seen, ns.inode, 5000), "the end of a holder is told");
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_ORPHANED &&
                    policy_slot(policy, SLOT + 6, &inode) == POLICY_SLOT_ORPHANED,
            "all its slots are orphaned");
        tap(as_id(LENT, attack_mkdir) == EPERM, "and still refused");
        tap(inode_comes_back(ns.inode), "the inode number was used again");
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_ORPHANED,
            "the later namespace inherited nothing");
        (void) policy_unprotect(policy, SLOT, 1);
        (void) policy_unprotect(policy, SLOT + 4, 3);

        ns = namespace_new(LENT, body_wait, NULL);
        drain(seen);
        (void) policy_protect(policy, POOL_SLOTS + TABLE_SINGLES_MAX, 1, ns.inode);
        namespace_end(&ns);
        tap(is_told(seen, ns.inode, 5000), "the end of a namespace that only is watched is told");
        (void) policy_unprotect(policy, POOL_SLOTS + TABLE_SINGLES_MAX, 1);
}

/* What a holder leaves in the kernel's map while the kernel can still come across it. */
static void test_holders(Policy *policy, Seen *seen) {
        Namespace ns = namespace_new(LENT, body_wait, NULL),
                  living = namespace_new(LENT, body_wait, NULL);
        uint64_t inode;

        drain(seen);
        (void) policy_protect(policy, SLOT, 1, ns.inode);
        (void) policy_unprotect(policy, SLOT, 1);
        tap(policy_has_holder_for_test(policy, ns.inode),
            "an entry stays that the kernel has not forgotten");
        tap(policy_protect(policy, SLOT, 1, living.inode) == 0, "the slot is lent again");
        namespace_end(&ns);
        tap(is_told(seen, ns.inode, 5000), "the end of the one before is told");
        tap(!policy_has_holder_for_test(policy, ns.inode), "and its entry is gone");
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT && inode == living.inode,
            "the present holder is not touched");
        (void) policy_unprotect(policy, SLOT, 1);
        for (int i = 0; i < 3; i++)
                policy_drop_dead_holders_for_test(policy);
        tap(policy_has_holder_for_test(policy, living.inode),
            "that of a living one is kept a while");
        policy_drop_dead_holders_for_test(policy);
        tap(!policy_has_holder_for_test(policy, living.inode), "and taken out in the end");
        tap(policy_protect(policy, SLOT, 1, living.inode) == 0 &&
                    policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT,
            "it can hold again");
        (void) policy_unprotect(policy, SLOT, 1);
        (void) policy_protect(policy, SLOT, 1, living.inode);
        for (int i = 0; i < 4; i++)
                policy_drop_dead_holders_for_test(policy);
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT && inode == living.inode,
            "one that holds again is not taken out");
        (void) policy_unprotect(policy, SLOT, 1);
        namespace_end(&living);
}

static void test_restart(void) {
        Seen seen = {};
        PolicyConfig config = make_config(&seen, PINS);
        PolicyTest test = { .unavailable = unavailable, .without_loop_helper = unavailable != 0 };
        Namespace living = namespace_new(LENT, body_wait, NULL),
                  dying = namespace_new(UNLENT, body_wait, NULL);
        Policy *policy = NULL;
        uint64_t inode;
        int r;

        r = policy_open_for_test(&config, &test, &policy);
        tap(r == 0 && !policy_was_adopted(policy), "the policy is pinned");
        if (r != 0)
                show_rules(policy);
        (void) policy_protect(policy, SLOT, 1, living.inode);
        (void) policy_protect(policy, SLOT + 1, 1, dying.inode);
        policy_free(policy);
        tap(as_id(LENT, attack_mkdir) == EPERM, "with nobody there, attacks still fail");
        namespace_end(&dying);
        /* Nobody is there whom the kernel could tell of the end: nothing tells. */
        (void) g_usleep(500000);

        seen = (Seen){};
        r = policy_open_for_test(&config, &test, &policy);
        tap(r == 0 && policy_was_adopted(policy), "another one adopts it");
        tap(!seen.notices, "and finds nothing strange: %s", seen.notices ?: "");
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT && inode == living.inode,
            "the living holder is known");
        tap(policy_slot(policy, SLOT + 1, &inode) == POLICY_SLOT_ORPHANED,
            "so is the end of the other");
        tap(is_told(&seen, dying.inode, 2000), "it is even told");
        tap(as_id(LENT, attack_mkdir) == EPERM, "attacks fail");
        policy_free(policy);

        config.pool_start += TABLE_SLOT_SIZE;
        r = policy_open_for_test(&config, &test, &policy);
        tap(r == POLICY_E_UNSUPPORTED, "another pool is refused while IDs are lent");
        policy_free(policy);
        config.pool_start -= TABLE_SLOT_SIZE;
        tap(as_id(LENT, attack_mkdir) == EPERM, "attacks still fail");

        (void) !system("mkdir " PINS "/zzz " PINS "/4000; bpftool map create " PINS
                       "/4000/control type array key 4 value 40 "
                       "entries 1 name control; bpftool map create " PINS
                       "/planted type hash key 4 value 4 entries 9 "
                       "name planted");
        r = policy_open_for_test(&config, &test, &policy);
        tap(r == 0 && policy_was_adopted(policy),
            "planted pins do not keep it from adopting what is its own");
        tap(seen.notices && strstr(seen.notices, "4000") && strstr(seen.notices, "zzz") &&
                    strstr(seen.notices, "planted"),
            "they are told of");
        printf("# %s\n", seen.notices ? g_strdelimit(seen.notices, "\n", ';') : "");
        tap(access(PINS "/4000", F_OK) < 0 && access(PINS "/planted", F_OK) < 0 &&
                    access(PINS "/zzz", F_OK) < 0,
            "and gone");
        tap(policy_slot(policy, SLOT, &inode) == POLICY_SLOT_LENT && inode == living.inode,
            "the living holder is known");
        (void) policy_unprotect(policy, SLOT, 2);
        policy_free(policy);
        namespace_end(&living);
        (void) !system("rm -rf " PINS);
        tap(as_id(LENT, attack_mkdir) == 0 && rmdir("a-dir") == 0,
            "without pins, nothing is refused");
}

/* Maps that cannot be shared: what is there protects until the new ones know everything. */
static void test_settle(void) {
        Seen seen = {};
        PolicyConfig config = make_config(&seen, PINS);
        PolicyTest test = { .unavailable = unavailable, .without_loop_helper = unavailable != 0 };
        Namespace living = namespace_new(LENT, body_wait, NULL);
        Policy *policy = NULL;
        int r;

        r = policy_open_for_test(&config, &test, &policy);
        tap(r == 0, "the policy is pinned");
        (void) policy_protect(policy, SLOT, 1, living.inode);
        policy_free(policy);
        (void) !system("rm " PINS "/1/holders; bpftool map create " PINS
                       "/1/holders type hash key 4 value 99 entries 5 "
                       "name holders");
        r = policy_open_for_test(&config, &test, &policy);
        tap(r == 0 && !policy_was_adopted(policy) && seen.notices,
            "maps of another layout are not adopted");
        tap(as_id(LENT, attack_mkdir) == EPERM, "what is pinned still protects");
        tap(policy_protect(policy, SLOT, 1, living.inode) == 0 && policy_settle(policy) == 0,
            "the new one is told, and settles");
        tap(access(PINS "/1", F_OK) < 0, "the old pins are gone");
        tap(as_id(LENT, attack_mkdir) == EPERM, "attacks fail");
        tap(policy_unprotect(policy, SLOT, 1) == 0 && works_soon(LENT),
            "and nothing of the old one is in force");
        policy_free(policy);
        namespace_end(&living);
        (void) !system("rm -rf " PINS);
        g_free(seen.notices);
}

static void test_lifecycle(char **file_systems) {
        Seen seen = {};
        Policy *policy = open_policy(0, &seen);

        expect_enforcing(policy);
        go_to(file_systems[0]);
        test_records(policy);
        test_singles(policy, file_systems[0]);
        test_death(policy, &seen);
        test_holders(policy, &seen);
        test_signals(policy);
        test_uids(policy);
        policy_free(policy);
        test_restart();
        test_settle();
}

int main(int argc, char **argv) {
        char *none[] = { NULL }, **file_systems = argc > 2 ? argv + 2 : none;

        for (; *file_systems && **file_systems == '-'; file_systems++)
                if (strcmp(*file_systems, "--no-path-hooks") == 0)
                        unavailable |= POLICY_AVAILABLE_PATH;
                else if (strcmp(*file_systems, "--no-ioctl-compat") == 0)
                        unavailable |= POLICY_AVAILABLE(PROGRAM_FILE_IOCTL_COMPAT);
                else if (strcmp(*file_systems, "--kprobes") == 0)
                        unavailable |=
                                POLICY_AVAILABLE(PROGRAM_DEATH) | POLICY_AVAILABLE(PROGRAM_BIRTH);
        (void) umask(0);
        if (argc > 1 && strcmp(argv[1], "attacks") == 0)
                test_attacks(file_systems);
        else if (argc > 1 && strcmp(argv[1], "positives") == 0)
                test_positives(file_systems);
        else if (argc > 2 && strcmp(argv[1], "lifecycle") == 0)
                test_lifecycle(file_systems);
        else if (argc > 1 && strcmp(argv[1], "uids") == 0) {
                Seen seen = {};
                g_autoptr(Policy) policy = open_policy(0, &seen);

                expect_enforcing(policy);
                measure_uids(policy);
        } else if (argc > 1 && strcmp(argv[1], "rules") == 0) {
                Seen seen = {};
                g_autoptr(Policy) policy = open_policy(0, &seen);

                tap(policy != NULL, "the rules can be shown");
                if (policy && policy_is_enforcing(policy))
                        show_rules(policy);
        } else {
                (void) fprintf(stderr, "see the top of the source\n");
                return 2;
        }
        printf("1..%d\n", n_tests);
        return n_failed > 0;
}
