/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "userdb/service.h"

#include <errno.h>
#include <string.h>

#include "daemon/host/host-ids.h"
#include "lib/interfaces/interfaces.h"
#include "lib/table/follow.h"
#include "lib/util/log.h"
#include "lib/util/nss-services.h"
#include "userdb/user-filter.h"
#include "userdb/user-record.h"

#define INTERFACE "io.systemd.UserDatabase."
#define ERROR_NO_RECORD INTERFACE "NoRecordFound"
#define ERROR_BAD_SERVICE INTERFACE "BadService"
#define ERROR_NOT_AVAILABLE INTERFACE "ServiceNotAvailable"
#define ERROR_CONFLICTING INTERFACE "ConflictingRecordFound"
#define ERROR_NON_MATCHING INTERFACE "NonMatchingRecordFound"

/* What an enumeration does in a turn, in looks at a place of the table (about 100 ns each): about a
 * millisecond.  An answer costs as much as a hundred of them. */
#define ENUMERATION_WORK 8192u
#define ENUMERATION_ANSWER_COST 100u

/* Look-ups of one account under way at once.  All of root's daemons share one; refusing a look-up
 * makes unrelated users unknown to them, so this is no tighter than what keeps one account from
 * taking every descriptor. */
#define CONNECTIONS_PER_ACCOUNT_MAX 1024u
#define CONNECTIONS_MAX 4096u

/* Bytes that wait for each of them, and as much again in the kernel: a thousand lists that one
 * account asks for and does not read are 50 MB. */
#define OUTPUT_HIGH (16u * 1024)

/* Times a look-up is tried again when the table was replaced under it. */
#define RETIRED_TRIES 3u

struct UserdbService {
        TableFollower table;
        int table_state; /* the last outcome of opening it: a change is logged, not each call */
        const char *etc;
        HostIds *host_ids; /* whose subuid blocks are; NULL: /etc could not be read */
        gint64 refreshed_usec;
        VarlinkServer *server;
};

typedef enum RecordKind { RECORD_USER, RECORD_GROUP } RecordKind;

/* Parameters of GetUserRecord and GetGroupRecord alike. */
typedef struct RecordParameters {
        int64_t id;
        const char *name;
        const char *service;
        UserFilterFields filter;
        bool has_id;
} RecordParameters;

typedef struct MembershipParameters {
        const char *user_name, *group_name, *service;
} MembershipParameters;

/* the table */

static void log_table_state(UserdbService *service, int state) {
        if (state == service->table_state)
                return;
        service->table_state = state;
        if (state == TABLE_READ_E_UNTRUSTED)
                log_error(
                        "%s is damaged, of another version or not root's: names are not available "
                        "until "
                        "nsresourced has set it aside",
                        service->table.path);
        else if (state == TABLE_READ_E_FOREIGN)
                log_warning(
                        "%s belongs to nobody who is known in this user namespace: names are the "
                        "host's affair",
                        service->table.path);
        else if (state < 0)
                log_error_errno(state, "cannot read %s", service->table.path);
}

static int service_view(UserdbService *service, const TableView **ret_view) {
        int r = table_follower_get(&service->table, ret_view);

        log_table_state(service, r);
        return r;
}

/* Look up by name if there is one, else by ID. */
static int service_find(
        UserdbService *service, const RecordParameters *parameters, TableAnswer *ret_answer) {
        const TableView *view;
        int r = TABLE_READ_E_RETIRED;

        /* Most look-ups that arrive here are other people's, root's before all: they cost no system
         * call. */
        if (parameters->name ? !table_user_name_has_prefix(parameters->name) &&
                                       !g_str_has_prefix(parameters->name, TABLE_SLOT_NAME_PREFIX)
                             : parameters->id < (int64_t) TABLE_POOL_LOWEST)
                return TABLE_READ_E_NOT_FOUND;

        for (unsigned try = 0; try < RETIRED_TRIES && r == TABLE_READ_E_RETIRED; try++) {
                r = service_view(service, &view);
                if (r == TABLE_READ_E_MISSING)
                        return TABLE_READ_E_NOT_FOUND;
                if (r != 0)
                        continue;
                r = parameters->name
                            ? table_look_up_name(
                                      view, parameters->name, strlen(parameters->name), ret_answer)
                            : table_look_up_id(view, (uint32_t) parameters->id, ret_answer);
        }
        return r;
}

