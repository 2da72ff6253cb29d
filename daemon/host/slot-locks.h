/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd-nspawn's lock files of all slots that are not free, held for as long as they are not.
 *
 * `systemd-nspawn -U` opens FOLDER/FIRSTID, tries a write lock of the open file description on it,
 * and only then looks the ID up.  A lock belongs to the inode, whatever names that has: so the
 * files of all slots are hard links of one file, FOLDER/nsresource, and one descriptor, with one
 * lock on it, holds them all.  A copy of the descriptor with somebody else (the service manager's
 * store) holds them while this process is away.
 *
 * Names tell those who look up (table/read.h) that a slot is not free, where nsswitch.conf has us;
 * this tells everybody else.  Only root can write to the folder.  Knows nothing of the table, nor
 * who has a slot. */

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct SlotLocks SlotLocks;

/* Outcomes. */
enum {
        SLOT_LOCKS_E_TAKEN = 1, /* somebody else has the lock of this slot */
};

/* Take the one lock: by `take_fd`, if that is a descriptor of ours that somebody kept (-1: none),
 * else anew.  What is locked by a process that was left of an earlier daemon is replaced as slots
 * are held again.  The folder is made if missing. */
int slot_locks_open(const char *folder, int take_fd, SlotLocks **ret_locks);
void slot_locks_free(SlotLocks *locks);

/* The descriptor to be kept, lent; and whether it is another than slot_locks_open() was given. */
int slot_locks_fd(const SlotLocks *locks, bool *ret_is_new);

/* Hold the lock of the slot that begins at `start`.  `claimed`: the caller has it, by another
 * descriptor (host/vetting.h), which may be closed afterwards: there is no moment without a lock.
 * Else SLOT_LOCKS_E_TAKEN if somebody else has it.  Holding what is held is a no-op. */
int slot_locks_hold(SlotLocks *locks, uint32_t start, bool claimed);

/* Let go of it, if it is held. */
void slot_locks_drop(SlotLocks *locks, uint32_t start);

/* Let go of all that are not wanted: what a daemon that was killed left. */
int slot_locks_drop_others(
        SlotLocks *locks, bool (*is_wanted)(uint32_t start, void *userdata), void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SlotLocks, slot_locks_free)
