/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/policy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib-unix.h>
#include <glib.h>

#include "daemon/policy/canary.h"
#include "daemon/policy/for-test.h"
#include "daemon/policy/load.h"
#include "daemon/policy/pins.h"
#include "daemon/policy/rules.h"
#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "lib/util/source.h"

G_STATIC_ASSERT(POLICY_SLOT_SIZE == TABLE_SLOT_SIZE);
G_STATIC_ASSERT(POLICY_SINGLES_PER_SPLIT == TABLE_SINGLES_PER_SPLIT);

#define DEATH_WAIT_MS 3000
#define DEATH_POLL_MS 5
#define MISSED_CHECK_SECONDS 10
#define HOLDER_PATIENCE 3 /* of these checks */

struct Policy {
        PolicyConfig config;
        char *pin_folder;
        PolicyTest test;
        uint32_t n_records; /* without the canary's, which is the last */
        PolicyObject object;
        PolicyPins *pins;
        bool adopted, unsettled, enforcing;

        /* Shared with the kernel; NULL when nothing is loaded. */
        struct policy_record *records;
        struct policy_control *control;
        struct policy_uses *uses; /* one a slot */
        size_t records_size, control_size, uses_size;
        GHashTable *n_held; /* cookie -> how many records are lent under it */
        /* Inodes of holders whose entries are to be dropped, since no record is lent under them any
         * more -> how often drop_dead_holders() has found the entry alive. */
        GHashTable *dropping;
        int waiter_fd, nothing_fd; /* see wait_for_programs() */

        struct ring_buffer *ring;
        GSource *ring_source, *missed_source;
        uint64_t lost_seen, missed_seen;

        PolicyRule rules[POLICY_RULES_MAX];
        char *texts[POLICY_RULES_MAX * 2]; /* what the rules point to */
        size_t n_texts;
};

/* ---- records ---- */

static int holders_fd(const Policy *policy) {
        return policy_object_map_fd(&policy->object, MAP_HOLDERS);
}

static bool find_holder(const Policy *policy, uint32_t inode, struct policy_holder *ret_holder) {
        return bpf_map_lookup_elem(holders_fd(policy), &inode, ret_holder) >= 0;
}

static bool is_range(const Policy *policy, uint32_t first, uint32_t n) {
        return n > 0 && first < policy->n_records && n <= policy->n_records - first;
}

/* ---- holders ---- */

/* The kernel uses the memory of an entry again at once, for another inode number, while a program
 * that found it before may still be about to write to it: the end of one namespace would be noted
 * as that of another, which lives.  The only write is the store of a zero to the cookie, by one
 * program at a time (an inode number is given to the next namespace after all programs about the
 * last one): an entry that is zero is written to by nobody.  An entry that is not zero is in
 * `dropping` until it is, or patience ends. */

static void delete_holder(Policy *policy, uint32_t inode) {
        (void) bpf_map_delete_elem(holders_fd(policy), &inode);
        (void) g_hash_table_remove(policy->dropping, GUINT_TO_POINTER(inode));
}

/* Delete the entry of a holder under which no record is lent any more, now or when it is dead. */
static void drop_holder(Policy *policy, uint32_t inode) {
        struct policy_holder holder;

        if (!find_holder(policy, inode, &holder))
                return;
        if (holder.cookie == 0)
                delete_holder(policy, inode);
        else
                (void) g_hash_table_insert(
                        policy->dropping, GUINT_TO_POINTER(inode), GUINT_TO_POINTER(0));
}

static bool prepare_to_wait(Policy *policy) {
        if (policy->nothing_fd < 0)
                policy->nothing_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nothing", 4, 4, 1, NULL);
        if (policy->waiter_fd < 0 && policy->nothing_fd >= 0) {
                LIBBPF_OPTS(
                        bpf_map_create_opts, options, .inner_map_fd = (__u32) policy->nothing_fd);

                policy->waiter_fd =
                        bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "waiter", 4, 4, 1, &options);
        }
        return policy->waiter_fd >= 0;
}

/* Until every program that runs now has ended: what the kernel promises for a change of a map of
 * maps. */
