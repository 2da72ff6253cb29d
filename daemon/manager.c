/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/manager.h"

#include <errno.h>
#include <string.h>

#include "daemon/account.h"
#include "daemon/adopt.h"
#include "daemon/allocator/allocator.h"
#include "daemon/api/api.h"
#include "daemon/host/asker.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/host/claims.h"
#include "daemon/state/details.h"
#include "daemon/door/door.h"
#include "daemon/host/host-ids.h"
#include "daemon/leftovers/leftovers.h"
#include "daemon/limits.h"
#include "daemon/host/name-cache.h"
#include "daemon/policy/policy.h"
#include "daemon/reconcile.h"
#include "daemon/host/slot-locks.h"
#include "daemon/leftovers/uid-trial.h"
#include "daemon/state/unenforced.h"
#include "daemon/userns/userns.h"
#include "daemon/host/vetter.h"
#include "lib/interfaces/interfaces.h"
#include "lib/table/socket.h"
#include "lib/table/write.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/log.h"
#include "lib/varlink/discard.h"
#include "lib/varlink/server.h"

/* What clients can have us take at once is below what the unit allows. */
/* The server discards, and so do the doors. */
_Static_assert(
        LIMIT_CHILDREN + 2 * (VARLINK_DISCARDS_MAX + VARLINK_DISCARD_KEEPERS_MAX) + LIMIT_THREADS <=
                LIMIT_TASKS,
        "TasksMax=");
_Static_assert(LIMIT_DESCRIPTORS_OF_CALL == VARLINK_DESCRIPTORS_MAX, "descriptors of a call");
_Static_assert(LIMIT_DESCRIPTORS <= LIMIT_NOFILE, "LimitNOFILE=");

struct Manager {
        Settings settings;
        char *etc, *config_file, *table_path, *details_path, *nspawn_folder, *unenforced_path;
        char *userdb_socket;
        NameCache *name_cache;
        HostIds *host_ids;
        CgroupTree *cgroups; /* NULL: there are none */
        UsernsProbe *probe;
        Policy *policy;
        TableWriter *table;
        Details *details;
        Leftovers *leftovers;
        UidTrials *uid_trials;
        Unenforced *unenforced;
        SlotLocks *slot_locks;
        Asker *asker;
        Vetter *vetter;
        Claims *claims;
        Allocator *allocator;
        Reconcile *reconcile;
        DoorKeeper *doors;
        VarlinkServer *server;
        VarlinkMethod *methods;
        ApiContext api;
};

/* accounts */

static uint32_t manager_account(const VarlinkPeer *peer, void *userdata) {
        ApiContext *api = userdata;
        Manager *manager = (Manager *) ((char *) api - G_STRUCT_OFFSET(Manager, api));
        const AccountSources sources = {
                .table = manager->table,
                .host_ids = manager->host_ids,
                .own_userns = &api->own_userns,
        };

        return account_of_peer(&sources, peer);
}

/* doors */

static void manager_received(
        int result, size_t n_consumed, VarlinkDescriptor *descriptors, size_t n_descriptors,
        void *userdata) {
        varlink_connection_received(userdata, result, n_consumed, descriptors, n_descriptors);
}

static int manager_receive(VarlinkConnection *connection, int fd, size_t n_bytes, void *userdata) {
        ApiContext *api = userdata;
        int r;

        r = door_receive(
                api->doors, fd, n_bytes, varlink_connection_account(connection), manager_received,
                connection);
        return r == DOOR_E_BUSY ? -EBUSY : r;
}

/* log */

/* Bytes of a method or a field, which a client can make as long as a message. */
#define LOGGED_TEXT_MAX 128

/* Clients tell of their mounts without knowing whether the namespace is one of ours. */
static bool is_refusal(const VarlinkCall *call, const char *error_id) {
        return error_id &&
               (!g_str_equal(error_id, "io.systemd.NamespaceResource.UserNamespaceNotRegistered") ||
                !g_str_equal(
                        varlink_call_method(call),
                        "io.systemd.NamespaceResource.AddMountToUserNamespace"));
}

static void manager_answered(
        const VarlinkCall *call, const char *error_id, const char *field, void *userdata) {
        if (!is_refusal(call, error_id)) {
                log_debug(
                        "%.*s by UID %u", LOGGED_TEXT_MAX, varlink_call_method(call),
                        varlink_call_peer(call)->uid);
                return;
        }
        log_notice(
                "%.*s by UID %u refused: %s%s%.*s", LOGGED_TEXT_MAX, varlink_call_method(call),
                varlink_call_peer(call)->uid, error_id, field ? " " : "", LOGGED_TEXT_MAX,
                field ?: "");
}

