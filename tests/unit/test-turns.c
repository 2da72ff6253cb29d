/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/turns.h"

typedef struct Log {
        GString *text;
        GPtrArray *turns; /* those that have come, in their order */
} Log;

static void started(Turn *turn, void *userdata) {
        Log *log = userdata;

        g_string_append_printf(log->text, "%u ", turn_account(turn));
        g_ptr_array_add(log->turns, turn);
}

static void log_init(Log *log) {
        *log = (Log){ g_string_new(NULL), g_ptr_array_new() };
}

static void log_done(Log *log) {
        g_ptr_array_unref(log->turns);
        (void) g_string_free(log->text, TRUE);
}

static void take(Turns *turns, uint32_t account, Log *log) {
        Turn *turn = NULL;

        g_assert_cmpint(turns_take(turns, account, started, log, &turn), ==, 0);
        g_assert_nonnull(turn);
}

/* End the one that came first. */
static void end_first(Log *log) {
        turn_free(g_ptr_array_steal_index(log->turns, 0));
}

static void test_limits(void) {
        g_autoptr(Turns) turns = turns_new(3, 2, 2);
        Turn *none = (Turn *) turns;
        Log log;

        log_init(&log);
        for (unsigned i = 0; i < 4; i++)
                take(turns, 7, &log);
        g_assert_cmpuint(turns_n_taken(turns, 7), ==, 2);
        g_assert_cmpuint(turns_n_waiting(turns, 7), ==, 2);
        g_assert_cmpint(turns_take(turns, 7, started, &log, &none), ==, TURNS_E_FULL);
        g_assert_true(none == (Turn *) turns);

        /* One account at its limit, another is served. */
        take(turns, 8, &log);
        g_assert_cmpstr(log.text->str, ==, "7 7 8 ");
        take(turns, 9, &log);
        g_assert_cmpuint(turns_n_taken_total(turns), ==, 3);
        g_assert_cmpuint(turns_n_waiting_total(turns), ==, 3);
        while (log.turns->len > 0)
                end_first(&log);
        g_assert_cmpuint(turns_n_taken_total(turns), ==, 0);
        log_done(&log);
}

/* Accounts take turns, however many requests each has. */
static void test_fair(void) {
        g_autoptr(Turns) turns = turns_new(1, 1, 100);
        Log log;

        log_init(&log);
        for (unsigned i = 0; i < 4; i++)
                take(turns, 1, &log);
        for (unsigned i = 0; i < 2; i++)
                take(turns, 2, &log);
        take(turns, 3, &log);
        while (log.turns->len > 0)
                end_first(&log);
        g_assert_cmpstr(log.text->str, ==, "1 1 2 3 1 2 1 ");
        log_done(&log);
}

/* Who does not want to wait any more is never started. */
static void test_withdraw(void) {
        g_autoptr(Turns) turns = turns_new(1, 1, 2);
        Turn *turn = NULL;
        Log log;

        log_init(&log);
        take(turns, 1, &log);
        g_assert_cmpint(turns_take(turns, 2, started, &log, &turn), ==, 0);
        take(turns, 3, &log);
        turn_free(turn);
        g_assert_cmpuint(turns_n_waiting(turns, 2), ==, 0);
        end_first(&log);
        end_first(&log);
        g_assert_cmpstr(log.text->str, ==, "1 3 ");
        log_done(&log);
}

/* Without waiting, a turn comes at once or not at all. */
static void test_no_waiting(void) {
        g_autoptr(Turns) turns = turns_new(2, 1, 0);
        Turn *turn = NULL;
        Log log;

        log_init(&log);
        take(turns, 1, &log);
        g_assert_cmpint(turns_take(turns, 1, started, &log, &turn), ==, TURNS_E_FULL);
        take(turns, 2, &log);
        g_assert_cmpint(turns_take(turns, 3, started, &log, &turn), ==, TURNS_E_FULL);
        end_first(&log);
        end_first(&log);
        log_done(&log);
}

static void end_at_once(Turn *turn, void *userdata) {
        unsigned *n = userdata;

        (*n)++;
        turn_free(turn);
}

/* A hundred thousand that end inside of their own start: no stack is deep enough for recursion. */
static void test_nested(void) {
        g_autoptr(Turns) turns = turns_new(1, 1, 100000);
        Turn *turn;
        unsigned n = 0;
        Log log;

        log_init(&log);
        take(turns, 1, &log);
        for (unsigned i = 0; i < 100000; i++)
                g_assert_cmpint(turns_take(turns, 1, end_at_once, &n, &turn), ==, 0);
        g_assert_cmpuint(n, ==, 0);
        end_first(&log);
        g_assert_cmpuint(n, ==, 100000);
        g_assert_cmpuint(turns_n_waiting_total(turns), ==, 0);
        log_done(&log);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/turns/limits", test_limits);
        g_test_add_func("/turns/fair", test_fair);
        g_test_add_func("/turns/withdraw", test_withdraw);
        g_test_add_func("/turns/no-waiting", test_no_waiting);
        g_test_add_func("/turns/nested", test_nested);
        return g_test_run();
}
