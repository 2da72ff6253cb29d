/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/looks.h"

#include <stdbool.h>

#include "daemon/allocator/record.h"
#include "daemon/host/host-ids.h"
#include "daemon/leftovers/leftovers.h"
#include "daemon/limits.h"
#include "daemon/host/slot-locks.h"
#include "lib/table/write.h"

/* One look serves all ranges that wait, as long as it is done in time.  When it is not, somebody
 * may have made it hang: what it did not get to is looked at account by account, side by side, so
 * that an account waits for what is its own.  One whose own look is not in time has no part in
 * joint looks for LIMIT_LEFTOVERS_DOUBT_MSEC. */

/* Ends come in crowds; the first waits for the others. */
#define SWEEP_DELAY_USEC 20000
/* So much longer than a look takes nothing is looked at for the same. */
#define SWEEP_PAUSE_FACTOR 4

struct Sweeps {
        const AllocatorConfig *config;
        ReleasingSet *releasing;
        SweepsCleanFunc clean;
        void *userdata;
        GHashTable *under_way; /* account, or LEFTOVERS_OF_ALL -> its look: Sweep */
        GHashTable *doubted;   /* account -> until when its ranges are looked at alone */
        gint64 not_before, at; /* microseconds */
        guint source;
};

typedef struct Sweep {
        Sweeps *sweeps;
        uint32_t account; /* LEFTOVERS_OF_ALL: a joint one */
        GArray *ranges;   /* LeftoversRange */
        GArray *records;  /* of each of them */
        uint64_t n_slots;
        gint64 began_usec;
} Sweep;

static void sweep_free(void *data) {
        Sweep *sweep = data;

        g_array_unref(sweep->ranges);
        g_array_unref(sweep->records);
        g_free(sweep);
}

static uint32_t sweep_record(const Sweep *sweep, guint i) {
        return g_array_index(sweep->records, uint32_t, i);
}

/* whose look */

/* An account whose own look was not in time. */
typedef struct Doubt {
        gint64 until;      /* its ranges are looked at alone */
        gint64 not_before; /* its next look */
} Doubt;

static gboolean is_over(gpointer account, gpointer doubt, gpointer now) {
        return ((const Doubt *) doubt)->until <= *(const gint64 *) now;
}

static void sweeps_doubt(Sweeps *sweeps, uint32_t account) {
        gint64 now = g_get_monotonic_time();
        Doubt *doubt = g_new0(Doubt, 1);

        (void) g_hash_table_foreach_remove(sweeps->doubted, is_over, &now);
        doubt->until = now + (gint64) LIMIT_LEFTOVERS_DOUBT_MSEC * 1000;
        g_hash_table_insert(sweeps->doubted, GUINT_TO_POINTER(account), doubt);
}

/* Looks, of all or of one account, take at most a part of one processor's time. */
static void sweeps_pause(Sweeps *sweeps, const Sweep *sweep) {
        gint64 now = g_get_monotonic_time();
        gint64 not_before = now + SWEEP_PAUSE_FACTOR * (now - sweep->began_usec);
        Doubt *doubt;

        if (sweep->account == LEFTOVERS_OF_ALL) {
                sweeps->not_before = not_before;
                return;
        }
        doubt = g_hash_table_lookup(sweeps->doubted, GUINT_TO_POINTER(sweep->account));
        if (doubt)
                doubt->not_before = not_before;
}

/* In which look the range takes part. */
static uint32_t sweeps_account(const Sweeps *sweeps, const Releasing *releasing) {
        uint32_t account =
                table_writer_record(sweeps->config->table, releasing->record)->account_uid;
        const Doubt *doubt = g_hash_table_lookup(sweeps->doubted, GUINT_TO_POINTER(account));

        return releasing->is_alone || (doubt && doubt->until > g_get_monotonic_time())
                       ? account
                       : LEFTOVERS_OF_ALL;
}

/* what was found */

/* Of several pieces of one record's range. */
static const LeftoversFound *weightiest(const LeftoversFound *found, guint n) {
        const LeftoversFound *worst = &found[0];

        for (guint i = 1; i < n; i++)
                if (found[i].what > worst->what)
                        worst = &found[i];
        return worst;
}

/* What a look did not get to is not charged: others can change /etc/passwd, or make /proc long.
 * Where one cannot even be ended it is, see sweep_cannot_start(). */
