/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/host/claims.h"
#include "daemon/door/door.h"
#include "daemon/policy/policy.h"
#include "daemon/state/settings.h"
#include "daemon/allocator/unenforced-clear.h"
#include "daemon/state/unenforced.h"
#include "daemon/host/vetter.h"
#include "lib/table/write.h"

/* org.nsresource.Manager: what is lent and how the daemon is, for nsresourcectl.  Read-only
 * and open to everybody, as the table itself is. */

static const char *const state_names[TABLE_STATE_COUNT] = {
        [TABLE_STATE_FREE] = "free",           [TABLE_STATE_RESERVED] = "reserved",
        [TABLE_STATE_MAPPING] = "mapping",     [TABLE_STATE_ACTIVE] = "active",
        [TABLE_STATE_RELEASING] = "releasing", [TABLE_STATE_QUARANTINED] = "quarantined",
};

static json_t *range_to_json(const TableRecord *range, uint32_t state) {
        json_t *object = json_pack(
                "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:b}", "name", range->name,
                "ownerUid", (json_int_t) range->owner_uid, "accountUid",
                (json_int_t) range->account_uid, "start", (json_int_t) range->start, "size",
                (json_int_t) range->size, "target", (json_int_t) range->target,
                "userNamespaceInode", (json_int_t) range->userns_inode, "state", state_names[state],
                "birthUSec", (json_int_t) range->birth_usec, "enforced",
                !(range->flags & TABLE_FLAG_UNENFORCED));

        if (object && range->userns_id != 0)
                json_object_set_new(
                        object, "userNamespaceId", json_integer((json_int_t) range->userns_id));
        return object;
}

/* A list on its way to a peer that reads as slowly as it likes. */
typedef struct Listing {
        const ApiContext *context;
        VarlinkCall *call; /* a reference */
        uint32_t cursor;
} Listing;

static void listing_free(Listing *listing) {
        varlink_call_unref(listing->call);
        g_free(listing);
}

static void listing_go_on(VarlinkCall *call, void *userdata) {
        Listing *listing = userdata;
        TableWriter *table = listing->context->table;
        uint32_t record = TABLE_NONE;

        while (!varlink_call_is_gone(call) && table &&
               (record = table_writer_next_live(table, &listing->cursor)) != TABLE_NONE) {
                json_t *range = range_to_json(
                        table_writer_record(table, record), table_writer_state(table, record));

                if (varlink_call_reply_more(
                            call, json_pack("{s:o}", "range", range), listing_go_on, listing) ==
                    -EAGAIN)
                        return;
        }
        varlink_call_reply(call, NULL);
        listing_free(listing);
}

static void api_list(VarlinkCall *call, const void *parameters, void *userdata) {
        Listing *listing = g_new(Listing, 1);

        *listing = (Listing){ .context = userdata, .call = varlink_call_ref(call) };
        listing_go_on(call, listing);
}

static json_t *rules_to_json(const Policy *policy) {
        json_t *array = json_array();
        const PolicyRule *rules;
        size_t n;

        rules = policy_rules(policy, &n);
        for (size_t i = 0; i < n; i++) {
                json_t *rule =
                        json_pack("{s:s, s:b}", "rule", rules[i].name, "active", rules[i].active);
                const struct {
                        const char *key, *value;
                } optional[] = {
                        { "hook", rules[i].hook },
                        { "reason", rules[i].reason },
                        { "remedy", rules[i].remedy },
                };

                for (size_t k = 0; k < G_N_ELEMENTS(optional); k++)
                        if (optional[k].value)
                                json_object_set_new(
                                        rule, optional[k].key, json_string(optional[k].value));
                json_array_append_new(array, rule);
        }
        return array;
}

static json_t *counts_to_json(const ApiContext *context) {
        TableCounts counts = {};
        DoorCounts doors = {};
        json_t *object = json_object();

        if (context->table)
                table_writer_count(context->table, &counts);
        door_keeper_count(context->doors, &doors);
        for (unsigned state = TABLE_STATE_RESERVED; state < TABLE_STATE_COUNT; state++)
                json_object_set_new(object, state_names[state], json_integer(counts.n[state]));
        json_object_set_new(object, "slotsFree", json_integer(counts.n_slots_free));
        json_object_set_new(object, "slotsNeverUsed", json_integer(counts.n_slots_never_used));
        json_object_set_new(
                object, "unenforced", json_integer(unenforced_count(context->unenforced)));
        json_object_set_new(object, "helpers", json_integer(userns_helper_count()));
        json_object_set_new(object, "doorsIdle", json_integer(doors.n_idle));
        json_object_set_new(object, "doorsWorking", json_integer(doors.n_working));
        json_object_set_new(object, "doorsStuck", json_integer(doors.n_stuck));
        return object;
}

