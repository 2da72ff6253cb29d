/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/host-ids.h"
#include "daemon/leftovers/leftovers.h"
#include "daemon/host/slot-locks.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/state/unenforced.h"
#include "lib/table/write.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "tests/unit/fake-policy.h"
#include "tests/unit/holder.h"

/* The order of steps, with a policy that can watch and interfere. */

#define POOL_START 0x10000000u
#define N_SLOTS 4u

/* What the kernel has by UID; shared with the child that asks. */
typedef struct Accounts {
        uint32_t known, lowest, highest, n_asked;
} Accounts;

typedef struct Fixture {
        char *folder;
        TableWriter *table;
        Policy *policy;
        HostIds *host_ids;
        UsernsProbe *probe;
        Unenforced *unenforced;
        SlotLocks *slot_locks;
        Leftovers *leftovers;  /* NULL: no range becomes free */
        UidTrials *uid_trials; /* NULL: UIDs are not tried */
        Accounts *accounts;
        char *kept; /* why, as it was told last */
        Allocator *allocator;
        uint8_t *slots; /* of the policy, shared with children */
        unsigned n_steps, last_step;
        pid_t holder;
        uint32_t account;
        bool answered;
        int result;
} Fixture;

static void fixture_end_holder(Fixture *f) {
        holder_end(f->holder);
        f->holder = 0;
}

static char *path_of(const Fixture *f, const char *name) {
        return g_build_filename(f->folder, name, NULL);
}

static void on_kept(const AllocatorKept *kept, void *userdata) {
        Fixture *f = userdata;

        g_free(f->kept);
        f->kept = g_strdup(kept->why);
}

static void make_allocator(Fixture *f, bool enforced, uint32_t namespaces, uint64_t ids) {
        g_autofree char *locks = path_of(f, "locks");
        AllocatorConfig config = {
                .table = f->table,
                .policy = f->policy,
                .host_ids = f->host_ids,
                .probe = f->probe,
                .unenforced = f->unenforced,
                .leftovers = f->leftovers,
                .uid_trials = f->uid_trials,
                .kept = on_kept,
                .kept_userdata = f,
                .lock_folder = g_intern_string(locks),
                .slot_locks = f->slot_locks,
                .enforced = enforced,
                .namespaces_per_user = namespaces,
                .ids_per_user = ids,
                .quarantined_per_user = 100,
        };

        g_clear_pointer(&f->allocator, allocator_free);
        g_assert_cmpint(allocator_new(&config, &f->allocator), ==, 0);
}

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        g_autofree char *table = NULL, *unenforced = NULL, *locks = NULL;
        PolicyConfig policy_config = {};
        TableOpenReport report = {};
        TableWriterConfig config = { .pool_start = POOL_START, .n_slots = N_SLOTS };

        f->account = 1000;
        f->folder = g_dir_make_tmp("test-allocator-XXXXXX", NULL);
        config.path = table = path_of(f, "table");
        locks = path_of(f, "locks");
        unenforced = path_of(f, "unenforced");
        g_assert_cmpint(table_writer_open(&config, &f->table, &report), ==, 0);
        g_assert_cmpint(policy_open(&policy_config, &f->policy), ==, 0);
        g_assert_cmpint(host_ids_new(f->folder, &f->host_ids), ==, 0);
        g_assert_cmpint(userns_probe_new(&f->probe), ==, 0);
        g_assert_cmpint(unenforced_open(unenforced, &f->unenforced), ==, 0);
        g_assert_cmpint(slot_locks_open(locks, -1, &f->slot_locks), ==, 0);
        make_allocator(f, true, 100, UINT64_C(1) << 32);
        g_assert_cmpint(holder_new(&f->holder), ==, 0);
}

/* As systemd-nspawn would find the slot: the lock file that it opens or makes. */
static bool is_locked(const Fixture *f, uint32_t slot) {
        g_autofree char *path =
                g_strdup_printf("%s/locks/%u", f->folder, POOL_START + slot * TABLE_SLOT_SIZE);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        auto_fd fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return false;
        return fcntl(fd, F_OFD_SETLK, &lock) < 0 && errno == EAGAIN;
}

