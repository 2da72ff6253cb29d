/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/allocator/allocator.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/allocator/end.h"
#include "daemon/allocator/name.h"
#include "daemon/allocator/own-maps.h"
#include "daemon/allocator/reclaim.h"
#include "daemon/allocator/record.h"
#include "daemon/allocator/state.h"
#include "daemon/host/host-ids.h"
#include "daemon/limits.h"
#include "daemon/policy/policy.h"
#include "daemon/host/slot-locks.h"
#include "daemon/state/unenforced.h"
#include "daemon/host/vetter.h"
#include "daemon/host/vetting.h"
#include "lib/table/read.h"
#include "lib/table/write.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

typedef struct Job Job;

/* A request that waits for its helper to join the namespace. */
struct Job {
        Allocator *allocator;
        AllocatorRequest request; /* userns_fd is not kept: an open descriptor would keep the
                                     namespace alive */
        char *name;
        NameWait *wait; /* for the name; meanwhile a descriptor is kept */
        int userns_fd;
        UsernsHelper *helper;
        int (*finish)(Job *job); /* JOB_WAITS: again when more is known of slots */
        AllocatorDoneFunc done;
        void *userdata;
        uint64_t number; /* of all jobs, in the order in which they came */
        /* What of the IDs it waits to be vetted; 0: it does not. */
        uint32_t wanted_start, wanted_n;
        Turn *vetting_wait; /* from the first time on, as the next */
        GSource *deadline;
};

#define JOB_WAITS 1000 /* beside the outcomes */

static void job_free(Job *job) {
        source_drop(&job->deadline);
        turn_free(job->vetting_wait);
        name_wait_free(job->wait);
        (void) fd_close(job->userns_fd);
        userns_helper_free(job->helper);
        g_free(job->name);
        g_free(job);
}

/* The last of a job. */
static void job_end(Job *job, int result) {
        AllocatorDoneFunc done = job->done;
        void *userdata = job->userdata;

        g_ptr_array_remove_fast(job->allocator->jobs, job);
        done(result, userdata);
}

/* systemd-nspawn's lock follows the slot's state.  What is taken out of service may be out of it
 * because nspawn has it. */
static void allocator_slot_changed(uint32_t start, bool is_free, void *userdata) {
        Allocator *allocator = userdata;

        if (is_free)
                slot_locks_drop(allocator->config.slot_locks, start);
        else
                (void) slot_locks_hold(allocator->config.slot_locks, start, false);
}

int allocator_new(const AllocatorConfig *config, Allocator **ret_allocator) {
        Allocator *allocator = g_new(Allocator, 1);

        *allocator = (Allocator){
                .config = *config,
                .jobs = g_ptr_array_new_with_free_func((GDestroyNotify) job_free),
                .name_waits = name_waits_new(),
                .vetting_waits = turns_new(LIMIT_VETTING_WAITS, LIMIT_VETTING_WAITS_PER_ACCOUNT, 0),
        };
        allocator_start_removing(allocator);
        allocator->reclaim = reclaim_new(&allocator->config);
        table_writer_watch_slots(config->table, allocator_slot_changed, allocator);
        *ret_allocator = allocator;
        return 0;
}

void allocator_free(Allocator *allocator) {
        if (!allocator)
                return;
        while (allocator->jobs->len > 0)
                job_end(allocator->jobs->pdata[0], -ECANCELED);
        table_writer_watch_slots(allocator->config.table, NULL, NULL);
        g_ptr_array_unref(allocator->jobs);
        name_waits_free(allocator->name_waits);
        turns_free(allocator->vetting_waits);
        allocator_stop_removing(allocator);
        reclaim_free(allocator->reclaim);
        g_free(allocator);
}

void allocator_set_quotas(
        Allocator *allocator, uint32_t namespaces_per_user, uint64_t ids_per_user,
        uint32_t quarantined_per_user) {
        allocator->config.quarantined_per_user = quarantined_per_user;
        allocator->config.namespaces_per_user = namespaces_per_user;
        allocator->config.ids_per_user = ids_per_user;
}

/* taking */

