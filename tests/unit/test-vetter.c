/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/vetter.h"

#include <sys/stat.h>

#include <glib/gstdio.h>

#include "daemon/host/asker.h"
#include "daemon/limits.h"
#include "lib/table/write.h"
#include "tests/unit/unit.h"

/* With a program in place of nsresource-ask that answers what the test has written into files
 * beside it: `names` is a shell script, run for each slot with its first ID in $start; `used` and
 * `homes` are IDs. */

#define POOL_START 0x10000000u
#define SLOT TABLE_SLOT_SIZE
#define N_SLOTS 64u

static const char program_text[] =
        "#!/bin/sh\n"
        "what=$1 here=$(dirname \"$0\")\n"
        "shift\n"
        ". \"$here/start\"\n"
        "echo alive\n"
        "if [ \"$what\" = names ]; then\n"
        "        for start; do\n"
        "                echo \"$start\" >>\"$here/asked\"\n"
        "                . \"$here/names\"\n"
        "        done\n"
        "else\n"
        "        echo x >>\"$here/looked-$what\"\n"
        "        while [ -e \"$here/wait-$what\" ]; do sleep 0.05; done\n"
        "        [ ! -e \"$here/fail-$what\" ] || exit 0\n"
        "        ! rm \"$here/fail-once-$what\" 2>/dev/null || exit 0\n"
        "        cat \"$here/$what\"\n"
        "fi\n"
        "echo end\n";

/* The clock is ahead by this. */
static gint64 ahead_usec;

gint64 __real_g_get_monotonic_time(void);
gint64 __wrap_g_get_monotonic_time(void);

gint64 __wrap_g_get_monotonic_time(void) {
        return __real_g_get_monotonic_time() + ahead_usec;
}

typedef struct Fixture {
        char *folder;
        TableWriter *table;
        Asker *asker;
        Vetter *vetter;
        unsigned n_answered, n_notices;
        char *notice; /* the last */
} Fixture;

static char *path_of(const Fixture *f, const char *name) {
        return g_build_filename(f->folder, name, NULL);
}

static void write_file(const Fixture *f, const char *name, const char *text) {
        g_autofree char *path = path_of(f, name);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        g_assert_cmpint(chmod(path, strcmp(name, "asked") == 0 ? 0666 : 0755), ==, 0);
}

static void remove_file(const Fixture *f, const char *name) {
        g_autofree char *path = path_of(f, name);

        g_assert_cmpint(g_unlink(path), ==, 0);
}

static unsigned count_lines(const Fixture *f, const char *name) {
        g_autofree char *path = path_of(f, name), *text = NULL;
        unsigned n = 0;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        for (const char *c = text; *c; c++)
                n += *c == '\n';
        return n;
}

static void answered(void *userdata) {
        ((Fixture *) userdata)->n_answered++;
}

static void notice(const char *text, void *userdata) {
        Fixture *f = userdata;

        f->n_notices++;
        g_free(f->notice);
        f->notice = g_strdup(text);
}

