/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs nsresource-ask (daemon/host/ask-main.c): disposable children that find out what may never be
 * answered.  A child that says nothing for too long is killed; one that cannot be killed counts
 * against the few there may be at once.  Knows nothing of slots, or of what an answer means. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef struct Asker Asker;
typedef struct Ask Ask;

/* What is asked: the program's first argument.  Each answer is a line; the last one is ASKER_END,
 * and ASKER_ALIVE comes first, and in between.
 *
 *   names START...   for each slot, in that order: "START free", "START taken user|group NAME" or
 *                    "START error TEXT".  Asks the name service, without any privilege.
 *   used BEGIN END   "START N": N IDs from START on, of those from BEGIN to END - 1, are in use;
 *                    used_ids_find()
 *   homes BEGIN END  the same: used_ids_find_homes() */
#define ASKER_NAMES "names"
#define ASKER_USED "used"
#define ASKER_HOMES "homes"
#define ASKER_END "end"
#define ASKER_ALIVE "alive"

/* Slots in one question. */
#define ASKER_SLOTS_MAX 64u

/* Outcomes. */
enum {
        ASKER_E_BUSY = 1, /* as many children as there may be are there, most likely stuck */
};

/* `program` is the path of nsresource-ask; the name service is asked as `uid`, `gid`. */
int asker_new(const char *program, uid_t uid, gid_t gid, Asker **ret_asker);
void asker_free(Asker *asker);

/* A line of the answer, but for the last. */
typedef void (*AskLineFunc)(const char *line, void *userdata);

/* The last that is heard of it: `complete` says whether all of it was answered. */
typedef void (*AskDoneFunc)(bool complete, void *userdata);

/* Ask for `what` with these arguments, NULL-terminated.  The Ask belongs to itself until `done` is
 * called. */
int asker_ask(
        Asker *asker, const char *what, const char *const *arguments, AskLineFunc line,
        AskDoneFunc done, void *userdata, Ask **ret_ask);

/* Give it up: neither function will be called any more. */
void ask_forget(Ask *ask);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Asker, asker_free)
