/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Closing sockets that may hold a client's descriptors, without ever running the release of the
 * client's files in this process.  They wait here for a child that has a copy of them; then they
 * are closed, which is not the end of them, and the child is killed, which is: the kernel does not
 * linger for a process that exits, and if it waits for something else, it does in the child.
 *
 * One child takes all that an account has waiting, and an account has one child at a time: one that
 * never ends holds up its own account's sockets only.  Where there can be no child they wait on.
 * Children are watched by the default main context.
 *
 * Who connects may have sent descriptors before anybody can know who that is, so there is no way to
 * refuse to have such a socket, and an account whose child hangs can make one after the other.
 * Therefore only a few of an account are open here; the others are sent to a child that keeps them
 * until it is the account's next to be killed.  (Linux 6.1 refuses to send sockets with
 * sockets in sockets, five deep: those stay open here.) */

#include <stdint.h>

#include <glib.h>

/* Children of all accounts: they last as long as a fork and an exit, unless they hang. */
#define VARLINK_DISCARDS_MAX 48u
/* After a child, or after one that could not be: so many forks a second does one account cost. */
#define VARLINK_DISCARD_PAUSE_MSEC 100u
/* Between the fork of a child and its end: so long others that were forked before it may need to
 * close what they have copies of. */
#define VARLINK_DISCARD_KILL_MSEC 1000u
/* Of an account's sockets so many are open here before a keeper is sent them.  Keepers: one an
 * account, and so many accounts can have children that hang before anybody else notices. */
#define VARLINK_DISCARDS_LOOSE 32u
#define VARLINK_DISCARD_KEEPERS_MAX VARLINK_DISCARDS_MAX

typedef struct VarlinkDiscards VarlinkDiscards;

/* `kept_per_account_max`: what is beyond with an account's keeper stays open here. */
VarlinkDiscards *varlink_discards_new(unsigned kept_per_account_max);

/* What still waits is given to children, and what they cannot take stays open: this process is to
 * end soon, and does not linger then, either. */
void varlink_discards_free(VarlinkDiscards *discards);

/* The socket has been shut down. */
void varlink_discards_add(VarlinkDiscards *discards, int take_fd, uint32_t account);

/* Sockets of an account that wait, wherever. */
unsigned varlink_discards_n_waiting(const VarlinkDiscards *discards, uint32_t account);

/* What all that wait take of this process's descriptors. */
unsigned varlink_discards_n_descriptors(const VarlinkDiscards *discards);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkDiscards, varlink_discards_free)
