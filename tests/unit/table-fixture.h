/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests of the table: a folder of its own, a small pool, and look-ups in the file as it is. */

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/table/read.h"
#include "lib/table/write.h"

#define POOL_START TABLE_POOL_START
#define SLOT_ID(slot) (POOL_START + (slot) *TABLE_SLOT_SIZE)

typedef struct TableFixture {
        char *folder;
        char *path;
} TableFixture;

static inline void table_fixture_set_up(TableFixture *fixture, gconstpointer data) {
        fixture->folder = g_dir_make_tmp("nsresource-table-XXXXXX", NULL);
        g_assert_nonnull(fixture->folder);
        fixture->path = g_build_filename(fixture->folder, "table", NULL);
}

static inline void table_fixture_tear_down(TableFixture *fixture, gconstpointer data) {
        g_autoptr(GDir) dir = g_dir_open(fixture->folder, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

                g_assert_cmpint(remove(path), ==, 0);
        }
        g_assert_cmpint(rmdir(fixture->folder), ==, 0);
        g_free(fixture->folder);
        g_free(fixture->path);
}

static inline int table_fixture_try_open(
        TableFixture *fixture, uint32_t n_slots, TableWriter **ret_writer,
        TableOpenReport *ret_report) {
        return table_writer_open(
                &(TableWriterConfig){
                        .path = fixture->path, .pool_start = POOL_START, .n_slots = n_slots },
                ret_writer, ret_report);
}

static inline TableWriter *table_fixture_open(TableFixture *fixture, uint32_t n_slots) {
        TableWriter *writer = NULL;
        TableOpenReport report = { .created = false };

        g_assert_cmpint(table_fixture_try_open(fixture, n_slots, &writer, &report), ==, 0);
        return writer;
}

/* A view of the file, whoever owns it: table_view_open() believes root's only. */
static inline TableView table_fixture_view(TableFixture *fixture) {
        TableView view;
        struct stat st;
        void *data;
        int fd = open(fixture->path, O_RDONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        g_assert_true(data != MAP_FAILED);
        g_assert_cmpint(close(fd), ==, 0);
        g_assert_cmpint(table_view_check(data, (size_t) st.st_size, &view), ==, 0);
        return view;
}

/* Reserve a range for a namespace of that inode. */
static inline int table_fixture_try_reserve(
        TableWriter *writer, const char *name, uint32_t size, uint64_t inode,
        uint32_t *ret_record) {
        return table_writer_reserve(
                writer,
                &(TableRange){ .name = name,
                               .owner_uid = 1000,
                               .account_uid = 1000,
                               .userns_inode = inode,
                               .size = size },
                NULL, NULL, ret_record);
}

static inline uint32_t table_fixture_reserve(
        TableWriter *writer, const char *name, uint32_t size, uint64_t inode) {
        uint32_t record = TABLE_NONE;

        g_assert_cmpint(table_fixture_try_reserve(writer, name, size, inode, &record), ==, 0);
        return record;
}

static inline void table_fixture_walk_to(TableWriter *writer, uint32_t record, uint32_t state) {
        for (uint32_t s = table_writer_state(writer, record) + 1; s <= state; s++)
                table_writer_set_state(writer, record, s);
}

/* The ID a user name stands for; TABLE_NONE. */
static inline uint32_t table_fixture_id(const TableView *view, const char *user_name) {
        TableAnswer answer;
        int r = table_find_name(view, user_name, strlen(user_name), &answer);

        if (r == TABLE_READ_E_NOT_FOUND)
                return TABLE_NONE;
        g_assert_cmpint(r, ==, 0);
        return answer.id;
}

static inline void table_fixture_assert_same(const TableAnswer *a, const TableAnswer *b) {
        g_assert_cmpuint(a->id, ==, b->id);
        g_assert_cmpuint(a->offset, ==, b->offset);
        g_assert_cmpuint(a->record, ==, b->record);
        g_assert_cmpmem(&a->range, sizeof(a->range), &b->range, sizeof(b->range));
}
