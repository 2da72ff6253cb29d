/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/vetting.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/table/table-format.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/parse.h"
#include "lib/util/proc-status.h"

#define STATUS_SIZE_MAX (4u * 1024 * 1024) /* 65,536 groups of 10 digits, and the rest */
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
 * just given back, and has to begin again. */
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
        return VETTING_E_TAKEN; /* somebody takes and gives it back all the time */
}

void vetting_claim_free(VettingClaim *claim) {
        if (!claim)
                return;
        for (size_t i = 0; i < claim->n_locks; i++) {
                struct stat st;
                char name[16];

                /* Without a name another file is in its place: slot-locks.h. */
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

/* what is in use */

typedef struct Look {
        uint32_t pool_start, n_slots;
        void (*mark)(uint32_t slot, void *userdata);
        void *userdata;
} Look;

static void found_id(uint32_t id, void *userdata) {
        const Look *look = userdata;

        if (id >= look->pool_start && (id - look->pool_start) / TABLE_SLOT_SIZE < look->n_slots)
                look->mark((id - look->pool_start) / TABLE_SLOT_SIZE, look->userdata);
}

/* The IDs of one task, and whether its process has others. */
static int look_at_task(const Look *look, int task, bool *ret_has_threads) {
        g_autofree char *status = NULL;
        int r;

        r = file_read(task, "status", STATUS_SIZE_MAX, &status, NULL);
        if (r < 0)
                return r;
        proc_status_for_each_id(status, found_id, (void *) look);
        *ret_has_threads = proc_status_has_threads(status);
        return 0;
}

/* Call `func` for each entry of a folder whose name is a number.  A folder that is not there is
 * empty. */
static int for_each_number(
        int dir_fd, const char *path, int (*func)(const Look *look, int folder, uint32_t number),
        const Look *look) {
        struct dirent *entry = NULL;
        DIR *folder = NULL;
        int fd, r;

        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        folder = fdopendir(fd);
        if (!folder) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        while ((r = file_next_entry(folder, &entry)) == 0 && entry) {
                uint32_t number;

                if (!parse_u32(entry->d_name, &number))
                        continue;
                r = func(look, fd, number);
                if (r != 0)
                        break;
        }
        (void) closedir(folder);
        return r;
}

static int look_at_entry(const Look *look, int folder, uint32_t number) {
        found_id(number, (void *) look);
        return 0;
}

static int open_number(int folder, uint32_t number, int *ret_fd) {
        char name[16];
        int fd;

        lock_name(number, name);
        fd = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int look_at_thread(const Look *look, int folder, uint32_t number) {
        auto_fd task = -1;
        bool has_threads;
        int r;

        r = open_number(folder, number, &task);
        if (r == 0)
                r = look_at_task(look, task, &has_threads);
        return proc_status_pass_over_ended(r);
}

static int look_at_process(const Look *look, int folder, uint32_t number) {
        bool has_threads = false;
        auto_fd process = -1;
        int r;

        r = open_number(folder, number, &process);
        if (r == 0)
                r = look_at_task(look, process, &has_threads);
        /* Credentials are each thread's own. */
        if (r == 0 && has_threads)
                r = for_each_number(process, "task", look_at_thread, look);
        return proc_status_pass_over_ended(r);
}

int vetting_find_used(
        uint32_t pool_start, uint32_t n_slots, void (*mark)(uint32_t slot, void *userdata),
        void *userdata) {
        const Look look = {
                .pool_start = pool_start,
                .n_slots = n_slots,
                .mark = mark,
                .userdata = userdata,
        };
        int r;

        r = for_each_number(AT_FDCWD, "/proc", look_at_process, &look);
        if (r == 0)
                r = for_each_number(AT_FDCWD, "/run/user", look_at_entry, &look);
        if (r == 0)
                r = for_each_number(AT_FDCWD, "/var/lib/systemd/linger", look_at_entry, &look);
        return r;
}
