/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* A program that looks names up in unusual circumstances.  Each verb exits with 0 if all was as it
 * should be, and says on standard error what was not.
 *
 *      errno-kept MODULE UID NAME
 *              errno as before after a hit, misses, foreign IDs and names
 *      small-buffers UID
 *              every buffer size from none on: ERANGE, then the entry
 *      close-all UID
 *              the application closes every descriptor and uses the numbers itself
 *      no-mapping UID NAME
 *              shared mappings are refused, as SELinux may
 *      locked UID NAME
 *              mlockall(MCL_FUTURE), and RLIMIT_MEMLOCK has no room for the table
 *      no-room UID NAME
 *              RLIMIT_AS has no room for the table
 *      foreign MODULE UID NAME
 *              the table's owner is not known in this user namespace: not found, errno as before
 *      chroot FOLDER UID
 *              found before, and in a root folder without the table
 *      around UID COMMAND UID
 *              looked up, COMMAND run by the shell, looked up: "-" for none
 *      threads UID LAST SECONDS
 *              threads look up, and fork children that look up
 *      hammer MODULE FIRST SLOTS LOOKUPS
 *              threads look up in a table of `table-make fill-slots`, whatever happens to it
 *      as-other UID
 *              effective and real user differ
 *      wrong
 *              decides by memory that nobody has set: for those who look for that
 *      no-calls MODULE UID NAME
 *              the module's entry points make no system call once the table is mapped; for foreign
 *              IDs and names never */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool condition, const char *text, int line) {
        if (condition)
                return;
        fprintf(stderr, "nss-client: line %d: %s, errno %d\n", line, text, errno);
        _exit(1);
}

static uid_t parse_uid(const char *text) {
        return (uid_t) strtoul(text, NULL, 10);
}

/* The name of this UID, checked to be that of the GID too; NULL if there is none. */
static const char *name_of(uid_t uid, char buffer[static 512]) {
        struct passwd passwd, *found = NULL;
        struct group group, *found_group = NULL;
        char other[512];
        int r = getpwuid_r(uid, &passwd, buffer, 512, &found);

        CHECK(r == 0);
        CHECK(getgrgid_r(uid, &group, other, sizeof(other), &found_group) == 0);
        CHECK(!found == !found_group);
        if (!found)
                return NULL;
        CHECK(passwd.pw_uid == uid && passwd.pw_gid == uid && group.gr_gid == uid);
        CHECK(strcmp(passwd.pw_name, group.gr_name) == 0);
        return passwd.pw_name;
}

static void check_found(uid_t uid) {
        char buffer[512];

        CHECK(name_of(uid, buffer) != NULL);
}

static int n_open(void) {
        int n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

typedef enum nss_status (*ByIdFunc)(uid_t, struct passwd *, char *, size_t, int *);
typedef enum nss_status (*ByNameFunc)(const char *, struct passwd *, char *, size_t, int *);
typedef enum nss_status (*InitgroupsFunc)(
        const char *, gid_t, long *, long *, gid_t **, long, int *);

typedef struct Module {
        ByIdFunc by_id;
        ByNameFunc by_name;
        InitgroupsFunc groups;
} Module;

static Module load_module(const char *path) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        Module module;

        CHECK(handle != NULL);
        module.by_id = (ByIdFunc) dlsym(handle, "_nss_nsresource_getpwuid_r");
        module.by_name = (ByNameFunc) dlsym(handle, "_nss_nsresource_getpwnam_r");
        module.groups = (InitgroupsFunc) dlsym(handle, "_nss_nsresource_initgroups_dyn");
        CHECK(module.by_id && module.by_name && module.groups);
        return module;
}