/* making */

static void manager_refuse(Manager *manager, char *take_reason) {
        g_free(manager->api.refusal);
        manager->api.refusal = take_reason;
        log_error("No ranges are lent: %s", take_reason);
}

static int manager_open_table(Manager *manager) {
        TableWriterConfig config = {
                .path = manager->table_path,
                .pool_start = manager->settings.pool_start,
                .n_slots = manager->settings.n_slots,
                .enforced = policy_is_enforcing(manager->policy),
                .all_entries = manager->settings.all_entries,
        };
        char *refusal = NULL;
        int r;

        r = host_ids_first_untouched(manager->host_ids, &config.first_start);
        if (r < 0)
                log_warning_errno(r, "Cannot read login.defs: its IDs are lent like others");
        r = adopt_table(
                &config, !manager->settings.enforcement_required, &manager->table, &refusal);
        if (r == 0 && refusal)
                manager_refuse(manager, refusal);
        return r;
}

/* Whoever asked about one of our names is to ask again. */
static void manager_names_changed(void *userdata) {
        Manager *manager = userdata;

        name_cache_changed(manager->name_cache);
}

/* What others know of the table: of this pool from now on, and names of an earlier one are gone. */
static void manager_tell_others(Manager *manager) {
        if (!table_socket_tag(
                    manager->userdb_socket, manager->settings.pool_start,
                    manager->settings.n_slots))
                log_debug(
                        "%s takes no attributes: clients may ask it about every user",
                        manager->userdb_socket);
        table_writer_watch_names(manager->table, manager_names_changed, manager);
        name_cache_changed(manager->name_cache);
}

static void manager_vetted(void *userdata) {
        Manager *manager = userdata;

        if (manager->allocator)
                allocator_try_waiting(manager->allocator);
}

static void manager_warn(const char *text, void *userdata) {
        log_warning("%s", text);
}

static bool manager_is_claimed(uint32_t start, uint32_t n_ids, void *userdata) {
        const Manager *manager = userdata;

        return host_ids_claims(manager->host_ids, start, n_ids);
}

static int manager_make_vetter(Manager *manager) {
        const VetterConfig config = {
                .table = manager->table,
                .asker = manager->asker,
                .ask_names = manager->settings.ask_name_service,
                .is_claimed = manager_is_claimed,
                .answered = manager_vetted,
                .notice = manager_warn,
                .userdata = manager,
        };
        int r;

        r = vetter_new(&config, &manager->vetter);
        if (r == 0)
                vetter_go_on(manager->vetter);
        return r;
}

static int manager_make_claims(Manager *manager) {
        const ClaimsConfig config = {
                .table = manager->table,
                .host_ids = manager->host_ids,
                .etc = manager->etc,
                .notice = manager_warn,
        };

        return claims_new(&config, &manager->claims);
}

static void manager_range_kept(const AllocatorKept *kept, void *userdata) {
        log_notice(
                "The range of %u IDs from %u, lent to a namespace of UID %u that has ended, is "
                "kept "
                "back: %s",
                kept->size, kept->start, kept->account_uid, kept->why);
}

static int manager_adopt(Manager *manager) {
        const AdoptContext context = {
                .table = manager->table,
                .policy = manager->policy,
                .probe = manager->probe,
                .unenforced = manager->unenforced,
                .slot_locks = manager->slot_locks,
                .nspawn_folder = manager->nspawn_folder,
                .pool_start = manager->settings.pool_start,
                .n_slots = manager->settings.n_slots,
        };
        int r = adopt_records(&context);

        if (r < 0)
                return r;
        return adopt_details(
                manager->details_path, table_writer_n_records(manager->table), &manager->details);
}

/* From a table to an allocator: what needs both. */
static int manager_make_allocator(Manager *manager) {
        AllocatorConfig config = {
                .table = manager->table,
                .policy = manager->policy,
                .host_ids = manager->host_ids,
                .probe = manager->probe,
                .unenforced = manager->unenforced,
                .lock_folder = manager->nspawn_folder,
                .slot_locks = manager->slot_locks,
                .enforced = policy_is_enforcing(manager->policy),
                .namespaces_per_user = manager->settings.namespaces_per_user,
                .ids_per_user = manager->settings.ids_per_user,
                .quarantined_per_user = manager->settings.quarantined_per_user,
        };
        int r;

        r = manager_adopt(manager);
        if (r < 0)
                return r;
        r = manager_make_vetter(manager);
        if (r == 0)
                r = manager_make_claims(manager);
        if (r < 0)
                return r;
        config.vetter = manager->vetter;
        config.details = manager->details;
        config.cgroups = manager->cgroups;
        config.leftovers = manager->leftovers;
        config.uid_trials = manager->uid_trials;
        config.kept = manager_range_kept;
        r = allocator_new(&config, &manager->allocator);
        if (r < 0)
                log_error_errno(r, "Cannot make the allocator");
        return r;
}