/* Whatever a test did: what is not free is locked, and nothing else; nothing else lies there. */
static void check_locks(const Fixture *f) {
        g_autofree char *path = path_of(f, "locks");
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        unsigned n = 1, n_files = 0; /* the one file's first name */

        for (uint32_t slot = 0; slot < N_SLOTS; slot++) {
                bool is_free = table_writer_state(f->table, slot) == TABLE_STATE_FREE;

                g_assert_true(is_locked(f, slot) == !is_free);
                n += !is_free;
        }
        while (g_dir_read_name(dir))
                n_files++;
        g_assert_cmpuint(n_files, ==, n);
}

static void remove_locks(const Fixture *f) {
        g_autofree char *path = path_of(f, "locks");
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                g_assert_cmpint(g_unlink(file), ==, 0);
        }
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
        const char *name;

        if (f->holder > 0)
                fixture_end_holder(f);
        leftovers_free(f->leftovers);
        check_locks(f);
        allocator_free(f->allocator);
        uid_trials_free(f->uid_trials);
        if (f->accounts)
                (void) munmap(f->accounts, sizeof(*f->accounts));
        g_free(f->kept);
        slot_locks_free(f->slot_locks);
        remove_locks(f);
        /* Helpers are reaped on the loop. */
        while (userns_helper_count() > 0)
                g_main_context_iteration(NULL, TRUE);
        table_writer_free(f->table);
        policy_free(f->policy);
        host_ids_free(f->host_ids);
        userns_probe_free(f->probe);
        unenforced_free(f->unenforced);
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = path_of(f, name);

                g_assert_true(g_remove(path) == 0);
        }
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
}

static void done(int result, void *userdata) {
        Fixture *f = userdata;

        f->answered = true;
        f->result = result;
}

static void read_map(pid_t pid, const char *map, char **ret_text) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, map);

        g_assert_cmpint(file_read(AT_FDCWD, path, 4096, ret_text, NULL), ==, 0);
}

/* Ask and wait for the answer. */
static int request(
        Fixture *f, const char *name, uint32_t size,
        int (*start)(Allocator *, const AllocatorRequest *, AllocatorDoneFunc, void *)) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", f->holder);
        AllocatorRequest r = { .name = name, .size = size, .account_uid = f->account };
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
        UsernsIdentity own;
        bool parent_is_own;

        g_assert_cmpint(userns_self(&own), ==, 0);
        g_assert_cmpint(userns_inspect(fd, &own, &r.identity, &r.owner_uid, &parent_is_own), ==, 0);
        g_assert_cmpint(userns_outer_owner(fd, &own, &r.outer_owner_uid), ==, 0);
        r.userns_fd = fd;
        r.nested = !parent_is_own;
        f->answered = false;
        g_assert_cmpint(start(f->allocator, &r, done, f), ==, 0);
        while (!f->answered)
                g_main_context_iteration(NULL, TRUE);
        return f->result;
}

static uint32_t count(Fixture *f, uint32_t state) {
        TableCounts counts;

        table_writer_count(f->table, &counts);
        return counts.n[state];
}

static void assert_unmapped(uint32_t first_record, uint32_t n_records, void *userdata) {
        Fixture *f = userdata;
        g_autofree char *uid_map = NULL, *gid_map = NULL;

        read_map(f->holder, "uid_map", &uid_map);
        read_map(f->holder, "gid_map", &gid_map);
        g_assert_cmpstr(uid_map, ==, "");
        g_assert_cmpstr(gid_map, ==, "");
        g_assert_cmpuint(table_writer_state(f->table, first_record), ==, TABLE_STATE_RESERVED);
        g_assert_true(is_locked(f, first_record));
}

static void test_protected_before_mapped(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        g_autofree char *uid_map = NULL, *gid_map = NULL, *expected = NULL;
        const TableRecord *record;

        fake->on_protect = assert_unmapped;
        fake->userdata = f;
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        g_assert_cmpuint(fake->n_protected, ==, 1);
        g_assert_cmpuint(fake->last_n_records, ==, 2);
        record = table_writer_record(f->table, fake->last_record);
        read_map(f->holder, "uid_map", &uid_map);
        read_map(f->holder, "gid_map", &gid_map);
        expected = g_strdup_printf("%10u %10u %10u\n", 0u, record->start, 131072u);
        g_assert_cmpstr(uid_map, ==, expected);
        g_assert_cmpstr(gid_map, ==, expected);
        g_assert_cmpuint(count(f, TABLE_STATE_ACTIVE), ==, 1);
        g_assert_false(unenforced_is_marked(f->unenforced, record->start));
}

