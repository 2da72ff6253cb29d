/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/discard.h"

#include "lib/util/child.h"
#include "lib/util/fd.h"
#include "lib/util/turns.h"

/* What an account has waiting. */
typedef struct Bin {
        VarlinkDiscards *discards;
        uint32_t account;
        GArray *fds;
        Turn *turn; /* asked for, or come: then there is a child */
        Child *child;
        guint pause;
} Bin;

struct VarlinkDiscards {
        GHashTable *bins; /* account -> Bin, owned: those with something in them, or a child */
        Turns *turns;
        unsigned n_waiting;
};

static void bin_free(void *data) {
        Bin *bin = data;

        if (bin->pause != 0)
                g_source_remove(bin->pause);
        if (bin->child)
                child_forget(bin->child);
        turn_free(bin->turn);
        (void) g_array_free(bin->fds, TRUE);
        g_free(bin);
}

VarlinkDiscards *varlink_discards_new(void) {
        VarlinkDiscards *discards = g_new(VarlinkDiscards, 1);

        *discards = (VarlinkDiscards){
                .bins = g_hash_table_new_full(NULL, NULL, NULL, bin_free),
                .turns = turns_new(VARLINK_DISCARDS_MAX, 1, 1),
        };
        return discards;
}

static void bin_go_on(Bin *bin);

static gboolean on_pause_over(void *userdata) {
        Bin *bin = userdata;

        bin->pause = 0;
        bin_go_on(bin);
        return G_SOURCE_REMOVE;
}

static void bin_pause(Bin *bin) {
        bin->pause = g_timeout_add(VARLINK_DISCARD_PAUSE_MSEC, on_pause_over, bin);
}

static void on_exited(Child *child, void *userdata) {
        Bin *bin = userdata;

        bin->child = NULL;
        turn_free(g_steal_pointer(&bin->turn));
        bin_pause(bin);
}

/* Whether there is a child that has taken all. */
static int bin_empty(Bin *bin) {
        int r;

        if (bin->fds->len == 0)
                return 0;
        r = child_new_holding(
                (const int *) (void *) bin->fds->data, bin->fds->len, on_exited, bin, &bin->child);
        if (r < 0)
                return r;
        for (guint i = 0; i < bin->fds->len; i++)
                fd_close(g_array_index(bin->fds, int, i));
        bin->discards->n_waiting -= bin->fds->len;
        g_array_set_size(bin->fds, 0);
        child_kill(bin->child);
        return 0;
}

static void on_turn(Turn *turn, void *userdata) {
        Bin *bin = userdata;

        if (bin_empty(bin) == 0)
                return;
        turn_free(g_steal_pointer(&bin->turn));
        bin_pause(bin);
}

/* The bin is freed when nothing is left of it. */
static void bin_go_on(Bin *bin) {
        if (bin->turn || bin->pause != 0)
                return;
        if (bin->fds->len == 0) {
                (void) g_hash_table_remove(bin->discards->bins, GUINT_TO_POINTER(bin->account));
                return;
        }
        /* An account asks for one turn at a time, so there is always room to wait. */
        (void) turns_take(bin->discards->turns, bin->account, on_turn, bin, &bin->turn);
}

void varlink_discards_add(VarlinkDiscards *discards, int take_fd, uint32_t account) {
        Bin *bin = g_hash_table_lookup(discards->bins, GUINT_TO_POINTER(account));

        if (!bin) {
                bin = g_new(Bin, 1);
                *bin = (Bin){
                        .discards = discards,
                        .account = account,
                        .fds = g_array_new(FALSE, FALSE, sizeof(int)),
                };
                g_hash_table_insert(discards->bins, GUINT_TO_POINTER(account), bin);
        }
        g_array_append_val(bin->fds, take_fd);
        discards->n_waiting++;
        bin_go_on(bin);
}

unsigned varlink_discards_n_waiting(const VarlinkDiscards *discards, uint32_t account) {
        const Bin *bin = g_hash_table_lookup(discards->bins, GUINT_TO_POINTER(account));

        return bin ? bin->fds->len : 0;
}

unsigned varlink_discards_n_waiting_total(const VarlinkDiscards *discards) {
        return discards->n_waiting;
}

void varlink_discards_free(VarlinkDiscards *discards) {
        GHashTableIter i;
        gpointer bin;

        if (!discards)
                return;
        g_hash_table_iter_init(&i, discards->bins);
        while (g_hash_table_iter_next(&i, NULL, &bin)) {
                /* One that hangs is not waited for. */
                if (((Bin *) bin)->child)
                        child_forget(g_steal_pointer(&((Bin *) bin)->child));
                (void) bin_empty(bin);
        }
        g_hash_table_unref(discards->bins);
        turns_free(discards->turns);
        g_free(discards);
}
