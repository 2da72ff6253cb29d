/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every size and count that a client can drive, with its reason.  Limits of the wire are in
 * lib/varlink/types.h, those of the table's file in lib/table/format.h.  Each is checked
 * before acquiring, `n >= MAX`, and a test tries MAX and MAX + 1. */

/* An account is the accountable UID (daemon/account.h, daemon/host/host-ids.h): of a lent range
 * whoever it is charged to, of a subuid block its owner, of another container's 65,536 UIDs the
 * first.
 *
 * Connections.  One costs a descriptor and about 1 KiB; the unit's LimitNOFILE is 65,536. */
#define LIMIT_CONNECTIONS 4096u
#define LIMIT_CONNECTIONS_PER_ACCOUNT 128u

/* Descriptors of connections that have ended, refused ones among them, and may hold some: they
 * wait for a child that closes them, and for as long as there can be no child nothing else can be
 * done.  Beyond this number nothing more is accepted, and who connects waits in the kernel. */
#define LIMIT_DISCARDS_WAITING 4096u
/* Of one account a few are open here, so many with a child that keeps them.  Each can have a full
 * queue of what nobody has read, 228 KiB: 0.9 GiB of kernel memory an account. */
#define LIMIT_DISCARDS_PER_ACCOUNT 4096u

/* Doors (daemon/door/door.h).  Idle ones are kept ready so that a call with descriptors costs one
 * hop, not one fork.  A door that hangs on a client's descriptor cannot be got rid of until that
 * client lets go, so each account may have only a few in that state; and fewer when there are few
 * left: the last 24 go to those who have two at most, the last 16 to those who have one, the last 8
 * to those who have none.  With four each, sixteen accounts took all of 64. */
#define LIMIT_DOORS_IDLE 2u
#define LIMIT_DOORS 128u /* that are not idle */
#define LIMIT_DOORS_SHARE 8u
#define LIMIT_DOORS_STUCK_PER_ACCOUNT 4u
#define LIMIT_DOOR_MSEC 5000u
#define LIMIT_DOORS_WAITING LIMIT_CONNECTIONS /* each connection has one call at a time */

/* Helpers that join a client's namespace (daemon/userns/userns.h): processes of ours that the
 * client can stop.  What is beyond these numbers waits for its turn. */
#define LIMIT_HELPERS_IDLE 8u     /* beyond LIMIT_HELPERS */
#define LIMIT_HELPERS_IDLE_LOW 2u /* so few, and it is filled up again */
#define LIMIT_HELPERS 64u
#define LIMIT_HELPERS_PER_ACCOUNT 8u
#define LIMIT_HELPER_MSEC 5000u
#define LIMIT_HELPERS_WAITING LIMIT_CONNECTIONS /* each connection has one call at a time */

/* Requests that wait because the namespace that has their name, which is the same owner's, has no
 * process any more: the kernel keeps one for some ten milliseconds after its last process, for
 * longer where it is busy.  Beyond these numbers nobody waits, and the request is refused as if it
 * lived. */
#define LIMIT_NAME_WAITS 64u
#define LIMIT_NAME_WAITS_PER_ACCOUNT 4u
#define LIMIT_NAME_WAIT_MSEC 2000u
/* Lines of the log that say who has a name that was refused, a minute: enough to find out, too few
 * to have the journal leave out what else is said. */
#define LIMIT_NAME_REFUSALS_LOGGED 20u
/* Children that find out whether it has a process; one reads a link of each process there is. */
#define LIMIT_PROCESS_LOOKS 4u
#define LIMIT_PROCESS_LOOKS_PER_ACCOUNT 1u
#define LIMIT_PROCESS_LOOK_MSEC 2000u

/* Children that remove the control groups of namespaces that have ended.  What is busy for longer
 * is tried again a second later, after what else its account has waiting.  An account that keeps
 * both of its children at it all the time leaves others the other six. */
