/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>

#include "daemon/allocator/allocator.h"
#include "daemon/host/host-ids.h"
#include "daemon/limits.h"
#include "daemon/host/slot-locks.h"
#include "daemon/state/unenforced.h"
#include "lib/table/write.h"
#include "tests/unit/fake-policy.h"
#include "tests/unit/leftovers-fixture.h"

/* Looks for leftovers that really hang: a process of somebody else reads a folder of /run/user/UID
 * into memory that never answers, and the kernel keeps the folder for it; whoever empties it waits,
 * and no signal reaches them. */

#define N_SLOTS 16u
#define ROGUE 1000u
#define OTHER 1001u
#define THIRD 1002u

typedef struct Host {
        Fixture *f;
        TableWriter *table;
        Policy *policy;
        HostIds *host_ids;
        Unenforced *unenforced;
        SlotLocks *slot_locks;
        UsernsProbe *probe;
        Allocator *allocator;
        unsigned n_ranges;
} Host;

static void host_set_up(Host *h, Fixture *f) {
        g_autofree char *table = path_in(f->folder, "table"),
                        *unenforced = path_in(f->folder, "unenforced"),
                        *locks = path_in(f->folder, "locks");
        TableWriterConfig table_config = { .pool_start = START, .n_slots = N_SLOTS, .path = table };
        PolicyConfig policy_config = {};
        TableOpenReport report = {};
        AllocatorConfig config = { .enforced = true };

        *h = (Host){ .f = f };
        g_assert_cmpint(table_writer_open(&table_config, &h->table, &report), ==, 0);
        g_assert_cmpint(policy_open(&policy_config, &h->policy), ==, 0);
        fake_policy(h->policy)->slot = POLICY_SLOT_ORPHANED;
        g_assert_cmpint(host_ids_new(f->etc, &h->host_ids), ==, 0);
        g_assert_cmpint(unenforced_open(unenforced, &h->unenforced), ==, 0);
        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &h->probe), ==, 0);
        g_assert_cmpint(slot_locks_open(locks, -1, &h->slot_locks), ==, 0);
        config.table = h->table;
        config.policy = h->policy;
        config.host_ids = h->host_ids;
        config.unenforced = h->unenforced;
        config.lock_folder = g_intern_string(locks);
        config.slot_locks = h->slot_locks;
        config.probe = h->probe;
        config.leftovers = f->leftovers;
        g_assert_cmpint(allocator_new(&config, &h->allocator), ==, 0);
}

static void host_tear_down(Host *h) {
        g_clear_pointer(&h->f->leftovers, leftovers_free);
        allocator_free(h->allocator);
        table_writer_free(h->table);
        policy_free(h->policy);
        host_ids_free(h->host_ids);
        unenforced_free(h->unenforced);
        slot_locks_free(h->slot_locks);
        userns_probe_free(h->probe);
}

static uint32_t add_range(Host *h, uint32_t account) {
        g_autofree char *name = g_strdup_printf("n%u", h->n_ranges);
        TableRange range = {
                .name = name,
                .owner_uid = account,
                .account_uid = account,
                .userns_inode = 1000 + h->n_ranges++,
                .size = TABLE_SLOT_SIZE,
        };
        uint32_t record;

        g_assert_cmpint(table_writer_reserve(h->table, &range, NULL, NULL, &record), ==, 0);
        table_writer_set_state(h->table, record, TABLE_STATE_MAPPING);
        table_writer_set_state(h->table, record, TABLE_STATE_ACTIVE);
        return record;
}

static char *run_user_of(const Host *h, uint32_t record) {
        return g_strdup_printf(
                "%s/%u", h->f->run_user, table_writer_record(h->table, record)->start);
}

/* Memory whose first touch waits for this process itself. */
static void *memory_without_answer(void) {
        struct uffdio_api api = { .api = UFFD_API };
        struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
        int fd = (int) syscall(SYS_userfaultfd, O_CLOEXEC);
        void *memory;

        memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        area.range.start = (uintptr_t) memory;
        area.range.len = 65536;
        if (fd < 0 || memory == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) < 0 ||
            ioctl(fd, UFFDIO_REGISTER, &area) < 0)
                _exit(1);
        return memory;
}

static void make_folder(const Host *h, uint32_t record) {
        g_autofree char *path = run_user_of(h, record);

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        make_file(path, "file");
}