static void set_up(Fixture *f, gconstpointer data) {
        g_autofree char *table = NULL, *program = NULL;
        TableWriterConfig config = { .pool_start = POOL_START, .n_slots = N_SLOTS };
        VetterConfig vetter = {
                .ask_names = true, .answered = answered, .notice = notice, .userdata = f
        };
        TableOpenReport report = {};

        ahead_usec = 0;
        f->folder = g_dir_make_tmp("test-vetter-XXXXXX", NULL);
        g_assert_nonnull(f->folder);
        g_assert_cmpint(chmod(f->folder, 0755), ==, 0);
        config.path = table = path_of(f, "table");
        program = path_of(f, "program");
        write_file(f, "program", program_text);
        write_file(f, "start", "");
        write_file(f, "names", "echo \"$start free\"\n");
        write_file(f, "used", "");
        write_file(f, "homes", "");
        write_file(f, "asked", "");
        g_assert_cmpint(table_writer_open(&config, &f->table, &report), ==, 0);
        g_assert_cmpint(asker_new(program, 65534, 65534, &f->asker), ==, 0);
        vetter.table = f->table;
        vetter.asker = f->asker;
        g_assert_cmpint(vetter_new(&vetter, &f->vetter), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data) {
        g_autoptr(GDir) dir = g_dir_open(f->folder, 0, NULL);
        const char *name;

        vetter_free(f->vetter);
        asker_free(f->asker);
        table_writer_free(f->table);
        while ((name = g_dir_read_name(dir)))
                remove_file(f, name);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        g_free(f->folder);
        g_free(f->notice);
}

static uint32_t start_of(uint32_t slot) {
        return POOL_START + slot * SLOT;
}

static VetterAnswer check(const Fixture *f, uint32_t slot) {
        return vetter_check(f->vetter, start_of(slot), SLOT);
}

/* Ask for the slots and wait until something is known of them. */
static VetterAnswer find_out(Fixture *f, uint32_t slot, uint32_t n_slots) {
        uint32_t start = start_of(slot), n_ids = n_slots * SLOT;

        while (vetter_check(f->vetter, start, n_ids) == VETTER_UNKNOWN) {
                vetter_want(f->vetter, start, n_ids);
                vetter_go_on(f->vetter);
                g_main_context_iteration(NULL, TRUE);
        }
        return vetter_check(f->vetter, start, n_ids);
}

/* Take a slot and set it free, as a range of ours. */
static uint32_t lend(Fixture *f, bool (*accept)(uint32_t, uint32_t, void *), void *userdata) {
        static uint64_t inode = 1;
        g_autofree char *name = g_strdup_printf("n%u", (unsigned) ++inode);
        TableRange range = { .name = name, .userns_inode = inode, .size = SLOT };
        uint32_t record;

        g_assert_cmpint(table_writer_reserve(f->table, &range, accept, userdata, &record), ==, 0);
        table_writer_set_state(f->table, record, TABLE_STATE_MAPPING);
        table_writer_set_state(f->table, record, TABLE_STATE_ACTIVE);
        return record;
}

static void set_free(Fixture *f, uint32_t record) {
        table_writer_set_state(f->table, record, TABLE_STATE_RELEASING);
        table_writer_set_state(f->table, record, TABLE_STATE_FREE);
}

static bool only(uint32_t start, uint32_t n_ids, void *userdata) {
        return start == start_of(GPOINTER_TO_UINT(userdata));
}

static uint32_t lend_slot(Fixture *f, uint32_t slot) {
        return lend(f, only, GUINT_TO_POINTER(slot));
}

static void test_names(Fixture *f, gconstpointer data) {
        const char *example = NULL;

        if (!unit_need_root())
                return;
        write_file(
                f, "names",
                "case $start in\n"
                "268435456) echo \"$start taken user carol\";;\n"
                "268500992) echo \"$start taken group staff\";;\n"
                "*) echo \"$start free\";;\n"
                "esac\n");
        g_assert_cmpint(check(f, 0), ==, VETTER_UNKNOWN);
        g_assert_cmpint(find_out(f, 0, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 1, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 2, 1), ==, VETTER_FREE);
        g_assert_cmpint(find_out(f, 3, 16), ==, VETTER_FREE);
        /* One of several is enough, known or not. */
        g_assert_cmpint(find_out(f, 1, 16), ==, VETTER_TAKEN);
        g_assert_cmpuint(vetter_n_named(f->vetter, &example), ==, 2);
        g_assert_cmpstr(example, ==, "group staff, in the IDs from 268500992 on");
        g_assert_null(vetter_trouble(f->vetter));
        g_assert_cmpuint(f->n_notices, ==, 0);
}

static void run_until_all_known(Fixture *f) {
        for (uint32_t slot = 0; slot < N_SLOTS; slot++)
                while (check(f, slot) == VETTER_UNKNOWN) {
                        vetter_go_on(f->vetter);
                        if (!g_main_context_iteration(NULL, FALSE))
                                g_usleep(1000);
                }
}

static bool is_vetted(uint32_t start, uint32_t n_ids, void *userdata) {
        g_assert_cmpint(
                vetter_check(((Fixture *) userdata)->vetter, start, n_ids), ==, VETTER_FREE);
        return true;
}

/* What will be lent next is asked about ahead, and remembered: who comes then asks nobody. */
static void test_ahead(Fixture *f, gconstpointer data) {
        unsigned n_asked;

        if (!unit_need_root())
                return;
        vetter_go_on(f->vetter);
        run_until_all_known(f);
        n_asked = count_lines(f, "asked");
        for (unsigned i = 0; i < 8; i++)
                (void) lend(f, is_vetted, f);
        vetter_go_on(f->vetter);
        g_assert_cmpuint(count_lines(f, "asked"), ==, n_asked);
        /* Nor while nothing is lent, however long that is. */
        for (unsigned i = 0; i < 50; i++) {
                (void) g_main_context_iteration(NULL, FALSE);
                g_usleep(1000);
        }
        g_assert_cmpuint(count_lines(f, "asked"), ==, n_asked);
}

typedef struct Order {
        uint32_t slots[N_SLOTS], n;
} Order;

static bool note_order(uint32_t start, uint32_t n_ids, void *userdata) {
        Order *order = userdata;

        order->slots[order->n++] = (start - POOL_START) / SLOT;
        return false;
}

/* Slots in the order in which they are asked ahead, the first of which is being asked about. */
static void start_ahead(Fixture *f, Order *order) {
        table_writer_foresee(f->table, note_order, order);
        write_file(f, "names", "[ -e \"$here/go\" ] || exec sleep 1000\necho \"$start free\"\n");
        vetter_go_on(f->vetter);
        while (count_lines(f, "asked") == 0)
                (void) g_main_context_iteration(NULL, FALSE);
}

/* Who waits does not wait for what is asked ahead. */
static void test_ahead_is_interrupted(Fixture *f, gconstpointer data) {
        Order order = {};

        if (!unit_need_root())
                return;
        start_ahead(f, &order);
        write_file(f, "go", "");
        g_assert_cmpint(find_out(f, order.slots[N_SLOTS - 1], 1), ==, VETTER_FREE);
        /* It was not waited for, until nobody expected an answer any more. */
        g_assert_cmpint(check(f, order.slots[0]), !=, VETTER_TAKEN);
        run_until_all_known(f);
        g_assert_cmpint(check(f, order.slots[0]), !=, VETTER_TAKEN);
}

/* But for what comes soon anyway: another child would have to start up first. */
static void test_ahead_goes_on(Fixture *f, gconstpointer data) {
        Order order = {};

        if (!unit_need_root())
                return;
        start_ahead(f, &order);
        vetter_want(f->vetter, start_of(order.slots[1]), SLOT);
        vetter_go_on(f->vetter);
        for (unsigned i = 0; i < 100; i++) {
                (void) g_main_context_iteration(NULL, FALSE);
                g_usleep(1000);
        }
        g_assert_cmpuint(count_lines(f, "asked"), ==, 1);
}

static void test_without_names(Fixture *f, gconstpointer data) {
        const char *example;

        if (!unit_need_root())
                return;
        write_file(f, "names", "echo \"$start taken user carol\"\n");
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_TAKEN);
        vetter_set_ask_names(f->vetter, false);
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_FREE);
        g_assert_cmpint(find_out(f, 50, 1), ==, VETTER_FREE);
        g_assert_cmpuint(vetter_n_named(f->vetter, &example), ==, 0);
}

