/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file nsswitch.conf: read whole, and replaced so that no process ever reads half of it.
 *
 * Root edits a file whose path may lead through somebody else's folders.  So the folder and the
 * file are opened once, symbolic links nowhere followed, and everything is done through these two
 * descriptors: what is read, whose it is, and what is replaced are one file's, whatever happens to
 * the path meanwhile. */

#define NSSWITCH_FILE_PATH "/etc/nsswitch.conf"
#define NSSWITCH_FILE_SIZE_MAX (256u * 1024)

/* Outcomes. */
enum {
        NSSWITCH_FILE_E_LINK =
                1,              /* it, or a folder on the way, is a symbolic link: another tool's */
        NSSWITCH_FILE_E_FOLDER, /* somebody else can change what is in the folder */
        NSSWITCH_FILE_E_KIND,   /* it is no regular file */
};

/* Read it, to look only: symbolic links are followed.  A missing file is empty, as for glibc.
 * -EINVAL: it holds a NUL byte. */
int nsswitch_file_read(const char *path, char **ret_text);

/* A file that is to be edited. */
typedef struct NsswitchFile NsswitchFile;

/* Open it; a missing file is empty.  Its folder must be ours or root's, and writable by its owner
 * only.  All of the outcomes. */
int nsswitch_file_open(const char *path, NsswitchFile **ret_file);
void nsswitch_file_free(NsswitchFile *file);

/* What it holds; the caller frees it.  -EINVAL: a NUL byte. */
int nsswitch_file_text(NsswitchFile *file, char **ret_text);

/* Replace it by a new file with owner, mode, access list and security label of the old one.  Where
 * a file system is mounted on the file itself it is written in place. */
int nsswitch_file_replace(NsswitchFile *file, const char *text);

#include <glib.h>
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NsswitchFile, nsswitch_file_free)