static void test_protect_fails(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        g_autofree char *uid_map = NULL;

        fake->protect_result = -EIO;
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, -EIO);
        fake->protect_result = POLICY_E_FULL;
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, ALLOCATOR_E_EXHAUSTED);
        /* What failed lent nothing; the records may be protected for somebody else. */
        g_assert_cmpuint(fake->n_unprotected, ==, 0);
        for (uint32_t state = TABLE_STATE_RESERVED; state < TABLE_STATE_COUNT; state++)
                g_assert_cmpuint(count(f, state), ==, 0);
        read_map(f->holder, "uid_map", &uid_map);
        g_assert_cmpstr(uid_map, ==, "");
}

/* The kernel finds a single ID through the slot that was split into it. */
static void test_single_is_split(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        const TableRecord *record;
        uint32_t offset;

        g_assert_cmpint(request(f, "a", 1, allocator_allocate), ==, 0);
        record = table_writer_record(f->table, fake->last_record);
        offset = record->start - table_writer_header(f->table)->pool_start;
        g_assert_cmpuint(fake->n_split, ==, 1);
        g_assert_cmpuint(fake->split_slot, ==, offset / TABLE_SLOT_SIZE);
        g_assert_cmpuint(
                table_writer_header(f->table)->n_slots + fake->split_first_single +
                        offset % TABLE_SLOT_SIZE,
                ==, fake->last_record);
}

/* What a client can do at the worst moment: after the check, before our write. */
static void write_own_gid_map(uint32_t first_record, uint32_t n_records, void *userdata) {
        Fixture *f = userdata;
        g_autofree char *path = g_strdup_printf("/proc/%d/gid_map", f->holder);
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(file_write_all(fd, "0 0 1", 5), ==, 0);
}

static void test_client_writes_in_between(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        uint32_t cursor = 0, record;

        fake->on_protect = write_own_gid_map;
        fake->userdata = f;
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, ALLOCATOR_E_NOT_EMPTY);
        /* Our uid_map was written: the slot stays protected and taken, without a name. */
        record = fake->last_record;
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_MAPPING);
        g_assert_cmpuint(fake->n_unprotected, ==, 0);
        (void) allocator_reconcile(f->allocator, false, &cursor, UINT32_MAX);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_MAPPING);

        fixture_end_holder(f);
        for (unsigned i = 0; i < 400 && table_writer_state(f->table, record) == TABLE_STATE_MAPPING;
             i++) {
                /* A helper keeps the namespace until it is reaped, on the loop. */
                while (g_main_context_iteration(NULL, FALSE))
                        ;
                g_usleep(10000);
                cursor = 0;
                (void) userns_probe_refresh(f->probe);
                (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
        }
        g_assert_cmpuint(table_writer_state(f->table, record), !=, TABLE_STATE_MAPPING);
}

/* The kernel's word on an end is proof; its word on a life keeps what was only not seen. */
static void test_kernel_is_witness(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        uint32_t cursor = 0, record;

        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake->last_record;
        g_clear_pointer(&f->probe, userns_probe_free);
        g_assert_cmpint(userns_probe_new_with(USERNS_PROOF_SWEEP, &f->probe), ==, 0);
        make_allocator(f, true, 100, UINT64_C(1) << 32);
        fake->slot = POLICY_SLOT_FREE;
        g_assert_true(allocator_needs_sweep(f->allocator));
        /* No sweep has been made yet, so none has seen it. */
        fake->slot = POLICY_SLOT_LENT;
        g_assert_false(allocator_needs_sweep(f->allocator));
        (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);

        fake->slot = POLICY_SLOT_ORPHANED;
        cursor = 0;
        g_assert_cmpuint(allocator_reconcile(f->allocator, false, &cursor, UINT32_MAX), ==, 1);
        g_assert_cmpuint(fake->n_orphaned, ==, 1);
        g_assert_cmpuint(table_writer_state(f->table, record), !=, TABLE_STATE_ACTIVE);
}

