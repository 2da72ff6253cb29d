/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/index.h"

#include <glib.h>
#include <string.h>

#include "lib/table/store.h"

static uint64_t hash_of(const TableImage *image, const char *name) {
        return table_name_hash(
                image->view.name_seed, name, strnlen(name, sizeof(image->records->name)));
}

static uint32_t mask_of(const TableImage *image) {
        return image->view.index_entries - 1;
}

static uint32_t word_of(uint64_t hash, uint32_t number) {
        return (uint32_t) (hash >> 48) << 16 | (number + 1);
}

static uint32_t number_of(uint32_t word) {
        return (word & 0xffff) - 1;
}

/* The place an entry would be at if nothing else were there. */
static uint32_t home_of(const TableImage *image, uint32_t word) {
        return (uint32_t) hash_of(image, image->records[number_of(word)].name) & mask_of(image);
}

static void step_sequence(TableImage *image, uint32_t by) {
        table_store(&image->header->index_sequence, image->header->index_sequence + by);
}

bool table_index_wants(const TableRecord *record) {
        return record->kind == TABLE_KIND_RANGE && record->name[0] != '\0' &&
               record->state >= TABLE_STATE_RESERVED && record->state <= TABLE_STATE_ACTIVE;
}

uint32_t table_index_find(const TableImage *image, const char *name) {
        uint64_t hash = hash_of(image, name);
        uint32_t position = (uint32_t) hash & mask_of(image);

        for (unsigned i = 0; i < TABLE_PROBE_MAX; i++, position = (position + 1) & mask_of(image)) {
                uint32_t word = image->index[position], number = number_of(word);

                if (word == 0)
                        return TABLE_NONE;
                if (word == word_of(hash, number) && table_index_wants(&image->records[number]) &&
                    strncmp(image->records[number].name, name, sizeof(image->records->name)) == 0)
                        return number;
        }
        return TABLE_NONE;
}

/* The first empty place for this hash.  Returns FALSE if it is out of reach. */
static bool find_empty(const TableImage *image, uint64_t hash, uint32_t *ret_position) {
        uint32_t position = (uint32_t) hash & mask_of(image);

        for (unsigned i = 0; i < TABLE_PROBE_MAX; i++, position = (position + 1) & mask_of(image))
                if (image->index[position] == 0) {
                        *ret_position = position;
                        return true;
                }
        return false;
}

bool table_index_has_room(const TableImage *image, const char *name) {
        uint32_t position;

        return find_empty(image, hash_of(image, name), &position);
}

void table_index_add(TableImage *image, uint32_t number) {
        uint64_t hash = hash_of(image, image->records[number].name);
        uint32_t position = 0;

        /* Only a rebuild after damage can meet a crowd that nobody asked about before: the name is
         * then not answered, which is what readers do beyond the last probe anyway. */
        if (find_empty(image, hash, &position))
                table_store(&image->index[position], word_of(hash, number));
}

/* Empty one place and close the gap: each entry behind it that may stand there moves up.  An entry
 * is stored at its new place before its old place is overwritten, and each store is announced
 * before the next one. */
static void remove_at(TableImage *image, uint32_t hole) {
        uint32_t mask = mask_of(image), word;

        for (uint32_t position = (hole + 1) & mask; (word = image->index[position]) != 0;
             position = (position + 1) & mask) {
                if (((position - home_of(image, word)) & mask) < ((position - hole) & mask))
                        continue;
                table_store(&image->index[hole], word);
                step_sequence(image, 2);
                hole = position;
        }
        table_store(&image->index[hole], 0);
        step_sequence(image, 2);
}

void table_index_remove(TableImage *image, uint32_t number) {
        uint64_t hash = hash_of(image, image->records[number].name);
        uint32_t position = (uint32_t) hash & mask_of(image);

        for (unsigned i = 0; i < TABLE_PROBE_MAX; i++, position = (position + 1) & mask_of(image)) {
                if (image->index[position] == 0)
                        return;
                if (image->index[position] == word_of(hash, number)) {
                        remove_at(image, position);
                        return;
                }
        }
}

/* recovery */

static void rebuild(TableImage *image) {
        if (!(image->header->index_sequence & 1))
                step_sequence(image, 1);
        for (uint32_t i = 0; i < image->view.index_entries; i++)
                if (image->index[i] != 0)
                        table_store(&image->index[i], 0);
        for (uint32_t i = 0; i < image->n_records; i++)
                if (table_index_wants(&image->records[i]))
                        table_index_add(image, i);
        step_sequence(image, 1);
}

/* Whether every entry is one that a writer of ours put there: a record's own word, within reach of
 * its home. */
static bool entries_are_sound(const TableImage *image) {
        uint32_t mask = mask_of(image), n_filled = 0;
        bool sound = true;

        for (uint32_t i = 0; i <= mask && sound; i++) {
                uint32_t word = image->index[i], number = number_of(word);

                if (word == 0)
                        continue;
                n_filled++;
                sound = number < image->n_records &&
                        word == word_of(hash_of(image, image->records[number].name), number);
                if (!sound)
                        break;
                for (uint32_t at = home_of(image, word); at != i && sound; at = (at + 1) & mask)
                        sound = image->index[at] != 0;
        }
        /* Each record at most twice, and never so full that a search has no end. */
        return sound && n_filled < mask / 2 + mask / 4;
}

void table_index_recover(TableImage *image) {
        g_autofree uint8_t *seen = g_new0(uint8_t, image->n_records);
        uint32_t mask = mask_of(image);

        if ((image->header->index_sequence & 1) || !entries_are_sound(image)) {
                rebuild(image);
                return;
        }

        /* A removed record's entry, or the second copy of one that was being moved. */
        for (uint32_t i = 0; i <= mask;) {
                uint32_t word = image->index[i], number = number_of(word);

                if (word != 0 && (!table_index_wants(&image->records[number]) || seen[number])) {
                        remove_at(image, i);
                        /* It may have moved others, round the end too: what was seen says nothing
                         * now. */
                        memset(seen, 0, image->n_records);
                        i = 0;
                        continue;
                }
                if (word != 0)
                        seen[number] = 1;
                i++;
        }

        for (uint32_t i = 0; i < image->n_records; i++)
                if (table_index_wants(&image->records[i]) &&
                    table_index_find(image, image->records[i].name) != i) {
                        rebuild(image);
                        return;
                }
}
