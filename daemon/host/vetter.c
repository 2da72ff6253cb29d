/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/vetter.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/host/asker.h"
#include "daemon/limits.h"
#include "lib/table/write.h"
#include "lib/util/parse.h"

/* A look is begun again when the last one is so old, before anybody has to wait for it. */
#define USED_USEC_OLD (1 * G_USEC_PER_SEC)
#define HOMES_USEC_OLD (60 * G_USEC_PER_SEC)
/* Slots that are kept vetted, in the order in which they will be lent. */
#define READY_SLOTS 64u
#define READY_SLOTS_LOW 32u
/* Slots that requests wait for in one question: whoever comes next waits for its end. */
#define WANTED_AT_ONCE 16u
/* What comes so soon in the question that is being asked is waited for. */
#define NEXT_SLOTS 4u
/* So many slots in a row without an answer, and nothing is expected of the name service for a while
 * but now and then an answer about one slot. */
#define UNANSWERED_MAX 2u
#define PROBE_USEC (10 * G_USEC_PER_SEC)
/* Where no child can be had nobody was asked: again after so long, and so often in a row before
 * that counts as no answer. */
#define AGAIN_MSEC 100u
#define AGAIN_MAX 60u

typedef struct SlotNames {
        uint8_t answer;       /* VetterAnswer */
        bool named;           /* by the name service */
        uint32_t until;       /* seconds */
        uint32_t freed_order; /* its record's, when it was asked about */
} SlotNames;

/* A slot that is asked about, and what its record was then. */
typedef struct Asked {
        uint32_t slot, freed_order;
        uint64_t birth_usec;
} Asked;

/* A look for IDs in use: those that were found are somebody else's, as far as their slots were free
 * all along. */
typedef struct Look {
        Vetter *vetter;
        const char *what;
        gint64 usec_max, usec_old;
        GHashTable *ids;   /* slots by their number, single IDs of split ones as they are */
        GHashTable *found; /* by the look that is under way */
        uint32_t last_freed;
        Ask *ask;
        gint64 begin_usec,
                known_usec; /* begin of this one; of the last that was complete; 0: never */
        gint64 took_usec;   /* the last that was complete */
        unsigned n_failed;  /* in a row */
        bool failed;        /* so often that nothing is expected of it for a while */
        bool needed;        /* nothing is lent without it */
        const char *trouble, *relief;
} Look;

typedef enum LookKind { LOOK_USED, LOOK_HOMES, LOOKS_N } LookKind;

struct Vetter {
        VetterConfig config;
        uint32_t pool_start, n_slots;
        SlotNames *names;
        Ask *names_ask;
        uint32_t n_waited_for; /* the first of them: for the others nobody waits */
        guint interrupt, again;
        unsigned n_again; /* in a row */
        Asked asked[ASKER_SLOTS_MAX];
        uint32_t n_asked, n_answered;
        GArray *wanted;        /* slots that requests wait for */
        unsigned n_unanswered; /* in a row */
        gint64 probe_usec;     /* with UNANSWERED_MAX: when to ask again */
        char *names_trouble, *example;
        Look looks[LOOKS_N];
};

static uint32_t now_seconds(void) {
        return (uint32_t) (g_get_monotonic_time() / G_USEC_PER_SEC);
}

static void vetter_answered(Vetter *vetter) {
        if (vetter->config.answered)
                vetter->config.answered(vetter->config.userdata);
}

static void vetter_notice(Vetter *vetter, const char *text) {
        if (vetter->config.notice)
                vetter->config.notice(text, vetter->config.userdata);
}

static uint32_t slot_of(const Vetter *vetter, uint32_t id) {
        return (id - vetter->pool_start) / TABLE_SLOT_SIZE;
}

static gboolean on_again(gpointer userdata) {
        Vetter *vetter = userdata;

        vetter->again = 0;
        vetter_answered(vetter);
        vetter_go_on(vetter);
        return G_SOURCE_REMOVE;
}

/* Nobody could be asked.  Whoever waits wants it again in a moment; false: that has lasted. */
static bool vetter_ask_again(Vetter *vetter) {
        if (vetter->again == 0)
                vetter->again = g_timeout_add(AGAIN_MSEC, on_again, vetter);
        return ++vetter->n_again <= AGAIN_MAX;
}