/* The kernel's report is believed of the record that its namespace has, when the kernel's own
 * record says so, too. */
static void test_report_names_its_namespace(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        uint64_t inode;
        uint32_t record;

        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake->last_record;
        inode = table_writer_record(f->table, record)->userns_inode;
        fake->slot = POLICY_SLOT_LENT;
        g_assert_false(allocator_release_ended(f->allocator, inode));
        fake->slot = POLICY_SLOT_ORPHANED;
        g_assert_false(allocator_release_ended(f->allocator, 0));
        g_assert_false(allocator_release_ended(f->allocator, inode + 1));
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);
        g_assert_true(allocator_release_ended(f->allocator, inode));
        g_assert_cmpuint(table_writer_state(f->table, record), !=, TABLE_STATE_ACTIVE);
        g_assert_false(allocator_release_ended(f->allocator, inode));
}

static void test_unenforced_is_marked_before_mapped(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);

        make_allocator(f, false, 100, UINT64_C(1) << 32);
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        for (uint32_t i = 0; i < 2; i++)
                g_assert_true(unenforced_is_marked(
                        f->unenforced, POOL_START + (fake->last_record + i) * 65536));
        g_assert_cmpuint(unenforced_count(f->unenforced), ==, 2);
}

static void test_quota(Fixture *f, gconstpointer unused) {
        make_allocator(f, true, 100, 131071);
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, ALLOCATOR_E_QUOTA);
        make_allocator(f, true, 100, 131072);
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        fixture_end_holder(f);
        g_assert_cmpint(holder_new(&f->holder), ==, 0);
        make_allocator(f, true, 0, 131072);
        g_assert_cmpint(request(f, "b", 1, allocator_allocate), ==, ALLOCATOR_E_QUOTA);
}

static void test_register_needs_own_ids(Fixture *f, gconstpointer unused) {
        /* An empty map is nobody's. */
        g_assert_cmpint(request(f, "r", 0, allocator_register), ==, ALLOCATOR_E_NOT_OWN_IDS);
        g_assert_cmpuint(count(f, TABLE_STATE_ACTIVE), ==, 0);
}

/* Whoever waits is told, and keeps nothing that nobody will free. */
static void test_freed_with_a_request(Fixture *f, gconstpointer unused) {
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", f->holder);
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
        AllocatorRequest r = { .userns_fd = fd, .name = "a", .size = 65536 };

        g_assert_cmpint(allocator_allocate(f->allocator, &r, done, f), ==, 0);
        g_assert_false(f->answered);
        g_clear_pointer(&f->allocator, allocator_free);
        g_assert_true(f->answered);
        g_assert_cmpint(f->result, ==, -ECANCELED);
        g_assert_cmpuint(count(f, TABLE_STATE_RESERVED), ==, 0);
}

/* from releasing to free */

#define N_RECORDS (N_SLOTS + TABLE_SINGLES_MAX + TABLE_REGISTRATIONS_MAX)

/* Nothing of the host's is looked at: a /proc without processes, IPC of this test's own. */
static void use_leftovers(Fixture *f, bool enforced) {
        g_autofree char *proc = path_of(f, "proc"), *none = path_of(f, "none");
        LeftoversConfig config = {
                .proc_folder = proc,
                .run_user_folder = none,
                .linger_folder = none,
        };

        (void) g_mkdir(proc, 0755);
        g_clear_pointer(&f->leftovers, leftovers_free);
        g_assert_cmpint(leftovers_new(&config, &f->leftovers), ==, 0);
        f->slots = mmap(NULL, N_RECORDS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_assert_true(f->slots != MAP_FAILED);
        fake_policy(f->policy)->slots = f->slots;
        make_allocator(f, enforced, 100, UINT64_C(1) << 32);
}

/* As the kernel does at a namespace's end. */
static void kernel_sees_end(Fixture *f, uint32_t record) {
        uint32_t records[TABLE_RANGE_RECORDS_MAX];
        uint32_t n = table_writer_list_records(f->table, record, records);

        for (uint32_t i = 0; i < n; i++)
                f->slots[records[i]] = POLICY_SLOT_ORPHANED;
}

static void reconcile(Fixture *f) {
        uint32_t cursor = 0;

        (void) allocator_reconcile(f->allocator, false, &cursor, UINT32_MAX);
}

static void run_until_state(Fixture *f, uint32_t record, uint32_t state) {
        while (table_writer_state(f->table, record) != state)
                g_main_context_iteration(NULL, TRUE);
}

static void test_becomes_free(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, true);
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        reconcile(f);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);

        kernel_sees_end(f, record);
        reconcile(f);
        /* Its name is free at once, the range only when it was looked for leftovers. */
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_RELEASING);
        g_assert_cmpuint(table_writer_find_name(f->table, "a"), ==, TABLE_NONE);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_ORPHANED);
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_state(f->table, record + 1), ==, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_FREE);
        g_assert_cmpuint(f->slots[record + 1], ==, POLICY_SLOT_FREE);
}