static bool is_charged(const LeftoversFound *found, guint n) {
        for (guint i = 0; i < n; i++)
                if (found[i].what != LEFTOVERS_NOTHING && found[i].what != LEFTOVERS_UNKNOWN)
                        return true;
        return false;
}

static void sweeps_tell_found(Sweeps *sweeps, uint32_t record, const LeftoversFound *found) {
        g_autofree char *why = leftovers_describe(found);
        g_autofree char *kind = g_strdup_printf("found %d", found->what);

        releasing_set_tell(sweeps->releasing, record, kind, why);
}

/* A joint look was not in time, or there can be none. */
static void releasing_look_alone(Releasing *releasing) {
        releasing->is_alone = true;
        releasing->due_usec = g_get_monotonic_time();
}

static void sweep_end_record(
        const Sweep *sweep, uint32_t record, const LeftoversFound *found, guint n, bool in_time) {
        Sweeps *sweeps = sweep->sweeps;
        Releasing *releasing = releasing_set_get(sweeps->releasing, record);
        const LeftoversFound *worst = weightiest(found, n);

        releasing->is_looked_at = false;
        if (in_time)
                releasing->is_alone = false;
        if (worst->what == LEFTOVERS_NOTHING) {
                sweeps->clean(record, sweeps->userdata);
                return;
        }
        if (!in_time && sweep->account == LEFTOVERS_OF_ALL) {
                releasing_look_alone(releasing);
                return;
        }
        sweeps_tell_found(sweeps, record, worst);
        releasing->is_busy |= is_charged(found, n);
        releasing_set_try_again(sweeps->releasing, record);
}

static void on_swept(const LeftoversFound *found, size_t n, bool in_time, void *userdata) {
        Sweep *sweep = userdata;
        Sweeps *sweeps = sweep->sweeps;

        g_assert(sweep->records->len == n);
        (void) g_hash_table_steal(sweeps->under_way, GUINT_TO_POINTER(sweep->account));
        if (sweep->account != LEFTOVERS_OF_ALL && !in_time)
                sweeps_doubt(sweeps, sweep->account);
        if (sweep->account != LEFTOVERS_OF_ALL || in_time)
                sweeps_pause(sweeps, sweep);
        for (guint i = 0, next; i < n; i = next) {
                uint32_t record = sweep_record(sweep, i);

                for (next = i; next < n; next++)
                        if (sweep_record(sweep, next) != record)
                                break;
                sweep_end_record(sweep, record, found + i, next - i, in_time);
        }
        sweep_free(sweep);
        sweeps_schedule_next(sweeps);
}

/* who claims it */

/* Whether somebody else has nspawn's lock of one of the slots: 1, told; -errno: it cannot be found
 * out.  It is held from the choice of a slot until that is free, unless it was taken while no
 * daemon ran. */
static int sweeps_find_lock(Sweeps *sweeps, uint32_t record, const LeftoversRange *range) {
        uint64_t slot = range->start - range->start % TABLE_SLOT_SIZE;

        for (; slot < (uint64_t) range->start + range->size; slot += TABLE_SLOT_SIZE) {
                g_autofree char *why = NULL;
                int r = slot_locks_hold(sweeps->config->slot_locks, (uint32_t) slot, false);

                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                why = g_strdup_printf("systemd-nspawn's lock of %u is held", (uint32_t) slot);
                releasing_set_tell(sweeps->releasing, record, why, why);
                return 1;
        }
        return 0;
}

/* Whether somebody else claims any of these IDs by now: 1, told; -errno: it cannot be found out. */
static int sweeps_find_claimant(
        Sweeps *sweeps, uint32_t record, const LeftoversRange *ranges, guint n) {
        for (guint i = 0; i < n; i++) {
                g_autofree char *claimant = NULL, *why = NULL;
                int r = sweeps_find_lock(sweeps, record, &ranges[i]);

                if (r != 0)
                        return r;
                claimant = host_ids_claimant(
                        sweeps->config->host_ids, ranges[i].start, ranges[i].size);
                if (!claimant)
                        continue;
                why = g_strdup_printf("its IDs are claimed by %s", claimant);
                releasing_set_tell(sweeps->releasing, record, why, why);
                return 1;
        }
        return 0;
}

/* looking */

