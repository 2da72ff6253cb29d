/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the child that removes leftovers has to do, and what its steps share: whose an ID is, what
 * was found of its range so far, and reading.  The child is a copy of a process with a main loop:
 * system calls only, no allocation, here and in all of its files. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "daemon/leftovers/leftovers.h"

/* A process's status is read whole: 65,536 groups of 10 digits, and the rest. */
#define LEFTOVERS_TEXT_SIZE (1024u * 1024)

/* The files of /etc by which somebody else can have an ID. */
#define LEFTOVERS_FILES_N 4u

typedef struct LeftoversTask {
        pid_t parent;
        LeftoversConfig config;
        const LeftoversRange *ranges; /* by their start */
        size_t n;
        const struct stat *files; /* LEFTOVERS_FILES_N, as they were when claims were asked for */
        char *text;               /* LEFTOVERS_TEXT_SIZE bytes */
        LeftoversFound *found;    /* in this pass, by range */
        LeftoversFound *result;   /* by range; shared with the daemon */
        int etc_folder;           /* or -1 */
        ino_t user_namespace;     /* the child's own */
} LeftoversTask;

/* Note what was found of the ID's range; whether it is in one.  What weighs more is kept. */
bool leftovers_find(const LeftoversTask *task, LeftoversWhat what, uint32_t id, uint32_t number);

/* The number of the range that the ID is in, or SIZE_MAX. */
size_t leftovers_index(const LeftoversTask *task, uint32_t id);

/* Whether the ID is in one of the ranges. */
bool leftovers_has(const LeftoversTask *task, uint32_t id);

/* Whether any of the `n_ids` IDs from `start` on is in one of the ranges. */
bool leftovers_meets(const LeftoversTask *task, uint32_t start, uint32_t n_ids);

/* Whether the ID's range is somebody else's by what was found in this pass: nothing of it is ended
 * or removed. */
bool leftovers_is_claimed(const LeftoversTask *task, uint32_t id);

/* Whether the ID is in one of the ranges, and by all that is known in this pass nobody else has any
 * of that range: only then may something be removed. */
bool leftovers_is_ours(const LeftoversTask *task, uint32_t id);

/* Read a whole small file into task->text, with a newline before it and a NUL behind. */
int leftovers_read_text(const LeftoversTask *task, int folder, const char *name);

/* Call `func` for each entry of the folder `fd`, those read together in reverse order: of processes
 * the youngest first, lest one that forks and ends all the time is gone when its turn comes.  Stops
 * at the first negative result. */
typedef int (*LeftoversEntryFunc)(const LeftoversTask *task, int folder, const char *name);
int leftovers_for_each(const LeftoversTask *task, int fd, LeftoversEntryFunc func);