static void test_single_becomes_free(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, true);
        g_assert_cmpint(request(f, "a", 1, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        g_assert_cmpuint(record, >=, N_SLOTS);
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_FREE);
}

static void test_delegated_become_free(Fixture *f, gconstpointer unused) {
        TableRange range = { .name = "d", .userns_inode = 1, .size = 65536, .n_delegated = 2 };
        uint32_t record, records[TABLE_RANGE_RECORDS_MAX], n;

        use_leftovers(f, true);
        g_assert_cmpint(table_writer_reserve(f->table, &range, NULL, NULL, &record), ==, 0);
        table_writer_set_state(f->table, record, TABLE_STATE_MAPPING);
        table_writer_set_state(f->table, record, TABLE_STATE_ACTIVE);
        n = table_writer_list_records(f->table, record, records);
        g_assert_cmpuint(n, ==, 3);
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_state(f, record, TABLE_STATE_FREE);
        for (uint32_t i = 0; i < n; i++) {
                g_assert_cmpuint(table_writer_state(f->table, records[i]), ==, TABLE_STATE_FREE);
                g_assert_cmpuint(f->slots[records[i]], ==, POLICY_SLOT_FREE);
        }
}

/* Quarantined for good: looked at once more, it would not change. */
static void assert_stays(Fixture *f, uint32_t record) {
        run_until_state(f, record, TABLE_STATE_QUARANTINED);
        reconcile(f);
        for (unsigned i = 0; i < 30; i++) {
                (void) g_main_context_iteration(NULL, FALSE);
                g_usleep(2000);
        }
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_QUARANTINED);
        g_assert_cmpuint(f->slots[record], !=, POLICY_SLOT_FREE);
}

static void test_unenforced_stays(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, false);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        /* Also when the policy is in force now, and its mark was lost. */
        g_assert_cmpint(unenforced_clear(f->unenforced, POOL_START + record * 65536), ==, 0);
        make_allocator(f, true, 100, UINT64_C(1) << 32);
        kernel_sees_end(f, record);
        reconcile(f);
        assert_stays(f, record);
}

/* What one account has put out of use is charged to it, and another is served. */
static void test_quarantined_is_charged(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, false);
        allocator_set_quotas(f->allocator, 1, 65536, 2);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
                record = fake_policy(f->policy)->last_record;
                g_assert_cmpuint(
                        unenforced_account(f->unenforced, POOL_START + record * 65536), ==, 1000);
                kernel_sees_end(f, record);
                reconcile(f);
                assert_stays(f, record);
                fixture_end_holder(f);
                g_assert_cmpint(holder_new(&f->holder), ==, 0);
        }
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, ALLOCATOR_E_QUARANTINED);
        g_assert_cmpint(request(f, "a", 1, allocator_allocate), ==, ALLOCATOR_E_QUARANTINED);
        /* One that was lent with the policy would become free, but there is enough. */
        make_allocator(f, true, 1, 65536);
        allocator_set_quotas(f->allocator, 1, 65536, 2);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, ALLOCATOR_E_QUARANTINED);
        f->account = 1001;
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
}

/* Lent with the policy in force, which was gone for a while. */
static void test_unprotected_once_stays(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, true);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        g_assert_cmpint(unenforced_mark(f->unenforced, POOL_START + record * 65536, 1000), ==, 0);
        kernel_sees_end(f, record);
        reconcile(f);
        assert_stays(f, record);
}

