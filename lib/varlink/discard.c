/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/discard.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/child.h"
#include "lib/util/fd-send.h"
#include "lib/util/fd.h"
#include "lib/util/turns.h"

/* What an account has waiting. */
typedef struct Bin {
        VarlinkDiscards *discards;
        uint32_t account;
        GArray *loose; /* sockets that are open here */
        Child *keeper; /* has others; NULL: none has been needed */
        int keeper_fd;
        unsigned n_kept; /* that the keeper has */
        Turn *turn;      /* asked for, or come: then there is a child */
        Child *child;
        guint kill, pause;
        gint64 no_keeper_usec; /* not before this is another made */
} Bin;

struct VarlinkDiscards {
        GHashTable *bins; /* account -> Bin, owned: those with something in them, or a child */
        Turns *turns;
        unsigned kept_max;
        unsigned n_descriptors;
        unsigned n_keepers;
};

/* It is dead, or another holds it now. */
static void bin_forget_keeper(Bin *bin) {
        bin->keeper = NULL;
        bin->keeper_fd = fd_close(bin->keeper_fd);
        bin->n_kept = 0;
        bin->discards->n_keepers--;
}

static void bin_end_keeper(Bin *bin) {
        if (!bin->keeper)
                return;
        child_forget(bin->keeper);
        bin_forget_keeper(bin);
}

static void bin_free(void *data) {
        Bin *bin = data;

        bin_end_keeper(bin);
        if (bin->pause != 0)
                g_source_remove(bin->pause);
        if (bin->kill != 0)
                g_source_remove(bin->kill);
        if (bin->child)
                child_forget(bin->child);
        turn_free(bin->turn);
        (void) g_array_free(bin->loose, TRUE);
        g_free(bin);
}

VarlinkDiscards *varlink_discards_new(unsigned kept_per_account_max) {
        VarlinkDiscards *discards = g_new(VarlinkDiscards, 1);

        *discards = (VarlinkDiscards){
                .bins = g_hash_table_new_full(NULL, NULL, NULL, bin_free),
                .turns = turns_new(VARLINK_DISCARDS_MAX, 1, 1),
                .kept_max = kept_per_account_max,
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

        if (child == bin->keeper) { /* nobody told it to */
                bin_forget_keeper(bin);
                return;
        }
        bin->child = NULL;
        g_clear_handle_id(&bin->kill, g_source_remove);
        turn_free(g_steal_pointer(&bin->turn));
        bin_pause(bin);
}

static gboolean on_kill(gpointer userdata) {
        Bin *bin = userdata;

        bin->kill = 0;
        child_kill(bin->child);
        return G_SOURCE_REMOVE;
}

/* Something else has each of them, so this is not the end of any. */
static void close_all(VarlinkDiscards *discards, GArray *fds, guint from) {
        for (guint i = from; i < fds->len; i++)
                fd_close(g_array_index(fds, int, i));
        discards->n_descriptors -= fds->len - from;
        g_array_set_size(fds, from);
}

/* Whether there is a child that has taken them: all that are open here, or what the keeper has. */
static int bin_empty(Bin *bin) {
        int r;

        if (bin->keeper && (bin->n_kept > 0 || bin->loose->len == 0)) {
                bin->child = bin->keeper;
                bin_forget_keeper(bin);
        } else if (bin->loose->len > 0) {
                r = child_new_holding(
                        (const int *) (void *) bin->loose->data, bin->loose->len, on_exited, bin,
                        &bin->child);
                if (r < 0)
                        return r;
                close_all(bin->discards, bin->loose, 0);
        } else
                return 0;
        /* Children that were forked a moment ago have copies of all that was open here, until they
         * have closed them: theirs must not be the last. */
        bin->kill = g_timeout_add(VARLINK_DISCARD_KILL_MSEC, on_kill, bin);
        return 0;
}

static void on_turn(Turn *turn, void *userdata) {
        Bin *bin = userdata;

        if (bin_empty(bin) == 0 && bin->child)
                return;
        turn_free(g_steal_pointer(&bin->turn));
        bin_pause(bin);
}

/* The bin is freed when nothing is left of it. */
static void bin_go_on(Bin *bin) {
        if (bin->turn || bin->pause != 0)
                return;
        if (bin->loose->len == 0 && !bin->keeper) {
                (void) g_hash_table_remove(bin->discards->bins, GUINT_TO_POINTER(bin->account));
                return;
        }
        /* An account asks for one turn at a time, so there is always room to wait. */
        (void) turns_take(bin->discards->turns, bin->account, on_turn, bin, &bin->turn);
}

/* keepers */

G_STATIC_ASSERT(VARLINK_DISCARDS_LOOSE <= FD_SEND_MAX);

/* It receives what it is sent, and has it until it is killed. */
static void keep(const void *data) {
        union {
                char space[CMSG_SPACE(VARLINK_DISCARDS_LOOSE * sizeof(int))];
                struct cmsghdr align;
        } control;
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

        child_die_with(*(const pid_t *) data);
        for (;;) {
                struct msghdr message = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };

                if (recvmsg(0, &message, MSG_CMSG_CLOEXEC) == 0)
                        (void) pause();
        }
}