static void wait_for_programs(Policy *policy) {
        uint32_t zero = 0;

        (void) bpf_map_update_elem(policy->waiter_fd, &zero, &policy->nothing_fd, BPF_ANY);
}

/* Delete the entries in `dropping` whose end the kernel has noted by now.  An entry that lives on
 * through `patience` of these calls (the kernel missed the end, or does not tell of ends) is
 * deleted as well, and programs that have found it before are waited for. */
static void drop_dead_holders(Policy *policy, guint patience) {
        g_autoptr(GList) inodes = g_hash_table_get_keys(policy->dropping);
        bool is_forced = false;

        for (GList *item = inodes; item; item = item->next) {
                uint32_t inode = GPOINTER_TO_UINT(item->data);
                guint n = GPOINTER_TO_UINT(g_hash_table_lookup(policy->dropping, item->data));
                struct policy_holder holder;
                bool stands = find_holder(policy, inode, &holder) && holder.cookie != 0;

                if (stands && (n < patience || !prepare_to_wait(policy))) {
                        (void) g_hash_table_insert(
                                policy->dropping, item->data, GUINT_TO_POINTER(n + 1));
                        continue;
                }
                is_forced = is_forced || stands;
                delete_holder(policy, inode);
        }
        /* Nothing is entered in between. */
        if (is_forced)
                wait_for_programs(policy);
}

static int write_holder(Policy *policy, uint32_t inode, const struct policy_holder *holder) {
        if (bpf_map_update_elem(holders_fd(policy), &inode, holder, BPF_ANY) >= 0)
                return 0;
        if (errno == E2BIG && g_hash_table_size(policy->dropping) > 0) {
                drop_dead_holders(policy, 0);
                if (bpf_map_update_elem(holders_fd(policy), &inode, holder, BPF_ANY) >= 0)
                        return 0;
        }
        return errno == E2BIG || errno == ENOMEM ? POLICY_E_FULL : -errno;
}

/* The entry of the namespace in the map of holders, new or as it is.  The caller keeps the
 * namespace alive, so the kernel does not clear the cookie while the entry is written. */
static int enter_holder(Policy *policy, uint32_t inode, uint32_t flags, uint64_t *ret_cookie) {
        struct policy_holder holder = {};
        int r;

        /* No record is lent under an entry that is to be dropped: this can be another namespace. */
        if (!find_holder(policy, inode, &holder) || holder.cookie == 0 ||
            g_hash_table_contains(policy->dropping, GUINT_TO_POINTER(inode)))
                holder = (struct policy_holder){ .cookie = ++policy->control->next_cookie };
        else if ((holder.flags & flags) == flags) {
                *ret_cookie = holder.cookie;
                return 0;
        }
        holder.flags |= flags;
        r = write_holder(policy, inode, &holder);
        if (r != 0)
                return r;
        (void) g_hash_table_remove(policy->dropping, GUINT_TO_POINTER(inode));
        *ret_cookie = holder.cookie;
        return 0;
}

/* ---- lending ---- */

static guint held_by(const Policy *policy, uint64_t cookie) {
        return GPOINTER_TO_UINT(g_hash_table_lookup(policy->n_held, &cookie));
}

static void set_held_by(Policy *policy, uint64_t cookie, guint n) {
        if (n > 0)
                (void) g_hash_table_insert(
                        policy->n_held, g_memdup2(&cookie, sizeof(cookie)), GUINT_TO_POINTER(n));
        else
                (void) g_hash_table_remove(policy->n_held, &cookie);
}

/* The record is not lent to its holder any more.  With its last record the holder's entry is
 * dropped, unless it is a later namespace's by now. */
static void end_holding(Policy *policy, const struct policy_record *record) {
        guint n = held_by(policy, record->cookie);
        struct policy_holder holder;

        set_held_by(policy, record->cookie, n > 0 ? n - 1 : 0);
        if (n <= 1 && find_holder(policy, record->holder, &holder) &&
            (holder.cookie == 0 || holder.cookie == record->cookie))
                drop_holder(policy, record->holder);
}

static void set_state(struct policy_record *record, uint32_t state) {
        __atomic_store_n(&record->state, state, __ATOMIC_SEQ_CST);
}

