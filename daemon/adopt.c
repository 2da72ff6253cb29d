/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/adopt.h"

#include <errno.h>
#include <stdio.h>

#include <glib.h>

#include "daemon/host/slot-locks.h"
#include "daemon/host/used-ids.h"
#include "daemon/policy/policy.h"
#include "daemon/state/details.h"
#include "daemon/state/unenforced.h"
#include "daemon/userns/userns.h"
#include "lib/table/write.h"
#include "lib/util/file.h"
#include "lib/util/log.h"

/* the table */

/* With Enforcement = none nothing in the kernel remembers who holds what when the table is lost, so
 * an administrator has to say that nobody does.  *ret_path is the file that waits for them, or
 * NULL; what cannot be found out is an error, for one may be there. */
static int find_set_aside(const char *table_path, char **ret_path) {
        g_autofree char *folder = g_path_get_dirname(table_path);
        g_autofree char *name = NULL;
        int r;

        r = file_find_prefix(folder, "table.set-aside", &name);
        if (r < 0) {
                log_error_errno(
                        r, "Cannot find out whether %s holds a table that was lost", folder);
                return r;
        }
        *ret_path = name ? g_build_filename(folder, name, NULL) : NULL;
        return 0;
}

int adopt_table(
        const TableWriterConfig *config, bool waits_if_lost, TableWriter **ret_table,
        char **ret_refusal) {
        g_autoptr(TableWriter) table = NULL;
        g_autofree char *waiting = NULL;
        TableOpenReport report = {};
        int r;

        r = table_writer_open(config, &table, &report);
        if (r == TABLE_E_LOCKED) {
                log_error("Another nsresourced holds %s", config->path);
                return -EBUSY;
        }
        if (r == TABLE_E_UNTRUSTED) {
                log_error(
                        "The table is not to be believed (%s); it was renamed to %s", report.reason,
                        report.set_aside);
                g_free(report.set_aside);
        }
        if (waits_if_lost) {
                int k = find_set_aside(config->path, &waiting);

                if (k < 0)
                        return k;
        }
        if (waiting) {
                *ret_table = NULL;
                *ret_refusal = g_strdup_printf(
                        "the table was lost; when no namespace of it runs any more (or after a "
                        "reboot), remove %s and reload nsresourced",
                        waiting);
                return 0;
        }
        if (r == TABLE_E_UNTRUSTED)
                r = table_writer_open(config, &table, &report);
        if (r != 0) {
                log_error_errno(r, "Cannot open the table %s", config->path);
                return r < 0 ? r : -ENOTRECOVERABLE;
        }
        log_info(
                "Table %s: %s, %u adopted, %u rolled back", config->path,
                report.created ? "created" : "opened", report.n_adopted, report.n_rolled_back);
        *ret_table = g_steal_pointer(&table);
        *ret_refusal = NULL;
        return 0;
}

/* its details */

/* Without its details a range goes on as it is, but what was added to it stays behind at its
 * end. */
int adopt_details(const char *path, uint32_t n_records, Details **ret_details) {
        g_autofree char *aside = g_strconcat(path, ".set-aside", NULL);
        int r;

        r = details_open(path, n_records, ret_details);
        if (r == -EBADMSG) {
                log_error(
                        "%s is not to be believed: renamed to %s; control groups of namespaces "
                        "that run now will not be removed",
                        path, aside);
                if (rename(path, aside) < 0) {
                        r = -errno;
                        log_error_errno(r, "Cannot rename it");
                        return r;
                }
                r = details_open(path, n_records, ret_details);
        }
        if (r < 0)
                log_error_errno(r, "Cannot open %s", path);
        return r;
}

/* what is taken */

/* One record of the table, in a kernel that knows nothing of it yet. */
static int protect_record(const AdoptContext *context, uint32_t record) {
        const TableRecord *r = table_writer_record(context->table, record), *holder = r;
        UsernsIdentity identity;

        if (table_writer_state(context->table, record) == TABLE_STATE_FREE)
                return 0;
        if (r->kind == TABLE_KIND_SPLIT)
                return policy_split(context->policy, record, r->first_single);
        if (r->kind == TABLE_KIND_PART)
                holder = table_writer_record(context->table, r->holder);
        /* Out of service: something of the host's uses it. */
        if (!holder || holder->userns_inode == 0)
                return 0;
        identity = (UsernsIdentity){ .inode = holder->userns_inode, .id = holder->userns_id };
        /* Orphaned is proof of an end; what is never lent again needs none. */
        if ((table_writer_state(context->table, record) == TABLE_STATE_QUARANTINED &&
             (holder->flags & TABLE_FLAG_UNENFORCED)) ||
            userns_probe_check(context->probe, &identity) == USERNS_E_DEAD)
                return policy_orphan(context->policy, record, 1);
        return policy_protect(context->policy, record, 1, holder->userns_inode);
}