/* Without a table nothing is served; see manager_reload(). */
static int manager_start_serving(Manager *manager) {
        int r;

        r = manager_open_table(manager);
        if (r == 0 && manager->table)
                r = manager_make_allocator(manager);
        if (r < 0) {
                /* A table without an allocator would pass for one that is served. */
                g_clear_pointer(&manager->claims, claims_free);
                g_clear_pointer(&manager->vetter, vetter_free);
                g_clear_pointer(&manager->details, details_free);
                g_clear_pointer(&manager->table, table_writer_free);
        }
        if (r < 0 || !manager->table)
                return r;
        manager_tell_others(manager);

        manager->api.table = manager->table;
        manager->api.allocator = manager->allocator;
        manager->api.vetter = manager->vetter;
        manager->api.claims = manager->claims;
        g_clear_pointer(&manager->api.refusal, g_free);
        reconcile_start(manager->reconcile, manager->allocator, manager->probe);

        if (manager->settings.enforcement_required && !policy_is_enforcing(manager->policy))
                manager_refuse(
                        manager, g_strdup("the kernel policy is not in force (`nsresourcectl "
                                          "check` says what is missing); set Enforcement=none "
                                          "in nsresourced.conf to go without it"));
        return 0;
}

static void manager_policy_notice(const char *text, void *userdata) {
        log_warning("Kernel policy: %s", text);
}

static int manager_open_policy(Manager *manager, const char *pin_folder) {
        PolicyConfig config = {
                .pool_start = manager->settings.pool_start,
                .n_slots = manager->settings.n_slots,
                .enforce = manager->settings.enforcement_required,
                .pin_folder = pin_folder,
                .event = reconcile_told,
                .notice = manager_policy_notice,
                .userdata = manager->reconcile,
        };
        int r;

        if (!manager->settings.enforcement_required)
                log_warning("Enforcement=none: files of a range can outlive its namespace; ranges "
                            "are not lent again");
        r = policy_open(&config, &manager->policy);
        if (r < 0)
                log_error_errno(r, "Cannot load the kernel policy");
        return MIN(r, 0);
}

/* The user of the doors and of who asks the name service: the package's own, found in passwd
 * itself, for NSS could ask us. */
static int manager_open_doors(Manager *manager, const char *ask_program) {
        DoorKeeperConfig config = { .uid = 65534, .gid = 65534 };
        int r;

        if (!host_ids_find_user(manager->host_ids, "nsresource", &config.uid, &config.gid))
                log_debug("No user nsresource: doors run as %u", config.uid);
        if (manager->cgroups)
                config.cgroup2 = cgroup_tree_device(manager->cgroups);
        r = door_keeper_new(&config, &manager->doors);
        if (r < 0) {
                log_error_errno(r, "Cannot start the doors");
                return r;
        }
        return asker_new(ask_program, config.uid, config.gid, &manager->asker);
}

/* Without control groups everything else works. */
static int manager_open_cgroups(Manager *manager) {
        int r = cgroup_tree_new(&manager->cgroups);

        if (r == CGROUP_E_NO_TREE)
                log_info("No cgroup2 file system on /sys/fs/cgroup or below: namespaces get no "
                         "control "
                         "groups");
        else if (r < 0)
                log_error_errno(r, "Cannot open the hierarchy of control groups");
        return MIN(r, 0);
}

