/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Doors: disposable children that receive descriptors in the daemon's stead.  A client can send a
 * descriptor of a FUSE mount of theirs, and whoever closes it then waits in the kernel, unkillable,
 * for as long as they like.  So a door receives, recognises each descriptor before any call that
 * could reach a file system, passes on to the daemon only what is fit (user namespaces; cgroup2
 * directories, of which the daemon keeps the number alone), says what the rest was, and then closes
 * the rest: if that hangs, it hangs the door, which is charged to the client's account and
 * replaced.
 *
 * Why it is safe: a door is believed in nothing, and sends no descriptor: what this process has
 * received it must close, and so must every child that it forks.  The daemon looks, through the
 * door's /proc, at what it names, by calls that open nothing and that no file system of somebody
 * else's answers, and opens for itself what is of nsfs or cgroup2.  A message that carries
 * descriptors all the same stays in its queue, and a disposable child closes that.
 *
 * Doors run without privilege, capabilities or any descriptor but their own socket.  Knows nothing
 * of the table, methods, or JSON. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "lib/varlink/types.h"

typedef struct DoorChildData DoorChildData;
typedef struct DoorKeeper DoorKeeper;

/* What a descriptor is: VarlinkDescriptor.kind.  Only those marked + are passed on. */
typedef enum DoorKind {
        DOOR_KIND_OTHER = 0,
        DOOR_KIND_USERNS, /* + user namespace */
        DOOR_KIND_NETNS,  /*   network namespace: no method takes one */
        DOOR_KIND_CGROUP, /*   directory of a cgroup2 file system; detail: its inode number, which
                               is the control group's id */
        DOOR_KIND_DIRECTORY, /*   any other directory, and any that was opened with O_PATH; detail:
                                  mount id (statx, 0 = not obtainable) */
        DOOR_KIND_O_PATH,    /*   opened with O_PATH (open_flags say so), and no directory */
} DoorKind;

/* Whether a door passes on what is of this kind. */
static inline bool door_kind_is_passed(uint32_t kind) {
        return kind == DOOR_KIND_USERNS || kind == DOOR_KIND_CGROUP;
}

/* Outcomes. */
enum {
        DOOR_E_BUSY = 1, /* LIMIT_DOORS hang, or this account's share of them, or
                          * LIMIT_DOORS_WAITING wait */
};

typedef struct DoorKeeperConfig {
        uid_t uid; /* what doors run as */
        gid_t gid;
        dev_t cgroup2; /* the device number of the one cgroup2 file system; 0: there is none */
        /* What runs in a door; NULL: door_child_run().  Tests put a liar in its place. */
        void (*run)(const void *data);
} DoorKeeperConfig;

/* Start the first idle doors.  Needs CAP_SETUID, CAP_SETGID, CAP_KILL, and CAP_SYS_PTRACE for what
 * doors name; /proc without hidepid. */
int door_keeper_new(const DoorKeeperConfig *config, DoorKeeper **ret_keeper);

/* Kill all doors; those that hang are left to the kernel.  Never waits. */
void door_keeper_free(DoorKeeper *keeper);

/* Result of door_receive(), once, from the main loop.  `result` 0: `n_consumed` bytes were taken
 * from the socket; the callee owns the fds in `descriptors`, which itself is the caller's.  A
 * message with more than VARLINK_DESCRIPTORS_MAX counts as having none.  -EBUSY: waited for a door
 * in vain.  -ETIMEDOUT, -ECONNRESET, -EPROTO (the door died; bytes and descriptors may be lost: the
 * connection must be closed), other errno of receiving (likewise).  The keeper must not be freed
 * inside. */
typedef void (*DoorReceivedFunc)(
        int result, size_t n_consumed, VarlinkDescriptor *descriptors, size_t n_descriptors,
        void *userdata);

/* Have one message of at most `n_bytes` and its descriptors received from the socket `fd`
 * (borrowed), for `account`. 0: `received` will be called.  An account has at most
 * LIMIT_DOORS_STUCK_PER_ACCOUNT doors at a time, fewer when few are left; what is beyond that, or
 * finds no door idle, waits its turn.  DOOR_E_BUSY; negative errno: the kernel does not let the
 * socket be passed on, so it should be closed. */
int door_receive(
        DoorKeeper *keeper, int fd, size_t n_bytes, uint32_t account, DoorReceivedFunc received,
        void *userdata);

/* For status and tests. */
typedef struct DoorCounts {
        unsigned n_idle, n_working, n_stuck;
} DoorCounts;
void door_keeper_count(const DoorKeeper *keeper, DoorCounts *ret_counts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DoorKeeper, door_keeper_free)
