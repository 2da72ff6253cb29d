/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/recover.h"

#include <glib.h>

#include "lib/table/index.h"
#include "lib/table/store.h"

/* Whether the parts of range `number` are all there. */
static bool parts_are_sound(const TableImage *image, uint32_t number, const TableRecord *range) {
        uint32_t n_slots = table_image_n_parts(image, number), offset;

        for (uint32_t i = 1; i < n_slots; i++) {
                const TableRecord *part = &image->records[number + i];

                if (part->state == TABLE_STATE_FREE || part->holder != number || part->part != i ||
                    !table_part_is_sound(&image->view, number + i, part, range, &offset))
                        return false;
        }
        return true;
}

/* Whether the chain of what is delegated to range `number` is whole, and counts on from its other
 * parts. */
static bool delegated_are_sound(
        const TableImage *image, uint32_t number, const TableRecord *range) {
        uint32_t k = table_n_slots_of(range->size), offset;

        for (uint32_t at = range->next_part; at != TABLE_NONE; k++) {
                const TableRecord *part = &image->records[at];

                /* An end, if only by the number of parts: `part` counts up. */
                if (!table_image_is_slot(image, at) || part->state == TABLE_STATE_FREE ||
                    part->holder != number || part->part != k ||
                    !table_part_is_sound(&image->view, at, part, range, &offset))
                        return false;
                at = part->next_part;
        }
        return true;
}

/* Whether `part` is one that its holder, a sound range, leads to. */
static bool holder_leads_to(
        const TableImage *image, const TableRecord *holder, uint32_t number,
        const TableRecord *part) {
        uint32_t at = holder->next_part;

        if (part->part < table_n_slots_of(holder->size))
                return number == part->holder + part->part && part->next_part == TABLE_NONE;
        for (uint32_t i = 0; i < TABLE_PARTS_MAX && table_image_is_slot(image, at); i++) {
                if (at == number)
                        return true;
                at = image->records[at].next_part;
        }
        return false;
}

/* Whether `part` has its holder, or lost it in a way that a killed writer explains. */
static bool part_is_explained(const TableImage *image, uint32_t number, const TableRecord *part) {
        const TableRecord *holder;
        uint32_t offset;

        if (!table_image_is_slot(image, part->holder) &&
            !table_image_is_single(image, part->holder))
                return false;
        holder = &image->records[part->holder];
        /* A part is reserved before its holder, and freed after it. */
        if (holder->state == TABLE_STATE_FREE)
                return part->state == TABLE_STATE_RESERVED ||
                       part->state == TABLE_STATE_RELEASING ||
                       part->state == TABLE_STATE_QUARANTINED;
        return table_range_is_sound(&image->view, part->holder, holder) &&
               table_part_is_sound(&image->view, number, part, holder, &offset) &&
               holder_leads_to(image, holder, number, part);
}

/* Whether a split slot has singles that no other one has. */
static bool split_is_sound(const TableImage *image, uint32_t number, const TableRecord *split) {
        if (!table_image_is_slot(image, number) || split->state != TABLE_STATE_ACTIVE ||
            split->start != table_image_slot_start(image, number) ||
            split->first_single >= image->view.n_singles ||
            split->first_single % TABLE_SINGLES_PER_SPLIT != 0)
                return false;

        for (uint32_t i = 0; i < number; i++) {
                const TableRecord *other = &image->records[i];

                if (other->state != TABLE_STATE_FREE && other->kind == TABLE_KIND_SPLIT &&
                    other->first_single == split->first_single)
                        return false;
        }
        return true;
}

/* Whether a single ID's record lies in the split slot that its ID says. */
static bool single_is_sound(const TableImage *image, uint32_t number, const TableRecord *single) {
        uint32_t slot = (single->start - image->view.pool_start) / TABLE_SLOT_SIZE;
        uint32_t n = (single->start - image->view.pool_start) % TABLE_SLOT_SIZE;
        const TableRecord *split = &image->records[slot]; /* sound: the slot exists */

        return split->state == TABLE_STATE_ACTIVE && split->kind == TABLE_KIND_SPLIT &&
               image->view.n_slots + split->first_single + n == number;
}

static bool record_is_sound(const TableImage *image, uint32_t number) {
        const TableRecord *record = &image->records[number];

        if (record->state == TABLE_STATE_FREE)
                return true; /* whatever its data: it may have been half written */
        if (record->state >= TABLE_STATE_COUNT || (record->sequence & 1) ||
            record->crc != table_record_crc(record))
                return false;

        switch (record->kind) {
        case TABLE_KIND_RANGE:
                return table_range_is_sound(&image->view, number, record) &&
                       (record->name[0] != '\0' || record->state == TABLE_STATE_QUARANTINED) &&
                       parts_are_sound(image, number, record) &&
                       delegated_are_sound(image, number, record) &&
                       (!table_image_is_single(image, number) ||
                        single_is_sound(image, number, record));
        case TABLE_KIND_PART:
                return table_image_is_slot(image, number) &&
                       part_is_explained(image, number, record);
        case TABLE_KIND_SPLIT:
                return split_is_sound(image, number, record);
        default:
                return false;
        }
}

const char *table_recover_distrust(const TableImage *image) {
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

        for (uint32_t i = 0; i < image->n_records; i++)
                if (!record_is_sound(image, i))
                        return "a record is damaged";
        for (uint32_t i = 0; i < image->n_records; i++)
                if (table_index_wants(&image->records[i]) &&
                    !g_hash_table_add(names, image->records[i].name))
                        return "two namespaces have one name";
        return NULL;
}

static void roll_back(TableImage *image, TableOpenReport *report) {
        for (uint32_t i = 0; i < image->n_records; i++) {
                TableRecord *record = &image->records[i];

                /* Parts later: what their holder is decides. */
                if (record->state == TABLE_STATE_RESERVED && record->kind == TABLE_KIND_RANGE) {
                        table_image_store_state(image, i, TABLE_STATE_FREE);
                        report->n_rolled_back++;
                }
                if (record->sequence & 1)
                        table_store(&record->sequence, record->sequence + 1);
        }
}

static void follow_holders(TableImage *image, TableOpenReport *report) {
        for (uint32_t i = 0; i < image->view.n_slots; i++) {
                const TableRecord *part = &image->records[i];
                uint32_t state;

                if (part->state == TABLE_STATE_FREE || part->kind != TABLE_KIND_PART)
                        continue;
                state = image->records[part->holder].state;
                if (part->state == TABLE_STATE_RESERVED && state == TABLE_STATE_FREE)
                        report->n_rolled_back++;
                if (part->state != state)
                        table_image_store_state(image, i, state);
        }
}

/* A counter that was stored after what it counts may be behind. */
static void catch_up_releases(TableImage *image) {
        uint32_t last = image->header->last_freed;

        for (uint32_t i = 0; i < image->n_records; i++)
                last = MAX(last, image->records[i].freed_order);
        if (last != image->header->last_freed)
                table_store(&image->header->last_freed, last);
}

void table_recover(TableImage *image, TableOpenReport *report) {
        roll_back(image, report);
        follow_holders(image, report);
        catch_up_releases(image);
        table_index_recover(image);

        for (uint32_t i = 0; i < image->n_records; i++)
                report->n_adopted += image->records[i].state != TABLE_STATE_FREE &&
                                     image->records[i].kind == TABLE_KIND_RANGE;
}
