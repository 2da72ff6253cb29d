/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole small files: read with a bound, written in full.  For files of the host (/proc, /etc, /run)
 * only, never for a path that a client named. */

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

/* Read all of `path` (below `dir_fd`, or AT_FDCWD) into a fresh NUL-terminated buffer, which the
 * caller frees with g_free().  -EFBIG when it holds more than `max` bytes. */
int file_read(int dir_fd, const char *path, size_t max, char **ret_text, size_t *ret_size);

/* As file_read(), from the current position of an open descriptor. */
int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_size);

/* Write all `size` bytes; short writes are continued. */
int file_write_all(int fd, const void *data, size_t size);

/* Make `path` with `mode`, or check that what stands there is a directory (no symbolic link) of
 * this process's effective user that neither group nor others may write: -ENOTDIR, -EPERM. */
int file_make_directory(const char *path, mode_t mode);

/* The next entry of an open folder, or NULL after the last: readdir(), whose own answer to an error
 * looks like the end. */
int file_next_entry(DIR *folder, struct dirent **ret_entry);

/* The name of an entry of `folder` that begins with `prefix`, which the caller frees with g_free(),
 * or NULL if there is none: said only after all of the folder has been read. */
int file_find_prefix(const char *folder, const char *prefix, char **ret_name);
