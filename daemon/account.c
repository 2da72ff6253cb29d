/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/account.h"

#include "daemon/host/host-ids.h"
#include "lib/table/write.h"

#define CONTAINER_SIZE 65536u

/* Whether this is one of some container's many: no file of the host's knows the UID, and the
 * process is not in our user namespace, as users of a directory are, nor in one of its own. */
static bool is_of_container(const AccountSources *sources, const VarlinkPeer *peer) {
        return peer->uid >= CONTAINER_SIZE && !host_ids_claims(sources->host_ids, peer->uid, 1) &&
               !userns_is_own_user(sources->own_userns, peer->pid, peer->uid);
}

uint32_t account_of_peer(const AccountSources *sources, const VarlinkPeer *peer) {
        if (sources->table) {
                uint32_t record = table_writer_find_id(sources->table, peer->uid);

                /* Slots that the host uses are in nobody's account. */
                if (record != TABLE_NONE &&
                    table_writer_record(sources->table, record)->account_uid != TABLE_NONE)
                        return table_writer_record(sources->table, record)->account_uid;
        }
        if (is_of_container(sources, peer))
                return peer->uid - peer->uid % CONTAINER_SIZE;
        return host_ids_account(sources->host_ids, peer->uid);
}