static int manager_listen(Manager *manager, int take_fd, const char *path) {
        static const char *const interfaces[] = {
                interface_io_systemd_NamespaceResource,
                interface_org_nsresource_Manager,
        };
        const struct {
                const VarlinkMethod *methods;
                size_t n;
        } tables[] = {
                { api_namespace_methods, api_namespace_n_methods },
                { api_container_methods, api_container_n_methods },
                { api_manager_methods, api_manager_n_methods },
        };
        size_t n_methods = 0;
        VarlinkServerConfig config = {
                .vendor = "nsresource",
                .product = "nsresourced",
                .version = PACKAGE_VERSION,
                .url = PACKAGE_URL,
                .interfaces = interfaces,
                .n_interfaces = G_N_ELEMENTS(interfaces),
                .connections_max = LIMIT_CONNECTIONS,
                .connections_per_account_max = LIMIT_CONNECTIONS_PER_ACCOUNT,
                .discards_max = LIMIT_DISCARDS_WAITING,
                .discards_per_account_max = LIMIT_DISCARDS_PER_ACCOUNT,
                .account = manager_account,
                .receive = manager_receive,
                .answered = manager_answered,
                .userdata = &manager->api,
        };
        auto_fd fd = take_fd;
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
                n_methods += tables[i].n;
        manager->methods = g_new(VarlinkMethod, n_methods);
        for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
                memcpy(manager->methods + config.n_methods, tables[i].methods,
                       tables[i].n * sizeof(VarlinkMethod));
                config.n_methods += tables[i].n;
        }
        config.methods = manager->methods;

        r = varlink_server_new(&config, NULL, &manager->server);
        if (r < 0) {
                log_error_errno(r, "Cannot make the varlink server");
                return r;
        }
        r = fd >= 0 ? varlink_server_listen_fd(manager->server, g_steal_fd(&fd))
                    : varlink_server_listen_path(manager->server, path, 0666);
        if (r < 0)
                log_error_errno(r, "Cannot listen on %s", fd >= 0 ? "the passed socket" : path);
        return r;
}

static int manager_load_settings(Manager *manager, Settings *ret_settings) {
        g_autofree char *message = NULL;
        int r;

        r = settings_load(manager->config_file, ret_settings, &message);
        if (r < 0)
                log_error("%s", message);
        return r;
}

static int manager_open_folders(Manager *manager, const ManagerPaths *paths) {
        const char *const folders[] = { paths->runtime_folder, paths->state_folder };
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                r = file_make_directory(folders[i], 0755);
                if (r < 0) {
                        log_error_errno(r, "Cannot use the folder %s", folders[i]);
                        return r;
                }
        }
        r = unenforced_open(manager->unenforced_path, &manager->unenforced);
        if (r < 0)
                log_error_errno(
                        r,
                        "Cannot use %s: if it is damaged, remove it once no file of an earlier "
                        "namespace is left",
                        manager->unenforced_path);
        return r;
}

static int manager_open(Manager *manager, const ManagerPaths *paths, int take_slot_locks_fd) {
        auto_fd slot_locks_fd = take_slot_locks_fd;
        int r;

        r = manager_load_settings(manager, &manager->settings);
        if (r < 0)
                return r;
        r = manager_open_folders(manager, paths);
        if (r < 0)
                return r;
        r = host_ids_new(paths->etc, &manager->host_ids);
        if (r < 0) {
                log_error_errno(
                        r, "Cannot read passwd, group, subuid and subgid in %s", paths->etc);
                return r;
        }
        r = manager_open_cgroups(manager);
        if (r < 0)
                return r;
        host_ids_set_reserved(
                manager->host_ids, manager->settings.reserved, manager->settings.n_reserved);
        /* Doors first: they inherit as little as possible. */
        r = manager_open_doors(manager, paths->ask_program);
        if (r < 0)
                return r;
        userns_helper_prepare();
        r = userns_probe_new(&manager->probe);
        if (r < 0) {
                log_error_errno(r, "Cannot find out how to follow user namespaces");
                return r;
        }
        r = userns_self(&manager->api.own_userns);
        if (r < 0)
                return r;
        r = leftovers_new(&paths->leftovers, &manager->leftovers);
        if (r < 0)
                return r;
        r = manager_open_policy(manager, paths->pin_folder);
        if (r < 0)
                return r;
        manager->uid_trials = uid_trials_new(
                &(UidTrialsConfig){ .effective_uid = policy_trial_uid(manager->policy) });

        r = slot_locks_open(
                manager->nspawn_folder, g_steal_fd(&slot_locks_fd), &manager->slot_locks);
        if (r < 0) {
                log_error_errno(r, "Cannot use the folder %s", manager->nspawn_folder);
                return r;
        }

        manager->api.policy = manager->policy;
        manager->api.probe = manager->probe;
        manager->api.doors = manager->doors;
        manager->api.cgroups = manager->cgroups;
        manager->api.unenforced = manager->unenforced;
        manager->api.enforcement_required = manager->settings.enforcement_required;
        manager->api.pool_start = manager->settings.pool_start;
        manager->api.n_slots = manager->settings.n_slots;
        manager->api.settings = &manager->settings;
        return manager_start_serving(manager);
}