/* A slot that was ours while it was asked about: the answer may be our own. */
static void test_own_names(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(
                f, "names",
                "while [ -e \"$here/wait\" ]; do sleep 0.05; done\n"
                "echo \"$start taken user ns-web-0\"\n");
        write_file(f, "wait", "");
        vetter_want(f->vetter, start_of(7), SLOT);
        vetter_go_on(f->vetter);
        while (count_lines(f, "asked") == 0)
                g_usleep(1000);
        set_free(f, lend_slot(f, 7));
        remove_file(f, "wait");
        write_file(f, "names", "echo \"$start free\"\n");
        while (count_lines(f, "asked") < 2)
                g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_FREE);
}

static void test_used(Fixture *f, gconstpointer data) {
        uint32_t record;

        if (!unit_need_root())
                return;
        record = lend_slot(f, 9);
        /* Slots 8 and 11, one that is lent, one of the homes, and what lies outside or is no ID. */
        write_file(
                f, "used",
                "268959744 1\n269160447 1\n269025280 1\nalive\n1000 1\n4294967295 1\nx\n5\n");
        write_file(f, "homes", "269221889 1\n");
        g_assert_cmpint(find_out(f, 8, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 10, 1), ==, VETTER_FREE);
        g_assert_cmpint(find_out(f, 11, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 12, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 13, 1), ==, VETTER_FREE);
        /* Ours is free again: what was seen of it says nothing. */
        set_free(f, record);
        g_assert_cmpint(find_out(f, 9, 1), ==, VETTER_FREE);
}

