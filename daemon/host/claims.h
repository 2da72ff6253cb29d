/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ranges that are lent and that somebody else claims by now: a user, a group or a subuid block that
 * came after the range was lent, or Reserved=.  They stay with their namespace; somebody has to be
 * told, though, and this is who notices: when /etc changes, all ranges are looked at again, some in
 * each turn of the loop.  That nothing of theirs is killed, removed or lent is for those who do
 * such things to ask: host_ids_claimant(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct Claims Claims;
typedef struct HostIds HostIds;
typedef struct TableWriter TableWriter;

typedef struct ClaimsConfig {
        TableWriter *table; /* borrowed, as the next */
        HostIds *host_ids;
        const char *etc; /* the folder that is watched */
        /* A line for the log: once for what begins, once for what ends. */
        void (*notice)(const char *text, void *userdata);
        void *userdata;
} ClaimsConfig;

int claims_new(const ClaimsConfig *config, Claims **ret_claims);
void claims_free(Claims *claims);

/* Look at all ranges again, soon: what is reserved may have changed. */
void claims_look_again(Claims *claims);

/* How many ranges are claimed by others, as far as has been seen. */
size_t claims_n(const Claims *claims);

/* A line for people about one of them; borrowed until the loop runs. */
const char *claims_text(const Claims *claims, size_t i);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Claims, claims_free)