static void bin_add_keeper(Bin *bin) {
        auto_fd ours = -1, theirs = -1;
        pid_t parent = getpid();
        int ends[2];

        if (bin->discards->n_keepers >= VARLINK_DISCARD_KEEPERS_MAX ||
            g_get_monotonic_time() < bin->no_keeper_usec)
                return;
        bin->no_keeper_usec =
                g_get_monotonic_time() + VARLINK_DISCARD_PAUSE_MSEC * G_TIME_SPAN_MILLISECOND;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return;
        ours = ends[0];
        theirs = ends[1];
        if (child_new(&theirs, 1, keep, &parent, on_exited, bin, &bin->keeper) < 0)
                return;
        bin->keeper_fd = g_steal_fd(&ours);
        bin->discards->n_keepers++;
}

/* Those that came last: what the keeper could not be sent before may be what it never can. */
static void bin_put_away(Bin *bin) {
        while (bin->loose->len >= VARLINK_DISCARDS_LOOSE &&
               bin->n_kept + VARLINK_DISCARDS_LOOSE <= bin->discards->kept_max) {
                guint from = bin->loose->len - VARLINK_DISCARDS_LOOSE;

                if (!bin->keeper)
                        bin_add_keeper(bin);
                if (!bin->keeper ||
                    fd_send(bin->keeper_fd, "x", 1, &g_array_index(bin->loose, int, from),
                            VARLINK_DISCARDS_LOOSE) < 0)
                        return;
                bin->n_kept += VARLINK_DISCARDS_LOOSE;
                close_all(bin->discards, bin->loose, from);
        }
}

void varlink_discards_add(VarlinkDiscards *discards, int take_fd, uint32_t account) {
        Bin *bin = g_hash_table_lookup(discards->bins, GUINT_TO_POINTER(account));

        if (!bin) {
                bin = g_new(Bin, 1);
                *bin = (Bin){
                        .discards = discards,
                        .account = account,
                        .loose = g_array_new(FALSE, FALSE, sizeof(int)),
                        .keeper_fd = -1,
                };
                g_hash_table_insert(discards->bins, GUINT_TO_POINTER(account), bin);
        }
        g_array_append_val(bin->loose, take_fd);
        discards->n_descriptors++;
        bin_put_away(bin);
        bin_go_on(bin);
}

unsigned varlink_discards_n_waiting(const VarlinkDiscards *discards, uint32_t account) {
        const Bin *bin = g_hash_table_lookup(discards->bins, GUINT_TO_POINTER(account));

        return bin ? bin->loose->len + bin->n_kept : 0;
}

unsigned varlink_discards_n_descriptors(const VarlinkDiscards *discards) {
        return discards->n_descriptors;
}

void varlink_discards_free(VarlinkDiscards *discards) {
        GHashTableIter i;
        gpointer value;

        if (!discards)
                return;
        g_hash_table_iter_init(&i, discards->bins);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
                Bin *bin = value;

                /* One that hangs is not waited for. */
                if (bin->child)
                        child_forget(g_steal_pointer(&bin->child));
                g_clear_handle_id(&bin->kill, g_source_remove);
                bin_end_keeper(bin);
                (void) bin_empty(bin);
        }
        g_hash_table_unref(discards->bins);
        turns_free(discards->turns);
        g_free(discards);
}
