/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "daemon/allocator/allocator.h"
#include "daemon/api/errors.h"
#include "daemon/api/api.h"
#include "daemon/door/door.h"
#include "daemon/limits.h"
#include "daemon/api/namespace-name.h"
#include "lib/table/format.h"
#include "lib/util/log.h"

/* io.systemd.NamespaceResource.  The checks, their errors and their order are the protocol's:
 * clients and their tests tell what a server can do by which error comes first. */

#define DELEGATIONS_MAX 16

typedef struct AllocateParameters {
        const char *name;
        bool mangle_name;
        int64_t size;
        int64_t target;
        int64_t userns;
        const char *type;
        int64_t delegate;
        bool map_foreign;
} AllocateParameters;

static const VarlinkField allocate_fields[] = {
        { "name", VARLINK_FIELD_STRING, offsetof(AllocateParameters, name),
          VARLINK_FIELD_REQUIRED },
        { "mangleName", VARLINK_FIELD_BOOL, offsetof(AllocateParameters, mangle_name),
          VARLINK_FIELD_OPTIONAL },
        { "size", VARLINK_FIELD_INT, offsetof(AllocateParameters, size), VARLINK_FIELD_REQUIRED },
        { "target", VARLINK_FIELD_INT, offsetof(AllocateParameters, target),
          VARLINK_FIELD_OPTIONAL },
        { API_FIELD_USERNS, VARLINK_FIELD_INT, offsetof(AllocateParameters, userns),
          VARLINK_FIELD_REQUIRED },
        { "type", VARLINK_FIELD_STRING, offsetof(AllocateParameters, type),
          VARLINK_FIELD_OPTIONAL },
        { "delegateContainerRanges", VARLINK_FIELD_INT, offsetof(AllocateParameters, delegate),
          VARLINK_FIELD_OPTIONAL },
        { "mapForeign", VARLINK_FIELD_BOOL, offsetof(AllocateParameters, map_foreign),
          VARLINK_FIELD_OPTIONAL },
};

typedef struct RegisterParameters {
        const char *name;
        bool mangle_name;
        int64_t userns;
} RegisterParameters;

static const VarlinkField register_fields[] = {
        { "name", VARLINK_FIELD_STRING, offsetof(RegisterParameters, name),
          VARLINK_FIELD_REQUIRED },
        { "mangleName", VARLINK_FIELD_BOOL, offsetof(RegisterParameters, mangle_name),
          VARLINK_FIELD_OPTIONAL },
        { API_FIELD_USERNS, VARLINK_FIELD_INT, offsetof(RegisterParameters, userns),
          VARLINK_FIELD_REQUIRED },
};

const char *api_namespace_gate(VarlinkCall *call, void *userdata) {
        const ApiContext *context = userdata;

        return context->refusal ? "io.systemd.NamespaceResource.UserNamespaceInterfaceNotSupported"
                                : NULL;
}

/* A request on its way through the allocator. */
typedef struct Request {
        ApiContext *context;
        VarlinkCall *call;
        char name[TABLE_NAME_MAX + 1];
} Request;

/* To the log, not to the client, whose business other people's namespaces are not.  Clients decide
 * how often: so many lines a minute for all of them, so that they do not crowd out what else is
 * said there. */
static void request_log_holder(const Request *request) {
        ApiContext *context = request->context;
        gint64 now = g_get_monotonic_time();
        g_autofree char *holder = NULL;

        if (now - context->refused_since_usec >= 60 * G_USEC_PER_SEC) {
                context->refused_since_usec = now;
                context->n_refused = 0;
        }
        if (context->n_refused >= LIMIT_NAME_REFUSALS_LOGGED)
                return;
        context->n_refused++;
        holder = allocator_describe_holder(context->allocator, request->name);
        log_notice(
                "UID %u is refused the name \"%s\": it is that of %s",
                varlink_call_peer(request->call)->uid, request->name, holder);
}

static void request_done(int result, void *userdata) {
        g_autofree Request *request = userdata;
        g_autoptr(VarlinkCall) call = request->call;

        if (result == 0)
                varlink_call_reply(call, json_pack("{s:s}", "name", request->name));
        else {
                if (result == ALLOCATOR_E_NAME_EXISTS)
                        request_log_holder(request);
                api_answer_allocator_error(call, result);
        }
}

static bool api_make_name(
        ApiContext *context, VarlinkCall *call, const char *wanted, bool mangle, uint32_t size,
        Request *request) {
        if (namespace_name_make(
                    varlink_call_peer(call)->uid, wanted, mangle, size, context->n_requests++,
                    request->name))
                return true;
        varlink_call_invalid_parameter(call, "name");
        return false;
}