/* The module alone: glibc's own functions set errno, to 0 too. */
static void errno_kept(char **args) {
        static const char *const names[] = { "root",    "nobody-knows", "ns-",     "ns-x",
                                             "ns-no-0", "ns--0",        "ns-a-01", "" };
        const uid_t uids[] = { 0, 4000000000u, 54321, 0x7fffffff, (uid_t) -1 };
        Module module = load_module(args[0]);
        struct passwd passwd;
        char buffer[512];
        int other = 5;

        errno = 77;
        CHECK(module.by_id(parse_uid(args[1]), &passwd, buffer, 1, &other) == NSS_STATUS_TRYAGAIN);
        CHECK(errno == 77 && other == ERANGE);
        other = 5;
        CHECK(module.by_id(parse_uid(args[1]), &passwd, buffer, 512, &other) == NSS_STATUS_SUCCESS);
        CHECK(module.by_name(args[2], &passwd, buffer, 512, &other) == NSS_STATUS_SUCCESS);
        for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++)
                CHECK(module.by_id(uids[i], &passwd, buffer, 512, &other) == NSS_STATUS_NOTFOUND);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                CHECK(module.by_name(names[i], &passwd, buffer, 512, &other) ==
                      NSS_STATUS_NOTFOUND);
        CHECK(errno == 77 && other == 5);
}

static void small_buffers(char **args) {
        uid_t uid = parse_uid(args[0]);
        struct passwd passwd, *found;
        struct group group, *found_group;
        size_t n_short = 0;

        for (size_t size = 0; size < 300; size++) {
                char *buffer = malloc(size + 1);
                int r;

                buffer[size] = 1;
                found = (void *) buffer;
                r = getpwuid_r(uid, &passwd, buffer, size, &found);
                CHECK(r == 0 || r == ERANGE);
                CHECK((r == 0) == (found == &passwd));
                CHECK(r == 0 || found == NULL);
                n_short += r == ERANGE;
                CHECK(n_short == 0 || (r == 0) == (size >= n_short));
                r = getgrgid_r(uid, &group, buffer, size, &found_group);
                CHECK(r == 0 || (r == ERANGE && found_group == NULL));
                CHECK(buffer[size] == 1);
                free(buffer);
        }
        CHECK(n_short > 40 && n_short < 200);
}

static void close_all(char **args) {
        uid_t uid = parse_uid(args[0]);
        int pipes[2], n;
        char c;

        check_found(uid);
        closefrom(3);
        CHECK(pipe(pipes) == 0); /* numbers that something else may have had */
        n = n_open();
        check_found(uid);
        CHECK(getpwuid(uid) && getgrgid(uid) && getspnam("root"));
        CHECK(n_open() == n);
        CHECK(write(pipes[1], "x", 1) == 1 && read(pipes[0], &c, 1) == 1 && c == 'x');
        closefrom(0);
        check_found(uid);
        CHECK(n_open() == 0);
}

/* Answer a system call with an error if one of its arguments has all these bits. */
static void refuse_call(uint32_t call, unsigned argument, uint32_t bits, uint32_t action) {
        uint32_t at = offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, action),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {
                .len = sizeof(filter) / sizeof(filter[0]),
                .filter = filter,
        };

        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* The table cannot be mapped any more, and nothing of it has been: it is read. */
static void check_unmapped(char **args) {
        uid_t uid = parse_uid(args[0]);
        struct passwd *passwd;
        int n, n_ours = 0;

        CHECK(getpwuid(0) != NULL);
        n = n_open();
        check_found(uid);
        passwd = getpwnam(args[1]);
        CHECK(passwd && passwd->pw_uid == uid);
        CHECK(getpwnam("ns-no-such-0") == NULL);
        setpwent();
        while ((passwd = getpwent()))
                n_ours += strncmp(passwd->pw_name, "ns-", 3) == 0;
        endpwent();
        CHECK(n_ours >= 1);
        CHECK(n_open() == n);
}

static void no_mapping(char **args) {
        /* On x86-64 MAP_PRIVATE is another bit, so what the loader maps is let through. */
        refuse_call(SYS_mmap, 3, MAP_SHARED, SECCOMP_RET_ERRNO | EACCES);
        check_unmapped(args);
}