#define LIMIT_CGROUP_REMOVALS 8u
#define LIMIT_CGROUP_REMOVALS_PER_ACCOUNT 2u
#define LIMIT_CGROUP_REMOVALS_WAITING_PER_ACCOUNT 1024u /* the others: the next pass */
#define LIMIT_CGROUP_REMOVAL_MSEC 1000u

/* The child that walks through the hierarchy for directories that lent IDs made elsewhere; there is
 * one at a time.  Users with a delegated part can make it large, but a million directories that
 * have others in them take gigabytes of memory before they take the child a quarter of this. */
#define LIMIT_CGROUP_WALKS 1u
#define LIMIT_CGROUP_WALK_MSEC 60000u

/* Children that look for what the host still has of IDs whose holder has died.  One does it for all
 * of them; there are more only when one is not done by its deadline.  Then each account's ranges
 * are looked for alone, one child an account: so many accounts can keep theirs for good, and as
 * many joint looks before they are known, until others wait.  Whose own look was not in time takes
 * no part in a joint one for a while. */
#define LIMIT_LEFTOVERS_JOINT 4u
#define LIMIT_LEFTOVERS_ALONE 28u
#define LIMIT_LEFTOVERS_CHILDREN 32u /* the two together */
#define LIMIT_LEFTOVERS_DOUBT_MSEC 600000u
#define LIMIT_LEFTOVERS_SLOTS 4096u /* in one look; the oldest first */
#define LIMIT_LEFTOVERS_MSEC 5000u
#define LIMIT_LEFTOVERS_PASSES 6u /* with pauses that double from 2 ms on */

/* Sweeps of /proc for user namespaces, where the kernel tells nothing better: one at a time,
 * and another if that hangs.  Of one account's descriptors and mounts so many are looked at: about
 * a second's worth.  What bounds the namespaces is the kernel's own limit on them. */
#define LIMIT_SWEEPS 2u
#define LIMIT_SWEEP_MSEC 60000u
#define LIMIT_SWEEP_DESCRIPTORS (1024u * 1024)
#define LIMIT_SWEEP_MOUNT_BYTES (64u * 1024 * 1024)
#define LIMIT_SWEEP_NAMESPACES (1024u * 1024)

/* Children that ask what may never be answered (daemon/host/asker.h): the name service, /home,
 * /proc. One of each kind works; more are there only when one is stuck in the kernel.  They are
 * asked ahead of need, for whole batches of slots, so no request occupies one of its own. */
#define LIMIT_ASKS 6u
#define LIMIT_ASK_MSEC 3000u /* without a line of an answer: a directory is slow at times */
/* For the first line, which only says that the program has started up, on a machine that may be
 * busy: no fault of who is asked. */
#define LIMIT_ASK_START_MSEC 10000u

/* Requests for which no slot is vetted yet wait so long, in all: some slots that are not answered
 * for, also on a machine on which a look through /proc takes seconds.  They have no child
 * meanwhile, but two descriptors each, which keep their namespace.  An account has so many of them
 * as there are slots in one question; what is beyond is refused. */
#define LIMIT_VETTING_MSEC 25000u
#define LIMIT_VETTING_WAITS LIMIT_CONNECTIONS /* each connection has one call at a time */
#define LIMIT_VETTING_WAITS_PER_ACCOUNT 64u

/* How old an answer about a slot may be by which it is lent.  The name service's, of either kind: a
 * directory gets users at any time, and it is asked ahead for up to 64 slots; a request that meets
 * an old one waits for a new one, and none counts any more for a slot that was lent in between. One
 * that did not come is worth asking again sooner, but not with each request.  A look through /proc,
 * /run/user and the users' control groups; folders in /home do not change owners every day. */
#define LIMIT_VETTED_NAMES_SECONDS 900u
#define LIMIT_VETTED_UNANSWERED_SECONDS 60u
#define LIMIT_VETTED_USED_SECONDS 3u
#define LIMIT_VETTED_HOMES_SECONDS 300u

