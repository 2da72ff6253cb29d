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
#define LOOK_DELAY_USEC 20000
/* So much longer than a look takes nothing is looked at for the same. */
#define LOOK_PAUSE_FACTOR 4

struct Looks {
        const AllocatorConfig *config;
        ReleasingSet *releasing;
        LooksCleanFunc clean;
        void *userdata;
        GHashTable *under_way; /* account, or LEFTOVERS_OF_ALL -> Look */
        GHashTable *doubted;   /* account -> until when its ranges are looked at alone */
        gint64 not_before, at; /* microseconds */
        guint source;
};

typedef struct Look {
        Looks *looks;
        uint32_t account; /* LEFTOVERS_OF_ALL: a joint look */
        GArray *ranges;   /* LeftoversRange */
        GArray *records;  /* of each of them */
        uint64_t n_slots;
        gint64 began_usec;
} Look;

static void look_free(void *data) {
        Look *look = data;

        g_array_unref(look->ranges);
        g_array_unref(look->records);
        g_free(look);
}

static uint32_t look_record(const Look *look, guint i) {
        return g_array_index(look->records, uint32_t, i);
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

static void looks_doubt(Looks *looks, uint32_t account) {
        gint64 now = g_get_monotonic_time();
        Doubt *doubt = g_new0(Doubt, 1);

        (void) g_hash_table_foreach_remove(looks->doubted, is_over, &now);
        doubt->until = now + (gint64) LIMIT_LEFTOVERS_DOUBT_MSEC * 1000;
        g_hash_table_insert(looks->doubted, GUINT_TO_POINTER(account), doubt);
}

/* Looks, of all or of one account, take at most a part of one processor's time. */
static void looks_pause(Looks *looks, const Look *look) {
        gint64 now = g_get_monotonic_time();
        gint64 not_before = now + LOOK_PAUSE_FACTOR * (now - look->began_usec);
        Doubt *doubt;

        if (look->account == LEFTOVERS_OF_ALL) {
                looks->not_before = not_before;
                return;
        }
        doubt = g_hash_table_lookup(looks->doubted, GUINT_TO_POINTER(look->account));
        if (doubt)
                doubt->not_before = not_before;
}

/* In which look the range takes part. */
static uint32_t looks_account(const Looks *looks, const Releasing *releasing) {
        uint32_t account =
                table_writer_record(looks->config->table, releasing->record)->account_uid;
        const Doubt *doubt = g_hash_table_lookup(looks->doubted, GUINT_TO_POINTER(account));

        return releasing->is_alone || (doubt && doubt->until > g_get_monotonic_time())
                       ? account
                       : LEFTOVERS_OF_ALL;
}

/* what a look found */

/* What weighs most of what was found of several pieces of one record's range. */
static const LeftoversFound *weightiest(const LeftoversFound *found, guint n) {
        const LeftoversFound *worst = &found[0];

        for (guint i = 1; i < n; i++)
                if (found[i].what > worst->what)
                        worst = &found[i];
        return worst;
}

/* What a look did not get to is not charged: others can change /etc/passwd, or make /proc long.
 * Where a look cannot even be ended it is charged, see look_cannot_start(). */
static bool is_charged(const LeftoversFound *found, guint n) {
        for (guint i = 0; i < n; i++)
                if (found[i].what != LEFTOVERS_NOTHING && found[i].what != LEFTOVERS_UNKNOWN)
                        return true;
        return false;
}

static void looks_tell_found(Looks *looks, uint32_t record, const LeftoversFound *found) {
        g_autofree char *why = leftovers_describe(found);
        g_autofree char *kind = g_strdup_printf("found %d", found->what);

        releasing_set_tell(looks->releasing, record, kind, why);
}

/* A joint look was not in time, or there can be none. */
static void releasing_look_alone(Releasing *releasing) {
        releasing->is_alone = true;
        releasing->due_usec = g_get_monotonic_time();
}

static void look_end_record(
        const Look *look, uint32_t record, const LeftoversFound *found, guint n, bool in_time) {
        Looks *looks = look->looks;
        Releasing *releasing = releasing_set_get(looks->releasing, record);
        const LeftoversFound *worst = weightiest(found, n);

        releasing->is_looked_at = false;
        if (in_time)
                releasing->is_alone = false;
        if (worst->what == LEFTOVERS_NOTHING) {
                looks->clean(record, looks->userdata);
                return;
        }
        if (!in_time && look->account == LEFTOVERS_OF_ALL) {
                releasing_look_alone(releasing);
                return;
        }
        looks_tell_found(looks, record, worst);
        releasing->is_busy |= is_charged(found, n);
        releasing_set_try_again(looks->releasing, record);
}

static void on_looked(const LeftoversFound *found, size_t n, bool in_time, void *userdata) {
        Look *look = userdata;
        Looks *looks = look->looks;

        g_assert(look->records->len == n);
        (void) g_hash_table_steal(looks->under_way, GUINT_TO_POINTER(look->account));
        if (look->account != LEFTOVERS_OF_ALL && !in_time)
                looks_doubt(looks, look->account);
        if (look->account != LEFTOVERS_OF_ALL || in_time)
                looks_pause(looks, look);
        for (guint i = 0, next; i < n; i = next) {
                uint32_t record = look_record(look, i);

                for (next = i; next < n; next++)
                        if (look_record(look, next) != record)
                                break;
                look_end_record(look, record, found + i, next - i, in_time);
        }
        look_free(look);
        looks_schedule_next(looks);
}

/* who claims it */

/* Whether somebody else has nspawn's lock of one of the slots: 1, told; -errno: it cannot be found
 * out.  It is held from the choice of a slot until that is free, unless it was taken while no
 * daemon ran. */
static int looks_find_lock(Looks *looks, uint32_t record, const LeftoversRange *range) {
        uint64_t slot = range->start - range->start % TABLE_SLOT_SIZE;

        for (; slot < (uint64_t) range->start + range->size; slot += TABLE_SLOT_SIZE) {
                g_autofree char *why = NULL;
                int r = slot_locks_hold(looks->config->slot_locks, (uint32_t) slot, false);

                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                why = g_strdup_printf("systemd-nspawn's lock of %u is held", (uint32_t) slot);
                releasing_set_tell(looks->releasing, record, why, why);
                return 1;
        }
        return 0;
}

/* Whether somebody else claims any of these IDs by now: 1, told; -errno: it cannot be found out. */
static int looks_find_claimant(
        Looks *looks, uint32_t record, const LeftoversRange *ranges, guint n) {
        for (guint i = 0; i < n; i++) {
                g_autofree char *claimant = NULL, *why = NULL;
                int r = looks_find_lock(looks, record, &ranges[i]);

                if (r != 0)
                        return r;
                claimant =
                        host_ids_claimant(looks->config->host_ids, ranges[i].start, ranges[i].size);
                if (!claimant)
                        continue;
                why = g_strdup_printf("its IDs are claimed by %s", claimant);
                releasing_set_tell(looks->releasing, record, why, why);
                return 1;
        }
        return 0;
}

/* beginning looks */

/* Add the range's pieces to the look, unless somebody else has any of them. */
static void looks_plan(Looks *looks, Look *look, Releasing *releasing) {
        guint first = look->ranges->len;
        uint64_t n_ids = allocator_list_ranges(looks->config, releasing->record, look->ranges);
        int r = looks_find_claimant(
                looks, releasing->record, &g_array_index(look->ranges, LeftoversRange, first),
                look->ranges->len - first);

        if (r != 0) {
                g_array_set_size(look->ranges, first);
                releasing->is_busy |= r > 0;
                if (r > 0)
                        releasing_set_try_again(looks->releasing, releasing->record);
                else
                        releasing_set_put_off(looks->releasing, releasing->record);
                return;
        }
        while (look->records->len < look->ranges->len)
                g_array_append_val(look->records, releasing->record);
        look->n_slots += MAX(n_ids / TABLE_SLOT_SIZE, 1u);
}

static gint compare_due(gconstpointer a, gconstpointer b) {
        const Releasing *x = *(const Releasing *const *) a, *y = *(const Releasing *const *) b;

        return (x->due_usec > y->due_usec) - (x->due_usec < y->due_usec);
}

/* When the record can be looked at; G_MAXINT64: not before a trial or a look has ended, which
 * schedules the next look. */
static gint64 looks_due_usec(const Looks *looks, const Releasing *releasing) {
        const Doubt *doubt;
        uint32_t account;

        if (releasing->trial || releasing->is_looked_at)
                return G_MAXINT64;
        account = looks_account(looks, releasing);
        if (g_hash_table_contains(looks->under_way, GUINT_TO_POINTER(account)))
                return G_MAXINT64;
        if (account == LEFTOVERS_OF_ALL)
                return MAX(releasing->due_usec, looks->not_before);
        doubt = g_hash_table_lookup(looks->doubted, GUINT_TO_POINTER(account));
        return MAX(releasing->due_usec, doubt ? doubt->not_before : 0);
}

/* The records that are due, those that have been so for longest first. */
static GPtrArray *looks_list_due(const Looks *looks) {
        gint64 now = g_get_monotonic_time();
        GPtrArray *due = g_ptr_array_new();
        GHashTableIter i;
        gpointer releasing;

        releasing_set_iterate(looks->releasing, &i);
        while (g_hash_table_iter_next(&i, NULL, &releasing))
                if (looks_due_usec(looks, releasing) <= now)
                        g_ptr_array_add(due, releasing);
        g_ptr_array_sort(due, compare_due);
        return due;
}

static Look *plans_get(GPtrArray *plans, GHashTable *by_account, Looks *looks, uint32_t account) {
        Look *look = g_hash_table_lookup(by_account, GUINT_TO_POINTER(account));

        if (look)
                return look;
        look = g_new(Look, 1);
        *look = (Look){
                .looks = looks,
                .account = account,
                .ranges = g_array_new(FALSE, TRUE, sizeof(LeftoversRange)),
                .records = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        };
        g_hash_table_insert(by_account, GUINT_TO_POINTER(account), look);
        g_ptr_array_add(plans, look);
        return look;
}

/* One Look for each account that has something due, owned by whoever starts it.  The account that
 * has waited longest comes first. */
static GPtrArray *looks_plan_all(Looks *looks) {
        g_autoptr(GHashTable) by_account = g_hash_table_new(NULL, NULL);
        g_autoptr(GPtrArray) due = looks_list_due(looks);
        GPtrArray *plans = g_ptr_array_new();
        int r = due->len > 0 ? leftovers_prepare(looks->config->leftovers) : 0;

        /* Once for all: what has just changed is read again each time. */
        if (r == 0 && due->len > 0)
                r = host_ids_refresh(looks->config->host_ids);

        for (guint i = 0; i < due->len; i++) {
                Releasing *releasing = due->pdata[i];
                Look *look;

                if (r != 0) {
                        releasing_set_put_off(looks->releasing, releasing->record);
                        continue;
                }
                look = plans_get(plans, by_account, looks, looks_account(looks, releasing));
                if (look->n_slots < LIMIT_LEFTOVERS_SLOTS)
                        looks_plan(looks, look, releasing);
        }
        return plans;
}

static void look_cannot_start(const Look *look, int r) {
        Looks *looks = look->looks;

        for (guint i = 0; i < look->records->len; i++) {
                uint32_t record = look_record(look, i);
                Releasing *releasing = releasing_set_get(looks->releasing, record);

                if (i > 0 && record == look_record(look, i - 1))
                        continue;
                if (r == LEFTOVERS_E_HANGS) {
                        /* The account's own makes it hang. */
                        releasing->is_busy = true;
                        releasing_set_try_again(looks->releasing, record);
                } else if (r == LEFTOVERS_E_BUSY && look->account == LEFTOVERS_OF_ALL)
                        releasing_look_alone(releasing);
                else
                        releasing_set_put_off(looks->releasing, record);
        }
}

static void look_start(Look *take_look) {
        Looks *looks = take_look->looks;
        int r;

        take_look->began_usec = g_get_monotonic_time();
        r = take_look->ranges->len == 0
                    ? 0
                    : leftovers_remove(
                              looks->config->leftovers, take_look->account,
                              (const LeftoversRange *) (void *) take_look->ranges->data,
                              take_look->ranges->len, on_looked, take_look);
        if (r != 0)
                look_cannot_start(take_look, r);
        if (r != 0 || take_look->ranges->len == 0) {
                look_free(take_look);
                return;
        }
        g_hash_table_insert(looks->under_way, GUINT_TO_POINTER(take_look->account), take_look);
        for (guint i = 0; i < take_look->records->len; i++) {
                Releasing *releasing =
                        releasing_set_get(looks->releasing, look_record(take_look, i));

                releasing->is_looked_at = true;
        }
}

static gboolean begin_looks(gpointer userdata) {
        Looks *looks = userdata;
        gint64 began = g_get_monotonic_time(), now;
        g_autoptr(GPtrArray) plans = NULL;

        looks->source = 0;
        plans = looks_plan_all(looks);
        for (guint i = 0; i < plans->len; i++)
                look_start(plans->pdata[i]);
        /* To choose takes time of the loop itself, also where nobody can be made to look. */
        now = g_get_monotonic_time();
        looks->not_before = MAX(looks->not_before, now + LOOK_PAUSE_FACTOR * (now - began));
        looks_schedule_next(looks);
        return G_SOURCE_REMOVE;
}

void looks_schedule(Looks *looks, gint64 due_usec) {
        gint64 now = g_get_monotonic_time(), at = MAX(due_usec, now + LOOK_DELAY_USEC);

        if (looks->source != 0 && looks->at <= at)
                return;
        if (looks->source != 0)
                g_source_remove(looks->source);
        looks->at = at;
        looks->source = g_timeout_add((guint) ((at - now) / 1000) + 1, begin_looks, looks);
}

void looks_schedule_next(Looks *looks) {
        gint64 due = G_MAXINT64;
        GHashTableIter i;
        gpointer releasing;

        releasing_set_iterate(looks->releasing, &i);
        while (g_hash_table_iter_next(&i, NULL, &releasing))
                due = MIN(due, looks_due_usec(looks, releasing));
        if (due != G_MAXINT64)
                looks_schedule(looks, due);
}

Looks *looks_new(
        const AllocatorConfig *config, ReleasingSet *releasing, LooksCleanFunc clean,
        void *userdata) {
        Looks *looks = g_new(Looks, 1);

        *looks = (Looks){
                .config = config,
                .releasing = releasing,
                .clean = clean,
                .userdata = userdata,
                .under_way = g_hash_table_new_full(NULL, NULL, NULL, look_free),
                .doubted = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        };
        return looks;
}

void looks_free(Looks *looks) {
        if (looks->source != 0)
                g_source_remove(looks->source);
        g_hash_table_unref(looks->under_way);
        g_hash_table_unref(looks->doubted);
        g_free(looks);
}