static bool allocator_quota_allows(const Allocator *allocator, const AllocatorRequest *request) {
        uint32_t n_ranges, n_releasing;
        uint64_t n_ids, n_ids_releasing;

        table_writer_usage(allocator->config.table, request->account_uid, &n_ranges, &n_ids);
        reclaim_usage(allocator->reclaim, request->account_uid, &n_releasing, &n_ids_releasing);
        n_ranges -= n_releasing;
        n_ids -= n_ids_releasing;
        return n_ranges < allocator->config.namespaces_per_user &&
               n_ids <= allocator->config.ids_per_user &&
               request->size <= allocator->config.ids_per_user - n_ids;
}

/* What is set free only by an administrator's word, or by a proof that may never come, is counted
 * for itself: in the quota for what lives it would lock everybody out for good who works for long
 * enough, and counted for nobody it lets one account use the pool up. */
static bool allocator_may_be_kept(const Allocator *allocator, const AllocatorRequest *request) {
        uint64_t n = table_writer_kept(allocator->config.table, request->account_uid);

        if (request->size == 0)
                return true;
        if (allocator->config.enforced)
                return n < allocator->config.quarantined_per_user;
        return n + table_range_kept(request->size, 0) <= allocator->config.quarantined_per_user;
}

/* A vetting claim is held from the choice of a slot until systemd-nspawn's lock is held for as long
 * as the slot is not free. */
typedef struct Search {
        Allocator *allocator;
        VettingClaim *claim;
        GArray *held; /* first IDs of slots that were accepted */
        int error;    /* of this process or the lock folder: no other slot would do better */
        uint32_t unknown_start, unknown_n; /* the first that is still to be vetted */
} Search;

/* Single IDs are of a slot that was accepted when it was split. */
static int search_hold(Search *search, uint32_t start, uint32_t n_ids) {
        for (uint32_t id = start; n_ids > 1 && id - start < n_ids; id += TABLE_SLOT_SIZE) {
                int r = slot_locks_hold(search->allocator->config.slot_locks, id, true);

                if (r != 0)
                        return r;
                g_array_append_val(search->held, id);
        }
        return 0;
}

/* Nothing may have come of what was accepted. */
static void search_end(Search *search) {
        TableWriter *table = search->allocator->config.table;
        uint32_t pool_start = table_writer_header(table)->pool_start;

        for (guint i = 0; i < search->held->len; i++) {
                uint32_t start = g_array_index(search->held, uint32_t, i);

                if (table_writer_state(table, (start - pool_start) / TABLE_SLOT_SIZE) ==
                    TABLE_STATE_FREE)
                        slot_locks_drop(search->allocator->config.slot_locks, start);
        }
        g_array_unref(search->held);
        vetting_claim_free(search->claim);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_end)

/* Whether nobody knows or uses the IDs.  Slots are vetted ahead in the order in which they come
 * here, so none is taken behind the first of which nothing is known yet. */
static bool search_is_vetted(Search *search, uint32_t start, uint32_t n_ids) {
        VetterAnswer answer;

        if (!search->allocator->config.vetter)
                return true;
        answer = vetter_check(search->allocator->config.vetter, start, n_ids);
        if (answer == VETTER_UNKNOWN) {
                search->unknown_start = start;
                search->unknown_n = n_ids;
        }
        return answer == VETTER_FREE;
}

static bool search_accept(uint32_t start, uint32_t n_ids, void *userdata) {
        Search *search = userdata;
        int r;

        if (search->unknown_n > 0) /* nothing behind it is taken */
                return false;
        g_clear_pointer(&search->claim, vetting_claim_free);
        /* What is somebody's by a file need not be asked about, nor waited for. */
        if (search->error < 0 ||
            host_ids_claims(search->allocator->config.host_ids, start, n_ids) ||
            !search_is_vetted(search, start, n_ids))
                return false;
        r = vetting_claim(
                search->allocator->config.host_ids, search->allocator->config.lock_folder, start,
                n_ids, &search->claim);
        if (r == 0)
                r = search_hold(search, start, n_ids);
        search->error = MIN(r, 0);
        return r == 0;
}

