/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host-ids.h"
#include "daemon/unenforced.h"
#include "lib/table/table-write.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "tests/unit/fake-policy.h"
#include "tests/unit/holder.h"

/* The order of steps, with a policy that can watch and interfere. */

#define POOL_START 0x10000000u
#define N_SLOTS 4u

typedef struct Fixture {
        char *folder;
        TableWriter *table;
        Policy *policy;
        HostIds *host_ids;
        UsernsProbe *probe;
        Unenforced *unenforced;
        Allocator *allocator;
        pid_t holder;
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

static void make_allocator(Fixture *f, bool enforced, uint32_t namespaces, uint64_t ids) {
        g_autofree char *locks = path_of(f, "locks");
        AllocatorConfig config = {
                .table = f->table,
                .policy = f->policy,
                .host_ids = f->host_ids,
                .probe = f->probe,
                .unenforced = f->unenforced,
                .lock_folder = g_intern_string(locks),
                .enforced = enforced,
                .namespaces_per_user = namespaces,
                .ids_per_user = ids,
        };

        g_clear_pointer(&f->allocator, allocator_free);
        g_assert_cmpint(allocator_new(&config, &f->allocator), ==, 0);
}

static void fixture_set_up(Fixture *f, gconstpointer unused) {
        g_autofree char *table = NULL, *unenforced = NULL;
        PolicyConfig policy_config = {};
        TableOpenReport report = {};
        TableWriterConfig config = { .pool_start = POOL_START, .n_slots = N_SLOTS };

        f->folder = g_dir_make_tmp("test-allocator-XXXXXX", NULL);
        config.path = table = path_of(f, "table");
        unenforced = path_of(f, "unenforced");
        g_assert_cmpint(table_writer_open(&config, &f->table, &report), ==, 0);
        g_assert_cmpint(policy_open(&policy_config, &f->policy), ==, 0);
        g_assert_cmpint(host_ids_new(f->folder, &f->host_ids), ==, 0);
        g_assert_cmpint(userns_probe_new(&f->probe), ==, 0);
        g_assert_cmpint(unenforced_open(unenforced, &f->unenforced), ==, 0);
        make_allocator(f, true, 100, UINT64_C(1) << 32);
        g_assert_cmpint(holder_new(&f->holder), ==, 0);
}

static void fixture_tear_down(Fixture *f, gconstpointer unused) {
        g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
        const char *name;

        if (f->holder > 0)
                fixture_end_holder(f);
        allocator_free(f->allocator);
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

                /* Only the lock folder is none; a lock file left in it makes this fail. */
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
        AllocatorRequest r = { .name = name, .size = size, .account_uid = 1000 };
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

/* The kernel finds a single ID through the slot it is cut from. */
static void test_single_is_cut(Fixture *f, gconstpointer unused) {
        FakePolicy *fake = fake_policy(f->policy);
        const TableRecord *record;
        uint32_t offset;

        g_assert_cmpint(request(f, "a", 1, allocator_allocate), ==, 0);
        record = table_writer_record(f->table, fake->last_record);
        offset = record->start - table_writer_header(f->table)->pool_start;
        g_assert_cmpuint(fake->n_cut, ==, 1);
        g_assert_cmpuint(fake->cut_slot, ==, offset / TABLE_SLOT_SIZE);
        g_assert_cmpuint(
                table_writer_header(f->table)->n_slots + fake->cut_first_single +
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
        /* Nobody has looked yet, so the sweep has not seen it. */
        fake->slot = POLICY_SLOT_LENT;
        (void) allocator_reconcile(f->allocator, true, &cursor, UINT32_MAX);
        g_assert_cmpuint(table_writer_state(f->table, record), ==, TABLE_STATE_ACTIVE);

        fake->slot = POLICY_SLOT_BEREAVED;
        cursor = 0;
        g_assert_cmpuint(allocator_reconcile(f->allocator, false, &cursor, UINT32_MAX), ==, 1);
        g_assert_cmpuint(fake->n_bereaved, ==, 1);
        g_assert_cmpuint(table_writer_state(f->table, record), !=, TABLE_STATE_ACTIVE);
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

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*test)(Fixture *f, gconstpointer unused);
        } tests[] = {
                { "/allocator/protected-before-mapped", test_protected_before_mapped },
                { "/allocator/protect-fails", test_protect_fails },
                { "/allocator/single-is-cut", test_single_is_cut },
                { "/allocator/client-writes-in-between", test_client_writes_in_between },
                { "/allocator/kernel-is-witness", test_kernel_is_witness },
                { "/allocator/unenforced-is-marked", test_unenforced_is_marked_before_mapped },
                { "/allocator/quota", test_quota },
                { "/allocator/register-needs-own-ids", test_register_needs_own_ids },
                { "/allocator/freed-with-a-request", test_freed_with_a_request },
        };

        g_test_init(&argc, &argv, NULL);
        if (geteuid() != 0) {
                g_printerr("Bail out! needs root: maps of ranges are written\n");
                return 77;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(
                        tests[i].name, Fixture, NULL, fixture_set_up, tests[i].test,
                        fixture_tear_down);
        return g_test_run();
}
