/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A sweep: a pass over /proc for the user namespaces that anything holds: every process's and those
 * above it, and those that descriptors and mounts refer to.  A child looks, and passes on what it
 * sees, for processes, descriptors and lines of mountinfo are as many as their users like.
 *
 * Each process's own namespaces are always seen.  Of descriptors and of mounts only so many of one
 * account are looked at (LIMIT_SWEEP_*), lest one keeps everybody's sweep from its end; what is not
 * looked at counts as not seen.  An account is here the owner of the outermost namespace below this
 * process's, or the user of a process that is in none; root's are all looked at. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef struct UsernsSweep UsernsSweep;

/* `take_seen`: inode numbers (uint64_t), or NULL if the sweep has failed.  Called once, from the
 * main loop; the sweep is freed by then. */
typedef void (*UsernsSweptFunc)(GHashTable *take_seen, void *userdata);

/* USERNS_E_BUSY: LIMIT_SWEEPS hang.  Needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
 * to see others' processes. */
int userns_sweep_new(UsernsSweptFunc swept, void *userdata, UsernsSweep **ret_sweep);

/* Wait for its end; for the start, when nobody is served yet.  `swept` is called before this
 * returns. */
void userns_sweep_finish(UsernsSweep *sweep);

/* Kill the child and tell nobody.  Accepts NULL. */
void userns_sweep_free(UsernsSweep *sweep);

/* What the child does: write all numbers, then a zero, to descriptor 0.  `data` is a
 * UsernsSweepTask. */
typedef struct UsernsSweepTask {
        int parent; /* process ID */
        uint64_t own_inode;
        uint64_t descriptors_max, mount_bytes_max; /* of an account */
} UsernsSweepTask;
void userns_sweep_run(const void *data) __attribute__((noreturn));
