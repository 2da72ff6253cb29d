/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/worker-pool.h"

#include <sys/socket.h>

#include "tests/unit/failing-forks.h"
#include "tests/unit/unit.h"

#define USER 4711u
#define OTHER 4712u
#define MSEC 60000u

/* What a child does with a message. */
typedef enum Order {
        ORDER_ANSWER = 'a', /* say it, and wait for the next */
        ORDER_END = 'e',    /* say it and end */
        ORDER_NOTHING = 'n',
} Order;

static void child_run(const void *data) {
        for (;;) {
                char order;

                if (recv(0, &order, 1, 0) != 1)
                        _exit(1);
                if (order != ORDER_NOTHING && send(0, &order, 1, MSG_NOSIGNAL) != 1)
                        _exit(1);
                if (order == ORDER_END)
                        _exit(0);
        }
}

/* Tasks by number, and what became of them. */
typedef struct Log {
        GString *text;
        GPtrArray *tasks; /* by number; NULL: freed */
        GPtrArray *entries;
} Log;

typedef struct Entry {
        Log *log;
        guint number;
} Entry;

static void event(WorkerTask *task, int result, void *userdata) {
        const Entry *entry = userdata;
        char said = '-';

        if (recv(worker_task_socket(task), &said, 1, MSG_DONTWAIT) != 1)
                said = '-';
        if (result != 0)
                g_string_append_printf(
                        entry->log->text, "%u:%s%c ", entry->number,
                        result == WORKER_E_LATE ? "late" : "ended", said);
        else
                g_string_append_printf(entry->log->text, "%u%c ", entry->number, said);
        worker_task_rest(task);
}

static void log_init(Log *log) {
        *log = (Log){ g_string_new(NULL), g_ptr_array_new(),
                      g_ptr_array_new_with_free_func(g_free) };
}

static int ask(WorkerPool *pool, Log *log, uint32_t account, Order order) {
        Entry *entry = g_new(Entry, 1);
        char message = (char) order;
        WorkerRequest request = {
                .account = account,
                .message = &message,
                .size = 1,
                .fd = 0,
                .event = event,
                .userdata = entry,
        };
        WorkerTask *task = NULL;
        int r;

        *entry = (Entry){ log, log->tasks->len };
        g_ptr_array_add(log->entries, entry);
        r = worker_pool_ask(pool, &request, &task);
        if (r == 0)
                g_ptr_array_add(log->tasks, task);
        else
                g_assert_null(task);
        return r;
}

static void task_free(Log *log, guint number) {
        worker_task_free(g_steal_pointer(&log->tasks->pdata[number]));
}

static void log_done(Log *log) {
        for (guint i = 0; i < log->tasks->len; i++)
                task_free(log, i);
        g_ptr_array_unref(log->tasks);
        g_ptr_array_unref(log->entries);
        (void) g_string_free(log->text, TRUE);
}

/* Until the log says this, and not only its begin. */
static void expect_log(const Log *log, const char *text) {
        gint64 end = g_get_monotonic_time() + MSEC * 1000;

        while (strlen(log->text->str) < strlen(text) && g_get_monotonic_time() < end)
                (void) g_main_context_iteration(NULL, FALSE);
        g_assert_cmpstr(log->text->str, ==, text);
}

static gboolean is_not_all_reaped(gconstpointer data) {
        WorkerCounts counts;

        worker_pool_count(data, &counts);
        return counts.working + counts.killed > 0;
}

static void wait_until_all_reaped(const WorkerPool *pool) {
        g_assert_true(unit_run_while(is_not_all_reaped, pool, MSEC));
}

static gboolean is_any_left(gconstpointer data) {
        g_autoptr(GArray) pids = unit_find_children();

        return pids->len > 0;
}

static void assert_counts(
        const WorkerPool *pool, unsigned idle, unsigned working, unsigned killed) {
        WorkerCounts counts;

        worker_pool_count(pool, &counts);
        g_assert_cmpuint(counts.idle, ==, idle);
        g_assert_cmpuint(counts.working, ==, working);
        g_assert_cmpuint(counts.killed, ==, killed);
}

