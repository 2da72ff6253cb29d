/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/fd.h"
#include "lib/varlink/method.h"
#include "lib/varlink/output.h"
#include "lib/varlink/receive.h"

struct VarlinkCall {
        unsigned n_refs;
        VarlinkConnection *connection;
        VarlinkCallMessage message;
        VarlinkDescriptor *descriptors;
        size_t n_descriptors;
        void *parameters;

        int reply_fds[VARLINK_DESCRIPTORS_MAX];
        size_t n_reply_fds;
        void (*resume)(VarlinkCall *call, void *userdata);
        void *resume_userdata;
        void (*answered)(
                const VarlinkCall *call, const char *error_id, const char *field, void *userdata);
        void *answered_userdata;
        bool is_answered;
};

VarlinkCall *varlink_call_new(
        VarlinkConnection *connection, VarlinkCallMessage *take_message,
        VarlinkDescriptor *take_descriptors, size_t n_descriptors) {
        VarlinkCall *call = g_new(VarlinkCall, 1);

        *call = (VarlinkCall){
                .n_refs = 1,
                .connection = varlink_connection_ref(connection),
                .message = *take_message,
                .descriptors = take_descriptors,
                .n_descriptors = MIN(n_descriptors, VARLINK_DESCRIPTORS_MAX),
        };
        *take_message = (VarlinkCallMessage){ 0 };
        for (size_t i = call->n_descriptors; i < n_descriptors; i++)
                fd_close(take_descriptors[i].fd);
        return call;
}

VarlinkCall *varlink_call_ref(VarlinkCall *call) {
        call->n_refs++;
        return call;
}

static void drop_reply_fds(VarlinkCall *call) {
        for (size_t i = 0; i < call->n_reply_fds; i++)
                fd_close(call->reply_fds[i]);
        call->n_reply_fds = 0;
}

void varlink_call_unref(VarlinkCall *call) {
        if (!call)
                return;
        /* Left unanswered it would hold up its connection for ever. */
        if (call->n_refs == 1 && !call->is_answered)
                varlink_call_errno(call, ENOTRECOVERABLE);
        if (--call->n_refs > 0)
                return;

        drop_reply_fds(call);
        for (size_t i = 0; i < call->n_descriptors; i++)
                fd_close(call->descriptors[i].fd);
        g_free(call->descriptors);
        g_free(call->parameters);
        varlink_call_message_clear(&call->message);
        varlink_connection_unref(call->connection);
        g_free(call);
}

void varlink_call_set_answered(
        VarlinkCall *call,
        void (*answered)(
                const VarlinkCall *call, const char *error_id, const char *field, void *userdata),
        void *userdata) {
        call->answered = answered;
        call->answered_userdata = userdata;
}

const VarlinkCallMessage *varlink_call_message(const VarlinkCall *call) {
        return &call->message;
}

void *varlink_call_allocate_parameters(VarlinkCall *call, size_t size) {
        g_assert(!call->parameters);
        call->parameters = g_malloc0(size);
        return call->parameters;
}

const char *varlink_call_method(const VarlinkCall *call) {
        return call->message.method;
}

const VarlinkPeer *varlink_call_peer(const VarlinkCall *call) {
        return varlink_connection_peer(call->connection);
}

uint32_t varlink_call_account(const VarlinkCall *call) {
        return varlink_connection_account(call->connection);
}

bool varlink_call_wants_more(const VarlinkCall *call) {
        return call->message.more;
}

bool varlink_call_is_gone(const VarlinkCall *call) {
        return varlink_connection_is_gone(call->connection);
}

VarlinkDescriptor *varlink_call_descriptor(VarlinkCall *call, int64_t index) {
        if (index < 0 || (uint64_t) index >= call->n_descriptors)
                return NULL;
        return call->descriptors + index;
}

int varlink_call_push_descriptor(VarlinkCall *call, int take_fd, int64_t *ret_index) {
        auto_fd fd = take_fd;

        if (call->n_reply_fds >= VARLINK_DESCRIPTORS_MAX)
                return -E2BIG;
        *ret_index = (int64_t) call->n_reply_fds;
        call->reply_fds[call->n_reply_fds++] = g_steal_fd(&fd);
        return 0;
}

/* Returns whether the answer could be made. */
static int send_answer(VarlinkCall *call, const char *error, json_t *parameters, bool continues) {
        char *text;
        size_t size;
        int r;

        if (call->message.oneway || varlink_call_is_gone(call)) {
                drop_reply_fds(call);
                return 0;
        }
        r = varlink_reply_message_format(error, parameters, continues, &text, &size);
        if (r < 0)
                return r;
        varlink_connection_send(
                call->connection, text, size,
                call->n_reply_fds > 0 ? g_memdup2(call->reply_fds, call->n_reply_fds * sizeof(int))
                                      : NULL,
                call->n_reply_fds);
        call->n_reply_fds = 0;
        return 0;
}

static void answer(
        VarlinkCall *call, const char *error, json_t *take_parameters, const char *field) {
        g_autoptr(json_t) parameters = take_parameters;

        g_assert(!call->is_answered);
        call->is_answered = true;
        if (error)
                drop_reply_fds(call);
        if (send_answer(call, error, parameters, false) < 0) {
                /* A text that is no UTF-8 got into it: the call has failed, whatever it did. */
                g_autoptr(json_t) system_error = varlink_system_error(EBADMSG);

                drop_reply_fds(call);
                error = VARLINK_ERROR_SYSTEM;
                (void) send_answer(call, error, system_error, false);
        }
        varlink_connection_when_drained(call->connection, NULL, NULL);
        if (call->answered && !varlink_connection_is_closed(call->connection))
                call->answered(call, error, field, call->answered_userdata);
        varlink_connection_next(call->connection);
}

void varlink_call_reply(VarlinkCall *call, json_t *take_parameters) {
        answer(call, NULL, take_parameters, NULL);
}

static void resume(VarlinkConnection *connection, void *userdata) {
        VarlinkCall *call = userdata;

        call->resume(call, call->resume_userdata);
}

void varlink_call_yield(
        VarlinkCall *call, void (*resume_call)(VarlinkCall *call, void *userdata), void *userdata) {
        g_assert(!call->is_answered && call->message.more);
        call->resume = resume_call;
        call->resume_userdata = userdata;
        varlink_connection_when_drained(call->connection, resume, call);
}

int varlink_call_reply_more(
        VarlinkCall *call, json_t *take_parameters,
        void (*resume_call)(VarlinkCall *call, void *userdata), void *userdata) {
        g_autoptr(json_t) parameters = take_parameters;
        int r;

        g_assert(!call->is_answered && call->message.more);
        r = send_answer(call, NULL, parameters, true);
        if (r < 0)
                return r;
        if (!varlink_connection_has_had_its_turn(call->connection))
                return 0;
        varlink_call_yield(call, resume_call, userdata);
        return -EAGAIN;
}

void varlink_call_error(VarlinkCall *call, const char *error_id, json_t *take_parameters) {
        answer(call, error_id, take_parameters, NULL);
}

void varlink_call_invalid_parameter(VarlinkCall *call, const char *field) {
        answer(call, VARLINK_ERROR_INVALID_PARAMETER, json_pack("{s:s}", "parameter", field),
               field);
}

json_t *varlink_system_error(int error) {
        const char *name;

        error = abs(error);
        name = strerrorname_np(error);
        return json_pack("{s:s, s:i, s:s*}", "origin", "linux", "errno", error, "errnoName", name);
}

void varlink_call_errno(VarlinkCall *call, int error) {
        answer(call, VARLINK_ERROR_SYSTEM, varlink_system_error(error), NULL);
}