/* accounts */

/* Not for each of many connections: files that have just changed are read whole each time. */
static void refresh_host_ids(UserdbService *service) {
        gint64 now = g_get_monotonic_time();

        if (now - service->refreshed_usec < G_USEC_PER_SEC)
                return;
        service->refreshed_usec = now;
        /* What was read before is better than nothing. */
        (void) host_ids_refresh(service->host_ids);
}

/* A peer whose UID lies in a slot of ours counts as whoever that slot is charged to, whatever state
 * it is in; else /etc/subuid decides.  One block of 65,536 UIDs would be as many accounts. */
static uint32_t service_account(const VarlinkPeer *peer, void *userdata) {
        UserdbService *service = userdata;
        const TableView *view;
        uint32_t account;

        if (peer->uid >= TABLE_POOL_LOWEST && service_view(service, &view) == 0 &&
            table_find_account(view, peer->uid, &account) == 0)
                return account;
        if (!service->host_ids)
                return peer->uid;
        refresh_host_ids(service);
        return host_ids_account(service->host_ids, peer->uid);
}

/* answers */

static json_t *record_reply(RecordKind kind, const TableAnswer *answer) {
        return json_pack(
                "{s:o}", "record",
                kind == RECORD_USER ? user_record_new(answer) : group_record_new(answer));
}

static bool is_no_record(int outcome) {
        return outcome == TABLE_READ_E_NOT_FOUND || outcome == TABLE_READ_E_MISSING ||
               outcome == TABLE_READ_E_FOREIGN;
}

static const char *outcome_error(int outcome) {
        return is_no_record(outcome) ? ERROR_NO_RECORD : ERROR_NOT_AVAILABLE;
}

/* An enumeration on its way to a peer that reads as slowly as it likes.  It lives until its call is
 * answered: whenever it does nothing, it waits to be resumed, also when the peer has gone. */
typedef struct Enumeration {
        UserdbService *service;
        VarlinkCall *call;
        RecordKind kind;
        UserFilter filter;
        uint32_t cursor;
        bool has_pending;
        TableAnswer pending; /* found, not sent: the last one goes without "continues" */
} Enumeration;

static void enumeration_finish(Enumeration *enumeration, int outcome) {
        if (!is_no_record(outcome))
                varlink_call_error(enumeration->call, ERROR_NOT_AVAILABLE, NULL);
        else if (enumeration->has_pending)
                varlink_call_reply(
                        enumeration->call, record_reply(enumeration->kind, &enumeration->pending));
        else
                varlink_call_error(enumeration->call, ERROR_NO_RECORD, NULL);
        varlink_call_unref(enumeration->call);
        g_free(enumeration);
}

static void enumeration_resume(VarlinkCall *call, void *userdata);

/* Send what is pending and keep the new one.  Returns whether to go on at once: else it will be
 * resumed. */
static bool enumeration_add(Enumeration *enumeration, const TableAnswer *answer) {
        int r = 0;

        if (enumeration->has_pending)
                r = varlink_call_reply_more(
                        enumeration->call, record_reply(enumeration->kind, &enumeration->pending),
                        enumeration_resume, enumeration);
        enumeration->pending = *answer;
        enumeration->has_pending = true;
        return r != -EAGAIN;
}

/* Look at as much as a turn is for.  0: it will be resumed; else how it ended. */
static int enumeration_look_on(Enumeration *enumeration) {
        unsigned work = ENUMERATION_WORK;
        const TableView *view;
        TableAnswer answer;
        int r;

        if (varlink_call_is_gone(enumeration->call))
                return TABLE_READ_E_NOT_FOUND;
        r = service_view(enumeration->service, &view);
        if (r != 0)
                return r;
        do {
                unsigned cost = user_filter_cost(&enumeration->filter);

                r = table_next_entry_within(view, &enumeration->cursor, &work, &answer);
                /* A record that is being changed, or damaged, is passed over: the others are good.
                 */
                if (r != 0)
                        continue;
                if (user_filter_matches(&enumeration->filter, &answer)) {
                        cost += ENUMERATION_ANSWER_COST;
                        if (!enumeration_add(enumeration, &answer))
                                return 0;
                }
                work -= MIN(work, cost);
        } while (r == 0 || r == TABLE_READ_E_BUSY || r == TABLE_READ_E_UNTRUSTED);
        if (r != TABLE_READ_E_PAUSED)
                return r;
        varlink_call_yield(enumeration->call, enumeration_resume, enumeration);
        return 0;
}

