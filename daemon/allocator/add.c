/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include "daemon/allocator/end.h"
#include "daemon/allocator/record.h"
#include "daemon/allocator/state.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/state/details.h"
#include "lib/table/write.h"

int allocator_find(Allocator *allocator, const UsernsIdentity *userns, uint32_t *ret_record) {
        TableWriter *table = allocator->config.table;
        uint32_t record = table_writer_find_userns(table, userns->inode, userns->id);

        /* What never became active was never answered for; what is dead had this number before. */
        if (record == TABLE_NONE || table_writer_state(table, record) != TABLE_STATE_ACTIVE ||
            allocator_release_if_dead(allocator, record))
                return ALLOCATOR_E_NOT_REGISTERED;
        *ret_record = record;
        return 0;
}

/* Whether the list takes it: asked before whose it is, as the protocol has it. */
static int check_cgroup_list(
        Details *details, uint32_t record, const DetailsKey *key, uint64_t id) {
        uint64_t ids[DETAILS_CGROUPS_MAX];
        uint32_t n;
        int r;

        r = details_cgroups(details, record, key, ids, &n);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < n; i++)
                if (ids[i] == id)
                        return ALLOCATOR_E_CGROUP_EXISTS;
        return n >= DETAILS_CGROUPS_MAX ? ALLOCATOR_E_CGROUPS_MAX : 0;
}

int allocator_add_cgroup(
        Allocator *allocator, const UsernsIdentity *userns, const Cgroup *cgroup,
        uint32_t peer_uid) {
        Details *details = allocator->config.details;
        const TableRecord *range;
        DetailsKey key;
        uint32_t record;
        int r;

        if (!details)
                return -EOPNOTSUPP;
        r = allocator_find(allocator, userns, &record);
        if (r != 0)
                return r;
        range = table_writer_record(allocator->config.table, record);
        if (range->size == 0)
                return ALLOCATOR_E_WITHOUT_RANGE;
        key = allocator_details_key(range);
        r = check_cgroup_list(details, record, &key, cgroup_id(cgroup));
        if (r != 0)
                return r;
        if (peer_uid != 0 && (peer_uid != range->owner_uid || !cgroup_belongs_to(cgroup, peer_uid)))
                return ALLOCATOR_E_NOT_OWNER;

        r = details_add_cgroup(details, record, &key, cgroup_id(cgroup));
        if (r != 0)
                return r < 0 ? r : -ENOTRECOVERABLE;
        r = cgroup_hand_over(cgroup, range->start, range->start);
        if (r != 0)
                (void) details_remove_cgroup(details, record, &key, cgroup_id(cgroup));
        return r;
}