/* names */

static bool names_are_in_trouble(const Vetter *vetter) {
        return vetter->n_unanswered >= UNANSWERED_MAX;
}

/* Not of a slot that was lent since it was asked about. */
static bool names_are_known(const Vetter *vetter, uint32_t slot) {
        return vetter->names[slot].until > now_seconds() &&
               vetter->names[slot].freed_order ==
                       table_writer_record(vetter->config.table, slot)->freed_order;
}

/* In trouble: until it is time for whoever comes next to try again. */
static bool names_rest(const Vetter *vetter) {
        return names_are_in_trouble(vetter) && g_get_monotonic_time() < vetter->probe_usec;
}

static VetterAnswer check_names(const Vetter *vetter, uint32_t slot) {
        if (!vetter->config.ask_names)
                return VETTER_FREE;
        if (names_are_known(vetter, slot))
                return vetter->names[slot].answer;
        return names_rest(vetter) ? VETTER_TAKEN : VETTER_UNKNOWN;
}

static void set_trouble(Vetter *vetter, char *take_text) {
        if (g_strcmp0(take_text, vetter->names_trouble) != 0)
                vetter_notice(vetter, take_text ?: "The name service answers again");
        g_free(vetter->names_trouble);
        vetter->names_trouble = take_text;
}

/* The next of the slots that were asked about has not been answered for. */
static void names_unanswered(Vetter *vetter, const char *why) {
        const Asked *asked = &vetter->asked[vetter->n_answered++];

        vetter->names[asked->slot] =
                (SlotNames){ VETTER_TAKEN, false, now_seconds() + LIMIT_VETTED_UNANSWERED_SECONDS,
                             asked->freed_order };
        vetter->probe_usec = g_get_monotonic_time() + PROBE_USEC;
        if (++vetter->n_unanswered < UNANSWERED_MAX)
                return;
        set_trouble(
                vetter,
                g_strdup_printf(
                        "The name service does not answer whose some UIDs are (%s): only IDs that "
                        "were asked about before are lent; NameService=ignore in "
                        "nsresourced.conf goes without it, see Reserved= there first",
                        why));
}

/* Whether the slot was free from the question to the answer: else the answer may be our own. */
static bool was_free(const Vetter *vetter, const Asked *asked) {
        const TableRecord *record = table_writer_record(vetter->config.table, asked->slot);

        return table_writer_state(vetter->config.table, asked->slot) == TABLE_STATE_FREE &&
               record->freed_order == asked->freed_order && record->birth_usec == asked->birth_usec;
}

static void names_line(const char *line, void *userdata) {
        Vetter *vetter = userdata;
        const Asked *asked = &vetter->asked[vetter->n_answered];
        const char *answer = strchr(line, ' ');
        uint32_t start;
        uint64_t number;

        if (vetter->n_answered >= vetter->n_asked || !answer ||
            !parse_decimal(line, (size_t) (answer - line), UINT32_MAX, &number))
                return;
        start = vetter->pool_start + asked->slot * TABLE_SLOT_SIZE;
        answer++;
        if (number != start)
                return;
        if (g_str_has_prefix(answer, "error ")) {
                names_unanswered(vetter, answer + strlen("error "));
                vetter_answered(vetter);
                return;
        }
        vetter->n_answered++;
        vetter->n_unanswered = 0;
        set_trouble(vetter, NULL);
        if (was_free(vetter, asked)) {
                bool taken = g_str_has_prefix(answer, "taken ");

                vetter->names[asked->slot] =
                        (SlotNames){ taken ? VETTER_TAKEN : VETTER_FREE, taken,
                                     now_seconds() + LIMIT_VETTED_NAMES_SECONDS,
                                     asked->freed_order };
                if (taken) {
                        g_free(vetter->example);
                        vetter->example = g_strdup_printf(
                                "%s, in the IDs from %" PRIu32 " on", answer + strlen("taken "),
                                start);
                }
        }
        vetter_answered(vetter);
}

