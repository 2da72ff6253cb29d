/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/userns/sweep.h"
#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"

/* In the child: a copy of a process with a main loop, so system calls only, no allocation but
 * mmap(). */

#define ENTRIES_SIZE 32768u
#define SET_SIZE_MIN 4096u /* places; a power of two */
#define N_ACCOUNTS 8192u

/* Numbers that are not zero. */
typedef struct Set {
        uint64_t *places;
        size_t size, n;
} Set;

typedef struct Account {
        uint64_t key; /* 0: free */
        uint64_t n_descriptors, n_mount_bytes;
} Account;

typedef struct Sweep {
        const UsernsSweepTask *task;
        Set seen, mounts_seen;
        Account *accounts;
        uint64_t out[512];
        size_t n_out;
} Sweep;

static void *allocate(size_t size) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED)
                _exit(1);
        return map;
}

static size_t hash(uint64_t number, size_t size) {
        return (size_t) (number * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (size - 1);
}

static void set_put(Set *set, uint64_t number) {
        size_t i = hash(number, set->size);

        while (set->places[i] != 0)
                i = (i + 1) & (set->size - 1);
        set->places[i] = number;
        set->n++;
}

static bool set_has(const Set *set, uint64_t number) {
        for (size_t i = hash(number, set->size); set->places[i] != 0; i = (i + 1) & (set->size - 1))
                if (set->places[i] == number)
                        return true;
        return false;
}

/* Whether it is new. */
static bool set_add(Set *set, uint64_t number) {
        if (number == 0 || set_has(set, number))
                return false;
        if (set->n * 2 >= set->size) {
                Set larger = { .size = set->size * 2 };

                larger.places = allocate(larger.size * sizeof(uint64_t));
                for (size_t i = 0; i < set->size; i++)
                        if (set->places[i] != 0)
                                set_put(&larger, set->places[i]);
                (void) munmap(set->places, set->size * sizeof(uint64_t));
                *set = larger;
        }
        set_put(set, number);
        return true;
}

/* When there are too many accounts, the last place is all the others'. */
static Account *find_account(Sweep *sweep, uint64_t key) {
        size_t at = hash(key, N_ACCOUNTS);

        for (size_t i = 0; i < N_ACCOUNTS; i++) {
                Account *account = &sweep->accounts[(at + i) & (N_ACCOUNTS - 1)];

                if (account->key == key)
                        return account;
                if (account->key == 0) {
                        account->key = key;
                        return account;
                }
        }
        return &sweep->accounts[N_ACCOUNTS - 1];
}

static void send_out(Sweep *sweep) {
        const char *data = (const char *) sweep->out;
        size_t size = sweep->n_out * sizeof(*sweep->out);

        while (size > 0) {
                ssize_t n = write(0, data, size);

                if (n < 0 && errno != EINTR)
                        _exit(1);
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
        }
        sweep->n_out = 0;
}

static void say(Sweep *sweep, uint64_t number) {
        sweep->out[sweep->n_out++] = number;
        if (sweep->n_out == sizeof(sweep->out) / sizeof(*sweep->out))
                send_out(sweep);
}

static void see(Sweep *sweep, uint64_t inode) {
        if (set_add(&sweep->seen, inode))
                say(sweep, inode);
}

/* Note a process's namespace and those above it.  The account is that of the outermost one below
 * ours, zero if the process is in ours. */
static uint64_t see_namespace(Sweep *sweep, int proc) {
        auto_fd fd = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
        uint64_t account = 0;
        struct stat st;

        while (fd >= 0 && fstat(fd, &st) == 0) {
                uid_t owner;
                int parent;

                see(sweep, st.st_ino);
                if (st.st_ino == sweep->task->own_inode)
                        break;
                /* Root makes them for others: then each is one. */
                if (ioctl(fd, NS_GET_OWNER_UID, &owner) == 0 && owner != 0)
                        account = (uint64_t) owner + 1;
                else
                        account = (UINT64_C(1) << 40) + st.st_ino;
                /* Above our own the kernel shows nothing. */
                parent = ioctl(fd, NS_GET_PARENT);
                fd_close(fd);
                fd = parent;
        }
        return account;
}

static void take_first(uint32_t id, void *userdata) {
        uint64_t *user = userdata;

        if (*user == UINT64_MAX)
                *user = id;
}

/* The real UID: the folder's owner may be root because the process does not want to be looked at.
 */
static uint64_t user_of(int proc) {
        auto_fd fd = openat(proc, "status", O_RDONLY | O_CLOEXEC);
        uint64_t user = UINT64_MAX;
        char text[1024];
        ssize_t n;

        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        proc_status_for_each_id(text, take_first, &user);
        return user == UINT64_MAX ? 0 : user;
}

/* "user:[4026531837]" */
static bool parse_link(const char *text, size_t size, uint64_t *ret_inode) {
        static const char prefix[] = "user:[";
        const size_t n = sizeof(prefix) - 1;

        return size > n + 1 && strncmp(text, prefix, n) == 0 && text[size - 1] == ']' &&
               parse_decimal(text + n, size - n - 1, UINT64_MAX, ret_inode);
}

/* Descriptors, by the text of their links alone: to open or stat() one could hang. */
static void see_descriptors(Sweep *sweep, int proc, Account *account) {
        auto_fd folder = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char buffer[ENTRIES_SIZE] __attribute__((aligned(8)));
        ssize_t size;

        while (folder >= 0 && (size = syscall(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);
                        char text[64];
                        uint64_t inode;
                        ssize_t n;

                        at += entry->d_reclen;
                        if (account && account->n_descriptors++ >= sweep->task->descriptors_max)
                                return;
                        n = readlinkat(folder, entry->d_name, text, sizeof(text));
                        if (n > 0 && (size_t) n < sizeof(text) &&
                            parse_link(text, (size_t) n, &inode))
                                see(sweep, inode);
                }
}

/* Of a line of mountinfo, cut at any byte: "ID PARENT MAJOR:MINOR user:[INODE] MOUNTPOINT ...". */
typedef struct Line {
        unsigned n_blanks;
        char word[40]; /* the fourth */
        size_t n;
} Line;

static void take_bytes(Sweep *sweep, Line *line, const char *text, size_t size) {
        for (size_t i = 0; i < size; i++) {
                uint64_t inode;

                if (text[i] == '\n') {
                        *line = (Line){ .n_blanks = 0 };
                } else if (text[i] == ' ') {
                        if (++line->n_blanks == 4 && line->n < sizeof(line->word) &&
                            parse_link(line->word, line->n, &inode))
                                see(sweep, inode);
                } else if (line->n_blanks == 3) {
                        if (line->n < sizeof(line->word))
                                line->word[line->n] = text[i];
                        line->n++;
                }
        }
}

/* Mounts of namespaces, once for all processes in one mount namespace. */
static void see_mounts(Sweep *sweep, int proc, Account *account) {
        auto_fd fd = -1;
        char buffer[ENTRIES_SIZE];
        Line line = { .n_blanks = 0 };
        struct stat st;
        ssize_t n;

        if (account && account->n_mount_bytes >= sweep->task->mount_bytes_max)
                return;
        if (fstatat(proc, "ns/mnt", &st, 0) < 0 || !set_add(&sweep->mounts_seen, st.st_ino))
                return;
        fd = openat(proc, "mountinfo", O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0) {
                take_bytes(sweep, &line, buffer, (size_t) n);
                if (!account)
                        continue;
                account->n_mount_bytes += (uint64_t) n;
                if (account->n_mount_bytes >= sweep->task->mount_bytes_max)
                        return;
        }
}

static void see_process(Sweep *sweep, int folder, const char *name) {
        auto_fd proc = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Account *account = NULL;
        uint64_t key;

        if (proc < 0)
                return; /* gone */
        key = see_namespace(sweep, proc);
        if (key == 0) {
                key = user_of(proc);
                key += key != 0;
        }
        if (key != 0)
                account = find_account(sweep, key);
        see_descriptors(sweep, proc, account);
        see_mounts(sweep, proc, account);
}

static void sweep_proc(Sweep *sweep) {
        auto_fd folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char buffer[ENTRIES_SIZE] __attribute__((aligned(8)));
        ssize_t size;
        uint32_t pid;

        if (folder < 0)
                _exit(1);
        while ((size = syscall(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0)
                for (ssize_t at = 0; at < size;) {
                        const struct dirent64 *entry = (const void *) (buffer + at);

                        at += entry->d_reclen;
                        if (parse_u32(entry->d_name, &pid))
                                see_process(sweep, folder, entry->d_name);
                }
        /* What a folder that cannot be read to its end does not show may live. */
        if (size < 0)
                _exit(1);
}

void userns_sweep_run(const void *data) {
        Sweep sweep = { .task = data };

        child_die_with(sweep.task->parent);
        sweep.seen = (Set){ allocate(SET_SIZE_MIN * sizeof(uint64_t)), SET_SIZE_MIN, 0 };
        sweep.mounts_seen = (Set){ allocate(SET_SIZE_MIN * sizeof(uint64_t)), SET_SIZE_MIN, 0 };
        sweep.accounts = allocate(N_ACCOUNTS * sizeof(Account));
        sweep_proc(&sweep);
        say(&sweep, 0);
        send_out(&sweep);
        _exit(0);
}