static const WorkerPoolConfig one_task_each = {
        .run = child_run,
        .max = 3,
        .max_per_account = 2,
        .max_waiting_per_account = 2,
        .max_waiting = 2,
        .msec = MSEC,
};

/* At most so many of one account, and of all; the rest waits, and beyond that nothing does. */
static void test_limits(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_task_each);
        Log log;

        log_init(&log);
        for (unsigned i = 0; i < 3; i++)
                g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 0, 2, 0);
        /* One account at its limit, another is served. */
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 0, 3, 0);
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, USER + 9, ORDER_ANSWER), ==, WORKER_E_BUSY);
        /* Who leaves the queue leaves a place. */
        task_free(&log, 2);
        g_assert_cmpint(ask(pool, &log, USER + 9, ORDER_ANSWER), ==, 0);
        log_done(&log);
        wait_until_all_reaped(pool);
}

/* Whoever has fewest is next, and of those the one that has waited longest. */
static void test_turns(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        config.max_waiting = config.max_waiting_per_account = 10;
        pool = worker_pool_new(&config);
        log_init(&log);
        for (unsigned i = 0; i < 3; i++) /* 0 and 1 are served */
                g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        for (unsigned i = 0; i < 2; i++) /* 3 is served */
                g_assert_cmpint(ask(pool, &log, OTHER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, USER + 9, ORDER_ANSWER), ==, 0);
        while (log.text->len < strlen("0a 1a 3a "))
                (void) g_main_context_iteration(NULL, TRUE);
        g_string_truncate(log.text, 0);
        task_free(&log, 0);
        expect_log(&log, "5a "); /* has none; the others have one each */
        task_free(&log, 3);
        expect_log(&log, "5a 4a ");
        task_free(&log, 5);
        expect_log(&log, "5a 4a 2a ");
        log_done(&log);
        wait_until_all_reaped(pool);
}

/* A child that ends is told of with what it has said; a resting one's end is not told. */
static void test_ends(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_task_each);
        Log log;

        log_init(&log);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, 0);
        expect_log(&log, "0a ");
        unit_signal_children(SIGKILL, 2);
        wait_until_all_reaped(pool);
        /* Its socket was closed before it could be reaped. */
        g_assert_cmpstr(log.text->str, ==, "0a 1:ended- ");
        g_assert_cmpint(worker_task_socket(log.tasks->pdata[0]), ==, -1);
        log_done(&log);
}

/* No sign of life in time: killed, and said once. */
static void test_deadline(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        config.msec = 2000;
        pool = worker_pool_new(&config);
        log_init(&log);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, 0);
        expect_log(&log, "0a 1:late- ");
        g_assert_false(unit_run_while(is_not_all_reaped, pool, 300)); /* 0 rests */
        assert_counts(pool, 0, 1, 0);
        log_done(&log);
        wait_until_all_reaped(pool);
}

static gboolean is_not_filled(gconstpointer data) {
        WorkerCounts counts;

        worker_pool_count(data, &counts);
        return counts.idle != 4;
}

/* Idle ones are used first, and filled up when few are left; those that have died meanwhile cost
 * nothing but a try. */
static void test_idle(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        config.idle_low = 1;
        config.idle_max = 4;
        pool = worker_pool_new(&config);
        g_assert_cmpint(worker_pool_prepare(pool), ==, 0);
        assert_counts(pool, 4, 0, 0);
        log_init(&log);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
                expect_log(&log, i == 0 ? "0a " : "0a 1a ");
                task_free(&log, i);
                wait_until_all_reaped(pool);
                assert_counts(pool, 3 - i, 0, 0);
        }
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 1, 1, 0);
        task_free(&log, 2);
        g_assert_true(unit_run_while(is_not_filled, pool, MSEC));
        wait_until_all_reaped(pool);

        unit_signal_children(SIGKILL, 4);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        expect_log(&log, "0a 1a 3a ");
        log_done(&log);
        wait_until_all_reaped(pool);
}

static void give_back(WorkerTask *task, int result, void *userdata) {
        unsigned *n = userdata;
        char said;

        g_assert_cmpint(result, ==, 0);
        g_assert_cmpint(recv(worker_task_socket(task), &said, 1, MSG_DONTWAIT), ==, 1);
        (*n)++;
        worker_task_give_back(task);
}