static bool is_lent_to(const Policy *policy, const struct policy_record *record, uint32_t inode) {
        struct policy_holder holder;

        return record->state == POLICY_RECORD_LENT && record->holder == inode &&
               find_holder(policy, inode, &holder) && holder.cookie == record->cookie;
}

static void lend(Policy *policy, struct policy_record *record, uint32_t inode, uint64_t cookie) {
        if (record->state == POLICY_RECORD_LENT)
                return;
        set_held_by(policy, cookie, held_by(policy, cookie) + 1);
        record->cookie = cookie;
        record->holder = inode;
        record->first_single = 0;
        record->skip_rules = 0;
        set_state(record, POLICY_RECORD_LENT);
}

int policy_protect(
        Policy *policy, uint32_t first_record, uint32_t n_records, uint64_t userns_inode) {
        uint32_t n_lendable = policy->config.n_slots + TABLE_SINGLES_MAX,
                 inode = (uint32_t) userns_inode;
        uint64_t cookie;
        int r;

        if (!policy->records)
                return 0;
        if (!is_range(policy, first_record, n_records) || userns_inode == 0 ||
            userns_inode > UINT32_MAX)
                return -EINVAL;
        for (uint32_t i = first_record; i < first_record + n_records; i++)
                if (policy->records[i].state != POLICY_RECORD_FREE &&
                    !is_lent_to(policy, &policy->records[i], inode))
                        return -EBUSY;
        r = enter_holder(
                policy, inode, first_record < n_lendable ? POLICY_HOLDER_LENT : 0, &cookie);
        if (r != 0)
                return r;
        for (uint32_t i = first_record; i < first_record + n_records; i++)
                lend(policy, &policy->records[i], inode, cookie);
        return 0;
}

bool policy_has_holder_for_test(const Policy *policy, uint64_t userns_inode) {
        struct policy_holder holder;

        return find_holder(policy, (uint32_t) userns_inode, &holder);
}

void policy_drop_dead_holders_for_test(Policy *policy) {
        drop_dead_holders(policy, HOLDER_PATIENCE);
}

void policy_skip_rules_for_test(Policy *policy, uint32_t record, uint32_t rules) {
        __atomic_store_n(&policy->records[record].skip_rules, rules, __ATOMIC_SEQ_CST);
}

int policy_split(Policy *policy, uint32_t slot, uint32_t first_single) {
        struct policy_record *record;

        if (!policy->records)
                return 0;
        if (slot >= policy->config.n_slots ||
            first_single > TABLE_SINGLES_MAX - POLICY_SINGLES_PER_SPLIT)
                return -EINVAL;
        record = &policy->records[slot];
        if (record->state == POLICY_RECORD_SPLIT && record->first_single == first_single)
                return 0;
        if (record->state != POLICY_RECORD_FREE)
                return -EBUSY;
        record->first_single = first_single;
        record->skip_rules = 0;
        set_state(record, POLICY_RECORD_SPLIT);
        return 0;
}

/* Put the records into `state`, and drop their holder's entry with its last record. */
static int end_lending(Policy *policy, uint32_t first_record, uint32_t n_records, uint32_t state) {
        if (!policy->records)
                return 0;
        if (!is_range(policy, first_record, n_records))
                return -EINVAL;
        for (uint32_t i = first_record; i < first_record + n_records; i++) {
                struct policy_record *record = &policy->records[i];

                if (state == POLICY_RECORD_ORPHANED && record->state == POLICY_RECORD_SPLIT)
                        continue;
                if (record->state == POLICY_RECORD_LENT)
                        end_holding(policy, record);
                set_state(record, state);
                record->holder = 0;
                record->cookie = 0;
        }
        return 0;
}

int policy_orphan(Policy *policy, uint32_t first_record, uint32_t n_records) {
        return end_lending(policy, first_record, n_records, POLICY_RECORD_ORPHANED);
}

int policy_unprotect(Policy *policy, uint32_t first_record, uint32_t n_records) {
        return end_lending(policy, first_record, n_records, POLICY_RECORD_FREE);
}

