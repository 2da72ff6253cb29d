/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What runs in a door (daemon/door/door.h) and what it says to its keeper over a SEQPACKET socket:
 * one request, one reply; where something may be passed on, one byte from the keeper when it has
 * taken it; and, where something unfit had to be closed, one byte when that is done. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/door/door.h"
#include "lib/varlink/types.h"

struct DoorChildData {
        uid_t uid;
        gid_t gid;
        pid_t parent;
        /* Device numbers of the two file systems that descriptors may be of; 0 if not mounted. */
        dev_t nsfs, cgroup2;
};

/* Comes with one descriptor: the connection. */
typedef struct DoorRequest {
        uint32_t n_bytes;
} DoorRequest;

typedef struct DoorVerdict {
        uint32_t kind; /* DoorKind */
        int32_t open_flags;
        uint64_t detail;
        uint32_t passed; /* whether the keeper may have it */
        uint32_t number; /* then: the descriptor that it is in the door */
} DoorVerdict;

typedef struct DoorReply {
        int32_t result; /* 0 or -errno of receiving */
        uint32_t n_consumed;
        uint32_t n_descriptors;
        uint32_t ready; /* nothing unfit is left to close: the byte does not follow */
        DoorVerdict verdicts[VARLINK_DESCRIPTORS_MAX];
} DoorReply;

/* What a descriptor is, and whether it is fit to be passed on.  Nothing is called that a file
 * system of somebody else's answers, so the keeper looks in the same way at what it takes. */
DoorVerdict door_vet(const DoorChildData *door, int fd);

struct statx;

/* What the kernel remembers of a file, whatever file system it is on; a descriptor opened with
 * O_PATH will do. */
int door_stat(int fd, struct statx *ret_st);

/* `data` is a DoorChildData; descriptor 0 is the socket.  Does not return. */
void door_child_run(const void *data) __attribute__((noreturn));