static gboolean is_below_20(gconstpointer data) {
        return *(const unsigned *) data < 20;
}

/* Children that come back serve all, and nobody forks for them beyond what is idle. */
static void test_come_back(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        g_autoptr(GArray) before = NULL, after = NULL;
        unsigned n = 0;
        const WorkerRequest request = {
                .account = USER,
                .message = "a",
                .size = 1,
                .fd = 0,
                .event = give_back,
                .userdata = &n,
        };

        config.come_back = true;
        config.max = config.max_per_account = 10;
        config.idle_max = 2;
        config.max_waiting = config.max_waiting_per_account = 20;
        /* Those of the pools before this. */
        g_assert_true(unit_run_while(is_any_left, NULL, MSEC));
        pool = worker_pool_new(&config);
        g_assert_cmpint(worker_pool_prepare(pool), ==, 0);
        before = unit_find_children();
        for (unsigned i = 0; i < 20; i++) {
                WorkerTask *task;

                g_assert_cmpint(worker_pool_ask(pool, &request, &task), ==, 0);
        }
        assert_counts(pool, 0, 2, 0);
        g_assert_true(unit_run_while(is_below_20, &n, MSEC));
        wait_until_all_reaped(pool);
        assert_counts(pool, 2, 0, 0);
        after = unit_find_children();
        g_assert_cmpuint(before->len, ==, 2);
        g_assert_cmpuint(after->len, ==, 2);
}

/* An idle child that says something is not used. */
static void babble(const void *data) {
        (void) send(0, "x", 1, MSG_NOSIGNAL);
        for (;;)
                (void) pause();
}

static gboolean has_no_killed(gconstpointer data) {
        WorkerCounts counts;

        worker_pool_count(data, &counts);
        return counts.killed == 0;
}

static void test_babbler(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;

        config.run = babble;
        config.idle_max = 1;
        pool = worker_pool_new(&config);
        g_assert_cmpint(worker_pool_prepare(pool), ==, 0);
        assert_counts(pool, 1, 0, 0);
        g_assert_true(unit_run_while(has_no_killed, pool, MSEC));
}

/* With a share, the last ones are for those who have none. */
static void test_share(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        config.max = 4;
        config.max_per_account = 4;
        config.share = 2;
        pool = worker_pool_new(&config);
        log_init(&log);
        /* 4 are left: 2 an account; 2 are left: 1 an account. */
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 0, 2, 0);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 0, 2, 0);
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_ANSWER), ==, 0);
        g_assert_cmpint(ask(pool, &log, OTHER + 1, ORDER_ANSWER), ==, 0);
        assert_counts(pool, 0, 4, 0);
        log_done(&log);
        wait_until_all_reaped(pool);
}

/* Children that are made for one task each: what they do. */
static void succeed(const void *data) {
        _exit(0);
}

static void fail(const void *data) {
        _exit(1);
}

static void hang(const void *data) {
        for (;;)
                (void) pause();
}

static void check_descriptor(const void *data) {
        char byte;

        _exit(read(0, &byte, 1) == 1 && byte == *(const char *) data ? 0 : 1);
}

static void on_one_event(WorkerTask *task, int result, void *userdata) {
        GString *text = userdata;

        g_string_append(
                text, result == 0               ? "done "
                      : result == WORKER_E_LATE ? "late "
                                                : "failed ");
        worker_task_free(task);
}

static const WorkerPoolConfig one_at_a_time = {
        .max = 1,
        .max_per_account = 1,
        .max_waiting_per_account = 100,
        .msec = MSEC,
};

static WorkerTask *ask_one(
        WorkerPool *pool, uint32_t account, int fd, ChildFunc run, WorkerTaskFunc on_event,
        GString *text) {
        WorkerTask *task;
        const WorkerRequest request = {
                .account = account,
                .fd = fd,
                .run = run,
                .data = "x",
                .event = on_event,
                .userdata = text,
        };

        g_assert_cmpint(worker_pool_ask(pool, &request, &task), ==, 0);
        return task;
}