/* Children that try whether the kernel still knows a range's UIDs (daemon/leftovers/uid-trial.h),
 * those of the chunks of 256 that were used.  A UID takes ten to twenty microseconds in an emulated
 * machine, so a container's take some milliseconds, and a slot of which all were used about a
 * second (tests/bench/README.md).  One account has one of the places, for a second at the most, and
 * waits for its turn with the next.  A UID that is known takes a place for 0.12 seconds, of which
 * the child sleeps. */
#define LIMIT_UID_TRIALS 4u
#define LIMIT_UID_TRIALS_PER_ACCOUNT 1u
#define LIMIT_UID_TRIALS_WAITING_PER_ACCOUNT \
        4096u /* a pool of 28,671 slots has room for seven such */
#define LIMIT_UID_TRIAL_TURN_MSEC 1000u
#define LIMIT_UID_TRIAL_MSEC 30000u /* a turn on a machine that does much else: it was stopped */

/* The child that tells nscd to forget (daemon/host/name-cache.h): one, however often names change,
 * since what it forgets is everybody's.  The delay is for answers that nscd is about to remember.
 */
#define LIMIT_NAME_CACHE_CHILDREN 1u
#define LIMIT_NAME_CACHE_DELAY_MSEC 100u
#define LIMIT_NAME_CACHE_INTERVAL_MSEC 5000u
#define LIMIT_NAME_CACHE_MSEC 10000u

/* What an account has waiting for a look or a trial is our own time, not charged to it: so much of
 * it.  Beyond, it has to wait for us, for else one that uses up ranges faster than they are looked
 * at would use up the pool. */
#define LIMIT_RELEASING_UNCHARGED_RANGES 1024u
#define LIMIT_RELEASING_UNCHARGED_IDS (1024u * 65536u)

/* Defaults of nsresourced.conf: what the reference allows one UID (256 namespaces), each of one
 * slot. */
#define LIMIT_NAMESPACES_PER_USER_DEFAULT 256u
#define LIMIT_IDS_PER_USER_DEFAULT (256u * 65536u)

/* Slots that are out of use because of one account (table_writer_kept()): what was lent without
 * enforcement, and what is not proven to be gone.  It is free again by an administrator's word
 * only, so it is eight times what one may have at a time, for many days' work, and a fourteenth of
 * the default pool. */
#define LIMIT_QUARANTINED_PER_USER_DEFAULT 2048u

/* Files of /etc that vetting reads whole. */
#define LIMIT_ETC_FILE_SIZE (16u * 1024 * 1024)

/* Lines of a uid_map: the kernel's own limit since Linux 4.15 (user_namespaces(7)). */
#define LIMIT_MAP_EXTENTS 340u

/* All children together, those of lib/varlink/discard.h apart: the unit's TasksMax= holds them. */
#define LIMIT_CHILDREN                                                                          \
        (LIMIT_DOORS + LIMIT_DOORS_IDLE + LIMIT_HELPERS + LIMIT_HELPERS_IDLE +                  \
         LIMIT_CGROUP_REMOVALS + LIMIT_CGROUP_WALKS + LIMIT_LEFTOVERS_CHILDREN + LIMIT_SWEEPS + \
         LIMIT_ASKS + LIMIT_UID_TRIALS + LIMIT_PROCESS_LOOKS + LIMIT_NAME_CACHE_CHILDREN)
#define LIMIT_THREADS 4u /* this process's: GLib has one for signals */
#define LIMIT_TASKS 512u /* TasksMax= */

/* Descriptors: a connection's, with those of its call, and one more while that waits for a door or
 * a helper, and while it waits to be discarded; two of what waits to be vetted; two of each child;
 * a sum for everything else. */
#define LIMIT_DESCRIPTORS_OF_CALL 8u
#define LIMIT_DESCRIPTORS                                                               \
        (LIMIT_CONNECTIONS * (LIMIT_DESCRIPTORS_OF_CALL + 3) + LIMIT_DISCARDS_WAITING + \
         LIMIT_VETTING_WAITS * 2 + LIMIT_CHILDREN * 4 + 1024)
#define LIMIT_NOFILE 65536u /* LimitNOFILE= */