/* Add the range's pieces to the look, unless somebody else has any of them. */
static void sweeps_plan(Sweeps *sweeps, Sweep *sweep, Releasing *releasing) {
        guint first = sweep->ranges->len;
        uint64_t n_ids = allocator_list_ranges(sweeps->config, releasing->record, sweep->ranges);
        int r = sweeps_find_claimant(
                sweeps, releasing->record, &g_array_index(sweep->ranges, LeftoversRange, first),
                sweep->ranges->len - first);

        if (r != 0) {
                g_array_set_size(sweep->ranges, first);
                releasing->is_busy |= r > 0;
                if (r > 0)
                        releasing_set_try_again(sweeps->releasing, releasing->record);
                else
                        releasing_set_put_off(sweeps->releasing, releasing->record);
                return;
        }
        while (sweep->records->len < sweep->ranges->len)
                g_array_append_val(sweep->records, releasing->record);
        sweep->n_slots += MAX(n_ids / TABLE_SLOT_SIZE, 1u);
}

static gint compare_due(gconstpointer a, gconstpointer b) {
        const Releasing *x = *(const Releasing *const *) a, *y = *(const Releasing *const *) b;

        return (x->due_usec > y->due_usec) - (x->due_usec < y->due_usec);
}

/* When the range can be looked at; G_MAXINT64: not before something else has ended, which is
 * followed by the next look. */
static gint64 sweeps_due_usec(const Sweeps *sweeps, const Releasing *releasing) {
        const Doubt *doubt;
        uint32_t account;

        if (releasing->trial || releasing->is_looked_at)
                return G_MAXINT64;
        account = sweeps_account(sweeps, releasing);
        if (g_hash_table_contains(sweeps->under_way, GUINT_TO_POINTER(account)))
                return G_MAXINT64;
        if (account == LEFTOVERS_OF_ALL)
                return MAX(releasing->due_usec, sweeps->not_before);
        doubt = g_hash_table_lookup(sweeps->doubted, GUINT_TO_POINTER(account));
        return MAX(releasing->due_usec, doubt ? doubt->not_before : 0);
}

/* What is due, the oldest first. */
static GPtrArray *sweeps_list_due(const Sweeps *sweeps) {
        gint64 now = g_get_monotonic_time();
        GPtrArray *due = g_ptr_array_new();
        GHashTableIter i;
        gpointer releasing;

        releasing_set_iterate(sweeps->releasing, &i);
        while (g_hash_table_iter_next(&i, NULL, &releasing))
                if (sweeps_due_usec(sweeps, releasing) <= now)
                        g_ptr_array_add(due, releasing);
        g_ptr_array_sort(due, compare_due);
        return due;
}

static Sweep *plans_get(
        GPtrArray *plans, GHashTable *by_account, Sweeps *sweeps, uint32_t account) {
        Sweep *sweep = g_hash_table_lookup(by_account, GUINT_TO_POINTER(account));

        if (sweep)
                return sweep;
        sweep = g_new(Sweep, 1);
        *sweep = (Sweep){
                .sweeps = sweeps,
                .account = account,
                .ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange)),
                .records = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        };
        g_hash_table_insert(by_account, GUINT_TO_POINTER(account), sweep);
        g_ptr_array_add(plans, sweep);
        return sweep;
}

/* One look for each account that has something due: Sweep, owned by whoever starts it.  The order
 * is that of who has waited longest. */
static GPtrArray *sweeps_plan_all(Sweeps *sweeps) {
        g_autoptr(GHashTable) by_account = g_hash_table_new(NULL, NULL);
        g_autoptr(GPtrArray) due = sweeps_list_due(sweeps);
        GPtrArray *plans = g_ptr_array_new();
        int r = due->len > 0 ? leftovers_prepare(sweeps->config->leftovers) : 0;

        /* Once for all: what has just changed is read again each time. */
        if (r == 0 && due->len > 0)
                r = host_ids_refresh(sweeps->config->host_ids);

        for (guint i = 0; i < due->len; i++) {
                Releasing *releasing = due->pdata[i];
                Sweep *sweep;

                if (r != 0) {
                        releasing_set_put_off(sweeps->releasing, releasing->record);
                        continue;
                }
                sweep = plans_get(plans, by_account, sweeps, sweeps_account(sweeps, releasing));
                if (sweep->n_slots < LIMIT_LEFTOVERS_SLOTS)
                        sweeps_plan(sweeps, sweep, releasing);
        }
        return plans;
}