/* Load the module, which asks nothing of the table for an ID that cannot be in it.  Returns the
 * table's size. */
static size_t load_before_limits(void) {
        struct stat st;

        errno = 0;
        CHECK(getpwuid(60999) == NULL && errno == 0);
        CHECK(stat("/run/nsresource/table", &st) == 0);
        return (size_t) st.st_size;
}

static void set_limit(__rlimit_resource_t resource, size_t value) {
        struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

        CHECK(setrlimit(resource, &limit) == 0);
}

/* mmap() must fail with `error` for as much as the table has. */
static void check_no_room(size_t size, int error) {
        CHECK(mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
        CHECK(errno == error);
}

static void locked(char **args) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
        size_t size = load_before_limits();

        CHECK(syscall(SYS_capset, &header, none) == 0); /* CAP_IPC_LOCK knows no limit */
        set_limit(RLIMIT_MEMLOCK, size - 1);
        CHECK(mlockall(MCL_FUTURE) == 0);
        check_no_room(size, EAGAIN);
        check_unmapped(args);
}

static void no_room(char **args) {
        size_t size = load_before_limits(), n_pages;
        FILE *file = fopen("/proc/self/statm", "re");

        CHECK(file && fscanf(file, "%zu", &n_pages) == 1 && fclose(file) == 0);
        set_limit(RLIMIT_AS, n_pages * (size_t) sysconf(_SC_PAGESIZE) + size - 1);
        check_no_room(size, ENOMEM);
        check_unmapped(args);
}

static void foreign(char **args) {
        Module module = load_module(args[0]);
        struct passwd passwd;
        char buffer[512];
        int other = 5, n = n_open();

        errno = 77;
        CHECK(module.by_id(parse_uid(args[1]), &passwd, buffer, 512, &other) ==
              NSS_STATUS_NOTFOUND);
        CHECK(module.by_name(args[2], &passwd, buffer, 512, &other) == NSS_STATUS_NOTFOUND);
        CHECK(module.groups(args[2], 0, NULL, NULL, NULL, 0, &other) == NSS_STATUS_NOTFOUND);
        CHECK(errno == 77 && other == 5);
        CHECK(n_open() == n);
}

static void enter_chroot(char **args) {
        uid_t uid = parse_uid(args[1]);

        check_found(uid);
        CHECK(chroot(args[0]) == 0 && chdir("/") == 0);
        CHECK(access("/run", F_OK) < 0);
        check_found(uid);
}

static void print_name(uid_t uid) {
        char buffer[512];
        const char *name = name_of(uid, buffer);

        puts(name ? name : "-");
        CHECK(fflush(stdout) == 0);
}

static void around(char **args) {
        print_name(parse_uid(args[0]));
        CHECK(system(args[1]) == 0);
        print_name(parse_uid(args[2]));
}

typedef struct Work {
        uid_t first, last;
        time_t end;
} Work;

static void *work(void *userdata) {
        const Work *todo = userdata;
        char buffer[512];

        for (uid_t uid = todo->first; time(NULL) < todo->end;
             uid = uid == todo->last ? todo->first : uid + 1) {
                const char *name = name_of(uid, buffer);

                CHECK(name && strtoul(strrchr(name, '-') + 1, NULL, 10) == uid - todo->first);
        }
        return NULL;
}

static void threads(char **args) {
        Work todo = { .first = parse_uid(args[0]),
                      .last = parse_uid(args[1]),
                      .end = time(NULL) + atoi(args[2]) };
        pthread_t ids[4];

        /* All at once, so that several map the table. */
        for (size_t i = 0; i < 4; i++)
                CHECK(pthread_create(&ids[i], NULL, work, &todo) == 0);
        while (time(NULL) < todo.end) {
                pid_t pid = fork();
                int status;

                CHECK(pid >= 0);
                if (pid == 0) {
                        check_found(todo.last);
                        _exit(0);
                }
                CHECK(waitpid(pid, &status, 0) == pid);
                CHECK(status == 0);
        }
        for (size_t i = 0; i < 4; i++)
                CHECK(pthread_join(ids[i], NULL) == 0);
}

