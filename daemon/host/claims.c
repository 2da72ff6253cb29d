/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/claims.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/host/host-ids.h"
#include "lib/table/write.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

/* useradd replaces four files one after the other. */
#define SETTLE_MSEC 100
/* Where the files are links, or no watch is to be had, nothing is reported. */
#define POLL_MSEC 10000
/* Ranges looked at in one turn of the loop: about a tenth of a millisecond. */
#define CHUNK 512u
/* Lines of one kind for one change. */
#define TOLD_MAX 64u

struct Claims {
        ClaimsConfig config;
        int inotify_fd;
        GSource *watch, *poll, *next;
        uint64_t generation; /* of host_ids, that the last pass began with */
        bool again;          /* there was a change during the pass */
        bool unreadable;
        /* The pass. */
        bool quarantined; /* the live ones have been looked at */
        uint32_t cursor;
        GPtrArray *found, *overlaps; /* lines for people: of this pass, of the last */
};

static void claims_notice(const Claims *claims, const char *text) {
        if (claims->config.notice)
                claims->config.notice(text, claims->config.userdata);
}

/* one range */

static void look_at_part(Claims *claims, const TableRecord *range, const TableRecord *part) {
        g_autofree char *claimant = NULL;
        /* The first record has the size of all. */
        uint32_t size = MIN(part->size, TABLE_SLOT_SIZE);

        if (size > 0)
                claimant = host_ids_claimant(claims->config.host_ids, part->start, size);
        if (!claimant)
                return;
        g_ptr_array_add(
                claims->found, g_strdup_printf(
                                       "IDs %" PRIu32 " to %" PRIu32 ", lent to UID %" PRIu32
                                       " as ns-%s, are claimed by somebody else now: %s",
                                       part->start, part->start + (size - 1), range->owner_uid,
                                       range->name, claimant));
}

static void look_at(Claims *claims, uint32_t record) {
        const TableRecord *range = table_writer_record(claims->config.table, record);
        uint32_t records[TABLE_RANGE_RECORDS_MAX];
        uint32_t n = table_writer_list_records(claims->config.table, record, records);

        /* What is out of service was nobody's. */
        if (range->userns_inode == 0)
                return;
        for (uint32_t i = 0; i < n; i++)
                look_at_part(claims, range, table_writer_record(claims->config.table, records[i]));
}

/* a pass */

/* Tell of the lines that are in `now` and were not before. */
static void tell_new(
        const Claims *claims, const GPtrArray *before, const GPtrArray *now, const char *head,
        const char *tail) {
        g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
        unsigned n = 0;

        for (guint i = 0; i < before->len; i++)
                g_hash_table_add(known, before->pdata[i]);
        for (guint i = 0; i < now->len; i++) {
                g_autofree char *text = g_strconcat(head, now->pdata[i], tail, NULL);

                if (!g_hash_table_contains(known, now->pdata[i]) && n++ < TOLD_MAX)
                        claims_notice(claims, text);
        }
        if (n > TOLD_MAX) {
                g_autofree char *text = g_strdup_printf("%s%u more like that", head, n - TOLD_MAX);

                claims_notice(claims, text);
        }
}

static void tell_changes(const Claims *claims) {
        tell_new(
                claims, claims->overlaps, claims->found, "",
                "; nothing of theirs is ended or removed, nor are they lent again, while that is "
                "so");
        tell_new(claims, claims->found, claims->overlaps, "No longer so: ", "");
}

static void claims_schedule(Claims *claims, guint delay_msec);

static void end_pass(Claims *claims) {
        GPtrArray *before = claims->overlaps;

        tell_changes(claims);
        claims->overlaps = claims->found;
        claims->found = before;
        g_ptr_array_set_size(claims->found, 0);
        claims->cursor = 0;
        claims->quarantined = false;
        if (claims->again)
                claims_schedule(claims, SETTLE_MSEC);
        claims->again = false;
}

static bool refresh(Claims *claims) {
        int r = host_ids_refresh(claims->config.host_ids);

        if (r < 0 && !claims->unreadable)
                claims_notice(
                        claims,
                        "passwd, group, subuid or subgid cannot be read: nobody knows who else "
                        "claims IDs that are lent");
        claims->unreadable = r < 0;
        return r == 0;
}