int policy_slot(Policy *policy, uint32_t record_number, uint64_t *ret_userns_inode) {
        const struct policy_record *record;
        struct policy_holder holder;

        *ret_userns_inode = 0;
        if (!policy->records)
                return POLICY_SLOT_FREE;
        if (!is_range(policy, record_number, 1))
                return -EINVAL;
        record = &policy->records[record_number];
        switch (record->state) {
        case POLICY_RECORD_FREE:
                return POLICY_SLOT_FREE;
        case POLICY_RECORD_SPLIT:
                return POLICY_SLOT_SPLIT;
        case POLICY_RECORD_LENT:
                if (find_holder(policy, record->holder, &holder) && holder.cookie != 0 &&
                    holder.cookie == record->cookie) {
                        *ret_userns_inode = record->holder;
                        return POLICY_SLOT_LENT;
                }
                return POLICY_SLOT_ORPHANED;
        default:
                return POLICY_SLOT_ORPHANED;
        }
}

void policy_forget_uses(Policy *policy, uint32_t first_record, uint32_t n_records) {
        for (uint32_t i = 0; policy->uses && i < n_records; i++)
                if (first_record + i < policy->config.n_slots &&
                    policy->records[first_record + i].state == POLICY_RECORD_FREE)
                        policy->uses[first_record + i] = (struct policy_uses){ .noted = 1 };
}

bool policy_was_used(const Policy *policy, uint32_t record, uint32_t chunk) {
        const struct policy_uses *noted;

        if (!policy->uses || record >= policy->config.n_slots || chunk >= POLICY_CHUNKS)
                return true;
        noted = &policy->uses[record];
        return !noted->noted || __atomic_load_n(&noted->chunks[chunk], __ATOMIC_SEQ_CST);
}

/* What the records say at start.  Entries without one are removed: a daemon was killed in between.
 */
static void count_held(Policy *policy) {
        g_autoptr(GArray) idle = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GHashTable) inodes = g_hash_table_new(g_direct_hash, g_direct_equal);
        uint32_t inode, *previous = NULL;

        policy->n_held = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        for (uint32_t i = 0; i < policy->n_records; i++) {
                const struct policy_record *record = &policy->records[i];

                if (record->state != POLICY_RECORD_LENT)
                        continue;
                set_held_by(policy, record->cookie, held_by(policy, record->cookie) + 1);
                (void) g_hash_table_add(inodes, GUINT_TO_POINTER(record->holder));
        }
        while (bpf_map_get_next_key(holders_fd(policy), previous, &inode) >= 0) {
                previous = &inode;
                if (!g_hash_table_contains(inodes, GUINT_TO_POINTER(inode)))
                        g_array_append_val(idle, inode);
        }
        for (guint i = 0; i < idle->len; i++)
                drop_holder(policy, g_array_index(idle, uint32_t, i));
}

/* ---- events ---- */

static void tell(Policy *policy, uint64_t userns_inode) {
        PolicyEvent event = { .userns_inode = userns_inode };

        if (policy->config.event)
                policy->config.event(&event, policy->config.userdata);
}

static int on_event(void *userdata, void *data, size_t size) {
        const struct policy_event *event = data;
        Policy *policy = userdata;

        if (size < sizeof(*event) || event->userns_inode == 0)
                return 0;
        tell(policy, event->userns_inode);
        if (g_hash_table_contains(policy->dropping, GUINT_TO_POINTER(event->userns_inode)))
                drop_holder(policy, event->userns_inode);
        return 0;
}

/* Reports that were dropped, programs that were skipped: somebody has to look at everything. */
static void check_missed(Policy *policy) {
        uint64_t lost = __atomic_load_n(&policy->control->lost_events, __ATOMIC_RELAXED);
        uint64_t missed = policy_object_missed(&policy->object);

        if (lost != policy->lost_seen || missed != policy->missed_seen) {
                policy->lost_seen = lost;
                policy->missed_seen = missed;
                tell(policy, 0);
        }
}

static gboolean on_interval(gpointer userdata) {
        Policy *policy = userdata;

        check_missed(policy);
        drop_dead_holders(policy, HOLDER_PATIENCE);
        return G_SOURCE_CONTINUE;
}

