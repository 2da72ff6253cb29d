/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether anybody knows or uses a slot's IDs, as far as that takes asking somebody who may never
 * answer: the name service, /proc, /home.  Slots that will be lent next are asked about ahead of
 * need, so that a request does not wait; what was answered is remembered for a while
 * (daemon/limits.h), and not beyond the slot's being lent: directories get users at any time.  What
 * /etc says, and nspawn's locks, are vetting's.
 *
 * Our own names are no answer: they exist for slots only that are not free, and what is heard of
 * a slot that was not free all the while it was asked about is not believed. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct Asker Asker;
typedef struct TableWriter TableWriter;
typedef struct Vetter Vetter;

typedef struct VetterConfig {
        TableWriter *table; /* borrowed, as the next */
        Asker *asker;
        bool ask_names;
        /* Whether these IDs will not be lent whatever is answered (/etc, Reserved=): nothing is
         * asked ahead about them.  NULL: none. */
        bool (*is_claimed)(uint32_t start, uint32_t n_ids, void *userdata);
        /* Something was found out: whoever waits may try again. */
        void (*answered)(void *userdata);
        /* Something for the log: what the name service, or the host, cannot be asked, or can again.
         */
        void (*notice)(const char *text, void *userdata);
        void *userdata;
} VetterConfig;

/* What is known of IDs now. */
typedef enum VetterAnswer {
        VETTER_FREE,
        VETTER_TAKEN,   /* or nobody can say, and will not in a moment either */
        VETTER_UNKNOWN, /* worth waiting for: vetter_want() */
} VetterAnswer;

int vetter_new(const VetterConfig *config, Vetter **ret_vetter);
void vetter_free(Vetter *vetter);

/* Of whole slots, TAKEN if they are not free in the table either, or of a single ID of a slot that
 * is split.  Cheap: looks at what is known. */
VetterAnswer vetter_check(const Vetter *vetter, uint32_t start, uint32_t n_ids);

/* Note what a request waits for: these slots, of which vetter_check() said VETTER_UNKNOWN.  They
 * are asked about from vetter_go_on() on, what was wanted first first, WANTED_AT_ONCE slots in one
 * question. */
void vetter_want(Vetter *vetter, uint32_t start, uint32_t n_ids);

/* Nothing is waited for that is not wanted again: whoever has a say in the order begins with this.
 */
void vetter_forget_wanted(Vetter *vetter);

/* Ask about what is wanted, and ahead where what is known runs out or gets old; call it when
 * something was lent or wanted.  Asks nothing while nothing is lent. */
void vetter_go_on(Vetter *vetter);

/* Whether the name service is asked from now on. */
void vetter_set_ask_names(Vetter *vetter, bool ask);

/* What keeps slots from being lent that is to be told: a line for people, or NULL.  Valid until the
 * next call of any function. */
const char *vetter_trouble(const Vetter *vetter);

/* How many slots are known to be somebody's in the name service, and one such: "user alice, UIDs
 * from 524288 on" or NULL. */
uint32_t vetter_n_named(const Vetter *vetter, const char **ret_example);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vetter, vetter_free)
