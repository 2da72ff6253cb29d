/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/api/errors.h"

#include <errno.h>

#include "daemon/allocator/allocator.h"
#include "lib/util/log.h"

#define NAMESPACE_RESOURCE "io.systemd.NamespaceResource."

static const struct {
        int outcome;
        const char *error_id; /* NULL: InvalidParameter of `field`, or `error` */
        const char *field;
        int error;
} answers[] = {
        { .outcome = ALLOCATOR_E_NOT_EMPTY, .field = "userNamespaceFileDescriptor" },
        { .outcome = ALLOCATOR_E_NOT_OWN_IDS, .field = "userNamespaceFileDescriptor" },
        { .outcome = ALLOCATOR_E_USERNS_EXISTS,
          .error_id = NAMESPACE_RESOURCE "UserNamespaceExists" },
        { .outcome = ALLOCATOR_E_NAME_EXISTS, .error_id = NAMESPACE_RESOURCE "NameExists" },
        { .outcome = ALLOCATOR_E_NESTED, .error_id = NAMESPACE_RESOURCE "DynamicRangeUnavailable" },
        { .outcome = ALLOCATOR_E_EXHAUSTED, .error_id = NAMESPACE_RESOURCE "NoDynamicRange" },
        { .outcome = ALLOCATOR_E_NOT_REGISTERED,
          .error_id = NAMESPACE_RESOURCE "UserNamespaceNotRegistered" },
        { .outcome = ALLOCATOR_E_WITHOUT_RANGE,
          .error_id = NAMESPACE_RESOURCE "UserNamespaceWithoutUserRange" },
        { .outcome = ALLOCATOR_E_CGROUP_EXISTS,
          .error_id = NAMESPACE_RESOURCE "ControlGroupAlreadyAdded" },
        { .outcome = ALLOCATOR_E_CGROUPS_MAX,
          .error_id = NAMESPACE_RESOURCE "TooManyControlGroups" },
        { .outcome = ALLOCATOR_E_NOT_OWNER, .error_id = VARLINK_ERROR_PERMISSION_DENIED },
        /* The reference's answer at its limit of 256 namespaces. */
        { .outcome = ALLOCATOR_E_QUOTA, .error = EUSERS },
        /* Another, so that people are told what helps: what they end does not. */
        { .outcome = ALLOCATOR_E_QUARANTINED, .error = EDQUOT },
        { .outcome = ALLOCATOR_E_BUSY, .error = EBUSY },
};

void api_answer_allocator_error(VarlinkCall *call, int result) {
        if (result == ALLOCATOR_E_QUARANTINED)
                log_warning(
                        "UID %u gets no more IDs: those it had before are out of use; if no files "
                        "of "
                        "theirs are left, nsresourcectl unenforced clear",
                        varlink_call_account(call));
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                if (answers[i].outcome != result)
                        continue;
                if (answers[i].error_id)
                        varlink_call_error(call, answers[i].error_id, NULL);
                else if (answers[i].field)
                        varlink_call_invalid_parameter(call, answers[i].field);
                else
                        varlink_call_errno(call, answers[i].error);
                return;
        }
        varlink_call_errno(call, result < 0 ? result : ENOTRECOVERABLE);
}