/* Make /run/user/UID of the range, and have a process keep it. */
static pid_t keep_folder(const Host *h, uint32_t record) {
        g_autofree char *path = run_user_of(h, record), *path_of_call = NULL, *call = NULL;
        int ready[2];
        char byte;
        pid_t pid;

        make_folder(h, record);
        g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                void *memory = memory_without_answer();

                if (fd < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                (void) syscall(SYS_getdents64, fd, memory, 65536);
                _exit(1);
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
        path_of_call = g_strdup_printf("/proc/%d/syscall", (int) pid);
        call = g_strdup_printf("%d ", SYS_getdents64);
        for (;;) {
                g_autofree char *text = NULL;

                g_assert_true(g_file_get_contents(path_of_call, &text, NULL, NULL));
                if (g_str_has_prefix(text, call))
                        return pid;
                g_usleep(1000);
        }
}

static void let_go(pid_t pid) {
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

typedef struct Expected {
        Host *h;
        uint32_t record;
} Expected;

static gboolean is_taken(gconstpointer data) {
        const Expected *e = data;

        return table_writer_state(e->h->table, e->record) != TABLE_STATE_FREE;
}

static void run_until_free(Host *h, uint32_t record) {
        const Expected expected = { h, record };

        g_assert_true(unit_run_while(is_taken, &expected, WAIT_MSEC));
}

static int make_semaphores(const Host *h, uint32_t record) {
        struct semid_ds given = { .sem_perm.uid = table_writer_record(h->table, record)->start };
        int id = semget(IPC_PRIVATE, 1, 0600);

        g_assert_cmpint(id, >=, 0);
        g_assert_cmpint(semctl(id, 0, IPC_SET, &given), ==, 0);
        return id;
}

/* Who made it hang waits, and nobody else: neither who ended with it, nor who ends later. */
static void test_hangs(Fixture *f, gconstpointer unused) {
        uint32_t rogue, more, other, later;
        Host h;
        pid_t pid;
        int id;

        host_set_up(&h, f);
        rogue = add_range(&h, ROGUE);
        more = add_range(&h, ROGUE);
        other = add_range(&h, OTHER);
        later = add_range(&h, THIRD);
        pid = keep_folder(&h, rogue);
        id = make_semaphores(&h, other);
        make_folder(&h, other);
        make_folder(&h, later);
        allocator_release(h.allocator, rogue, true);
        allocator_release(h.allocator, other, true);
        run_until_free(&h, other);
        g_assert_cmpint(semctl(id, 0, GETVAL), ==, -1);
        g_assert_cmpuint(table_writer_state(h.table, rogue), ==, TABLE_STATE_RELEASING);

        allocator_release(h.allocator, more, true);
        allocator_release(h.allocator, later, true);
        run_until_free(&h, later);
        g_assert_cmpuint(table_writer_state(h.table, rogue), ==, TABLE_STATE_RELEASING);

        let_go(pid);
        run_until_free(&h, rogue);
        run_until_free(&h, more);
        g_assert_false(there(f->run_user, "536870912"));
        host_tear_down(&h);
}

/* Each of them, and each joint look before it is known, keeps a place; others still have one. */
static void test_many_hang(Fixture *f, gconstpointer unused) {
        uint32_t rogues[LIMIT_LEFTOVERS_JOINT + 1];
        pid_t pids[G_N_ELEMENTS(rogues)];
        Host h;

        host_set_up(&h, f);
        for (size_t i = 0; i < G_N_ELEMENTS(rogues); i++) {
                uint32_t other = add_range(&h, OTHER);

                rogues[i] = add_range(&h, ROGUE + 100 + (uint32_t) i);
                pids[i] = keep_folder(&h, rogues[i]);
                allocator_release(h.allocator, rogues[i], true);
                allocator_release(h.allocator, other, true);
                run_until_free(&h, other);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(rogues); i++)
                let_go(pids[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(rogues); i++)
                run_until_free(&h, rogues[i]);
        host_tear_down(&h);
}

int main(int argc, char **argv) {
        static const LeftoversTest tests[] = {
                { "/allocator-leftovers/hangs", test_hangs },
                { "/allocator-leftovers/many-hang", test_many_hang },
        };

        return run_isolated(argc, argv, tests, G_N_ELEMENTS(tests));
}