/* What was released without proof becomes free when there is one. */
static void test_late_proof(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, true);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        allocator_release(f->allocator, record, false);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_QUARANTINED);
        assert_stays(f, record);
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_FREE);
}

/* Slots that the table knows nothing of: those the kernel saw the end of become free, those that
 * something of the host's uses do not. */
static void test_lost_table(Fixture *f, gconstpointer unused) {
        use_leftovers(f, true);
        for (uint32_t slot = 0; slot < 3; slot++)
                table_writer_quarantine_slot(f->table, slot, 0, TABLE_NONE);
        f->slots[0] = POLICY_SLOT_ORPHANED;
        f->slots[1] = POLICY_SLOT_LENT;
        reconcile(f);
        run_until_state(f, 0, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[0], ==, POLICY_SLOT_FREE);
        g_assert_cmpuint(table_writer_state(f->table, 1), ==, TABLE_STATE_QUARANTINED);
        g_assert_cmpuint(table_writer_state(f->table, 2), ==, TABLE_STATE_QUARANTINED);
        f->slots[1] = POLICY_SLOT_ORPHANED;
        reconcile(f);
        run_until_state(f, 1, TABLE_STATE_FREE);
        g_assert_cmpuint(table_writer_state(f->table, 2), ==, TABLE_STATE_QUARANTINED);
}

/* Our own time is not the account's, but what cannot be removed is. */
static void test_busy_is_charged(Fixture *f, gconstpointer unused) {
        g_autofree char *passwd = path_of(f, "passwd"), *line = NULL;
        uint32_t record, n_ranges;
        uint64_t n_ids;

        use_leftovers(f, true);
        make_allocator(f, true, 1, 65536);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        line = g_strdup_printf("eve:x:%u:0::/:\n", POOL_START + record * TABLE_SLOT_SIZE + 9);
        g_assert_true(g_file_set_contents(passwd, line, -1, NULL));
        kernel_sees_end(f, record);
        reconcile(f);
        table_writer_usage(f->table, 1000, &n_ranges, &n_ids);
        g_assert_cmpuint(n_ranges, ==, 1);
        fixture_end_holder(f);
        /* Until the first look is over, which may be any time, another one is allowed. */
        for (int r = 0; r != ALLOCATOR_E_QUOTA;) {
                g_assert_cmpint(holder_new(&f->holder), ==, 0);
                r = request(f, "c", 65536, allocator_allocate);
                g_assert_true(r == ALLOCATOR_E_QUOTA || r == 0 || r == ALLOCATOR_E_EXHAUSTED);
                fixture_end_holder(f);
                if (r == 0) {
                        kernel_sees_end(f, fake_policy(f->policy)->last_record);
                        reconcile(f);
                }
        }
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_RELEASING);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_ORPHANED);
        g_assert_cmpint(g_unlink(passwd), ==, 0);
        run_until_state(f, record, TABLE_STATE_FREE);
}

#define EFFECTIVE_UID (POOL_START + N_SLOTS * TABLE_SLOT_SIZE)

static int ask_for_account(uint32_t uid, void *userdata) {
        Accounts *accounts = userdata;
        static uint32_t last, last_but_one;

        if (uid == accounts->known || (last == EFFECTIVE_UID && uid == last_but_one))
                return -EUSERS;
        last_but_one = last;
        last = uid;
        if (uid == EFFECTIVE_UID)
                return 0;
        accounts->lowest = accounts->n_asked == 0 ? uid : MIN(uid, accounts->lowest);
        accounts->highest = MAX(uid, accounts->highest);
        accounts->n_asked++;
        return 0;
}

static int ask_for_key(void *userdata) {
        return -ENOKEY; /* none is charged for any */
}