bool api_check_userns(
        const ApiContext *context, VarlinkCall *call, int64_t index, AllocatorRequest *request) {
        const VarlinkDescriptor *descriptor = varlink_call_descriptor(call, index);
        uid_t peer_uid = varlink_call_peer(call)->uid, owner = (uid_t) -1;
        bool parent_is_own = false;
        int r;

        if (!descriptor) {
                varlink_call_errno(call, ENXIO);
                return false;
        }
        if (descriptor->open_flags & ~API_OPEN_FLAGS) {
                varlink_call_errno(call, EREMOTEIO);
                return false;
        }
        if (descriptor->kind != DOOR_KIND_USERNS || descriptor->fd < 0) {
                varlink_call_invalid_parameter(call, API_FIELD_USERNS);
                return false;
        }

        r = userns_inspect(
                descriptor->fd, &context->own_userns, &request->identity, &owner, &parent_is_own);
        request->outer_owner_uid = owner;
        if (r == 0 && !parent_is_own)
                r = userns_outer_owner(
                        descriptor->fd, &context->own_userns, &request->outer_owner_uid);
        if (r < 0) {
                varlink_call_errno(call, r);
                return false;
        }
        if (r == USERNS_E_NOT_USERNS || request->identity.inode == context->own_userns.inode ||
            (peer_uid != 0 && owner != peer_uid)) {
                varlink_call_invalid_parameter(call, API_FIELD_USERNS);
                return false;
        }
        request->userns_fd = descriptor->fd;
        request->owner_uid = owner;
        request->nested = !parent_is_own;
        request->account_uid = varlink_call_account(call);
        return true;
}

/* Everything about the numbers and modes of an allocation that can be said without looking at the
 * namespace. */
static bool api_check_allocate_parameters(VarlinkCall *call, const AllocateParameters *p) {
        if (p->type && strcmp(p->type, "managed") != 0) {
                varlink_call_invalid_parameter(call, "type");
                return false;
        }
        if (p->size < 1 || p->size > TABLE_RANGE_SIZE_MAX) {
                varlink_call_invalid_parameter(call, "size");
                return false;
        }
        /* UINT32_MAX is no UID, and 65535 is none to programs with 16-bit ones. */
        if (p->target < 0 || p->target > (int64_t) UINT32_MAX - p->size ||
            p->target == UINT16_MAX) {
                varlink_call_invalid_parameter(call, "target");
                return false;
        }
        if (p->delegate < 0 || p->delegate > DELEGATIONS_MAX) {
                varlink_call_error(call, "io.systemd.NamespaceResource.TooManyDelegations", NULL);
                return false;
        }
        /* Known to the protocol, not to this version: refused by name, never passed over. */
        if (p->delegate > 0) {
                varlink_call_invalid_parameter(call, "delegateContainerRanges");
                return false;
        }
        if (p->map_foreign) {
                varlink_call_invalid_parameter(call, "mapForeign");
                return false;
        }
        return true;
}

static void api_start(
        ApiContext *context, VarlinkCall *call, Request *take_request,
        AllocatorRequest *allocator_request,
        int (*start)(Allocator *, const AllocatorRequest *, AllocatorDoneFunc, void *)) {
        g_autofree Request *request = take_request;
        int r;

        allocator_request->name = request->name;
        allocator_request->peer_uid = varlink_call_peer(call)->uid;
        allocator_request->peer_gid = varlink_call_peer(call)->gid;
        request->context = context;
        request->call = varlink_call_ref(call);
        r = start(context->allocator, allocator_request, request_done, request);
        if (r == 0) {
                g_steal_pointer(&request);
                return;
        }
        varlink_call_unref(request->call);
        api_answer_allocator_error(call, r);
}

static void api_allocate_user_range(VarlinkCall *call, const void *parameters, void *userdata) {
        ApiContext *context = userdata;
        const AllocateParameters *p = parameters;
        g_autofree Request *request = g_new0(Request, 1);
        AllocatorRequest allocator_request = {};
        bool size_is_valid = p->size >= 1 && p->size <= TABLE_RANGE_SIZE_MAX;

        if (!api_make_name(
                    context, call, p->name, p->mangle_name,
                    size_is_valid ? (uint32_t) p->size : TABLE_SLOT_SIZE, request))
                return;
        if (!api_check_allocate_parameters(call, p))
                return;
        if (!api_check_userns(context, call, p->userns, &allocator_request))
                return;
        allocator_request.size = (uint32_t) p->size;
        allocator_request.target = (uint32_t) p->target;
        api_start(context, call, g_steal_pointer(&request), &allocator_request, allocator_allocate);
}

static void api_register_user_namespace(VarlinkCall *call, const void *parameters, void *userdata) {
        ApiContext *context = userdata;
        const RegisterParameters *p = parameters;
        g_autofree Request *request = g_new0(Request, 1);
        AllocatorRequest allocator_request = {};

        if (!api_make_name(context, call, p->name, p->mangle_name, TABLE_SLOT_SIZE, request))
                return;
        if (!api_check_userns(context, call, p->userns, &allocator_request))
                return;
        api_start(context, call, g_steal_pointer(&request), &allocator_request, allocator_register);
}

#define METHOD(name) "io.systemd.NamespaceResource." name

const VarlinkMethod api_namespace_methods[] = {
        {
                .name = METHOD("AllocateUserRange"),
                .fields = allocate_fields,
                .n_fields = G_N_ELEMENTS(allocate_fields),
                .parameters_size = sizeof(AllocateParameters),
                .handle = api_allocate_user_range,
                .gate = api_namespace_gate,
        },
        {
                .name = METHOD("RegisterUserNamespace"),
                .fields = register_fields,
                .n_fields = G_N_ELEMENTS(register_fields),
                .parameters_size = sizeof(RegisterParameters),
                .handle = api_register_user_namespace,
                .gate = api_namespace_gate,
        },
        /* No handler: MethodNotImplemented. */
        { .name = METHOD("AddNetworkToUserNamespace") },
};
const size_t api_namespace_n_methods = G_N_ELEMENTS(api_namespace_methods);