/* Released while a look was under way: what that sees can be the last holder's. */
static void test_released_during_look(Fixture *f, gconstpointer data) {
        uint32_t record;

        if (!unit_need_root())
                return;
        record = lend_slot(f, 9);
        write_file(f, "used", "269025280 131072\n");
        write_file(f, "wait-used", "");
        vetter_go_on(f->vetter);
        while (count_lines(f, "looked-used") == 0)
                g_usleep(1000);
        set_free(f, record);
        remove_file(f, "wait-used");
        g_assert_cmpint(find_out(f, 9, 1), ==, VETTER_FREE);
        g_assert_cmpint(find_out(f, 10, 1), ==, VETTER_TAKEN);
}

/* Single IDs of a slot that is split: each for itself. */
static void test_singles(Fixture *f, gconstpointer data) {
        TableRange range = { .name = "one", .userns_inode = 5, .size = 1 };
        g_autofree char *used = NULL;
        uint32_t record, id, first, slot;

        if (!unit_need_root())
                return;
        g_assert_cmpint(table_writer_reserve(f->table, &range, NULL, NULL, &record), ==, 0);
        id = table_writer_record(f->table, record)->start;
        slot = (id - POOL_START) / SLOT;
        first = start_of(slot);
        used = g_strdup_printf("%u 1\n%u 1\n", id, id == first ? first + 1 : first);
        write_file(f, "used", used);
        while (vetter_check(f->vetter, id, 1) == VETTER_UNKNOWN) {
                vetter_want(f->vetter, id, 1);
                vetter_go_on(f->vetter);
                g_main_context_iteration(NULL, TRUE);
        }
        g_assert_cmpint(vetter_check(f->vetter, id, 1), ==, VETTER_FREE);
        g_assert_cmpint(
                vetter_check(f->vetter, id == first ? first + 1 : first, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(vetter_check(f->vetter, first + 2047, 1), ==, VETTER_FREE);
}

/* No answer: that slot counts as taken, for a while; two in a row, and nothing is expected any more
 * until something answers. */
static void test_no_answer(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(
                f, "names",
                "if [ $start -eq 268763136 ]; then exec sleep 1000; fi\necho \"$start free\"\n");
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_TAKEN);
        g_assert_null(vetter_trouble(f->vetter));
        g_assert_cmpint(find_out(f, 6, 1), ==, VETTER_FREE);

        write_file(f, "names", "echo \"$start error Connection refused\"\n");
        /* Whatever was asked about ahead, these have to be asked about again. */
        set_free(f, lend_slot(f, 60));
        set_free(f, lend_slot(f, 61));
        g_assert_cmpint(find_out(f, 60, 2), ==, VETTER_TAKEN);
        while (!vetter_trouble(f->vetter))
                g_main_context_iteration(NULL, TRUE);
        g_assert_nonnull(strstr(vetter_trouble(f->vetter), "(Connection refused)"));
        g_assert_cmpuint(f->n_notices, ==, 1);
        g_assert_cmpstr(f->notice, ==, vetter_trouble(f->vetter));
        /* What is known goes on to count, the rest is not worth waiting for. */
        g_assert_cmpint(check(f, 6), ==, VETTER_FREE);
        for (uint32_t slot = 0; slot < N_SLOTS; slot++)
                g_assert_cmpint(check(f, slot), !=, VETTER_UNKNOWN);
        g_assert_cmpuint(f->n_notices, ==, 1);
}

/* A program that takes long to start up is no name service that does not answer, nor is one that
 * says that it is busy a pass that hangs. */
static void test_slow_start(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        /* Longer than a name service may take: nothing tells that it is not given up. */
        write_file(f, "start", "sleep 4\n");
        write_file(f, "used", "268763136 1\n");
        g_assert_cmpint(find_out(f, 6, 1), ==, VETTER_FREE);
        g_assert_cmpint(check(f, 5), ==, VETTER_TAKEN);
        g_assert_cmpuint(f->n_notices, ==, 0);
}

/* When it is time to try again, whoever comes then is not refused for what was. */
static void test_asked_again(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(f, "names", "echo \"$start error Connection refused\"\n");
        g_assert_cmpint(find_out(f, 60, 2), ==, VETTER_TAKEN);
        while (!vetter_trouble(f->vetter))
                g_main_context_iteration(NULL, TRUE);
        write_file(f, "names", "echo \"$start free\"\n");
        g_assert_cmpint(check(f, 5), ==, VETTER_TAKEN);
        /* Lines of the old answer may still be under way, and begin the rest again. */
        for (unsigned i = 0; i < 10 && check(f, 5) != VETTER_FREE; i++) {
                ahead_usec += (LIMIT_VETTED_UNANSWERED_SECONDS + 1) * G_USEC_PER_SEC;
                (void) find_out(f, 5, 1);
        }
        g_assert_cmpint(check(f, 5), ==, VETTER_FREE);
        g_assert_null(vetter_trouble(f->vetter));
}

/* Whoever is asked may start something that goes on writing when it has ended itself. */
static void test_goes_on(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(f, "start", "[ \"$what\" != names ] || { yes alive & exit 0; }\n");
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_TAKEN);
        g_assert_cmpint(find_out(f, 60, 1), ==, VETTER_TAKEN);
        g_assert_nonnull(strstr(vetter_trouble(f->vetter), "no answer in time"));
}

