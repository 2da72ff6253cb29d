/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the daemon and the child that removes leftovers, and between the child's files.  The
 * child is a copy of a process with a main loop: system calls only, no allocation. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/leftovers.h"

/* A process's status is read whole: 65,536 groups of 10 digits, and the rest. */
#define LEFTOVERS_STATUS_SIZE (1024u * 1024)

typedef struct LeftoversTask {
        pid_t parent;
        LeftoversConfig config;
        const LeftoversRange *ranges; /* by their start */
        size_t n;
        char *status; /* LEFTOVERS_STATUS_SIZE bytes */
        bool *found;  /* in this pass, by range */
        bool *clean;  /* by range; shared with the daemon */
} LeftoversTask;

/* What the child runs; does not return. */
void leftovers_child(const void *task);

/* Note that something of the ID's range was found; whether it is in one. */
bool leftovers_find(const LeftoversTask *task, uint32_t id);

/* Whether the ID is in one of the ranges. */
bool leftovers_has(const LeftoversTask *task, uint32_t id);

/* The steps of one pass.  What stays, or may come back, is noted by leftovers_find().  Negative
 * errno: not everything could be looked at, so nothing is clean. */
int leftovers_end_processes(const LeftoversTask *task);
int leftovers_remove_ipc(const LeftoversTask *task);
int leftovers_remove_files(const LeftoversTask *task);

/* Call `func` for each entry of the folder `fd`, those read together in reverse order: of processes
 * the youngest first, lest one that forks and ends all the time is gone when its turn comes.  Stops
 * at the first negative result. */
typedef int (*LeftoversEntryFunc)(const LeftoversTask *task, int folder, const char *name);
int leftovers_for_each(const LeftoversTask *task, int fd, LeftoversEntryFunc func);
