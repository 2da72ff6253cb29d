/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>

#include <glib.h>

#include "lib/varlink/message.h"
#include "tests/fuzz/fuzz.h"

/* Any bytes as a call and as a reply; what parses can be written and parsed again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_auto(VarlinkCallMessage) call = { 0 };
        g_auto(VarlinkReplyMessage) reply = { 0 };
        const char *text = (const char *) data;

        if (varlink_call_message_parse(text, size, &call) == 0) {
                g_auto(VarlinkCallMessage) again = { 0 };
                char *formatted;
                size_t formatted_size;

                g_assert_cmpint(
                        varlink_call_message_format(
                                call.method, call.parameters, call.more, &formatted,
                                &formatted_size),
                        ==, 0);
                g_assert_cmpint(
                        varlink_call_message_parse(formatted, formatted_size - 1, &again), ==, 0);
                g_assert_cmpstr(again.method, ==, call.method);
                g_assert_cmpint(again.more, ==, call.more);
                free(formatted);
        }
        (void) varlink_reply_message_parse(text, size, &reply);
        return 0;
}
