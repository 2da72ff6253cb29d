/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Turns at something of which there is only so much: processes, memory, time.  At most `max` have
 * their turn at once, at most `max_per_account` of them of one account.  What is beyond waits, and
 * accounts take turns, not requests: whoever has fewest is next, and of those the one whose last
 * turn was longest ago; who asks a thousand times keeps nobody else from it.  Knows nothing of what
 * is done in a turn; a deadline is the caller's. */

#include <stdint.h>

#include <glib.h>

typedef struct Turns Turns;
typedef struct Turn Turn;

/* Outcomes. */
enum {
        TURNS_E_FULL = 1, /* the account waits for `max_waiting_per_account` turns already */
};

/* The turn has come.  May take and free turns, its own too.  NULL where turns are but counted. */
typedef void (*TurnStartFunc)(Turn *turn, void *userdata);

/* `max_per_account` below `max` leaves room for others when one account keeps what it has. */
Turns *turns_new(unsigned max, unsigned max_per_account, unsigned max_waiting_per_account);

/* From now on an account has no more than a share of what is left of `max`, either: that divided by
 * `divisor`, rounded up.  So those who have some already do not take the last ones. */
void turns_set_share(Turns *turns, unsigned divisor);

/* How many one account may have when `n_taken` are taken in all. */
unsigned turns_most(const Turns *turns, unsigned n_taken);

/* Each turn must have been freed before. */
void turns_free(Turns *turns);

/* Ask for a turn; *ret_turn belongs to the caller, and is set before `start` is called.  0: `start`
 * is called once, before this returns or from another's turn_free().  TURNS_E_FULL: nothing was
 * taken. */
int turns_take(
        Turns *turns, uint32_t account, TurnStartFunc start, void *userdata, Turn **ret_turn);

/* The end of a turn, or of waiting for it; then `start` is never called.  Those who are next have
 * their turn before this returns, unless it is called inside of a `start`: then right after that.
 */
void turn_free(Turn *turn);

uint32_t turn_account(const Turn *turn);

/* Turns that have come and are not freed: of one account, of all. */
unsigned turns_n_taken(const Turns *turns, uint32_t account);
unsigned turns_n_taken_total(const Turns *turns);

/* Turns that have not come: of one account, of all. */
unsigned turns_n_waiting(const Turns *turns, uint32_t account);
unsigned turns_n_waiting_total(const Turns *turns);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Turns, turns_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Turn, turn_free)
