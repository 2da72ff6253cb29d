/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/turns.h"

#include <stdbool.h>

typedef struct Account {
        uint32_t number;
        unsigned n_taken;
        GQueue waiting; /* of Turn, in the order in which they asked */
        GList *in_ring; /* its place among the accounts that wait, NULL: it does not wait */
} Account;

struct Turns {
        unsigned max, max_per_account, max_waiting_per_account;
        unsigned share; /* 0: none */
        unsigned n_taken, n_waiting;
        GHashTable *accounts; /* number -> Account, owned; only those that have or want something */
        GQueue ring;          /* of Account: those that wait, the next one first */
        bool starting;        /* inside of turns_start() */
};

struct Turn {
        Turns *turns;
        Account *account;
        GList *in_waiting; /* NULL: the turn has come */
        TurnStartFunc start;
        void *userdata;
};

Turns *turns_new(unsigned max, unsigned max_per_account, unsigned max_waiting_per_account) {
        Turns *turns = g_new(Turns, 1);

        *turns = (Turns){
                .max = max,
                .max_per_account = max_per_account,
                .max_waiting_per_account = max_waiting_per_account,
                .accounts = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        };
        return turns;
}

void turns_set_share(Turns *turns, unsigned divisor) {
        turns->share = divisor;
}

unsigned turns_most(const Turns *turns, unsigned n_taken) {
        unsigned n_left = turns->max - MIN(n_taken, turns->max), most = turns->max_per_account;

        if (turns->share > 0)
                most = MIN(most, (n_left + turns->share - 1) / turns->share);
        return n_left > 0 ? most : 0;
}

void turns_free(Turns *turns) {
        if (!turns)
                return;
        g_assert(turns->n_taken == 0 && turns->n_waiting == 0 && !turns->starting);
        g_hash_table_unref(turns->accounts);
        g_free(turns);
}

static Account *turns_find(const Turns *turns, uint32_t number) {
        return g_hash_table_lookup(turns->accounts, GUINT_TO_POINTER(number));
}

static Account *turns_get(Turns *turns, uint32_t number) {
        Account *account = turns_find(turns, number);

        if (!account) {
                account = g_new0(Account, 1);
                account->number = number;
                (void) g_hash_table_insert(turns->accounts, GUINT_TO_POINTER(number), account);
        }
        return account;
}

static void turns_drop_if_unused(Turns *turns, Account *account) {
        if (account->n_taken == 0 && account->waiting.length == 0)
                (void) g_hash_table_remove(turns->accounts, GUINT_TO_POINTER(account->number));
}

/* What waits is not counted as taken and has a place in the ring; each turn that leaves the queue
 * goes through here, whether it has come or was withdrawn. */
static void turn_leave_queue(Turn *turn) {
        Account *account = turn->account;

        g_queue_delete_link(&account->waiting, turn->in_waiting);
        turn->in_waiting = NULL;
        turn->turns->n_waiting--;
        if (account->waiting.length == 0) {
                g_queue_delete_link(&turn->turns->ring, account->in_ring);
                account->in_ring = NULL;
        }
}

/* Of the accounts that wait and may have one more, one that has fewest, and of those the one whose
 * last turn was longest ago; it goes to the end of the ring. */
static Turn *turns_next(Turns *turns) {
        unsigned fewest = turns_most(turns, turns->n_taken);
        GList *next = NULL;

        for (GList *link = turns->ring.head; link && fewest > 0; link = link->next) {
                const Account *account = link->data;

                if (account->n_taken < fewest) {
                        next = link;
                        fewest = account->n_taken;
                }
        }
        if (!next)
                return NULL;
        g_queue_unlink(&turns->ring, next);
        g_queue_push_tail_link(&turns->ring, next);
        return ((const Account *) next->data)->waiting.head->data;
}

/* A `start` may free and take turns: those are found by the loop that called it, so that the depth
 * of the stack does not depend on how many wait. */
static void turns_start(Turns *turns) {
        Turn *turn;

        if (turns->starting)
                return;
        turns->starting = true;
        while ((turn = turns_next(turns))) {
                turn_leave_queue(turn);
                turn->account->n_taken++;
                turns->n_taken++;
                if (turn->start)
                        turn->start(turn, turn->userdata);
        }
        turns->starting = false;
}

int turns_take(
        Turns *turns, uint32_t account_number, TurnStartFunc start, void *userdata,
        Turn **ret_turn) {
        Account *account = turns_find(turns, account_number);
        Turn *turn;

        /* With a place for it, it waits only until this function starts it. */
        if (account && account->waiting.length > 0 &&
            account->waiting.length >= turns->max_waiting_per_account)
                return TURNS_E_FULL;
        if (turns->max_waiting_per_account == 0 &&
            (account ? account->n_taken : 0) >= turns_most(turns, turns->n_taken))
                return TURNS_E_FULL;

        account = turns_get(turns, account_number);
        turn = g_new(Turn, 1);
        *turn = (Turn){ .turns = turns, .account = account, .start = start, .userdata = userdata };
        g_queue_push_tail(&account->waiting, turn);
        turn->in_waiting = account->waiting.tail;
        turns->n_waiting++;
        if (!account->in_ring) {
                g_queue_push_tail(&turns->ring, account);
                account->in_ring = turns->ring.tail;
        }
        *ret_turn = turn;
        turns_start(turns);
        return 0;
}

void turn_free(Turn *turn) {
        Turns *turns;

        if (!turn)
                return;
        turns = turn->turns;
        if (turn->in_waiting)
                turn_leave_queue(turn);
        else {
                turn->account->n_taken--;
                turns->n_taken--;
        }
        turns_drop_if_unused(turns, turn->account);
        g_free(turn);
        turns_start(turns);
}

uint32_t turn_account(const Turn *turn) {
        return turn->account->number;
}

unsigned turns_n_taken(const Turns *turns, uint32_t account) {
        const Account *found = turns_find(turns, account);

        return found ? found->n_taken : 0;
}

unsigned turns_n_taken_total(const Turns *turns) {
        return turns->n_taken;
}

unsigned turns_n_waiting(const Turns *turns, uint32_t account) {
        const Account *found = turns_find(turns, account);

        return found ? found->waiting.length : 0;
}

unsigned turns_n_waiting_total(const Turns *turns) {
        return turns->n_waiting;
}