/* What hammer()'s threads share. */
typedef struct Hammer {
        Module module;
        uid_t first;
        uint32_t n_slots;
        uint64_t n_wanted;        /* look-ups, of all threads together */
        uint64_t n_done, n_found; /* atomic */
} Hammer;

/* The table names each range after its slot, and gives it to the owner of that number: so a number
 * says what every answer must be, whichever life of the slot it is from. */
static void check_slot(const Hammer *hammer, uid_t uid, const struct passwd *passwd) {
        uint32_t slot = (uid - hammer->first) / 65536, offset = uid % 65536;
        char name[64], gecos[128];

        (void) snprintf(name, sizeof(name), "ns-s%u-%u", slot, offset);
        (void) snprintf(
                gecos, sizeof(gecos), "User %u of namespace s%u of UID %u since 20", offset, slot,
                slot);
        CHECK(passwd->pw_uid == uid && passwd->pw_gid == uid);
        /* On its way in or out a slot is nobody's by name, but not free, and its first ID says so.
         */
        if (offset == 0 && strncmp(passwd->pw_name, "nsresource-", 11) == 0) {
                (void) snprintf(name, sizeof(name), "nsresource-%u", uid);
                (void) snprintf(
                        gecos, sizeof(gecos),
                        "First of the IDs up to %u that nsresourced does not have free",
                        uid + 65535);
        }
        CHECK(strcmp(passwd->pw_name, name) == 0);
        CHECK(strncmp(passwd->pw_gecos, gecos, strlen(gecos)) == 0);
        CHECK(strcmp(passwd->pw_dir, "/") == 0);
}

static void hammer_once(Hammer *hammer, uid_t uid, bool by_name, uint64_t *n_found) {
        uint32_t slot = (uid - hammer->first) / 65536;
        enum nss_status status;
        struct passwd passwd;
        char buffer[512], name[64];
        int other = 0;

        (void) snprintf(name, sizeof(name), "ns-s%u-%u", slot, uid % 65536);
        status = by_name ? hammer->module.by_name(name, &passwd, buffer, sizeof(buffer), &other)
                         : hammer->module.by_id(uid, &passwd, buffer, sizeof(buffer), &other);
        if (status == NSS_STATUS_SUCCESS) {
                check_slot(hammer, uid, &passwd);
                (*n_found)++;
                return;
        }
        /* Between the old table and the new one it may be busy. */
        CHECK(status == NSS_STATUS_NOTFOUND || (status == NSS_STATUS_UNAVAIL && other == EBUSY));
}

static void *hammer_on(void *userdata) {
        enum { BATCH = 10000 };
        uint64_t n_found = 0, n_done;
        Hammer *hammer = userdata;
        uint32_t at = 0;

        do {
                for (uint32_t i = 0; i < BATCH; i++) {
                        at = (at + 7919 * 65536u + 4241) % (hammer->n_slots * 65536u);
                        hammer_once(hammer, hammer->first + at, i % 4 == 0, &n_found);
                }
                n_done = __atomic_add_fetch(&hammer->n_done, BATCH, __ATOMIC_RELAXED);
        } while (n_done < hammer->n_wanted);
        (void) __atomic_add_fetch(&hammer->n_found, n_found, __ATOMIC_RELAXED);
        return NULL;
}

static void hammer(char **args) {
        Hammer hammer = { .module = load_module(args[0]),
                          .first = parse_uid(args[1]),
                          .n_slots = (uint32_t) strtoul(args[2], NULL, 10),
                          .n_wanted = strtoull(args[3], NULL, 10) };
        pthread_t ids[4];

        for (size_t i = 0; i < 4; i++)
                CHECK(pthread_create(&ids[i], NULL, hammer_on, &hammer) == 0);
        for (size_t i = 0; i < 4; i++)
                CHECK(pthread_join(ids[i], NULL) == 0);
        CHECK(hammer.n_found > 0 && hammer.n_found < hammer.n_done);
        printf("%llu look-ups, %llu found\n", (unsigned long long) hammer.n_done,
               (unsigned long long) hammer.n_found);
}