/* A range of which nothing was refused for a while may have left files: as if it had been lent
 * without enforcement. */
static int mark_gap(const AdoptContext *context, uint32_t record) {
        const TableRecord *r = table_writer_record(context->table, record);

        if (policy_has_predecessor(context->policy) || r->userns_inode == 0 || r->size == 0 ||
            table_writer_state(context->table, record) == TABLE_STATE_FREE)
                return 0;
        return unenforced_mark(context->unenforced, r->start, r->account_uid);
}

/* The kernel's records are empty: this is the first start, or what was pinned could not be adopted.
 * What the table says is taken is protected again; until then, what is pinned goes on
 * protecting. */
static int protect_again(const AdoptContext *context) {
        uint32_t n_records = table_writer_n_records(context->table);
        int r = 0;

        if (!policy_was_adopted(context->policy) && policy_is_enforcing(context->policy)) {
                (void) userns_probe_refresh(context->probe);
                for (uint32_t record = 0; record < n_records && r == 0; record++) {
                        r = mark_gap(context, record);
                        if (r == 0)
                                r = protect_record(context, record);
                }
        }
        if (r == 0)
                r = policy_settle(context->policy);
        if (r != 0)
                log_error_errno(r, "Cannot protect again the ranges that the table knows");
        return r > 0 ? -ENOTRECOVERABLE : r;
}

/* what is free in the table only */

static void mark_used(uint32_t slot, void *userdata) {
        const AdoptContext *context = userdata;

        if (table_writer_state(context->table, slot) != TABLE_STATE_FREE)
                return;
        log_info(
                "IDs from %u on are in use on this host: not lent",
                context->pool_start + slot * TABLE_SLOT_SIZE);
        table_writer_quarantine_slot(context->table, slot, TABLE_FLAG_HOST, TABLE_NONE);
}

/* Slots that are free in a table but not in truth: their files may lie about, the kernel still has
 * them lent to somebody, or something of the host's uses them. */
static int take_out_of_service(const AdoptContext *context) {
        for (uint32_t slot = 0; slot < context->n_slots; slot++) {
                uint32_t start = context->pool_start + slot * TABLE_SLOT_SIZE;
                uint64_t inode;

                if (table_writer_state(context->table, slot) != TABLE_STATE_FREE)
                        continue;
                if (unenforced_is_marked(context->unenforced, start))
                        table_writer_quarantine_slot(
                                context->table, slot, TABLE_FLAG_UNENFORCED,
                                unenforced_account(context->unenforced, start));
                else if (policy_slot(context->policy, slot, &inode) != POLICY_SLOT_FREE)
                        table_writer_quarantine_slot(context->table, slot, 0, TABLE_NONE);
        }
        return used_ids_find_slots(
                context->pool_start, context->n_slots, mark_used, (void *) context);
}

/* locks */

static bool slot_is_taken(uint32_t start, void *userdata) {
        const AdoptContext *context = userdata;
        uint32_t slot = (start - context->pool_start) / TABLE_SLOT_SIZE;

        return start % TABLE_SLOT_SIZE == 0 && start >= context->pool_start &&
               slot < context->n_slots &&
               table_writer_state(context->table, slot) != TABLE_STATE_FREE;
}

/* The locks of all slots that are not free, and of no others, as the table is now; from here on
 * they follow it.  That a slot's is somebody else's is no reason to serve nobody. */
static int hold_slots(const AdoptContext *context) {
        int r;

        r = slot_locks_drop_others(context->slot_locks, slot_is_taken, (void *) context);
        for (uint32_t slot = 0; slot < context->n_slots && r >= 0; slot++) {
                uint32_t start = context->pool_start + slot * TABLE_SLOT_SIZE;

                if (!slot_is_taken(start, (void *) context))
                        continue;
                r = slot_locks_hold(context->slot_locks, start, false);
                if (r == SLOT_LOCKS_E_TAKEN &&
                    !(table_writer_record(context->table, slot)->flags & TABLE_FLAG_HOST))
                        log_warning(
                                "IDs from %u on are not free, but somebody has locked %s/%u: a "
                                "container that was started while nsresourced was away?",
                                start, context->nspawn_folder, start);
        }
        if (r < 0)
                log_error_errno(r, "Cannot lock what is not free in %s", context->nspawn_folder);
        return MIN(r, 0);
}

int adopt_records(const AdoptContext *context) {
        int r;

        r = protect_again(context);
        if (r < 0)
                return r;
        r = take_out_of_service(context);
        if (r < 0) {
                log_error_errno(r, "Cannot find out which IDs are in use on this host");
                return r;
        }
        return hold_slots(context);
}