static void sweep_cannot_start(const Sweep *sweep, int r) {
        Sweeps *sweeps = sweep->sweeps;

        for (guint i = 0; i < sweep->records->len; i++) {
                uint32_t record = sweep_record(sweep, i);
                Releasing *releasing = releasing_set_get(sweeps->releasing, record);

                if (i > 0 && record == sweep_record(sweep, i - 1))
                        continue;
                if (r == LEFTOVERS_E_HANGS) {
                        /* The account's own makes it hang. */
                        releasing->is_busy = true;
                        releasing_set_try_again(sweeps->releasing, record);
                } else if (r == LEFTOVERS_E_BUSY && sweep->account == LEFTOVERS_OF_ALL)
                        releasing_look_alone(releasing);
                else
                        releasing_set_put_off(sweeps->releasing, record);
        }
}

static void sweep_start(Sweep *take_sweep) {
        Sweeps *sweeps = take_sweep->sweeps;
        int r;

        take_sweep->began_usec = g_get_monotonic_time();
        r = take_sweep->ranges->len == 0
                    ? 0
                    : leftovers_remove(
                              sweeps->config->leftovers, take_sweep->account,
                              (const LeftoversRange *) (void *) take_sweep->ranges->data,
                              take_sweep->ranges->len, on_swept, take_sweep);
        if (r != 0)
                sweep_cannot_start(take_sweep, r);
        if (r != 0 || take_sweep->ranges->len == 0) {
                sweep_free(take_sweep);
                return;
        }
        g_hash_table_insert(sweeps->under_way, GUINT_TO_POINTER(take_sweep->account), take_sweep);
        for (guint i = 0; i < take_sweep->records->len; i++) {
                Releasing *releasing =
                        releasing_set_get(sweeps->releasing, sweep_record(take_sweep, i));

                releasing->is_looked_at = true;
        }
}

static gboolean on_sweep(gpointer userdata) {
        Sweeps *sweeps = userdata;
        gint64 began = g_get_monotonic_time(), now;
        g_autoptr(GPtrArray) plans = NULL;

        sweeps->source = 0;
        plans = sweeps_plan_all(sweeps);
        for (guint i = 0; i < plans->len; i++)
                sweep_start(plans->pdata[i]);
        /* To choose takes time of the loop itself, also where nobody can be made to look. */
        now = g_get_monotonic_time();
        sweeps->not_before = MAX(sweeps->not_before, now + SWEEP_PAUSE_FACTOR * (now - began));
        sweeps_schedule_next(sweeps);
        return G_SOURCE_REMOVE;
}

void sweeps_schedule(Sweeps *sweeps, gint64 due_usec) {
        gint64 now = g_get_monotonic_time(), at = MAX(due_usec, now + SWEEP_DELAY_USEC);

        if (sweeps->source != 0 && sweeps->at <= at)
                return;
        if (sweeps->source != 0)
                g_source_remove(sweeps->source);
        sweeps->at = at;
        sweeps->source = g_timeout_add((guint) ((at - now) / 1000) + 1, on_sweep, sweeps);
}

void sweeps_schedule_next(Sweeps *sweeps) {
        gint64 due = G_MAXINT64;
        GHashTableIter i;
        gpointer releasing;

        releasing_set_iterate(sweeps->releasing, &i);
        while (g_hash_table_iter_next(&i, NULL, &releasing))
                due = MIN(due, sweeps_due_usec(sweeps, releasing));
        if (due != G_MAXINT64)
                sweeps_schedule(sweeps, due);
}

Sweeps *sweeps_new(
        const AllocatorConfig *config, ReleasingSet *releasing, SweepsCleanFunc clean,
        void *userdata) {
        Sweeps *sweeps = g_new(Sweeps, 1);

        *sweeps = (Sweeps){
                .config = config,
                .releasing = releasing,
                .clean = clean,
                .userdata = userdata,
                .under_way = g_hash_table_new_full(NULL, NULL, NULL, sweep_free),
                .doubted = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        };
        return sweeps;
}

void sweeps_free(Sweeps *sweeps) {
        if (sweeps->source != 0)
                g_source_remove(sweeps->source);
        g_hash_table_unref(sweeps->under_way);
        g_hash_table_unref(sweeps->doubted);
        g_free(sweeps);
}