static void names_done(bool complete, void *userdata) {
        Vetter *vetter = userdata;

        vetter->names_ask = NULL;
        if (vetter->n_answered < vetter->n_asked)
                names_unanswered(vetter, "no answer in time");
        /* What comes after the one that hung is asked again, if it is still wanted. */
        vetter->n_asked = vetter->n_answered = 0;
        vetter_answered(vetter);
        vetter_go_on(vetter);
}

/* What to ask next. */
typedef struct Batch {
        Vetter *vetter;
        uint32_t slots[ASKER_SLOTS_MAX], n, max, n_ready;
} Batch;

static void batch_add(Batch *batch, uint32_t slot) {
        for (uint32_t i = 0; i < batch->n; i++)
                if (batch->slots[i] == slot)
                        return;
        if (batch->n < batch->max && !names_are_known(batch->vetter, slot) &&
            table_writer_state(batch->vetter->config.table, slot) == TABLE_STATE_FREE)
                batch->slots[batch->n++] = slot;
}

static void batch_add_wanted(Batch *batch) {
        GArray *wanted = batch->vetter->wanted;
        uint32_t max = MIN(batch->max, WANTED_AT_ONCE);
        guint i;

        for (i = 0; i < wanted->len && batch->n < max; i++)
                batch_add(batch, g_array_index(wanted, uint32_t, i));
        g_array_remove_range(wanted, 0, i);
}

static bool batch_foresee(uint32_t start, uint32_t n_ids, void *userdata) {
        Batch *batch = userdata;
        const Vetter *vetter = batch->vetter;
        uint32_t slot = (start - vetter->pool_start) / TABLE_SLOT_SIZE;

        if (vetter->config.is_claimed &&
            vetter->config.is_claimed(start, n_ids, vetter->config.userdata))
                return false;
        if (names_are_known(vetter, slot))
                batch->n_ready += vetter->names[slot].answer == VETTER_FREE;
        else
                batch_add(batch, slot);
        return batch->n_ready >= READY_SLOTS || batch->n >= batch->max;
}

static void names_ask(Vetter *vetter, const Batch *batch) {
        char numbers[ASKER_SLOTS_MAX][16];
        const char *arguments[ASKER_SLOTS_MAX + 1] = { NULL };

        for (uint32_t i = 0; i < batch->n; i++) {
                const TableRecord *record =
                        table_writer_record(vetter->config.table, batch->slots[i]);

                vetter->asked[i] =
                        (Asked){ batch->slots[i], record->freed_order, record->birth_usec };
                (void) g_snprintf(
                        numbers[i], sizeof(numbers[i]), "%" PRIu32,
                        vetter->pool_start + batch->slots[i] * TABLE_SLOT_SIZE);
                arguments[i] = numbers[i];
        }
        vetter->n_asked = batch->n;
        vetter->n_answered = 0;
        if (asker_ask(
                    vetter->config.asker, ASKER_NAMES, arguments, names_line, names_done, vetter,
                    &vetter->names_ask) == 0) {
                vetter->n_again = 0;
                return;
        }
        if (!vetter_ask_again(vetter))
                names_unanswered(vetter, "nsresource-ask cannot be run");
        vetter->n_asked = vetter->n_answered = 0;
}

/* Whether the slot is so near in the question that another child, which has to start up, would be
 * no sooner with the answer. */
static bool is_next(const Vetter *vetter, uint32_t slot) {
        uint32_t end = MIN(vetter->n_asked, vetter->n_answered + NEXT_SLOTS);

        for (uint32_t i = vetter->n_answered; i < end; i++)
                if (vetter->asked[i].slot == slot)
                        return true;
        return false;
}

/* Whether what is asked ahead keeps a request waiting: all of it may take longer than that can. */
static bool is_in_the_way(const Vetter *vetter) {
        if (!vetter->names_ask || vetter->n_answered < vetter->n_waited_for)
                return false;
        for (guint i = 0; i < vetter->wanted->len; i++) {
                uint32_t slot = g_array_index(vetter->wanted, uint32_t, i);

                if (!names_are_known(vetter, slot) && !is_next(vetter, slot) &&
                    table_writer_state(vetter->config.table, slot) == TABLE_STATE_FREE)
                        return true;
        }
        return false;
}