static void nothing_said(const char *line, void *userdata) {
}

static void nothing_done(bool complete, void *userdata) {
        (*(unsigned *) userdata)--;
}

/* Where no child can be had, nobody was asked: whoever waits is told to want it again, and nobody
 * is said not to answer. */
static void test_no_child(Fixture *f, gconstpointer data) {
        static const char *const arguments[] = { NULL };
        unsigned n_stuck = 0;
        Ask *ask;

        if (!unit_need_root())
                return;
        write_file(f, "start", "while [ -e \"$here/stuck\" ]; do sleep 0.05; done\n");
        write_file(f, "stuck", "");
        while (asker_ask(
                       f->asker, ASKER_HOMES, arguments, nothing_said, nothing_done, &n_stuck,
                       &ask) == 0)
                n_stuck++;
        g_assert_cmpuint(n_stuck, ==, LIMIT_ASKS);
        vetter_want(f->vetter, start_of(5), SLOT);
        vetter_go_on(f->vetter);
        while (f->n_answered < 3)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(check(f, 5), ==, VETTER_UNKNOWN);
        remove_file(f, "stuck");
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_FREE);
        g_assert_cmpuint(f->n_notices, ==, 0);
        while (n_stuck > 0)
                g_main_context_iteration(NULL, TRUE);
}

