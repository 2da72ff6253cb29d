/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib.h>

#include "lib/varlink/interface.h"
#include "lib/varlink/message.h"
#include "tests/fuzz/fuzz.h"

/* An interface text, a NUL, and the parameters of its method M. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        size_t text_size = strnlen((const char *) data, size);
        g_autoptr(VarlinkInterface) interface = NULL;
        g_autoptr(json_t) parameters = NULL;
        const VarlinkInterfaceMethod *method;
        const char *field = NULL;
        unsigned line = 0;

        if (varlink_interface_parse(text, &interface, &line) < 0) {
                g_assert_cmpuint(line, >, 0);
                return 0;
        }
        g_assert_nonnull(varlink_interface_name(interface));
        method = varlink_interface_find_method(interface, "M");
        if (!method || text_size + 1 >= size)
                return 0;
        parameters = json_loadb(
                (const char *) data + text_size + 1, size - text_size - 1, JSON_ALLOW_NUL, NULL);
        if (!json_is_object(parameters))
                return 0;
        g_assert_cmpint(
                varlink_interface_method_accepts(method, parameters, &field), ==, field == NULL);
        return 0;
}