static void enumeration_resume(VarlinkCall *call, void *userdata) {
        int r = enumeration_look_on(userdata);

        if (r != 0)
                enumeration_finish(userdata, r);
}

/* Whether this host's programs are told of our ranges by our NSS module already. */
static bool asks_module(const UserdbService *service, RecordKind kind) {
        g_auto(GStrv) services = NULL;

        return nss_services_read(
                       service->etc, kind == RECORD_USER ? "passwd" : "group", &services) == 0 &&
               g_strv_contains((const char *const *) services, "nsresource");
}

static void enumerate(
        UserdbService *service, VarlinkCall *call, RecordKind kind, const UserFilter *filter) {
        Enumeration *enumeration;

        if (!varlink_call_wants_more(call)) {
                varlink_call_error(call, VARLINK_ERROR_EXPECTED_MORE, NULL);
                return;
        }
        /* Whoever lists users lists those that the module gives, too: nss-systemd's callers ask it
         * before or after, and systemd's user database has a provider for what NSS knows. */
        if (filter->nothing || asks_module(service, kind)) {
                varlink_call_error(call, ERROR_NO_RECORD, NULL);
                return;
        }
        enumeration = g_new(Enumeration, 1);
        *enumeration = (Enumeration){
                .service = service,
                .call = varlink_call_ref(call),
                .kind = kind,
                .filter = *filter,
        };
        enumeration_resume(call, enumeration);
}

/* methods */

static void get_record(
        UserdbService *service, VarlinkCall *call, RecordKind kind, const char *id_field,
        const RecordParameters *parameters) {
        const char *field;
        TableAnswer answer;
        UserFilter filter;
        int r;

        if (!g_str_equal(parameters->service, USERDB_SERVICE)) {
                varlink_call_error(call, ERROR_BAD_SERVICE, NULL);
                return;
        }
        field = user_filter_fold(&parameters->filter, &filter);
        if (parameters->has_id && (parameters->id < 0 || parameters->id >= (int64_t) UINT32_MAX))
                field = id_field;
        if (field) {
                varlink_call_invalid_parameter(call, field);
                return;
        }
        if (!parameters->has_id && !parameters->name) {
                enumerate(service, call, kind, &filter);
                return;
        }

        r = service_find(service, parameters, &answer);
        if (r != 0)
                varlink_call_error(call, outcome_error(r), NULL);
        else if (parameters->has_id && parameters->id != answer.id)
                varlink_call_error(call, ERROR_CONFLICTING, NULL);
        else if (!user_filter_matches(&filter, &answer))
                varlink_call_error(call, ERROR_NON_MATCHING, NULL);
        else
                varlink_call_reply(call, record_reply(kind, &answer));
}

static void get_user_record(VarlinkCall *call, const void *parameters, void *userdata) {
        get_record(userdata, call, RECORD_USER, "uid", parameters);
}

static void get_group_record(VarlinkCall *call, const void *parameters, void *userdata) {
        get_record(userdata, call, RECORD_GROUP, "gid", parameters);
}

static void get_memberships(VarlinkCall *call, const void *parameters, void *userdata) {
        const MembershipParameters *membership = parameters;

        /* Nobody is a member of a group of ours but by its number. */
        varlink_call_error(
                call,
                g_str_equal(membership->service, USERDB_SERVICE) ? ERROR_NO_RECORD
                                                                 : ERROR_BAD_SERVICE,
                NULL);
}