static void use_uid_trials(Fixture *f) {
        UidTrialsConfig config = { .effective_uid = EFFECTIVE_UID,
                                   .become = ask_for_account,
                                   .get_key = ask_for_key };

        f->accounts =
                mmap(NULL, sizeof(*f->accounts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
        g_assert_true(f->accounts != MAP_FAILED);
        config.userdata = f->accounts;
        f->uid_trials = uid_trials_new(&config);
        use_leftovers(f, true);
}

static void run_until_told(Fixture *f, uint32_t record) {
        while (!f->kept) {
                g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_RELEASING);
                g_main_context_iteration(NULL, TRUE);
        }
}

static void test_known_uid_stays(Fixture *f, gconstpointer unused) {
        g_autofree char *why = NULL;
        uint32_t record, n_ranges, uid;
        uint64_t n_ids;

        use_uid_trials(f);
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        g_assert_cmpuint(fake_policy(f->policy)->n_forgotten, ==, 2);
        uid = POOL_START + (record + 1) * TABLE_SLOT_SIZE + 70;
        fake_policy(f->policy)->unused_from = 1;
        f->accounts->known = uid;
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_told(f, record);
        why = g_strdup_printf(
                "UID %u is still known to the kernel: descriptors in flight, pipes or the like",
                uid);
        g_assert_cmpstr(f->kept, ==, why);
        /* Charged, and nobody else's. */
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_RELEASING);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_ORPHANED);
        table_writer_usage(f->table, f->account, &n_ranges, &n_ids);
        g_assert_cmpuint(n_ids, ==, 131072);

        f->accounts->known = 0;
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[record + 1], ==, POLICY_SLOT_FREE);
}

/* Of each slot what may have been used, and nothing else. */
static void test_unused_uids_are_not_tried(Fixture *f, gconstpointer unused) {
        uint32_t record, start;

        use_uid_trials(f);
        fake_policy(f->policy)->unused_from = 3;
        g_assert_cmpint(request(f, "a", 131072, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        start = POOL_START + record * TABLE_SLOT_SIZE;
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(f->accounts->lowest, ==, start);
        g_assert_cmpuint(
                f->accounts->highest, ==, start + TABLE_SLOT_SIZE + 3 * POLICY_UIDS_PER_CHUNK - 1);
        g_assert_cmpuint(f->accounts->n_asked, ==, 2 * 3 * POLICY_UIDS_PER_CHUNK);

        /* A single ID is one. */
        f->accounts->n_asked = 0;
        fixture_end_holder(f);
        g_assert_cmpint(holder_new(&f->holder), ==, 0);
        g_assert_cmpint(request(f, "b", 1, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        start = table_writer_record(f->table, record)->start;
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_state(f, record, TABLE_STATE_FREE);
        g_assert_cmpuint(f->accounts->n_asked, ==, 1);
        g_assert_cmpuint(f->accounts->lowest, ==, start);
}

/* Nobody can tell: it is not lent again. */
static void test_untried_stays(Fixture *f, gconstpointer unused) {
        uint32_t record;

        f->uid_trials = uid_trials_new(&(UidTrialsConfig){});
        use_leftovers(f, true);
        g_assert_cmpint(request(f, "a", 65536, allocator_allocate), ==, 0);
        record = fake_policy(f->policy)->last_record;
        kernel_sees_end(f, record);
        reconcile(f);
        run_until_told(f, record);
        g_assert_cmpstr(
                f->kept, ==, "it could not be found out whether the kernel still knows its UIDs");
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_RELEASING);
}

static void write_text(pid_t pid, const char *file, const char *text) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, file);
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(file_write_all(fd, text, strlen(text)), ==, 0);
}

/* It lends nothing; the kernel reports its end all the same. */
static void test_registration_ends(Fixture *f, gconstpointer unused) {
        uint32_t record;

        use_leftovers(f, true);
        write_text(f->holder, "uid_map", "0 0 1");
        write_text(f->holder, "gid_map", "0 0 1");
        g_assert_cmpint(request(f, "r", 0, allocator_register), ==, 0);
        record = table_writer_find_name(f->table, "r");
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_LENT);
        reconcile(f);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);
        kernel_sees_end(f, record);
        reconcile(f);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_FREE);
        g_assert_cmpuint(f->slots[record], ==, POLICY_SLOT_FREE);
}

static void on_step(void *userdata) {
        Fixture *f = userdata;

        if (f->n_steps++ == f->last_step)
                _exit(1);
}

/* In a process of its own: set the range free, and be killed at step number `last_step`, which is
 * a change of the kernel's records or a turn of the main loop.  Whether it came to the end. */