static gboolean on_ring_readable(gint fd, GIOCondition condition, gpointer userdata) {
        Policy *policy = userdata;

        (void) ring_buffer__consume(policy->ring);
        check_missed(policy);
        return G_SOURCE_CONTINUE;
}

static int listen_to_events(Policy *policy) {
        policy->ring = ring_buffer__new(
                policy_object_map_fd(&policy->object, MAP_EVENTS), on_event, policy, NULL);
        if (!policy->ring)
                return -errno;
        policy->ring_source = g_unix_fd_source_new(ring_buffer__epoll_fd(policy->ring), G_IO_IN);
        g_source_set_callback(policy->ring_source, G_SOURCE_FUNC(on_ring_readable), policy, NULL);
        (void) g_source_attach(policy->ring_source, g_main_context_get_thread_default());
        policy->missed_source = g_timeout_source_new_seconds(MISSED_CHECK_SECONDS);
        g_source_set_callback(policy->missed_source, on_interval, policy, NULL);
        (void) g_source_attach(policy->missed_source, g_main_context_get_thread_default());
        return 0;
}

/* ---- rules, as they are shown ---- */

static const char *keep_text(Policy *policy, char *take_text) {
        g_assert(policy->n_texts < G_N_ELEMENTS(policy->texts));
        return policy->texts[policy->n_texts++] = take_text;
}

static char *join_hooks(uint64_t chosen) {
        g_autoptr(GString) text = g_string_new(NULL);

        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++) {
                const PolicyProgramInfo *info = policy_program_info(i);

                if (!(chosen & POLICY_AVAILABLE(i)))
                        continue;
                g_string_append_printf(
                        text, "%s%s%s", text->len ? ", " : "",
                        !info->is_tracing ? ""
                        : info->is_kprobe ? "kprobe "
                                          : "fentry ",
                        info->hook);
        }
        return g_string_free(g_steal_pointer(&text), FALSE);
}

static void show_all_inactive(Policy *policy, const char *reason, const char *remedy) {
        for (size_t i = 0; i < POLICY_RULES_MAX; i++)
                policy->rules[i] = (PolicyRule){
                        .name = policy_rule_info(i, NULL)->name,
                        .needed = policy_rule_info(i, NULL)->needed,
                        .reason = reason,
                        .remedy = remedy,
                };
}

static void show_attached(Policy *policy) {
        for (size_t i = 0; i < POLICY_RULES_MAX; i++) {
                const PolicyRuleInfo *info = policy_rule_info(i, NULL);
                int variant = policy_rule_variant(info, policy->object.available);

                policy->rules[i] = (PolicyRule){ .name = info->name, .needed = info->needed };
                if (variant < 0) {
                        policy->rules[i].reason = info->missing;
                        policy->rules[i].remedy = info->remedy;
                        continue;
                }
                policy->rules[i].active = true;
                if (info->variants[variant].programs & ~POLICY_AVAILABLE_OTHER)
                        policy->rules[i].hook =
                                keep_text(policy, join_hooks(info->variants[variant].programs));
                policy->rules[i].reason = info->variants[variant].note;
        }
}

static void show_failed(Policy *policy, size_t rule, char *take_reason, const char *remedy) {
        policy->rules[rule].active = false;
        policy->rules[rule].reason = keep_text(policy, take_reason);
        policy->rules[rule].remedy = remedy;
}

/* ---- canary ---- */

static int lend_canary(uint32_t userns_inode, void *userdata) {
        Policy *policy = userdata;
        struct policy_record *record = &policy->records[policy->n_records];
        uint64_t cookie;
        int r;

        r = enter_holder(policy, userns_inode, POLICY_HOLDER_LENT, &cookie);
        if (r != 0)
                return r < 0 ? r : -ENOSPC;
        record->holder = userns_inode;
        record->cookie = cookie;
        return 0;
}

/* Errors that say that the thing to be refused cannot be done on this kernel by anybody. */
static bool is_not_there(int error) {
        return error == ENOSYS || error == EOPNOTSUPP || error == ENODEV;
}

