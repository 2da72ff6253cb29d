/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/slot-locks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/parse.h"

#define MASTER "nsresource"
#define ASIDE "nsresource.new"
#define OPEN_FLAGS (O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK)
#define TRIES 10

struct SlotLocks {
        char *folder;
        int folder_fd;
        int fd; /* of the one file, locked */
        dev_t device;
        ino_t inode;
        ino_t orphan; /* of an earlier daemon's file, whose lock somebody still has; 0: none */
        bool is_new;
};

static int try_lock(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
                return errno == EAGAIN || errno == EACCES ? SLOT_LOCKS_E_TAKEN : -errno;
        return 0;
}

/* the one file */

static int use(SlotLocks *locks, int take_fd) {
        auto_fd fd = take_fd;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        (void) fd_close(locks->fd);
        locks->fd = g_steal_fd(&fd);
        locks->device = st.st_dev;
        locks->inode = st.st_ino;
        return 0;
}

/* A new file in the place of whatever is there. */
static int make_master(SlotLocks *locks) {
        auto_fd fd = -1;
        int r;

        if (unlinkat(locks->folder_fd, ASIDE, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(locks->folder_fd, ASIDE, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
        if (fd < 0)
                return -errno;
        r = try_lock(fd);
        if (r != 0)
                return r < 0 ? r : -EBUSY;
        if (renameat(locks->folder_fd, ASIDE, locks->folder_fd, MASTER) < 0)
                return -errno;
        locks->is_new = true;
        return use(locks, g_steal_fd(&fd));
}

/* The descriptor that was kept has the lock already, and it is the file that is there. */
static bool adopt(SlotLocks *locks, int take_fd) {
        auto_fd fd = take_fd;
        struct stat kept, named;

        return fd >= 0 && fstat(fd, &kept) == 0 && S_ISREG(kept.st_mode) &&
               fstatat(locks->folder_fd, MASTER, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               named.st_dev == kept.st_dev && named.st_ino == kept.st_ino && try_lock(fd) == 0 &&
               use(locks, g_steal_fd(&fd)) == 0;
}

static int open_master(SlotLocks *locks) {
        auto_fd fd = -1;
        struct stat st;
        int r;

        fd = openat(locks->folder_fd, MASTER, OPEN_FLAGS);
        if (fd < 0)
                return errno == ENOENT ? make_master(locks) : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
                return -EBADMSG;
        r = try_lock(fd);
        if (r == SLOT_LOCKS_E_TAKEN) {
                locks->orphan = st.st_ino;
                return make_master(locks);
        }
        locks->is_new = true;
        return r < 0 ? r : use(locks, g_steal_fd(&fd));
}

/* For root alone, though systemd-nspawn would let everybody list it: who reads a folder into memory
 * that never answers keeps the kernel's lock of it, and whoever makes a file in there waits. */
static int open_folder(SlotLocks *locks) {
        auto_fd fd = -1;
        int r;

        r = file_make_directory(locks->folder, 0700);
        if (r < 0)
                return r;
        fd = open(locks->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fchmod(fd, 0700) < 0)
                return -errno;
        (void) fd_close(locks->folder_fd);
        locks->folder_fd = g_steal_fd(&fd);
        return 0;
}

/* Somebody who cleaned up took the folder with all that was in it: it is made again, or nothing
 * would be lent until a restart.  What was held before is held again at the next start. */
static int reopen_folder(SlotLocks *locks) {
        struct stat st;
        int r;

        if (fstat(locks->folder_fd, &st) < 0)
                return -errno;
        if (st.st_nlink > 0)
                return 0;
        r = open_folder(locks);
        return r < 0 ? r : make_master(locks);
}

int slot_locks_open(const char *folder, int take_fd, SlotLocks **ret_locks) {
        g_autoptr(SlotLocks) locks = g_new(SlotLocks, 1);
        auto_fd fd = take_fd;
        int r;

        *locks = (SlotLocks){ .folder = g_strdup(folder), .folder_fd = -1, .fd = -1 };
        r = open_folder(locks);
        if (r < 0)
                return r;
        if (!adopt(locks, g_steal_fd(&fd))) {
                r = open_master(locks);
                if (r < 0)
                        return r;
        }
        *ret_locks = g_steal_pointer(&locks);
        return 0;
}

void slot_locks_free(SlotLocks *locks) {
        if (!locks)
                return;
        (void) fd_close(locks->fd);
        (void) fd_close(locks->folder_fd);
        g_free(locks->folder);
        g_free(locks);
}

int slot_locks_fd(const SlotLocks *locks, bool *ret_is_new) {
        *ret_is_new = locks->is_new;
        return locks->fd;
}

/* slots */

static void slot_name(uint32_t start, char name[static 16]) {
        (void) snprintf(name, 16, "%" PRIu32, start);
}

static bool is_ours(const SlotLocks *locks, const struct stat *st) {
        return st->st_dev == locks->device && st->st_ino == locks->inode;
}

static bool is_orphan(const SlotLocks *locks, const struct stat *st) {
        return st->st_dev == locks->device && locks->orphan != 0 && st->st_ino == locks->orphan;
}

/* One more name for the file.  Somebody who cleaned the folder up took the first one too. */
static int link_master(SlotLocks *locks, const char *name) {
        int r;

        if (linkat(locks->folder_fd, MASTER, locks->folder_fd, name, 0) == 0)
                return 0;
        if (errno != ENOENT)
                return -errno;
        r = make_master(locks);
        if (r < 0)
                return r;
        return linkat(locks->folder_fd, MASTER, locks->folder_fd, name, 0) < 0 ? -errno : 0;
}

/* In the place of a file whose lock is ours: whoever has opened that one finds, once it is
 * unlocked, that it has no name any more, and begins again. */
static int replace(SlotLocks *locks, const char *name) {
        int r;

        if (unlinkat(locks->folder_fd, ASIDE, 0) < 0 && errno != ENOENT)
                return -errno;
        r = link_master(locks, ASIDE);
        if (r < 0)
                return r;
        if (renameat(locks->folder_fd, ASIDE, locks->folder_fd, name) < 0) {
                r = -errno;
                (void) unlinkat(locks->folder_fd, ASIDE, 0);
                return r;
        }
        /* Two names of one file: rename() leaves both. */
        (void) unlinkat(locks->folder_fd, ASIDE, 0);
        return 0;
}

/* A file is there already. */
static int hold_existing(SlotLocks *locks, const char *name) {
        auto_fd fd = -1;
        struct stat st;
        int r;

        fd = openat(locks->folder_fd, name, OPEN_FLAGS);
        if (fd < 0)
                /* Something else of this name: nobody can lock it, but for what it is we know. */
                return errno == EISDIR || errno == ELOOP || errno == ENXIO ? SLOT_LOCKS_E_TAKEN
                                                                           : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (is_ours(locks, &st))
                return 0;
        if (is_orphan(locks, &st))
                return replace(locks, name);
        r = try_lock(fd);
        if (r != 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        return st.st_nlink == 0 ? -ENOENT : replace(locks, name);
}

int slot_locks_hold(SlotLocks *locks, uint32_t start, bool claimed) {
        char name[16];
        int r;

        slot_name(start, name);
        r = reopen_folder(locks);
        if (r < 0)
                return r;
        r = -ENOENT;
        if (claimed)
                return replace(locks, name);
        for (unsigned i = 0; i < TRIES && r == -ENOENT; i++) {
                r = link_master(locks, name);
                if (r == -EEXIST)
                        r = hold_existing(locks, name);
        }
        return r == -ENOENT ? SLOT_LOCKS_E_TAKEN : r; /* somebody takes and drops it all the time */
}

static void drop(SlotLocks *locks, const char *name) {
        struct stat st;

        if (fstatat(locks->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (is_ours(locks, &st) || is_orphan(locks, &st)))
                (void) unlinkat(locks->folder_fd, name, 0);
}

void slot_locks_drop(SlotLocks *locks, uint32_t start) {
        char name[16];

        slot_name(start, name);
        drop(locks, name);
}

int slot_locks_drop_others(
        SlotLocks *locks, bool (*is_wanted)(uint32_t start, void *userdata), void *userdata) {
        struct dirent *entry = NULL;
        DIR *folder = NULL;
        int fd, r;

        fd = openat(locks->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        folder = fdopendir(fd);
        if (!folder) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }
        while ((r = file_next_entry(folder, &entry)) == 0 && entry) {
                uint32_t start;

                if (parse_u32(entry->d_name, &start) && !is_wanted(start, userdata))
                        drop(locks, entry->d_name);
        }
        (void) closedir(folder);
        return r;
}