/* Lines that no honest child writes change nothing but what they are about. */
static void test_forged(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(
                f, "names",
                "echo \"999 free\"; echo; echo free; echo \"$((start + 65536)) free\"\n"
                "echo \"$start taken user x\"; echo \"$start free\"; echo \"-1 free\"\n");
        g_assert_cmpint(find_out(f, 3, 1), ==, VETTER_TAKEN);
        write_file(f, "names", "head -c 5000 /dev/zero | tr '\\0' x; echo\n");
        set_free(f, lend_slot(f, 40));
        g_assert_cmpint(find_out(f, 40, 1), ==, VETTER_TAKEN);
}

/* A look that fails: without /home one goes on, without /proc one does not; both are told. */
static void test_looks_fail(Fixture *f, gconstpointer data) {
        if (!unit_need_root())
                return;
        write_file(f, "fail-once-used", "");
        g_assert_cmpint(find_out(f, 50, 1), ==, VETTER_FREE);
        g_assert_cmpuint(count_lines(f, "looked-used"), ==, 2);
        g_assert_cmpuint(f->n_notices, ==, 0);
        write_file(f, "fail-homes", "");
        ahead_usec = LIMIT_VETTED_HOMES_SECONDS * G_USEC_PER_SEC;
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_FREE);
        g_assert_cmpuint(f->n_notices, ==, 1);
        g_assert_nonnull(strstr(vetter_trouble(f->vetter), "/home cannot be found out"));
        write_file(f, "fail-used", "");
        /* What is known of it is three seconds old by then. */
        while (check(f, 5) == VETTER_FREE)
                (void) g_main_context_iteration(NULL, FALSE);
        g_assert_cmpint(find_out(f, 5, 1), ==, VETTER_TAKEN);
        g_assert_cmpuint(f->n_notices, ==, 2);
        g_assert_nonnull(strstr(vetter_trouble(f->vetter), "Which IDs are in use cannot"));
}

/* Whoever a directory has by now is asked for before the slot is lent again. */
static void test_lent_again(Fixture *f, gconstpointer data) {
        uint32_t record;

        if (!unit_need_root())
                return;
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_FREE);
        write_file(f, "names", "echo \"$start taken user carol\"\n");
        record = lend_slot(f, 7);
        /* Nobody waits for what is lent. */
        g_assert_cmpint(check(f, 7), ==, VETTER_TAKEN);
        set_free(f, record);
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_TAKEN);
}

/* Nor is an answer believed for longer than the limit. */
static void test_age(Fixture *f, gconstpointer data) {
        unsigned n_asked;

        if (!unit_need_root())
                return;
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_FREE);
        run_until_all_known(f);
        n_asked = count_lines(f, "asked");
        write_file(f, "names", "echo \"$start taken user carol\"\n");
        ahead_usec = (LIMIT_VETTED_NAMES_SECONDS - 120) * G_USEC_PER_SEC;
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_FREE);
        g_assert_cmpuint(count_lines(f, "asked"), ==, n_asked);
        ahead_usec = LIMIT_VETTED_NAMES_SECONDS * G_USEC_PER_SEC;
        g_assert_cmpint(find_out(f, 7, 1), ==, VETTER_TAKEN);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/vetter/" name, Fixture, NULL, set_up, func, tear_down)
        ADD("names", test_names);
        ADD("ahead", test_ahead);
        ADD("ahead-is-interrupted", test_ahead_is_interrupted);
        ADD("ahead-goes-on", test_ahead_goes_on);
        ADD("without-names", test_without_names);
        ADD("own-names", test_own_names);
        ADD("used", test_used);
        ADD("released-during-look", test_released_during_look);
        ADD("singles", test_singles);
        ADD("no-answer", test_no_answer);
        ADD("slow-start", test_slow_start);
        ADD("asked-again", test_asked_again);
        ADD("no-child", test_no_child);
        ADD("goes-on", test_goes_on);
        ADD("forged", test_forged);
        ADD("looks-fail", test_looks_fail);
        ADD("lent-again", test_lent_again);
        ADD("age", test_age);
        return g_test_run();
}