static void run_one(WorkerPool *pool, uint32_t account, int fd, ChildFunc run, GString *text) {
        (void) ask_one(pool, account, fd, run, on_one_event, text);
}

static void expect_text(const GString *text, const char *wanted) {
        gint64 end = g_get_monotonic_time() + MSEC * 1000;

        while (text->len < strlen(wanted) && g_get_monotonic_time() < end)
                (void) g_main_context_iteration(NULL, FALSE);
        g_assert_cmpstr(text->str, ==, wanted);
}

/* How they end is told, once, and who waits gets their own descriptor. */
static void test_one_task(void) {
        const WorkerPoolConfig config = {
                .max = 1,
                .max_per_account = 1,
                .max_waiting_per_account = 2,
                .msec = 2000,
        };
        g_autoptr(WorkerPool) pool = worker_pool_new(&config);
        GString *text = g_string_new(NULL);
        unsigned n_fds;
        int ends[2];

        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
        run_one(pool, USER, -1, succeed, text);
        run_one(pool, USER, -1, fail, text);
        n_fds = unit_count_fds();
        run_one(pool, OTHER, ends[0], check_descriptor, text);
        /* Who waits has no descriptor: there may be many. */
        g_assert_cmpuint(unit_count_fds(), ==, n_fds);
        g_assert_cmpuint(worker_pool_count_account(pool, USER), ==, 1);
        expect_text(text, "done failed done ");
        run_one(pool, USER, -1, hang, text);
        run_one(pool, USER, -1, succeed, text);
        expect_text(text, "done failed done late done ");
        wait_until_all_reaped(pool);
        close(ends[0]);
        close(ends[1]);
        g_string_free(text, TRUE);
}

/* Where no child can be had, those who wait are tried and told so one after the other, so that
 * others are served in between: to fail takes nearly as long as to fork. */
static void test_no_forks(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_at_a_time);
        GString *text = g_string_new(NULL);

        for (unsigned i = 0; i < 6; i++)
                run_one(pool, USER, -1, succeed, text);
        forks_fail = true;
        n_forks = 0;
        for (unsigned n = 0; n < 5; n = n_forks) {
                gsize length = text->len;

                (void) g_main_context_iteration(NULL, FALSE);
                /* One for the turn that was given up, and one of those who wait. */
                g_assert_cmpuint(n_forks - n, <=, 2);
                g_assert_cmpuint(text->len - length, <=, strlen("failed done "));
        }
        expect_text(text, "done failed failed failed failed failed ");
        g_assert_cmpuint(n_forks, ==, 6);
        forks_fail = false;
        while (g_main_context_iteration(NULL, FALSE))
                ;
        run_one(pool, USER, -1, succeed, text);
        expect_text(text, "done failed failed failed failed failed done ");
        wait_until_all_reaped(pool);
        g_string_free(text, TRUE);
}

/* Who waits for a child that comes back is served by another if that one ends. */
static void test_does_not_come_back(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        g_assert_true(unit_run_while(is_any_left, NULL, MSEC));
        config.come_back = true;
        config.idle_max = 1;
        pool = worker_pool_new(&config);
        g_assert_cmpint(worker_pool_prepare(pool), ==, 0);
        log_init(&log);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, 0);
        forks_fail = true;
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_ANSWER), ==, 0);
        while (g_main_context_iteration(NULL, FALSE))
                ;
        forks_fail = false;
        unit_signal_children(SIGKILL, 1);
        expect_log(&log, "0:ended- 1a ");
        log_done(&log);
        wait_until_all_reaped(pool);
}

static WorkerPool *asked_pool;

static void on_second(WorkerTask *task, int result, void *userdata) {
        GString *text = userdata;

        g_string_append(text, "again ");
        worker_task_free(task);
}

/* Whoever asks for the next turn when told of the end of one has to wait, too. */
static void ask_twice(WorkerTask *task, int result, void *userdata) {
        GString *text = userdata;

        g_string_append(text, "first ");
        worker_task_free(task);
        (void) ask_one(asked_pool, USER, -1, succeed, on_second, text);
}