static gboolean on_next(gpointer userdata) {
        Claims *claims = userdata;

        source_drop(&claims->next);
        if (!refresh(claims)) {
                claims_schedule(claims, POLL_MSEC);
                return G_SOURCE_REMOVE;
        }
        if (claims->cursor == 0 && !claims->quarantined)
                claims->generation = host_ids_generation(claims->config.host_ids);
        for (unsigned i = 0; i < CHUNK; i++) {
                uint32_t record =
                        claims->quarantined
                                ? table_writer_next_quarantined(
                                          claims->config.table, &claims->cursor)
                                : table_writer_next_live(claims->config.table, &claims->cursor);

                if (record != TABLE_NONE) {
                        look_at(claims, record);
                        continue;
                }
                if (claims->quarantined) {
                        end_pass(claims);
                        return G_SOURCE_REMOVE;
                }
                claims->quarantined = true;
                claims->cursor = 0;
        }
        claims_schedule(claims, 0);
        return G_SOURCE_REMOVE;
}

static void claims_schedule(Claims *claims, guint delay_msec) {
        if (claims->next)
                return;
        claims->next = delay_msec == 0 ? g_idle_source_new() : g_timeout_source_new(delay_msec);
        g_source_set_priority(claims->next, G_PRIORITY_DEFAULT);
        g_source_set_callback(claims->next, on_next, claims, NULL);
        g_source_attach(claims->next, NULL);
}

void claims_look_again(Claims *claims) {
        if (claims->cursor != 0 || claims->quarantined)
                claims->again = true;
        claims_schedule(claims, SETTLE_MSEC);
}

/* watching */

static gboolean on_poll(gpointer userdata) {
        Claims *claims = userdata;

        if (refresh(claims) && host_ids_generation(claims->config.host_ids) != claims->generation)
                claims_look_again(claims);
        return G_SOURCE_CONTINUE;
}

static bool is_of_interest(const struct inotify_event *event) {
        static const char *const names[] = { "passwd", "group", "subuid", "subgid" };

        if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED))
                return true;
        for (size_t i = 0; i < G_N_ELEMENTS(names) && event->len > 0; i++)
                if (strcmp(event->name, names[i]) == 0)
                        return true;
        return false;
}

static gboolean on_changes(int fd, GIOCondition condition, gpointer userdata) {
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
                __attribute__((aligned(__alignof__(struct inotify_event))));
        Claims *claims = userdata;
        ssize_t n = read(fd, buffer, sizeof(buffer));
        bool interesting = false;

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const void *) (buffer + at);

                interesting = interesting || is_of_interest(event);
                at += (ssize_t) (sizeof(*event) + event->len);
        }
        if (interesting)
                claims_look_again(claims);
        return G_SOURCE_CONTINUE;
}

/* Files are replaced by others of their name: the folder tells. */
static int claims_watch(Claims *claims) {
        claims->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (claims->inotify_fd < 0 ||
            inotify_add_watch(
                    claims->inotify_fd, claims->config.etc,
                    IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR) < 0)
                return -errno;
        claims->watch = g_unix_fd_source_new(claims->inotify_fd, G_IO_IN);
        g_source_set_callback(claims->watch, G_SOURCE_FUNC(on_changes), claims, NULL);
        g_source_attach(claims->watch, NULL);
        return 0;
}

int claims_new(const ClaimsConfig *config, Claims **ret_claims) {
        Claims *claims = g_new(Claims, 1);

        *claims = (Claims){
                .config = *config,
                .inotify_fd = -1,
                .found = g_ptr_array_new_with_free_func(g_free),
                .overlaps = g_ptr_array_new_with_free_func(g_free),
                .poll = g_timeout_source_new(POLL_MSEC),
        };
        g_source_set_callback(claims->poll, on_poll, claims, NULL);
        g_source_attach(claims->poll, NULL);
        if (claims_watch(claims) < 0)
                claims_notice(
                        claims, "Changes of passwd, group, subuid and subgid are noticed every ten "
                                "seconds only: the folder cannot be watched");
        claims->config.etc = NULL;
        claims_schedule(claims, 0);
        *ret_claims = claims;
        return 0;
}

void claims_free(Claims *claims) {
        if (!claims)
                return;
        source_drop(&claims->watch);
        source_drop(&claims->poll);
        source_drop(&claims->next);
        fd_close(claims->inotify_fd);
        g_ptr_array_unref(claims->found);
        g_ptr_array_unref(claims->overlaps);
        g_free(claims);
}

size_t claims_n(const Claims *claims) {
        return claims->overlaps->len;
}

const char *claims_text(const Claims *claims, size_t i) {
        return claims->overlaps->pdata[i];
}