static gboolean on_interrupt(gpointer userdata) {
        Vetter *vetter = userdata;

        vetter->interrupt = 0;
        if (is_in_the_way(vetter)) {
                ask_forget(g_steal_pointer(&vetter->names_ask));
                vetter->n_asked = vetter->n_answered = 0;
        }
        vetter_go_on(vetter);
        return G_SOURCE_REMOVE;
}

/* Whether enough of what comes next is vetted. */
static void names_go_on(Vetter *vetter) {
        Batch batch = { .vetter = vetter, .max = ASKER_SLOTS_MAX };
        bool is_wanted;

        /* Not at once: this may be called for one of its own answers. */
        if (vetter->interrupt == 0 && is_in_the_way(vetter))
                vetter->interrupt = g_timeout_add(0, on_interrupt, vetter);
        if (!vetter->config.ask_names || vetter->names_ask)
                return;
        if (names_rest(vetter))
                return;
        if (names_are_in_trouble(vetter))
                batch.max = 1;
        batch_add_wanted(&batch);
        is_wanted = batch.n > 0;
        if (is_wanted)
                batch.max = MIN(batch.max, WANTED_AT_ONCE);
        vetter->n_waited_for = batch.n;
        if (batch.n < batch.max)
                table_writer_foresee(vetter->config.table, batch_foresee, &batch);
        if (is_wanted || (batch.n > 0 && batch.n_ready < READY_SLOTS_LOW))
                names_ask(vetter, &batch);
}

/* looks */

/* Note that an ID is in use, if its record is free and was when the look began: else what uses it
 * is our own, or was. */
static void look_note(const Look *look, uint32_t record, uint32_t key) {
        const TableWriter *table = look->vetter->config.table;

        if (table_writer_state(table, record) == TABLE_STATE_FREE &&
            table_writer_record(table, record)->freed_order <= look->last_freed)
                g_hash_table_add(look->found, GUINT_TO_POINTER(key));
}

/* Of the IDs from `first` to `last`, which are of one slot: by the slot if it is free, else by
 * those it may be split into. */
static void look_note_in_slot(const Look *look, uint32_t slot, uint32_t first, uint32_t last) {
        const Vetter *vetter = look->vetter;
        const TableRecord *record = table_writer_record(vetter->config.table, slot);
        uint32_t slot_start = vetter->pool_start + slot * TABLE_SLOT_SIZE;

        if (table_writer_state(vetter->config.table, slot) == TABLE_STATE_FREE) {
                look_note(look, slot, slot);
                return;
        }
        if (record->kind != TABLE_KIND_SPLIT)
                return;
        last = MIN(last, slot_start + TABLE_SINGLES_PER_SPLIT - 1);
        for (uint32_t id = first; id <= last; id++)
                look_note(look, vetter->n_slots + record->first_single + (id - slot_start), id);
}

static void look_line(const char *line, void *userdata) {
        Look *look = userdata;
        const Vetter *vetter = look->vetter;
        const char *blank = strchr(line, ' ');
        uint64_t start, n_ids, end;

        if (!blank || !parse_decimal(line, (size_t) (blank - line), UINT32_MAX, &start) ||
            !parse_decimal(blank + 1, strlen(blank + 1), UINT32_MAX, &n_ids))
                return;
        end = MIN(start + n_ids, vetter->pool_start + (uint64_t) vetter->n_slots * TABLE_SLOT_SIZE);
        for (uint64_t id = MAX(start, vetter->pool_start); id < end;) {
                uint32_t slot = slot_of(vetter, (uint32_t) id);
                uint64_t next = vetter->pool_start + (slot + UINT64_C(1)) * TABLE_SLOT_SIZE;

                look_note_in_slot(look, slot, (uint32_t) id, (uint32_t) (MIN(end, next) - 1));
                id = next;
        }
}

/* Once is no trouble: on a busy machine even a short look may come too late. */
static void look_set_failed(Look *look, bool failed) {
        look->n_failed = failed ? look->n_failed + 1 : 0;
        failed = look->n_failed >= UNANSWERED_MAX;
        if (failed != look->failed)
                vetter_notice(look->vetter, failed ? look->trouble : look->relief);
        look->failed = failed;
}

