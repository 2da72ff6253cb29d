/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file nsswitch.conf: read whole, and replaced so that no process ever reads half of it. */

#define NSSWITCH_FILE_PATH "/etc/nsswitch.conf"
#define NSSWITCH_FILE_SIZE_MAX (256u * 1024)

/* Read it; a missing file is empty, as for glibc.  -EINVAL: it holds a NUL byte. */
int nsswitch_file_read(const char *path, char **ret_text);

/* Replace it by a new file with owner, mode and security label of the old one.  -ELOOP: a symbolic
 * link, which is somebody else's.  Where a file system is mounted on the file itself it is written
 * in place. */
int nsswitch_file_replace(const char *path, const char *text);