static bool set_free_and_die(Fixture *f, const TableWriterConfig *config, uint32_t record) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                TableOpenReport report = {};

                if (table_writer_open(config, &f->table, &report) != 0)
                        _exit(2);
                make_allocator(f, true, 100, UINT64_C(1) << 32);
                fake_policy(f->policy)->on_step = on_step;
                fake_policy(f->policy)->userdata = f;
                f->n_steps = 0;
                reconcile(f);
                while (table_writer_state(f->table, record) != TABLE_STATE_FREE) {
                        on_step(f);
                        (void) g_main_context_iteration(NULL, TRUE);
                }
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        return WEXITSTATUS(status) == 0;
}

/* Whatever a daemon had done when it was killed, the next one sets the range free: once. */
static void test_killed_at_each_step(Fixture *f, gconstpointer unused) {
        g_autofree char *path = path_of(f, "table");
        TableWriterConfig config = { .path = path, .pool_start = POOL_START, .n_slots = N_SLOTS };
        bool finished = false;

        use_leftovers(f, true);
        for (f->last_step = 0; !finished; f->last_step++) {
                TableRange range = { .name = "d",
                                     .userns_inode = 1 + f->last_step,
                                     .size = 65536,
                                     .n_delegated = 1 };
                TableOpenReport report = {};
                uint32_t record;

                g_assert_cmpint(table_writer_reserve(f->table, &range, NULL, NULL, &record), ==, 0);
                table_writer_set_state(f->table, record, TABLE_STATE_MAPPING);
                table_writer_set_state(f->table, record, TABLE_STATE_ACTIVE);
                kernel_sees_end(f, record);
                g_clear_pointer(&f->allocator, allocator_free);
                g_clear_pointer(&f->table, table_writer_free);
                finished = set_free_and_die(f, &config, record);

                g_assert_cmpint(table_writer_open(&config, &f->table, &report), ==, 0);
                make_allocator(f, true, 100, UINT64_C(1) << 32);
                reconcile(f);
                run_until_state(f, record, TABLE_STATE_FREE);
                for (uint32_t slot = 0; slot < N_SLOTS; slot++) {
                        g_assert_cmpuint(f->slots[slot], ==, POLICY_SLOT_FREE);
                        g_assert_cmpuint(table_writer_state(f->table, slot), ==, TABLE_STATE_FREE);
                }
        }
        g_assert_cmpuint(f->last_step, >, 5);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/allocator/protected-before-mapped", test_protected_before_mapped },
                { "/allocator/protect-fails", test_protect_fails },
                { "/allocator/single-is-split", test_single_is_split },
                { "/allocator/client-writes-in-between", test_client_writes_in_between },
                { "/allocator/report-names-its-namespace", test_report_names_its_namespace },
                { "/allocator/kernel-is-witness", test_kernel_is_witness },
                { "/allocator/unenforced-is-marked", test_unenforced_is_marked_before_mapped },
                { "/allocator/quota", test_quota },
                { "/allocator/register-needs-own-ids", test_register_needs_own_ids },
                { "/allocator/freed-with-a-request", test_freed_with_a_request },
                { "/allocator/becomes-free", test_becomes_free },
                { "/allocator/single-becomes-free", test_single_becomes_free },
                { "/allocator/delegated-become-free", test_delegated_become_free },
                { "/allocator/unenforced-stays", test_unenforced_stays },
                { "/allocator/quarantined-is-charged", test_quarantined_is_charged },
                { "/allocator/unprotected-once-stays", test_unprotected_once_stays },
                { "/allocator/late-proof", test_late_proof },
                { "/allocator/lost-table", test_lost_table },
                { "/allocator/busy-is-charged", test_busy_is_charged },
                { "/allocator/known-uid-stays", test_known_uid_stays },
                { "/allocator/unused-uids-are-not-tried", test_unused_uids_are_not_tried },
                { "/allocator/untried-stays", test_untried_stays },
                { "/allocator/registration-ends", test_registration_ends },
                { "/allocator/killed-at-each-step", test_killed_at_each_step },
        };

        g_test_init(&argc, &argv, NULL);
        if (geteuid() != 0 || unshare(CLONE_NEWIPC) < 0) {
                g_printerr("Bail out! needs root: maps of ranges are written\n");
                return 77;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}