static void judge_canary(Policy *policy, const PolicyCanaryResult *result) {
        for (size_t i = 0; i < POLICY_RULES_MAX; i++) {
                const PolicyRuleInfo *info = policy_rule_info(i, NULL);
                int error;

                if (!policy->rules[i].active || info->bit == 0 ||
                    (policy->test.rules_off & info->bit))
                        continue;
                error = result->results[__builtin_ctz(info->bit)];
                if (error == EPERM || (is_not_there(error) && info->bit != POLICY_RULE_LAST_LINE))
                        continue;
                if (error == 0)
                        show_failed(
                                policy, i,
                                g_strdup("attached, but what it is to refuse was not refused when "
                                         "tried"),
                                info->bit == POLICY_RULE_LAST_LINE
                                        ? "a security module that keeps its own attributes "
                                          "(SELinux, Smack, EVM); newer "
                                          "kernels do not call this hook otherwise"
                                        : "check that bpf is in the boot parameter lsm=");
                else
                        show_failed(
                                policy, i,
                                g_strdup_printf(
                                        "attached, but could not be tried: %s", g_strerror(error)),
                                "see the daemon's log");
        }
}

/* The canary's namespace is gone; was its end seen?  The kernel retires it some time after the last
 * process. */
static bool saw_death(Policy *policy, uint32_t inode) {
        struct policy_holder holder;

        for (int waited = 0; waited < DEATH_WAIT_MS; waited += DEATH_POLL_MS) {
                if (!find_holder(policy, inode, &holder) || holder.cookie == 0)
                        return true;
                (void) g_usleep(DEATH_POLL_MS * 1000);
        }
        return false;
}

static uint32_t rules_to_try(const Policy *policy) {
        uint32_t rules = 0;

        for (size_t i = 0; i < POLICY_RULES_MAX; i++)
                if (policy->rules[i].active)
                        rules |= policy_rule_info(i, NULL)->bit;
        return rules & ~policy->test.rules_off;
}

/* Rules other than the last line itself that have nothing but its program. */
static uint32_t rules_left_to_last_line(const Policy *policy) {
        uint32_t rules = 0;

        for (size_t i = 0; i < POLICY_RULES_MAX; i++) {
                const PolicyRuleInfo *info = policy_rule_info(i, NULL);
                int variant = policy_rule_variant(info, policy->object.available);

                if (variant >= 0 && info->variants[variant].programs ==
                                            POLICY_AVAILABLE(PROGRAM_INODE_INIT_SECURITY))
                        rules |= info->bit;
        }
        return rules & ~POLICY_RULE_LAST_LINE;
}

static bool is_rule_active(const Policy *policy, const char *name) {
        for (size_t i = 0; i < POLICY_RULES_MAX; i++)
                if (strcmp(policy->rules[i].name, name) == 0)
                        return policy->rules[i].active;
        return false;
}

static void run_canary(Policy *policy) {
        PolicyCanary canary = {
                .record = &policy->records[policy->n_records],
                .first_id = policy->config.pool_start + policy->config.n_slots * POLICY_SLOT_SIZE,
                .rules = rules_to_try(policy),
                .stand_in = rules_left_to_last_line(policy),
                .lend = lend_canary,
                .userdata = policy,
        };
        PolicyCanaryResult result = {};
        int r;

        *canary.record = (struct policy_record){ .state = POLICY_RECORD_FREE };
        policy->control->last_line = 0;
        r = policy_canary_run(&canary, &result);
        if (r < 0) {
                const char *text = keep_text(
                        policy, g_strdup_printf(
                                        "the test that tries every rule could not be run: %s",
                                        g_strerror(-r)));

                show_all_inactive(
                        policy, text,
                        "see the daemon's log; it needs user namespaces and CAP_SYS_ADMIN");
                return;
        }
        judge_canary(policy, &result);
        for (size_t i = 0; i < POLICY_RULES_MAX; i++)
                if (strcmp(policy->rules[i].name, "death") == 0 && policy->rules[i].active &&
                    !saw_death(policy, result.userns_inode))
                        show_failed(
                                policy, i, g_strdup("attached, but an end was not seen when tried"),
                                NULL);
        drop_holder(policy, result.userns_inode);
        *canary.record = (struct policy_record){ .state = POLICY_RECORD_FREE };
        policy->control->last_line = is_rule_active(policy, "last-line");
}