/* Claims that are told one by one: nobody reads more. */
#define CLAIMS_TOLD_MAX 16u

static void add_claims(json_t *messages, const Claims *claims) {
        size_t n = claims_n(claims);

        for (size_t i = 0; i < MIN(n, CLAIMS_TOLD_MAX); i++)
                json_array_append_new(messages, json_string(claims_text(claims, i)));
        if (n > CLAIMS_TOLD_MAX) {
                g_autofree char *more = g_strdup_printf(
                        "%zu more ranges are claimed by somebody else now", n - CLAIMS_TOLD_MAX);

                json_array_append_new(messages, json_string(more));
        }
}

static void add_vetter(json_t *messages, const Vetter *vetter) {
        const char *trouble = vetter_trouble(vetter), *example;
        uint32_t n_named = vetter_n_named(vetter, &example);

        if (trouble)
                json_array_append_new(messages, json_string(trouble));
        if (n_named > 0) {
                g_autofree char *named = g_strdup_printf(
                        "the name service knows users or groups in %u slots of the pool (%s): "
                        "those are left out; better name all their IDs in Reserved=",
                        n_named, example);

                json_array_append_new(messages, json_string(named));
        }
}

static json_t *reserved_to_json(const Settings *settings) {
        json_t *array = json_array();

        for (uint32_t i = 0; i < settings->n_reserved; i++)
                json_array_append_new(
                        array,
                        json_pack(
                                "{s:I, s:I}", "first", (json_int_t) settings->reserved[i].first,
                                "last", (json_int_t) settings->reserved[i].last));
        return array;
}

static json_t *messages_to_json(const ApiContext *context) {
        json_t *array = json_array();
        g_autofree char *unenforced = NULL;

        if (context->refusal)
                json_array_append_new(array, json_string(context->refusal));
        if (!context->enforcement_required)
                json_array_append_new(
                        array, json_string("Enforcement=none: files of a range can outlive its "
                                           "namespace; ranges are not lent again"));
        if (unenforced_count(context->unenforced) > 0) {
                unenforced = g_strdup_printf(
                        "%u slots of IDs were lent without enforcement and stay out of use",
                        unenforced_count(context->unenforced));
                json_array_append_new(array, json_string(unenforced));
        }
        if (context->table) {
                add_vetter(array, context->vetter);
                add_claims(array, context->claims);
        }
        return array;
}

static void api_get_status(VarlinkCall *call, const void *parameters, void *userdata) {
        const ApiContext *context = userdata;

        varlink_call_reply(
                call,
                json_pack(
                        "{s:s, s:s, s:b, s:b, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "version",
                        PACKAGE_VERSION, "enforcement",
                        context->enforcement_required ? "required" : "none", "policyLoaded",
                        policy_is_enforcing(context->policy), "serving", context->refusal == NULL,
                        "liveness", userns_probe_describe(context->probe), "poolStart",
                        (json_int_t) context->pool_start, "slots", (json_int_t) context->n_slots,
                        "reserved", reserved_to_json(context->settings), "counts",
                        counts_to_json(context), "rules", rules_to_json(context->policy),
                        "messages", messages_to_json(context)));
}

static void api_clear_unenforced(VarlinkCall *call, const void *parameters, void *userdata) {
        const ApiContext *context = userdata;
        UnenforcedCleared cleared;
        int r;

        if (varlink_call_peer(call)->uid != 0) {
                varlink_call_error(call, VARLINK_ERROR_PERMISSION_DENIED, NULL);
                return;
        }
        /* Without a table nobody knows what is still lent. */
        if (!context->table) {
                varlink_call_errno(call, EBUSY);
                return;
        }
        r = unenforced_clear_unused(
                context->unenforced, context->table, context->policy, context->probe, &cleared);
        if (r < 0) {
                varlink_call_errno(call, r);
                return;
        }
        varlink_call_reply(
                call, json_pack(
                              "{s:I, s:I}", "cleared", (json_int_t) cleared.n_cleared, "kept",
                              (json_int_t) cleared.n_kept));
}

#define METHOD(name) "org.nsresource.Manager." name

const VarlinkMethod api_manager_methods[] = {
        { .name = METHOD("ClearUnenforced"), .handle = api_clear_unenforced },
        { .name = METHOD("List"), .handle = api_list, .requires_more = true },
        { .name = METHOD("GetStatus"), .handle = api_get_status },
};
const size_t api_manager_n_methods = G_N_ELEMENTS(api_manager_methods);
