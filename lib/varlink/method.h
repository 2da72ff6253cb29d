/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A method, and what it does with its calls.
 *
 * A call that is let go of without an answer is answered with io.systemd.System, ENOTRECOVERABLE.
 * Answers to a call whose peer has gone, or whose server has been freed, are dropped. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "lib/varlink/dispatch.h"
#include "lib/varlink/json.h"
#include "lib/varlink/types.h"

typedef struct VarlinkMethod {
        const char *name;           /* "org.example.Interface.Method" */
        const VarlinkField *fields; /* how its parameters fill the struct; NULL if it takes none */
        size_t n_fields;
        size_t parameters_size; /* of the struct */
        /* Answer the call: exactly one of the varlink_call_reply/_error functions, now or, with a
         * reference kept, later.  NULL: answered with org.varlink.service.MethodNotImplemented.
         * `parameters` points to the filled struct, valid as long as the call is.  Each method name
         * must be described by one of the server's interfaces, and the server refuses what does not
         * fit that description before this is called. */
        void (*handle)(VarlinkCall *call, const void *parameters, void *userdata);
        /* Optional: asked when the parameters are known to fit the description, before anything
         * looks at the call's descriptors; returns an error id to refuse the call with, or NULL.
         * For "the whole interface is not supported here". */
        const char *(*gate)(VarlinkCall *call, void *userdata);
        /* A call without `more` is refused with org.varlink.service.ExpectedMore. */
        bool requires_more;
} VarlinkMethod;

/* calls */

#define VARLINK_ERROR_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_ERROR_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_ERROR_METHOD_NOT_IMPLEMENTED "org.varlink.service.MethodNotImplemented"
#define VARLINK_ERROR_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_ERROR_PERMISSION_DENIED "org.varlink.service.PermissionDenied"
#define VARLINK_ERROR_EXPECTED_MORE "org.varlink.service.ExpectedMore"
#define VARLINK_ERROR_SYSTEM "io.systemd.System"

VarlinkCall *varlink_call_ref(VarlinkCall *call);
void varlink_call_unref(VarlinkCall *call);

const char *varlink_call_method(const VarlinkCall *call);
const VarlinkPeer *varlink_call_peer(const VarlinkCall *call);
uint32_t varlink_call_account(const VarlinkCall *call);
bool varlink_call_wants_more(const VarlinkCall *call);
/* Whether the peer has gone: the answer will be thrown away, and a long one can be given up. */
bool varlink_call_is_gone(const VarlinkCall *call);

/* The descriptor at `index` (0-based position in the message), or NULL if there is none.  The fd
 * stays the call's, unless stolen by setting it to -1. */
VarlinkDescriptor *varlink_call_descriptor(VarlinkCall *call, int64_t index);

/* Send a descriptor with the answer that follows; *ret_index is what the answer's parameters call
 * it by.  An error sends none.  -E2BIG: there are VARLINK_DESCRIPTORS_MAX already. */
int varlink_call_push_descriptor(VarlinkCall *call, int take_fd, int64_t *ret_index);

/* Answer with `take_parameters` (NULL: none).  A oneway call's answer is dropped. */
void varlink_call_reply(VarlinkCall *call, json_t *take_parameters);

/* One of several answers to a call with `more`: sent with continues:true; the last is
 * varlink_call_reply() or an error.  Returns -EAGAIN when VARLINK_OUTPUT_HIGH is passed, or when
 * others have their turn (the answer is queued all the same): go on when `resume` is called, from
 * the main loop.  It is called when
 * the peer has gone, too, so that the call can be ended (varlink_call_is_gone()); a reference must
 * be kept until then.  Calling this for a call without `more` is a programming error. */
int varlink_call_reply_more(
        VarlinkCall *call, json_t *take_parameters,
        void (*resume)(VarlinkCall *call, void *userdata), void *userdata);

/* Let others have their turn before a call with `more` is worked on: `resume` is called as it is
 * after varlink_call_reply_more() has returned -EAGAIN. */
void varlink_call_yield(
        VarlinkCall *call, void (*resume)(VarlinkCall *call, void *userdata), void *userdata);

void varlink_call_error(VarlinkCall *call, const char *error_id, json_t *take_parameters);

/* org.varlink.service.InvalidParameter {parameter: field}. */
void varlink_call_invalid_parameter(VarlinkCall *call, const char *field);

/* io.systemd.System {origin: "linux", errno, errnoName} (protocol: an internal failure without an
 * id of its own).  `error` is an errno, negative or positive. */
void varlink_call_errno(VarlinkCall *call, int error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkCall, varlink_call_unref)
