/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/socket.h"

#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "lib/table/format.h"

bool table_socket_tag(const char *path, uint32_t pool_start, uint32_t n_slots) {
        char ids[2 * sizeof("4294967295")];

        (void) snprintf(
                ids, sizeof(ids), "%u-%u", pool_start, pool_start + n_slots * TABLE_SLOT_SIZE - 1);
        return lsetxattr(path, "user.userdb.uid", ids, strlen(ids), 0) == 0 &&
               lsetxattr(path, "user.userdb.gid", ids, strlen(ids), 0) == 0;
}
