/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "daemon/allocator/allocator.h"
#include "daemon/api/errors.h"
#include "daemon/api/api.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/door/door.h"

/* The methods of io.systemd.NamespaceResource that give a namespace which is known already
 * something more.  As in api/namespace.c, checks and their order are the protocol's. */

#define FIELD_MOUNT "mountFileDescriptor"
#define FIELD_CGROUP "controlGroupFileDescriptor"

typedef struct AddParameters {
        int64_t userns;
        int64_t what;
} AddParameters;

static const VarlinkField mount_fields[] = {
        { API_FIELD_USERNS, VARLINK_FIELD_INT, offsetof(AddParameters, userns),
          VARLINK_FIELD_REQUIRED },
        { FIELD_MOUNT, VARLINK_FIELD_INT, offsetof(AddParameters, what), VARLINK_FIELD_REQUIRED },
};

static const VarlinkField cgroup_fields[] = {
        { API_FIELD_USERNS, VARLINK_FIELD_INT, offsetof(AddParameters, userns),
          VARLINK_FIELD_REQUIRED },
        { FIELD_CGROUP, VARLINK_FIELD_INT, offsetof(AddParameters, what), VARLINK_FIELD_REQUIRED },
};

static const char *api_mount_gate(VarlinkCall *call, void *userdata) {
        const char *refusal = api_namespace_gate(call, userdata);

        if (refusal)
                return refusal;
        return varlink_call_peer(call)->uid == 0 ? NULL : VARLINK_ERROR_PERMISSION_DENIED;
}

/* The descriptor at `index`, opened with no flag beyond `flags` and those that mean nothing; NULL:
 * the call has been answered. */
static const VarlinkDescriptor *api_descriptor(VarlinkCall *call, int64_t index, int flags) {
        const VarlinkDescriptor *descriptor = varlink_call_descriptor(call, index);

        if (!descriptor) {
                varlink_call_errno(call, ENXIO);
                return NULL;
        }
        if (descriptor->open_flags & ~(API_OPEN_FLAGS | flags)) {
                varlink_call_errno(call, EREMOTEIO);
                return NULL;
        }
        return descriptor;
}

/* Nothing of the mount is kept: the policy judges superblocks, and a mount with the namespace's
 * id-map would keep the range from ever becoming free. */
static void api_add_mount(VarlinkCall *call, const void *parameters, void *userdata) {
        ApiContext *context = userdata;
        const AddParameters *p = parameters;
        const VarlinkDescriptor *mount = api_descriptor(call, p->what, O_PATH | O_DIRECTORY);
        AllocatorRequest request = {};
        uint32_t record;
        int r;

        if (!mount)
                return;
        if (mount->kind != DOOR_KIND_DIRECTORY && mount->kind != DOOR_KIND_CGROUP) {
                varlink_call_errno(call, ENOTDIR);
                return;
        }
        if (mount->detail == 0) {
                varlink_call_errno(call, EOPNOTSUPP);
                return;
        }
        if (!api_check_userns(context, call, p->userns, &request))
                return;
        r = allocator_find(context->allocator, &request.identity, &record);
        if (r != 0)
                api_answer_allocator_error(call, r);
        else
                varlink_call_reply(call, NULL);
}

static void api_add_cgroup(VarlinkCall *call, const void *parameters, void *userdata) {
        ApiContext *context = userdata;
        const AddParameters *p = parameters;
        const VarlinkDescriptor *directory;
        AllocatorRequest request = {};
        g_autoptr(Cgroup) cgroup = NULL;
        int r;

        if (!api_check_userns(context, call, p->userns, &request))
                return;
        directory = api_descriptor(call, p->what, O_DIRECTORY);
        if (!directory)
                return;
        if (directory->kind != DOOR_KIND_CGROUP || !context->cgroups) {
                varlink_call_invalid_parameter(call, FIELD_CGROUP);
                return;
        }
        r = cgroup_open(context->cgroups, directory->detail, &cgroup);
        if (r > 0) {
                varlink_call_invalid_parameter(call, FIELD_CGROUP);
                return;
        }
        if (r == 0)
                r = allocator_add_cgroup(
                        context->allocator, &request.identity, cgroup,
                        varlink_call_peer(call)->uid);
        if (r != 0)
                api_answer_allocator_error(call, r);
        else
                varlink_call_reply(call, NULL);
}

#define METHOD(name) "io.systemd.NamespaceResource." name

const VarlinkMethod api_container_methods[] = {
        {
                .name = METHOD("AddMountToUserNamespace"),
                .fields = mount_fields,
                .n_fields = G_N_ELEMENTS(mount_fields),
                .parameters_size = sizeof(AddParameters),
                .handle = api_add_mount,
                .gate = api_mount_gate,
        },
        {
                .name = METHOD("AddControlGroupToUserNamespace"),
                .fields = cgroup_fields,
                .n_fields = G_N_ELEMENTS(cgroup_fields),
                .parameters_size = sizeof(AddParameters),
                .handle = api_add_cgroup,
                .gate = api_namespace_gate,
        },
};
const size_t api_container_n_methods = G_N_ELEMENTS(api_container_methods);