static void look_done(bool complete, void *userdata) {
        Look *look = userdata;
        GHashTable *ids = look->ids;

        look->ask = NULL;
        if (complete) {
                look->ids = look->found;
                look->found = ids;
                look->known_usec = look->begin_usec;
                look->took_usec = g_get_monotonic_time() - look->begin_usec;
        }
        g_hash_table_remove_all(look->found);
        look_set_failed(look, !complete);
        vetter_answered(look->vetter);
}

static void look_begin(Look *look) {
        const Vetter *vetter = look->vetter;
        char begin[16], end[16];
        const char *const arguments[] = { begin, end, NULL };

        if (look->ask)
                return;
        (void) g_snprintf(begin, sizeof(begin), "%" PRIu32, vetter->pool_start);
        (void) g_snprintf(
                end, sizeof(end), "%" PRIu32,
                vetter->pool_start + vetter->n_slots * TABLE_SLOT_SIZE);
        look->begin_usec = g_get_monotonic_time();
        look->last_freed = table_writer_header(vetter->config.table)->last_freed;
        if (asker_ask(
                    vetter->config.asker, look->what, arguments, look_line, look_done, look,
                    &look->ask) == 0)
                look->vetter->n_again = 0;
        else if (!vetter_ask_again(look->vetter))
                look_set_failed(look, true);
}

static bool look_is_older(const Look *look, gint64 usec) {
        return look->known_usec == 0 || g_get_monotonic_time() - look->known_usec > usec;
}

/* One that fails is tried again now and then. */
static bool look_rests(const Look *look) {
        return look->failed && g_get_monotonic_time() - look->begin_usec < PROBE_USEC;
}

/* Where a look takes longer than its result would be good for, that is as new as it can be: the
 * next one is on its way when it comes.  But whoever makes looks long does not make results last
 * for longer than a request would wait for a new one. */
static gint64 look_usec_max(const Look *look) {
        return MAX(
                look->usec_max,
                MIN(2 * look->took_usec, LIMIT_VETTING_MSEC * G_GINT64_CONSTANT(1000)));
}

static VetterAnswer look_check(const Look *look, uint32_t key) {
        if (look_is_older(look, look_usec_max(look)) && !look_rests(look))
                return VETTER_UNKNOWN;
        if (look->failed && look->needed && look_is_older(look, look_usec_max(look)))
                return VETTER_TAKEN;
        return g_hash_table_contains(look->ids, GUINT_TO_POINTER(key)) ? VETTER_TAKEN : VETTER_FREE;
}

/* Also ahead of time, so that whoever comes next need not wait. */
static void looks_go_on(Vetter *vetter) {
        for (int i = 0; i < LOOKS_N; i++)
                if (look_is_older(&vetter->looks[i], vetter->looks[i].usec_old) &&
                    !look_rests(&vetter->looks[i]))
                        look_begin(&vetter->looks[i]);
}

/* all of it */

int vetter_new(const VetterConfig *config, Vetter **ret_vetter) {
        const TableHeader *header = table_writer_header(config->table);
        Vetter *vetter = g_new(Vetter, 1);

        *vetter = (Vetter){
                .config = *config,
                .pool_start = header->pool_start,
                .n_slots = header->n_slots,
                .names = g_new0(SlotNames, header->n_slots),
                .wanted = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
                .looks = {
                        [LOOK_USED] = {
                                .what = ASKER_USED,
                                .usec_max = LIMIT_VETTED_USED_SECONDS * G_USEC_PER_SEC,
                                .usec_old = USED_USEC_OLD,
                                .needed = true,
                                .trouble = "Which IDs are in use cannot be found out in time, so "
                                           "none are lent",
                                .relief = "Which IDs are in use can be found out again",
                        },
                        [LOOK_HOMES] = {
                                .what = ASKER_HOMES,
                                .usec_max = LIMIT_VETTED_HOMES_SECONDS * G_USEC_PER_SEC,
                                .usec_old = HOMES_USEC_OLD,
                                .trouble = "The owners of the folders in /home cannot be found out "
                                           "in time: IDs are lent without",
                                .relief = "The owners of the folders in /home can be found out "
                                          "again",
                        },
                },
        };
        for (int i = 0; i < LOOKS_N; i++) {
                vetter->looks[i].vetter = vetter;
                vetter->looks[i].ids = g_hash_table_new(NULL, NULL);
                vetter->looks[i].found = g_hash_table_new(NULL, NULL);
        }
        *ret_vetter = vetter;
        return 0;
}