/* ---- open ---- */

static int map_shared(const Policy *policy, PolicyMap map, size_t size, void **ret_memory) {
        void *memory =
                mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     policy_object_map_fd(&policy->object, map), 0);

        if (memory == MAP_FAILED)
                return -errno;
        *ret_memory = memory;
        return 0;
}

static int share_memory(Policy *policy) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), size;
        void *memory = NULL;
        int r;

        size = ((policy->n_records + 1) * sizeof(struct policy_record) + page - 1) / page * page;
        r = map_shared(policy, MAP_RECORDS, size, &memory);
        if (r < 0)
                return r;
        policy->records = memory;
        policy->records_size = size;
        size = (policy->config.n_slots * sizeof(struct policy_uses) + page - 1) / page * page;
        r = map_shared(policy, MAP_USES, size, &memory);
        if (r < 0)
                return r;
        policy->uses = memory;
        policy->uses_size = size;
        size = (sizeof(struct policy_control) + page - 1) / page * page;
        r = map_shared(policy, MAP_CONTROL, size, &memory);
        if (r < 0)
                return r;
        policy->control = memory;
        policy->control_size = size;
        if (!policy->adopted)
                *policy->control = (struct policy_control){
                        .magic = POLICY_ABI_MAGIC,
                        .version = POLICY_ABI_VERSION,
                        .pool_start = policy->config.pool_start,
                        .n_slots = policy->config.n_slots,
                        .n_records = policy->n_records,
                };
        return 0;
}

/* The pins as they are now.  Returns false when the policy cannot be loaded because of them; the
 * rules say why. */
static bool look_at_pins(Policy *policy, PolicyLoad *load) {
        int r;

        if (!policy->config.pin_folder)
                return true;
        r = policy_pins_open(&policy->config, policy->n_records, &policy->pins);
        if (r < 0) {
                show_all_inactive(
                        policy,
                        keep_text(
                                policy, g_strdup_printf(
                                                "%s is no folder of the daemon's own on a bpf file "
                                                "system: %s",
                                                policy->config.pin_folder, g_strerror(-r))),
                        "mount -t bpf bpf /sys/fs/bpf; remove what is in the way");
                return false;
        }
        if (policy_pins_hold_other_pool(policy->pins)) {
                show_all_inactive(
                        policy,
                        "the kernel protects ranges that are lent from another pool than the "
                        "configured one",
                        "set Start= and End= as they were until these namespaces have ended, or "
                        "reboot");
                return false;
        }
        memcpy(load->map_fds, policy_pins_maps(policy->pins), sizeof(load->map_fds));
        policy->adopted = load->map_fds[MAP_CONTROL] >= 0;
        return true;
}

static int pin_all(Policy *policy) {
        int r;

        if (!policy->pins)
                return 0;
        r = policy_pins_write(policy->pins, &policy->object);
        if (r < 0)
                return r;
        /* The maps are new and do not know yet what is lent: what is pinned goes on protecting it
         * meanwhile. */
        policy->unsettled = !policy->adopted && policy_pins_have_old(policy->pins);
        return policy->unsettled ? 0 : policy_pins_commit(policy->pins, &policy->object);
}

int policy_settle(Policy *policy) {
        int r;

        if (!policy->unsettled)
                return 0;
        r = policy_pins_commit(policy->pins, &policy->object);
        if (r < 0)
                return r;
        policy->unsettled = false;
        return 0;
}

static bool has_all_needed(const Policy *policy) {
        for (size_t i = 0; i < POLICY_RULES_MAX; i++)
                if (policy->rules[i].needed && !policy->rules[i].active)
                        return false;
        return true;
}

