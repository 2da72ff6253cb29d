/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/follow.h"

#include <errno.h>
#include <sys/stat.h>

void table_follower_clear(TableFollower *follower) {
        if (follower->open)
                table_view_close(&follower->view);
        follower->open = false;
}

int table_follower_get(TableFollower *follower, const TableView **ret_view) {
        struct stat st;
        int r;

        *ret_view = NULL;
        if (lstat(follower->path, &st) < 0) {
                r = errno == ENOENT || errno == ENOTDIR ? TABLE_READ_E_MISSING : -errno;
                table_follower_clear(follower);
                return r;
        }

        /* Our mapping keeps the old file's inode number from being used again.  A file that shrank
         * would raise SIGBUS when read; the writer never does that, but nobody else has promised.
         */
        if (!follower->open || st.st_dev != follower->device || st.st_ino != follower->inode ||
            st.st_size != follower->size) {
                table_follower_clear(follower);
                r = table_view_open(follower->path, &follower->view);
                if (r != 0)
                        return r;
                follower->open = true;
                /* If the file was replaced between the two calls, these are the old one's: the next
                 * call maps again. */
                follower->device = st.st_dev;
                follower->inode = st.st_ino;
                follower->size = st.st_size;
        }

        *ret_view = &follower->view;
        return 0;
}