static void as_other(char **args) {
        CHECK(getuid() != geteuid());
        check_found(parse_uid(args[0]));
}

static void wrong(char **args) {
        int *volatile memory = malloc(sizeof(*memory));

        puts(*memory == 12345 ? "it is" : "it is not");
        free(memory);
}

static void no_calls(char **args) {
        static char foreign[4096];
        Module module = load_module(args[0]);
        uid_t uid = parse_uid(args[1]);
        struct passwd passwd;
        char buffer[512];
        bool ok;

        memset(foreign, 'n', sizeof(foreign) - 1);
        memcpy(foreign, "ns-", 3);
        /* The table is not mapped yet: what is foreign must not lead to that either. */
        if (strcmp(args[2], "-") != 0)
                CHECK(module.by_id(uid, &passwd, buffer, sizeof(buffer), &errno) ==
                      NSS_STATUS_SUCCESS);
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);

        ok = module.by_id(0, &passwd, buffer, sizeof(buffer), &errno) == NSS_STATUS_NOTFOUND &&
             module.by_id(65534, &passwd, buffer, sizeof(buffer), &errno) == NSS_STATUS_NOTFOUND &&
             module.by_id((uid_t) -1, &passwd, buffer, sizeof(buffer), &errno) ==
                     NSS_STATUS_NOTFOUND &&
             module.by_name("root", &passwd, buffer, sizeof(buffer), &errno) ==
                     NSS_STATUS_NOTFOUND &&
             module.by_name("ns-a-x", &passwd, buffer, sizeof(buffer), &errno) ==
                     NSS_STATUS_NOTFOUND &&
             module.by_name(foreign, &passwd, buffer, sizeof(buffer), &errno) ==
                     NSS_STATUS_NOTFOUND &&
             module.groups("root", 0, NULL, NULL, NULL, 0, &errno) == NSS_STATUS_NOTFOUND;
        if (strcmp(args[2], "-") != 0)
                ok = ok &&
                     module.by_id(uid, &passwd, buffer, sizeof(buffer), &errno) ==
                             NSS_STATUS_SUCCESS &&
                     module.by_id(100000, &passwd, buffer, sizeof(buffer), &errno) ==
                             NSS_STATUS_NOTFOUND &&
                     module.by_name(args[2], &passwd, buffer, sizeof(buffer), &errno) ==
                             NSS_STATUS_SUCCESS &&
                     module.by_name("ns-none-0", &passwd, buffer, sizeof(buffer), &errno) ==
                             NSS_STATUS_NOTFOUND &&
                     module.groups(args[2], uid, NULL, NULL, NULL, 0, &errno) == NSS_STATUS_SUCCESS;
        syscall(SYS_exit, ok ? 0 : 1); /* the only call that is left, with read, write, sigreturn */
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int n_args;
                void (*run)(char **args);
        } verbs[] = {
                { "errno-kept", 3, errno_kept }, { "small-buffers", 1, small_buffers },
                { "close-all", 1, close_all },   { "no-mapping", 2, no_mapping },
                { "chroot", 2, enter_chroot },   { "around", 3, around },
                { "threads", 3, threads },       { "hammer", 4, hammer },
                { "wrong", 0, wrong },           { "as-other", 1, as_other },
                { "no-calls", 3, no_calls },     { "locked", 2, locked },
                { "no-room", 2, no_room },       { "foreign", 3, foreign },
        };

        for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
                if (strcmp(argv[1], verbs[i].name) == 0 && argc == 2 + verbs[i].n_args) {
                        verbs[i].run(argv + 2);
                        return 0;
                }
        fprintf(stderr, "nss-client: no such verb, or not its arguments\n");
        return 2;
}