static int load(Policy *policy) {
        PolicyLoad load = {
                .pool_start = policy->config.pool_start,
                .n_slots = policy->config.n_slots,
                .n_records = policy->n_records,
                .test = policy->test,
                .map_fds = POLICY_NO_MAPS,
        };
        int r;

        if (!look_at_pins(policy, &load))
                return POLICY_E_UNSUPPORTED;
        r = policy_object_load(&load, &policy->object);
        if (r < 0)
                return r;
        if (policy->object.problem) {
                show_all_inactive(policy, policy->object.problem, policy->object.remedy);
                return POLICY_E_UNSUPPORTED;
        }
        show_attached(policy);
        r = share_memory(policy);
        if (r < 0)
                return r;
        count_held(policy);
        r = pin_all(policy);
        if (r < 0)
                return r;
        run_canary(policy);
        r = listen_to_events(policy);
        if (r < 0)
                return r;
        policy->enforcing = has_all_needed(policy);
        return policy->enforcing ? 0 : POLICY_E_UNSUPPORTED;
}

int policy_open_for_test(const PolicyConfig *config, const PolicyTest *test, Policy **ret_policy) {
        g_autoptr(Policy) policy = NULL;
        int r;

        if (config->n_slots == 0 || config->n_slots > TABLE_SLOTS_MAX ||
            config->pool_start > TABLE_POOL_HIGHEST - config->n_slots * POLICY_SLOT_SIZE)
                return -EINVAL;
        policy = g_new(Policy, 1);
        *policy = (Policy){
                .config = *config,
                .pin_folder = g_strdup(config->pin_folder),
                .test = *test,
                .dropping = g_hash_table_new(g_direct_hash, g_direct_equal),
                .waiter_fd = -1,
                .nothing_fd = -1,
                .n_records = config->n_slots + TABLE_SINGLES_MAX + TABLE_REGISTRATIONS_MAX,
        };
        policy->config.pin_folder = policy->pin_folder;
        if (!config->enforce) {
                show_all_inactive(policy, "switched off", "set Enforcement=required");
                *ret_policy = g_steal_pointer(&policy);
                return POLICY_E_UNSUPPORTED;
        }
        r = load(policy);
        if (r < 0) {
                policy->enforcing = false;
                show_all_inactive(
                        policy,
                        keep_text(
                                policy,
                                g_strdup_printf("the policy cannot be set up: %s", g_strerror(-r))),
                        "see the daemon's log");
                r = POLICY_E_UNSUPPORTED;
        }
        *ret_policy = g_steal_pointer(&policy);
        return r;
}

int policy_open(const PolicyConfig *config, Policy **ret_policy) {
        static const PolicyTest none = {};

        return policy_open_for_test(config, &none, ret_policy);
}

void policy_free(Policy *policy) {
        if (!policy)
                return;
        source_drop(&policy->ring_source);
        source_drop(&policy->missed_source);
        ring_buffer__free(policy->ring);
        if (policy->records)
                (void) munmap(policy->records, policy->records_size);
        if (policy->control)
                (void) munmap(policy->control, policy->control_size);
        if (policy->uses)
                (void) munmap(policy->uses, policy->uses_size);
        if (policy->n_held)
                g_hash_table_unref(policy->n_held);
        g_hash_table_unref(policy->dropping);
        (void) fd_close(policy->waiter_fd);
        (void) fd_close(policy->nothing_fd);
        policy_object_clear(&policy->object);
        policy_pins_free(policy->pins);
        for (size_t i = 0; i < policy->n_texts; i++)
                g_free(policy->texts[i]);
        g_free(policy->pin_folder);
        g_free(policy);
}

bool policy_is_enforcing(const Policy *policy) {
        return policy->enforcing;
}

bool policy_sees_ends(const Policy *policy) {
        return is_rule_active(policy, "death");
}

uint32_t policy_trial_uid(const Policy *policy) {
        return is_rule_active(policy, "uids") && is_rule_active(policy, "keys")
                       ? policy->config.pool_start + policy->config.n_slots * POLICY_SLOT_SIZE
                       : 0;
}

bool policy_was_adopted(const Policy *policy) {
        return policy->adopted;
}

bool policy_has_predecessor(const Policy *policy) {
        return policy->unsettled;
}

const PolicyRule *policy_rules(const Policy *policy, size_t *ret_n_rules) {
        *ret_n_rules = G_N_ELEMENTS(policy->rules);
        return policy->rules;
}