static int allocator_outcome(int r) {
        static const struct {
                int table, outcome;
        } outcomes[] = {
                { TABLE_E_NAME_EXISTS, ALLOCATOR_E_NAME_EXISTS },
                { TABLE_E_USERNS_EXISTS, ALLOCATOR_E_USERNS_EXISTS },
                { TABLE_E_EXHAUSTED, ALLOCATOR_E_EXHAUSTED },
        };

        if (r <= 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++)
                if (outcomes[i].table == r)
                        return outcomes[i].outcome;
        return -ENOTRECOVERABLE;
}

/* Whether this is more than is allowed even after what is dead has been released: of the
 * account's own, or whoever is at the limit could have us probe everybody's with each call. */
static bool allocator_quota_exceeded(Allocator *allocator, const AllocatorRequest *request) {
        TableWriter *table = allocator->config.table;
        uint32_t cursor = 0, record;

        if (allocator_quota_allows(allocator, request))
                return false;
        while ((record = table_writer_next_live(table, &cursor)) != TABLE_NONE)
                if (table_writer_record(table, record)->account_uid == request->account_uid)
                        (void) allocator_release_if_dead(allocator, record);
        return !allocator_quota_allows(allocator, request);
}

/* A namespace whose maps are empty has the inode number of this record: those of an active record
 * are not empty, so the record's namespace is dead, whatever else the kernel can prove.  A record
 * in `mapping` may be the same namespace, back again. */
static void allocator_release_reborn(Allocator *allocator, const UsernsIdentity *empty) {
        TableWriter *table = allocator->config.table;
        uint32_t record = table_writer_find_userns(table, empty->inode, empty->id);

        if (record != TABLE_NONE && table_writer_state(table, record) == TABLE_STATE_ACTIVE)
                allocator_release(allocator, record, true);
}

static int allocator_reserve(
        Allocator *allocator, const AllocatorRequest *request, const char *name, Search *search,
        uint32_t *ret_record) {
        TableWriter *table = allocator->config.table;
        TableRange range = {
                .name = name,
                .owner_uid = request->owner_uid,
                .account_uid = request->account_uid,
                .userns_inode = request->identity.inode,
                .userns_id = request->identity.id,
                .size = request->size,
                .target = request->target,
                .flags = (request->size == 0 ? TABLE_FLAG_REGISTERED : 0) |
                         (request->size > 0 && !allocator->config.enforced ? TABLE_FLAG_UNENFORCED
                                                                           : 0),
        };
        int r;

        r = table_writer_reserve(table, &range, search_accept, search, ret_record);
        if (r == TABLE_E_NAME_EXISTS &&
            allocator_release_if_dead(allocator, table_writer_find_name(table, name)))
                r = table_writer_reserve(table, &range, search_accept, search, ret_record);
        else if (
                r == TABLE_E_USERNS_EXISTS &&
                allocator_release_if_dead(
                        allocator,
                        table_writer_find_userns(table, range.userns_inode, range.userns_id)))
                r = table_writer_reserve(table, &range, search_accept, search, ret_record);
        if (r == TABLE_E_EXHAUSTED && search->error < 0)
                return search->error;
        /* A sweep that is under way may have passed it by. */
        if (r == 0)
                userns_probe_note(allocator->config.probe, &request->identity);
        return allocator_outcome(r);
}

