/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/details.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"

#define MAGIC "NSRDETAL"
#define DETAILS_VERSION 1u
/* A divisor of the page size: no entry lies in two pages.  Room for what is to come. */
#define ENTRY_SIZE 512u

typedef struct Header {
        char magic[8];
        uint32_t version, entry_size, n_records, reserved;
} Header;

typedef struct Entry {
        DetailsKey key;
        uint32_t n_cgroups, reserved;
        uint64_t cgroups[DETAILS_CGROUPS_MAX];
        uint8_t unused[ENTRY_SIZE - sizeof(DetailsKey) - 8 - 8 * DETAILS_CGROUPS_MAX];
} Entry;

_Static_assert(sizeof(Entry) == ENTRY_SIZE, "the entry's layout is the file's");
_Static_assert(sizeof(Header) <= ENTRY_SIZE, "the header has the place of one entry");

struct Details {
        int fd;
        uint32_t n_records;
};

static Header details_header(uint32_t n_records) {
        return (Header){
                .magic = MAGIC,
                .version = DETAILS_VERSION,
                .entry_size = ENTRY_SIZE,
                .n_records = n_records,
        };
}

/* Filled under another name first: one that is cut short would read as damaged. */
static int details_create(const char *path, uint32_t n_records) {
        g_autofree char *aside = g_strconcat(path, ".new", NULL);
        Header header = details_header(n_records);
        auto_fd fd = -1;
        int r;

        if (unlink(aside) < 0 && errno != ENOENT)
                return -errno;
        fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = file_write_all(fd, &header, sizeof(header));
        if (r < 0)
                return r;
        /* With holes: few ranges have an entry. */
        if (ftruncate(fd, (off_t) ENTRY_SIZE * (n_records + 1)) < 0 || rename(aside, path) < 0)
                return -errno;
        return 0;
}

static int details_check(int fd, uint32_t n_records) {
        Header expected = details_header(n_records), header;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) ||
            st.st_size != (off_t) ENTRY_SIZE * (n_records + 1))
                return -EBADMSG;
        if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
            memcmp(&header, &expected, sizeof(header)) != 0)
                return -EBADMSG;
        return 0;
}

int details_open(const char *path, uint32_t n_records, Details **ret_details) {
        auto_fd fd = -1;
        Details *details;
        int r;

        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT) {
                r = details_create(path, n_records);
                if (r < 0)
                        return r;
                fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        }
        if (fd < 0)
                return errno == ELOOP || errno == EISDIR ? -EBADMSG : -errno;
        r = details_check(fd, n_records);
        if (r < 0)
                return r;

        details = g_new(Details, 1);
        *details = (Details){ .fd = g_steal_fd(&fd), .n_records = n_records };
        *ret_details = details;
        return 0;
}

void details_free(Details *details) {
        if (!details)
                return;
        details->fd = fd_close(details->fd);
        g_free(details);
}

static off_t details_offset(uint32_t record) {
        return (off_t) ENTRY_SIZE * (record + 1);
}

/* An entry that is another range's, or makes no sense, reads as an empty one of this range's. */
static int details_read(
        Details *details, uint32_t record, const DetailsKey *key, Entry *ret_entry) {
        Entry entry;
        ssize_t n;

        g_assert(record < details->n_records);
        n = pread(details->fd, &entry, sizeof(entry), details_offset(record));
        if (n != sizeof(entry))
                return n < 0 ? -errno : -EIO;
        if (memcmp(&entry.key, key, sizeof(*key)) != 0 || entry.n_cgroups > DETAILS_CGROUPS_MAX)
                entry = (Entry){ .key = *key };
        *ret_entry = entry;
        return 0;
}

static int details_write(Details *details, uint32_t record, const Entry *entry) {
        ssize_t n = pwrite(details->fd, entry, sizeof(*entry), details_offset(record));

        if (n != sizeof(*entry))
                return n < 0 ? -errno : -EIO;
        return 0;
}

static uint32_t entry_find(const Entry *entry, uint64_t id) {
        uint32_t i = 0;

        while (i < entry->n_cgroups && entry->cgroups[i] != id)
                i++;
        return i;
}

int details_cgroups(
        Details *details, uint32_t record, const DetailsKey *key,
        uint64_t ret_ids[DETAILS_CGROUPS_MAX], uint32_t *ret_n) {
        Entry entry;
        int r;

        r = details_read(details, record, key, &entry);
        if (r < 0)
                return r;
        memcpy(ret_ids, entry.cgroups, entry.n_cgroups * sizeof(uint64_t));
        *ret_n = entry.n_cgroups;
        return 0;
}

int details_add_cgroup(Details *details, uint32_t record, const DetailsKey *key, uint64_t id) {
        Entry entry;
        int r;

        r = details_read(details, record, key, &entry);
        if (r < 0)
                return r;
        if (entry_find(&entry, id) < entry.n_cgroups)
                return DETAILS_E_EXISTS;
        if (entry.n_cgroups >= DETAILS_CGROUPS_MAX)
                return DETAILS_E_FULL;
        entry.cgroups[entry.n_cgroups++] = id;
        return details_write(details, record, &entry);
}

int details_remove_cgroup(Details *details, uint32_t record, const DetailsKey *key, uint64_t id) {
        Entry entry;
        uint32_t i;
        int r;

        r = details_read(details, record, key, &entry);
        if (r < 0)
                return r;
        i = entry_find(&entry, id);
        if (i >= entry.n_cgroups)
                return 0;
        entry.n_cgroups--;
        memmove(&entry.cgroups[i], &entry.cgroups[i + 1],
                (entry.n_cgroups - i) * sizeof(entry.cgroups[0]));
        entry.cgroups[entry.n_cgroups] = 0;
        return details_write(details, record, &entry);
}

int details_clear(Details *details, uint32_t record, const DetailsKey *key) {
        const Entry entry = { .key = *key };

        return details_write(details, record, &entry);
}