#define RECORD_FIELDS(id_name, name_name, min_name, max_name)                                \
        { id_name, VARLINK_FIELD_INT, offsetof(RecordParameters, id),                        \
          offsetof(RecordParameters, has_id) },                                              \
                { name_name, VARLINK_FIELD_STRING, offsetof(RecordParameters, name),         \
                  VARLINK_FIELD_OPTIONAL },                                                  \
                { "fuzzyNames", VARLINK_FIELD_STRING_ARRAY,                                  \
                  offsetof(RecordParameters, filter.fuzzy_names), VARLINK_FIELD_OPTIONAL },  \
                { "dispositionMask", VARLINK_FIELD_STRING_ARRAY,                             \
                  offsetof(RecordParameters, filter.dispositions), VARLINK_FIELD_OPTIONAL }, \
                { min_name, VARLINK_FIELD_INT, offsetof(RecordParameters, filter.minimum),   \
                  offsetof(RecordParameters, filter.has_minimum) },                          \
                { max_name, VARLINK_FIELD_INT, offsetof(RecordParameters, filter.maximum),   \
                  offsetof(RecordParameters, filter.has_maximum) },                          \
                { "uuid", VARLINK_FIELD_STRING, offsetof(RecordParameters, filter.uuid),     \
                  VARLINK_FIELD_OPTIONAL },                                                  \
        {                                                                                    \
                "service", VARLINK_FIELD_STRING, offsetof(RecordParameters, service),        \
                        VARLINK_FIELD_REQUIRED                                               \
        }

static const VarlinkField user_fields[] = { RECORD_FIELDS("uid", "userName", "uidMin", "uidMax") };
static const VarlinkField group_fields[] = { RECORD_FIELDS(
        "gid", "groupName", "gidMin", "gidMax") };

static const VarlinkField membership_fields[] = {
        { "userName", VARLINK_FIELD_STRING, offsetof(MembershipParameters, user_name),
          VARLINK_FIELD_OPTIONAL },
        { "groupName", VARLINK_FIELD_STRING, offsetof(MembershipParameters, group_name),
          VARLINK_FIELD_OPTIONAL },
        { "service", VARLINK_FIELD_STRING, offsetof(MembershipParameters, service),
          VARLINK_FIELD_REQUIRED },
};

static const VarlinkMethod methods[] = {
        {
                .name = INTERFACE "GetUserRecord",
                .fields = user_fields,
                .n_fields = G_N_ELEMENTS(user_fields),
                .parameters_size = sizeof(RecordParameters),
                .handle = get_user_record,
        },
        {
                .name = INTERFACE "GetGroupRecord",
                .fields = group_fields,
                .n_fields = G_N_ELEMENTS(group_fields),
                .parameters_size = sizeof(RecordParameters),
                .handle = get_group_record,
        },
        {
                .name = INTERFACE "GetMemberships",
                .fields = membership_fields,
                .n_fields = G_N_ELEMENTS(membership_fields),
                .parameters_size = sizeof(MembershipParameters),
                .handle = get_memberships,
        },
};

static void log_answer(
        const VarlinkCall *call, const char *error_id, const char *field, void *userdata) {
        if (error_id && log_enabled(LOG_DEBUG))
                log_debug(
                        "%s of UID %u: %s%s%s", varlink_call_method(call),
                        varlink_call_peer(call)->uid, error_id, field ? " " : "", field ?: "");
}

/* the service */

int userdb_service_new(
        const UserdbServiceConfig *config, GMainContext *context, UserdbService **ret_service) {
        static const char *const texts[] = { interface_io_systemd_UserDatabase };
        g_autoptr(UserdbService) service = g_new0(UserdbService, 1);
        const VarlinkServerConfig server = {
                .vendor = "nsresource",
                .product = "nsresource-userdbd",
                .version = PACKAGE_VERSION,
                .url = PACKAGE_URL,
                .interfaces = texts,
                .n_interfaces = G_N_ELEMENTS(texts),
                .methods = methods,
                .n_methods = G_N_ELEMENTS(methods),
                .connections_max = CONNECTIONS_MAX,
                .connections_per_account_max = CONNECTIONS_PER_ACCOUNT_MAX,
                .output_high = OUTPUT_HIGH,
                .account = service_account,
                .answered = log_answer,
                .userdata = service,
        };
        int r;

        service->table = TABLE_FOLLOWER(config->table_path);
        service->etc = config->etc;
        r = host_ids_new(config->etc, &service->host_ids);
        if (r < 0)
                log_warning_errno(r, "cannot read who has which UIDs below %s", config->etc);
        r = varlink_server_new(&server, context, &service->server);
        if (r != 0)
                return r;
        *ret_service = g_steal_pointer(&service);
        return 0;
}

void userdb_service_free(UserdbService *service) {
        if (!service)
                return;
        /* Ends each enumeration, too: its peer has gone then. */
        varlink_server_free(service->server);
        host_ids_free(service->host_ids);
        table_follower_clear(&service->table);
        g_free(service);
}

VarlinkServer *userdb_service_server(UserdbService *service) {
        return service->server;
}
