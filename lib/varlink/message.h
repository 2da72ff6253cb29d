/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts of varlink messages: calls and replies from JSON and back.  Knows nothing of sockets. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/varlink/json.h"

typedef struct VarlinkCallMessage {
        json_t *object;     /* owned; the others are borrowed from it */
        const char *method; /* free of NUL bytes */
        json_t *parameters; /* an object; NULL if absent */
        bool oneway, more, upgrade;
} VarlinkCallMessage;

typedef struct VarlinkReplyMessage {
        json_t *object;
        json_t *parameters; /* an object; NULL if absent */
        const char *error;  /* NULL: success */
        bool continues;
} VarlinkReplyMessage;

/* Parse the `size` bytes of a call, without the NUL that ends it.  -EBADMSG: not one JSON object in
 * UTF-8, a key twice, a key that is none of a call's, a value of the wrong type, more than one of
 * the flags.
 *
 * An integer that does not fit 64 bits arrives as a real, and a string may hold NUL bytes: so what
 * is wrong with them can be answered with the name of the field, by the checks of
 * varlink/interface.h. */
int varlink_call_message_parse(const char *text, size_t size, VarlinkCallMessage *ret_message);
void varlink_call_message_clear(VarlinkCallMessage *message);

/* The same for a reply. */
int varlink_reply_message_parse(const char *text, size_t size, VarlinkReplyMessage *ret_message);
void varlink_reply_message_clear(VarlinkReplyMessage *message);

/* The text of a call or reply, with the NUL that ends it counted in
 * *ret_size; the caller frees it with free(). `parameters` (borrowed)
 * may be NULL; what is empty is left out of replies.  -EBADMSG: it holds something that JSON
 * cannot. */
int varlink_call_message_format(
        const char *method, json_t *parameters, bool more, char **ret_text, size_t *ret_size);
int varlink_reply_message_format(
        const char *error, json_t *parameters, bool continues, char **ret_text, size_t *ret_size);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkCallMessage, varlink_call_message_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkReplyMessage, varlink_reply_message_clear)