int manager_new(
        const ManagerPaths *paths, int take_listen_fd, int take_slot_locks_fd,
        Manager **ret_manager) {
        g_autoptr(Manager) manager = g_new0(Manager, 1);
        auto_fd listen_fd = take_listen_fd, slot_locks_fd = take_slot_locks_fd;
        int r;

        manager->etc = g_strdup(paths->etc);
        manager->config_file = g_strdup(paths->config_file);
        manager->table_path = g_build_filename(paths->runtime_folder, "table", NULL);
        manager->details_path = g_build_filename(paths->runtime_folder, "details", NULL);
        manager->unenforced_path = g_build_filename(paths->state_folder, "unenforced", NULL);
        manager->nspawn_folder = g_strdup(paths->nspawn_folder);
        manager->userdb_socket = g_strdup(paths->userdb_socket);
        manager->name_cache = name_cache_new(paths->nscd_socket);
        manager->reconcile = reconcile_new();
        r = manager_open(manager, paths, g_steal_fd(&slot_locks_fd));
        if (r < 0)
                return r;
        r = manager_listen(manager, g_steal_fd(&listen_fd), paths->socket);
        if (r < 0)
                return r;

        *ret_manager = g_steal_pointer(&manager);
        return 0;
}

void manager_free(Manager *manager) {
        if (!manager)
                return;
        reconcile_free(manager->reconcile);
        leftovers_free(manager->leftovers);
        /* Before the server: its jobs answer their calls. */
        allocator_free(manager->allocator);
        uid_trials_free(manager->uid_trials);
        claims_free(manager->claims);
        vetter_free(manager->vetter);
        asker_free(manager->asker);
        userns_helper_stop();
        varlink_server_free(manager->server);
        door_keeper_free(manager->doors);
        cgroup_tree_free(manager->cgroups);
        g_free(manager->methods);
        details_free(manager->details);
        table_writer_free(manager->table);
        name_cache_free(manager->name_cache);
        policy_free(manager->policy);
        userns_probe_free(manager->probe);
        host_ids_free(manager->host_ids);
        unenforced_free(manager->unenforced);
        slot_locks_free(manager->slot_locks);
        g_free(manager->api.refusal);
        g_free(manager->etc);
        g_free(manager->config_file);
        g_free(manager->table_path);
        g_free(manager->details_path);
        g_free(manager->unenforced_path);
        g_free(manager->nspawn_folder);
        g_free(manager->userdb_socket);
        g_free(manager);
}

int manager_reload(Manager *manager) {
        Settings settings;
        int r;

        r = manager_load_settings(manager, &settings);
        if (r < 0)
                return r;
        if (settings.pool_start != manager->settings.pool_start ||
            settings.n_slots != manager->settings.n_slots ||
            settings.enforcement_required != manager->settings.enforcement_required)
                log_warning("Changes of Enforcement=, Start= and End= take effect when nsresourced "
                            "is restarted");

        host_ids_set_reserved(manager->host_ids, settings.reserved, settings.n_reserved);
        memcpy(manager->settings.reserved, settings.reserved, sizeof(settings.reserved));
        manager->settings.n_reserved = settings.n_reserved;
        manager->settings.namespaces_per_user = settings.namespaces_per_user;
        manager->settings.ids_per_user = settings.ids_per_user;
        manager->settings.quarantined_per_user = settings.quarantined_per_user;
        manager->settings.all_entries = settings.all_entries;
        manager->settings.ask_name_service = settings.ask_name_service;
        if (!manager->table)
                return manager_start_serving(manager);
        allocator_set_quotas(
                manager->allocator, settings.namespaces_per_user, settings.ids_per_user,
                settings.quarantined_per_user);
        table_writer_set_entries(manager->table, settings.all_entries);
        vetter_set_ask_names(manager->vetter, settings.ask_name_service);
        claims_look_again(manager->claims);
        return 0;
}

int manager_slot_locks_fd(const Manager *manager, bool *ret_is_new) {
        return slot_locks_fd(manager->slot_locks, ret_is_new);
}

char *manager_status_line(const Manager *manager) {
        if (manager->api.refusal)
                return g_strdup_printf("Not lending ranges: %s", manager->api.refusal);
        return g_strdup(
                manager->settings.enforcement_required
                        ? "Lending ranges, the kernel policy is in force"
                        : "Lending ranges with Enforcement=none");
}