static void test_next_turn(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_at_a_time);
        GString *text = g_string_new(NULL);

        asked_pool = pool;
        (void) ask_one(pool, USER, -1, succeed, ask_twice, text);
        run_one(pool, OTHER, -1, succeed, text);
        expect_text(text, "first done again ");
        wait_until_all_reaped(pool);
        g_string_free(text, TRUE);
}

/* Who was kept from its turn by one fork that failed is tried once more. */
static void test_one_fork_fails(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_at_a_time);
        GString *text = g_string_new(NULL);

        run_one(pool, USER, -1, succeed, text);
        run_one(pool, USER, -1, succeed, text);
        n_fail = 1;
        n_forks = 0;
        expect_text(text, "done done ");
        while (g_main_context_iteration(NULL, FALSE))
                ;
        g_assert_cmpuint(n_forks, ==, 2);
        wait_until_all_reaped(pool);
        (void) g_string_free(text, TRUE);
}

static WorkerTask *not_forked;

/* By now the turn is that of whoever waited, for whom no child could be made. */
static void free_not_forked(WorkerTask *task, int result, void *userdata) {
        g_assert_cmpuint(worker_pool_count_account(asked_pool, USER), ==, 1);
        worker_task_free(not_forked);
        g_assert_cmpuint(worker_pool_count_account(asked_pool, USER), ==, 0);
        worker_task_free(task);
        g_string_append(userdata, "freed ");
}

static void test_free_before_fork(void) {
        g_autoptr(WorkerPool) pool = worker_pool_new(&one_at_a_time);
        GString *text = g_string_new(NULL);

        asked_pool = pool;
        (void) ask_one(pool, USER, -1, succeed, free_not_forked, text);
        not_forked = ask_one(pool, USER, -1, succeed, on_one_event, text);
        forks_fail = true;
        n_forks = 0;
        expect_text(text, "freed ");
        while (g_main_context_iteration(NULL, FALSE))
                ;
        g_assert_cmpuint(n_forks, ==, 1);
        forks_fail = false;
        run_one(pool, USER, -1, succeed, text);
        expect_text(text, "freed done ");
        wait_until_all_reaped(pool);
        (void) g_string_free(text, TRUE);
}

/* Whose children hang may not wait; others may, also whose own hung once. */
static void test_killed_are_counted(void) {
        WorkerPoolConfig config = one_task_each;
        g_autoptr(WorkerPool) pool = NULL;
        Log log;

        config.may_hang = true;
        config.max_per_account = 1;
        pool = worker_pool_new(&config);
        log_init(&log);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, 0);
        task_free(&log, 0);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, WORKER_E_BUSY);
        wait_until_all_reaped(pool);
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_NOTHING), ==, 0);
        task_free(&log, 1);
        assert_counts(pool, 0, 0, 1);
        g_assert_cmpint(ask(pool, &log, OTHER, ORDER_NOTHING), ==, WORKER_E_BUSY);
        g_assert_cmpint(ask(pool, &log, USER, ORDER_NOTHING), ==, 0);
        log_done(&log);
        wait_until_all_reaped(pool);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/worker-pool/limits", test_limits);
        g_test_add_func("/worker-pool/turns", test_turns);
        g_test_add_func("/worker-pool/ends", test_ends);
        g_test_add_func("/worker-pool/deadline", test_deadline);
        g_test_add_func("/worker-pool/idle", test_idle);
        g_test_add_func("/worker-pool/come-back", test_come_back);
        g_test_add_func("/worker-pool/babbler", test_babbler);
        g_test_add_func("/worker-pool/share", test_share);
        g_test_add_func("/worker-pool/one-task", test_one_task);
        g_test_add_func("/worker-pool/next-turn", test_next_turn);
        g_test_add_func("/worker-pool/no-forks", test_no_forks);
        g_test_add_func("/worker-pool/one-fork-fails", test_one_fork_fails);
        g_test_add_func("/worker-pool/free-before-fork", test_free_before_fork);
        g_test_add_func("/worker-pool/killed-are-counted", test_killed_are_counted);
        g_test_add_func("/worker-pool/does-not-come-back", test_does_not_come_back);
        return g_test_run();
}
