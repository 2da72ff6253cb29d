/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/message.h"

#include <errno.h>
#include <string.h>

typedef struct Member {
        const char *key;
        int (*take)(json_t *value, void *ret);
        void *ret;
} Member;

/* Make integers again of the reals that are some; at most as deep as the parser goes (2048). */
static json_t *restore_integers(json_t *value) {
        json_int_t integer;
        const char *key;
        json_t *member;
        void *next;
        size_t i;

        if (json_is_real(value) && json_integer_from_real(json_real_value(value), &integer))
                return json_integer(integer);
        json_object_foreach_safe(value, next, key, member)(void)
                json_object_set_new_nocheck(value, key, restore_integers(member));
        json_array_foreach(value, i, member)(void)
                json_array_set_new(value, i, restore_integers(member));
        return json_incref(value);
}

static int parse_object(const char *text, size_t size, json_t **ret_object) {
        size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
        g_autoptr(json_t) object = NULL;
        json_error_t error;

        object = json_loadb(text, size, flags, &error);
        if (!object && json_error_code(&error) == json_error_numeric_overflow) {
                object = json_loadb(text, size, flags | JSON_DECODE_INT_AS_REAL, &error);
                if (object)
                        json_decref(restore_integers(object));
        }
        if (!json_is_object(object))
                return -EBADMSG;
        *ret_object = g_steal_pointer(&object);
        return 0;
}

static int take_bool(json_t *value, void *ret) {
        if (!json_is_boolean(value))
                return -EBADMSG;
        *(bool *) ret = json_is_true(value);
        return 0;
}

static int take_string(json_t *value, void *ret) {
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
                return -EBADMSG;
        *(const char **) ret = json_string_value(value);
        return 0;
}

static int take_object(json_t *value, void *ret) {
        if (!json_is_object(value))
                return -EBADMSG;
        *(json_t **) ret = value;
        return 0;
}

static int take_members(json_t *object, const Member *members, size_t n_members) {
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value) {
                size_t i = 0;
                int r;

                while (i < n_members && strcmp(members[i].key, key) != 0)
                        i++;
                if (i == n_members)
                        return -EBADMSG;
                if (json_is_null(value))
                        continue;
                r = members[i].take(value, members[i].ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

int varlink_call_message_parse(const char *text, size_t size, VarlinkCallMessage *ret_message) {
        g_auto(VarlinkCallMessage) message = { 0 };
        const Member members[] = {
                { .key = "method", .take = take_string, .ret = &message.method },
                { .key = "parameters", .take = take_object, .ret = &message.parameters },
                { .key = "oneway", .take = take_bool, .ret = &message.oneway },
                { .key = "more", .take = take_bool, .ret = &message.more },
                { .key = "upgrade", .take = take_bool, .ret = &message.upgrade },
        };
        unsigned n_flags = 0;
        int r;

        r = parse_object(text, size, &message.object);
        if (r < 0)
                return r;
        r = take_members(message.object, members, G_N_ELEMENTS(members));
        if (r < 0)
                return r;
        if (!message.method)
                return -EBADMSG;

        /* Once one is true, another of these keys is invalid whatever its value. */
        for (size_t i = 2; i < G_N_ELEMENTS(members); i++)
                n_flags += json_member(message.object, members[i].key) != NULL;
        if ((message.oneway || message.more || message.upgrade) && n_flags > 1)
                return -EBADMSG;

        *ret_message = message;
        message = (VarlinkCallMessage){ 0 };
        return 0;
}

void varlink_call_message_clear(VarlinkCallMessage *message) {
        json_decref(message->object);
        *message = (VarlinkCallMessage){ 0 };
}

int varlink_reply_message_parse(const char *text, size_t size, VarlinkReplyMessage *ret_message) {
        g_auto(VarlinkReplyMessage) message = { 0 };
        const Member members[] = {
                { .key = "parameters", .take = take_object, .ret = &message.parameters },
                { .key = "error", .take = take_string, .ret = &message.error },
                { .key = "continues", .take = take_bool, .ret = &message.continues },
        };
        int r;

        r = parse_object(text, size, &message.object);
        if (r < 0)
                return r;
        r = take_members(message.object, members, G_N_ELEMENTS(members));
        if (r < 0)
                return r;
        if (message.error && message.continues)
                return -EBADMSG;

        *ret_message = message;
        message = (VarlinkReplyMessage){ 0 };
        return 0;
}

void varlink_reply_message_clear(VarlinkReplyMessage *message) {
        json_decref(message->object);
        *message = (VarlinkReplyMessage){ 0 };
}

static int format_object(json_t *object, char **ret_text, size_t *ret_size) {
        char *text = json_dumps(object, JSON_COMPACT);

        if (!text)
                return -EBADMSG;
        *ret_size = strlen(text) + 1;
        *ret_text = text;
        return 0;
}

int varlink_call_message_format(
        const char *method, json_t *parameters, bool more, char **ret_text, size_t *ret_size) {
        g_autoptr(json_t) object = json_object();

        if (json_object_set_new(object, "method", json_string(method)) < 0)
                return -EBADMSG;
        if (parameters)
                (void) json_object_set(object, "parameters", parameters);
        if (more)
                (void) json_object_set_new(object, "more", json_true());
        return format_object(object, ret_text, ret_size);
}

int varlink_reply_message_format(
        const char *error, json_t *parameters, bool continues, char **ret_text, size_t *ret_size) {
        g_autoptr(json_t) object = json_object();

        if (error && json_object_set_new(object, "error", json_string(error)) < 0)
                return -EBADMSG;
        /* As the reference does since release 262; clients from before it take none for empty. */
        if (json_object_size(parameters) > 0 &&
            json_object_set(object, "parameters", parameters) < 0)
                return -EBADMSG;
        if (continues)
                (void) json_object_set_new(object, "continues", json_true());
        return format_object(object, ret_text, ret_size);
}