static int allocator_mark_unenforced(
        Allocator *allocator, uint32_t start, uint32_t n_records, uint32_t account) {
        for (uint32_t i = 0; i < n_records; i++) {
                int r = unenforced_mark(
                        allocator->config.unenforced, start + i * TABLE_SLOT_SIZE, account);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* All or nothing: what failed lent nothing, and may belong to another. */
static int allocator_protect(Allocator *allocator, uint32_t record, uint32_t n_records) {
        const TableHeader *header = table_writer_header(allocator->config.table);
        const TableRecord *range = table_writer_record(allocator->config.table, record);
        int r = 0;

        if (record >= header->n_slots && range->size == 1) {
                uint32_t offset = range->start - header->pool_start;

                r = policy_split(
                        allocator->config.policy, offset / TABLE_SLOT_SIZE,
                        record - header->n_slots - offset % TABLE_SLOT_SIZE);
        }
        policy_forget_uses(allocator->config.policy, record, n_records);
        return r != 0 ? r
                      : policy_protect(
                                allocator->config.policy, record, n_records, range->userns_inode);
}

/* Protect, then map.  The record is in `reserved` on entry, and in `active` on 0. */
static int allocator_map(Job *job, uint32_t record) {
        Allocator *allocator = job->allocator;
        TableWriter *table = allocator->config.table;
        const TableRecord *range = table_writer_record(table, record);
        uint32_t n_records = allocator_n_records(range->size);
        UsernsExtent extent = { .inside = range->target,
                                .outside = range->start,
                                .size = range->size };
        int r;

        r = allocator_protect(allocator, record, n_records);
        if (r == 0 && !allocator->config.enforced) {
                r = allocator_mark_unenforced(
                        allocator, range->start, n_records, range->account_uid);
                if (r != 0)
                        (void) policy_unprotect(allocator->config.policy, record, n_records);
        }
        if (r != 0) {
                table_writer_set_state(table, record, TABLE_STATE_FREE);
                return r == POLICY_E_FULL ? ALLOCATOR_E_EXHAUSTED : r;
        }

        table_writer_set_state(table, record, TABLE_STATE_MAPPING);
        r = userns_helper_write_maps(job->helper, &extent);
        if (r == USERNS_E_NOT_EMPTY)
                return ALLOCATOR_E_NOT_EMPTY;
        if (r != 0)
                return r < 0 ? r : -ENOTRECOVERABLE;
        table_writer_set_state(table, record, TABLE_STATE_ACTIVE);
        return 0;
}

static bool allocator_host_has_name(const Allocator *allocator, const char *name) {
        g_autofree char *first = g_strdup_printf("ns-%s-0", name);

        return host_ids_has_name(allocator->config.host_ids, first);
}

char *allocator_describe_holder(const Allocator *allocator, const char *name) {
        static const char *const states[TABLE_STATE_COUNT] = {
                [TABLE_STATE_FREE] = "that has ended",
                [TABLE_STATE_RESERVED] = "that is being made",
                [TABLE_STATE_MAPPING] = "of which the maps may be written",
                [TABLE_STATE_ACTIVE] = "that lives",
                [TABLE_STATE_RELEASING] = "that has ended",
                [TABLE_STATE_QUARANTINED] = "that has ended",
        };
        const TableWriter *table = allocator->config.table;
        uint32_t record = table_writer_find_name(table, name);
        const TableRecord *range;

        if (record == TABLE_NONE)
                return g_strdup(
                        allocator_host_has_name(allocator, name)
                                ? "an account in passwd or group"
                                : "a namespace that has ended meanwhile");
        range = table_writer_record(table, record);
        return g_strdup_printf(
                "a namespace of UID %u, charged to UID %u, %s", range->owner_uid,
                range->account_uid, states[table_writer_state(table, record)]);
}

/* What a request may still fail of once its namespace is known to be fit, and then its record. */
static int job_reserve(Job *job, Search *search, uint32_t *ret_record) {
        Allocator *allocator = job->allocator;
        int r;

        if (allocator_quota_exceeded(allocator, &job->request))
                return ALLOCATOR_E_QUOTA;
        if (!allocator_may_be_kept(allocator, &job->request))
                return ALLOCATOR_E_QUARANTINED;
        r = host_ids_refresh(allocator->config.host_ids);
        if (r < 0)
                return r;
        if (allocator_host_has_name(allocator, job->name))
                return ALLOCATOR_E_NAME_EXISTS;
        return allocator_reserve(allocator, &job->request, job->name, search, ret_record);
}

static gboolean job_waited_too_long(gpointer userdata) {
        job_end(userdata, ALLOCATOR_E_EXHAUSTED);
        return G_SOURCE_REMOVE;
}

/* Without its child: children are few, and whom this waits for may never answer. */
static int job_wait_for_slot(Job *job, uint32_t start, uint32_t n_ids) {
        if (!job->vetting_wait && turns_take(
                                          job->allocator->vetting_waits, job->request.account_uid,
                                          NULL, NULL, &job->vetting_wait) != 0)
                return ALLOCATOR_E_BUSY;
        userns_helper_end_child(job->helper);
        job->wanted_start = start;
        job->wanted_n = n_ids;
        vetter_want(job->allocator->config.vetter, start, n_ids);
        if (!job->deadline) {
                job->deadline = g_timeout_source_new(LIMIT_VETTING_MSEC);
                g_source_set_callback(job->deadline, job_waited_too_long, job, NULL);
                g_source_attach(job->deadline, NULL);
        }
        return JOB_WAITS;
}

static int job_finish_allocate(Job *job) {
        Allocator *allocator = job->allocator;
        g_auto(Search) search = { .allocator = allocator,
                                  .held = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
        uint32_t record;
        int r;

        r = userns_helper_check_empty(job->helper);
        if (r == USERNS_E_NOT_EMPTY)
                return ALLOCATOR_E_NOT_EMPTY;
        if (r != 0)
                return r;
        if (job->request.nested)
                return ALLOCATOR_E_NESTED;
        allocator_release_reborn(allocator, &job->request.identity);
        r = job_reserve(job, &search, &record);
        job->wanted_n = 0;
        if (r == 0)
                r = allocator_map(job, record);
        else if (r == ALLOCATOR_E_EXHAUSTED && search.unknown_n > 0)
                r = job_wait_for_slot(job, search.unknown_start, search.unknown_n);
        return r;
}

/* registering */

static int job_finish_register(Job *job) {
        Allocator *allocator = job->allocator;
        g_auto(UsernsMaps) maps = {};
        g_auto(Search) search = { .allocator = allocator,
                                  .held = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
        uint32_t record;
        int r;

        r = userns_helper_read_maps(job->helper, &maps);
        if (r < 0)
                return r;
        if (!maps_are_own(&maps, job->request.peer_uid, job->request.peer_gid))
                return ALLOCATOR_E_NOT_OWN_IDS;

        r = job_reserve(job, &search, &record);
        if (r != 0)
                return r;
        /* A registration lends nothing: the kernel only reports its end, which the next pass of
         * allocator_reconcile() finds too.  What a daemon that was killed left in the policy of
         * the record goes first. */
        (void) policy_unprotect(allocator->config.policy, record, 1);
        (void) policy_protect(allocator->config.policy, record, 1, job->request.identity.inode);
        table_writer_set_state(allocator->config.table, record, TABLE_STATE_MAPPING);
        table_writer_set_state(allocator->config.table, record, TABLE_STATE_ACTIVE);
        return 0;
}

/* jobs */

static void job_joined(UsernsHelper *helper, int result, void *userdata) {
        Job *job = userdata;
        Vetter *vetter = job->request.size > 0 ? job->allocator->config.vetter : NULL;
        int r = result < 0 ? result : job->finish(job);

        if (r != JOB_WAITS)
                job_end(job, r);
        if (vetter)
                vetter_go_on(vetter);
}

/* A job that waits, and which of its account's it is: from 1 on, 0 before that is counted. */
typedef struct Place {
        Job *job;
        uint32_t rank;
} Place;

/* By turns, of one turn what is small first: a window has sixteen slots that must be asked about.
 */
static gint compare_places(gconstpointer a, gconstpointer b) {
        const Place *x = a, *y = b;

        if (x->rank != y->rank)
                return x->rank < y->rank ? -1 : 1;
        if (x->rank > 0 && x->job->wanted_n != y->job->wanted_n)
                return x->job->wanted_n < y->job->wanted_n ? -1 : 1;
        return (x->job->number > y->job->number) - (x->job->number < y->job->number);
}

/* Sorted twice: by their numbers alone, to count what each account has, and then by turns. */
static GArray *allocator_list_waiting(const Allocator *allocator) {
        GArray *places = g_array_new(FALSE, FALSE, sizeof(Place));
        g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < allocator->jobs->len; i++) {
                Place place = { .job = allocator->jobs->pdata[i] };

                if (place.job->wanted_n > 0)
                        g_array_append_val(places, place);
        }
        g_array_sort(places, compare_places);
        for (guint i = 0; i < places->len; i++) {
                Place *place = &g_array_index(places, Place, i);
                gpointer account = GUINT_TO_POINTER(place->job->request.account_uid);

                place->rank = GPOINTER_TO_UINT(g_hash_table_lookup(counts, account)) + 1;
                g_hash_table_insert(counts, account, GUINT_TO_POINTER(place->rank));
        }
        g_array_sort(places, compare_places);
        return places;
}

void allocator_try_waiting(Allocator *allocator) {
        g_autoptr(GArray) places = allocator_list_waiting(allocator);
        Vetter *vetter = allocator->config.vetter;
        /* Bit N: who wants N slots finds none of which enough is known; 0: a single ID. */
        uint32_t run_out = 0;

        if (vetter)
                vetter_forget_wanted(vetter);
        /* Accounts take turns: the oldest of each, then the second. */
        for (guint i = 0; i < places->len; i++) {
                Job *job = g_array_index(places, Place, i).job;
                uint32_t n_slots = job->wanted_n == 1 ? 0 : allocator_n_records(job->wanted_n);
                uint32_t bit = UINT32_C(1) << n_slots;
                int r;

                if (run_out & bit)
                        continue;
                if (vetter_check(vetter, job->wanted_start, job->wanted_n) == VETTER_UNKNOWN) {
                        vetter_want(vetter, job->wanted_start, job->wanted_n);
                        continue;
                }
                r = job->finish(job);
                if (r != JOB_WAITS)
                        job_end(job, r);
                else
                        run_out |= bit;
        }
        if (vetter)
                vetter_go_on(vetter);
}

/* The helper belongs to the job. */
static int job_join(Job *job, int userns_fd) {
        int r = userns_helper_new(
                userns_fd, job->request.outer_owner_uid, job->request.account_uid, job_joined, job,
                &job->helper);

        return r == USERNS_E_BUSY ? ALLOCATOR_E_BUSY : r;
}

static void job_name_waited(void *userdata) {
        Job *job = userdata;
        auto_fd fd = g_steal_fd(&job->userns_fd);
        int r;

        job->wait = NULL;
        r = job_join(job, fd);
        if (r != 0)
                job_end(job, r);
}

/* Whether the job waits for its name first. */
static bool job_wait_for_name(Job *job, const AllocatorRequest *request) {
        auto_fd fd = fcntl(request->userns_fd, F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
                return false;
        job->wait = allocator_wait_for_name(job->allocator, request, job_name_waited, job);
        if (!job->wait)
                return false;
        job->userns_fd = g_steal_fd(&fd);
        return true;
}

static int allocator_start(
        Allocator *allocator, const AllocatorRequest *request, int (*finish)(Job *job),
        AllocatorDoneFunc done, void *userdata) {
        Job *job = g_new(Job, 1);
        int r = 0;

        *job = (Job){
                .allocator = allocator,
                .request = *request,
                .name = g_strdup(request->name),
                .userns_fd = -1,
                .finish = finish,
                .done = done,
                .userdata = userdata,
                .number = allocator->n_jobs++,
        };
        job->request.name = NULL;
        job->request.userns_fd = -1;

        if (!job_wait_for_name(job, request))
                r = job_join(job, request->userns_fd);
        if (r != 0) {
                job_free(job);
                return r;
        }
        g_ptr_array_add(allocator->jobs, job);
        return 0;
}

int allocator_allocate(
        Allocator *allocator, const AllocatorRequest *request, AllocatorDoneFunc done,
        void *userdata) {
        return allocator_start(allocator, request, job_finish_allocate, done, userdata);
}

int allocator_register(
        Allocator *allocator, const AllocatorRequest *request, AllocatorDoneFunc done,
        void *userdata) {
        AllocatorRequest registration = *request;

        registration.size = 0;
        registration.target = 0;
        return allocator_start(allocator, &registration, job_finish_register, done, userdata);
}
