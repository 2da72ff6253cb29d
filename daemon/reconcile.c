/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/reconcile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/allocator/allocator.h"
#include "daemon/policy/policy.h"
#include "daemon/userns/userns.h"
#include "lib/util/log.h"

/* A pass over all live namespaces begins this long after the last one ended.  Where the kernel
 * reports ends itself, it only catches what was missed. */
#define PASS_INTERVAL_MSEC 1000
/* Namespaces probed in one turn of the main loop: about a millisecond. */
#define CHUNK 512u
/* Without file handles a child reads all of /proc: seldom enough to stay below a percent of one
 * processor. */
#define SWEEP_INTERVAL_MSEC 10000

struct Reconcile {
        Allocator *allocator; /* NULL: not started */
        UsernsProbe *probe;
        guint source;
        uint32_t cursor;
        unsigned n_told;  /* records released since the last of these by what the kernel told */
        bool sweeping;    /* a sweep is under way */
        bool swept;       /* the pass that is under way, or begins, is the one after a sweep */
        gint64 sweep_due; /* microseconds */
};

static gboolean reconcile_pass(gpointer userdata);

static void reconcile_schedule(Reconcile *reconcile, guint delay_msec) {
        if (reconcile->source != 0)
                g_source_remove(reconcile->source);
        /* Not when the loop is idle: clients can keep it from being so. */
        reconcile->source =
                delay_msec == 0
                        ? g_idle_add_full(G_PRIORITY_DEFAULT, reconcile_pass, reconcile, NULL)
                        : g_timeout_add(delay_msec, reconcile_pass, reconcile);
}

static void on_swept(int result, void *userdata) {
        Reconcile *reconcile = userdata;

        reconcile->sweeping = false;
        reconcile->sweep_due =
                g_get_monotonic_time() + SWEEP_INTERVAL_MSEC * G_TIME_SPAN_MILLISECOND;
        if (result < 0) {
                log_warning_errno(result, "Cannot sweep /proc for user namespaces");
                return;
        }
        /* From the first record on, and at once: what the sweep has not seen is only released by
         * the pass after it. */
        reconcile->swept = true;
        reconcile->cursor = 0;
        reconcile_schedule(reconcile, 0);
}

/* A sweep is long where there are many processes: not more often than it has to be,
 * and not at all where the kernel tells of each end. */
static void reconcile_sweep(Reconcile *reconcile) {
        int r;

        if (reconcile->sweeping || reconcile->swept || !userns_probe_sweeps(reconcile->probe) ||
            g_get_monotonic_time() < reconcile->sweep_due ||
            !allocator_needs_sweep(reconcile->allocator))
                return;
        r = userns_probe_start_refresh(reconcile->probe, on_swept, reconcile);
        if (r == 0)
                reconcile->sweeping = true;
        else
                on_swept(r < 0 ? r : -EBUSY, reconcile);
}

static gboolean reconcile_pass(gpointer userdata) {
        Reconcile *reconcile = userdata;

        reconcile->source = 0;
        reconcile->n_told = 0;
        if (reconcile->cursor == 0)
                reconcile_sweep(reconcile);
        (void) allocator_reconcile(
                reconcile->allocator, reconcile->swept || !userns_probe_sweeps(reconcile->probe),
                &reconcile->cursor, CHUNK);
        if (reconcile->cursor == 0)
                reconcile->swept = false;
        reconcile_schedule(reconcile, reconcile->cursor == 0 ? PASS_INTERVAL_MSEC : 0);
        return G_SOURCE_REMOVE;
}

void reconcile_told(const PolicyEvent *event, void *userdata) {
        Reconcile *reconcile = userdata;

        if (!reconcile->allocator)
                return;
        if (reconcile->n_told < CHUNK &&
            allocator_release_ended(reconcile->allocator, event->userns_inode)) {
                reconcile->n_told++;
                return;
        }
        /* Reports were lost, the record is another namespace's by now, or there are too many ends
         * for one turn: all are looked at. */
        if (reconcile->cursor == 0)
                reconcile_schedule(reconcile, 0);
}

Reconcile *reconcile_new(void) {
        return g_new0(Reconcile, 1);
}

void reconcile_free(Reconcile *reconcile) {
        if (!reconcile)
                return;
        if (reconcile->source != 0)
                g_source_remove(reconcile->source);
        g_free(reconcile);
}

void reconcile_start(Reconcile *reconcile, Allocator *allocator, UsernsProbe *probe) {
        reconcile->allocator = allocator;
        reconcile->probe = probe;
        reconcile_schedule(reconcile, 0);
}
