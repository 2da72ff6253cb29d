/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/vetting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/table/format.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"

#define LOCK_TRIES 10

/* The most slots one claim is for: a range, or all of a namespace's at once. */
#define CLAIM_SLOTS_MAX 16u

typedef struct Lock {
        uint32_t start;
        int fd;
} Lock;

struct VettingClaim {
        int folder_fd;
        Lock locks[CLAIM_SLOTS_MAX];
        size_t n_locks;
};

/* locks */

static void lock_name(uint32_t start, char name[static 16]) {
        (void) snprintf(name, 16, "%" PRIu32, start);
}

/* What systemd-nspawn 252 was seen to do for a range it picks: open(RUN/FIRST-UID,
 * O_RDWR|O_CREAT|O_NOFOLLOW, 0600), then a write lock of the open file description on all of it,
 * not waiting; a check that the file still has a name; and in the end unlink() first, with the lock
 * still held, then close().  So whoever has locked a file without a name has come upon one that was
 * just released, and has to begin again. */
static int lock_slot(VettingClaim *claim, uint32_t start) {
        char name[16];

        lock_name(start, name);
        for (unsigned i = 0; i < LOCK_TRIES; i++) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                auto_fd fd = -1;
                struct stat st;

                fd = openat(
                        claim->folder_fd, name,
                        O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600);
                if (fd < 0)
                        /* Something else of this name: only this slot cannot be locked. */
                        return errno == EISDIR || errno == ELOOP || errno == ENXIO ? VETTING_E_TAKEN
                                                                                   : -errno;
                if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
                        return errno == EAGAIN || errno == EACCES ? VETTING_E_TAKEN : -errno;
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (st.st_nlink == 0)
                        continue;
                claim->locks[claim->n_locks++] = (Lock){ start, g_steal_fd(&fd) };
                return 0;
        }
        return VETTING_E_TAKEN; /* somebody takes and releases it all the time */
}

void vetting_claim_free(VettingClaim *claim) {
        if (!claim)
                return;
        for (size_t i = 0; i < claim->n_locks; i++) {
                struct stat st;
                char name[16];

                /* Without a name another file is in its place: host/slot-locks.h. */
                lock_name(claim->locks[i].start, name);
                if (fstat(claim->locks[i].fd, &st) == 0 && st.st_nlink > 0)
                        (void) unlinkat(claim->folder_fd, name, 0);
                fd_close(claim->locks[i].fd);
        }
        fd_close(claim->folder_fd);
        g_free(claim);
}

int vetting_claim(
        const HostIds *ids, const char *lock_folder, uint32_t start, uint32_t n_ids,
        VettingClaim **ret_claim) {
        g_autoptr(VettingClaim) claim = NULL;
        uint64_t first = start, end = (uint64_t) start + n_ids;
        int r;

        /* Slots are lent whole; single IDs come from a slot that has been claimed as one. */
        if (n_ids > 1) {
                first -= first % TABLE_SLOT_SIZE;
                end += (TABLE_SLOT_SIZE - end % TABLE_SLOT_SIZE) % TABLE_SLOT_SIZE;
        }
        if (n_ids == 0 || end > UINT32_MAX || end - first > CLAIM_SLOTS_MAX * TABLE_SLOT_SIZE)
                return -EINVAL;
        if (host_ids_claims(ids, (uint32_t) first, (uint32_t) (end - first)))
                return VETTING_E_TAKEN;

        claim = g_new(VettingClaim, 1);
        *claim = (VettingClaim){ .folder_fd = -1 };
        if (n_ids > 1) {
                r = file_make_directory(lock_folder, 0755);
                if (r < 0)
                        return r;
                claim->folder_fd = open(lock_folder, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (claim->folder_fd < 0)
                        return -errno;
                for (uint64_t slot = first; slot < end; slot += TABLE_SLOT_SIZE) {
                        r = lock_slot(claim, (uint32_t) slot);
                        if (r != 0)
                                return r;
                }
        }
        *ret_claim = g_steal_pointer(&claim);
        return 0;
}