void vetter_free(Vetter *vetter) {
        if (!vetter)
                return;
        if (vetter->names_ask)
                ask_forget(vetter->names_ask);
        g_clear_handle_id(&vetter->interrupt, g_source_remove);
        g_clear_handle_id(&vetter->again, g_source_remove);
        for (int i = 0; i < LOOKS_N; i++) {
                if (vetter->looks[i].ask)
                        ask_forget(vetter->looks[i].ask);
                g_hash_table_unref(vetter->looks[i].ids);
                g_hash_table_unref(vetter->looks[i].found);
        }
        g_array_unref(vetter->wanted);
        g_free(vetter->names);
        g_free(vetter->names_trouble);
        g_free(vetter->example);
        g_free(vetter);
}

static VetterAnswer worse(VetterAnswer a, VetterAnswer b) {
        if (a == VETTER_TAKEN || b == VETTER_TAKEN)
                return VETTER_TAKEN;
        return a == VETTER_UNKNOWN ? a : b;
}

static VetterAnswer check_looks(const Vetter *vetter, uint32_t key) {
        VetterAnswer answer = VETTER_FREE;

        for (int i = 0; i < LOOKS_N; i++)
                answer = worse(answer, look_check(&vetter->looks[i], key));
        return answer;
}

VetterAnswer vetter_check(const Vetter *vetter, uint32_t start, uint32_t n_ids) {
        uint32_t last = slot_of(vetter, start + n_ids - 1);
        VetterAnswer answer = VETTER_FREE;

        /* The name service was asked about its slot when that was split; now it would be us who
         * answers. */
        if (n_ids == 1)
                return check_looks(vetter, start);
        for (uint32_t slot = slot_of(vetter, start); slot <= last && answer != VETTER_TAKEN;
             slot++) {
                if (table_writer_state(vetter->config.table, slot) != TABLE_STATE_FREE)
                        return VETTER_TAKEN;
                answer = worse(answer, check_names(vetter, slot));
                answer = worse(answer, check_looks(vetter, slot));
        }
        return answer;
}

static bool is_wanted_already(const Vetter *vetter, uint32_t slot) {
        for (guint i = 0; i < vetter->wanted->len; i++)
                if (g_array_index(vetter->wanted, uint32_t, i) == slot)
                        return true;
        return false;
}

void vetter_want(Vetter *vetter, uint32_t start, uint32_t n_ids) {
        uint32_t last = slot_of(vetter, start + n_ids - 1);

        if (n_ids > 1)
                for (uint32_t slot = slot_of(vetter, start);
                     slot <= last && vetter->wanted->len < ASKER_SLOTS_MAX; slot++)
                        if (check_names(vetter, slot) == VETTER_UNKNOWN &&
                            !is_wanted_already(vetter, slot))
                                g_array_append_val(vetter->wanted, slot);
}

void vetter_forget_wanted(Vetter *vetter) {
        g_array_set_size(vetter->wanted, 0);
}

void vetter_go_on(Vetter *vetter) {
        if (vetter->again != 0)
                return;
        looks_go_on(vetter);
        names_go_on(vetter);
}

void vetter_set_ask_names(Vetter *vetter, bool ask) {
        if (!ask)
                g_clear_pointer(&vetter->names_trouble, g_free);
        vetter->n_unanswered = 0;
        vetter->config.ask_names = ask;
        vetter_answered(vetter);
}

const char *vetter_trouble(const Vetter *vetter) {
        if (vetter->names_trouble)
                return vetter->names_trouble;
        for (int i = 0; i < LOOKS_N; i++)
                if (vetter->looks[i].failed)
                        return vetter->looks[i].trouble;
        return NULL;
}

uint32_t vetter_n_named(const Vetter *vetter, const char **ret_example) {
        uint32_t n = 0;

        for (uint32_t slot = 0; slot < vetter->n_slots; slot++)
                n += vetter->names[slot].named && vetter->names[slot].until > now_seconds();
        *ret_example = vetter->example;
        return vetter->config.ask_names ? n : 0;
}
