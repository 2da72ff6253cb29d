/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/message.h"

#include <glib.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How many bytes at `text` are one character that may be shown as it is; 0: none. */
static size_t printable_size(const char *text) {
        gunichar character;

        if ((unsigned char) *text < 0x80)
                return g_ascii_isprint(*text) && *text != '\\' ? 1 : 0;
        /* Beyond ASCII only if the terminal reads UTF-8: elsewhere the same bytes can be control
         * codes. */
        if (!g_get_charset(NULL))
                return 0;
        character = g_utf8_get_char_validated(text, -1);
        if (character == (gunichar) -1 || character == (gunichar) -2 ||
            !g_unichar_isprint(character))
                return 0;
        return (size_t) g_unichar_to_utf8(character, NULL);
}

char *message_escape(const char *text) {
        GString *escaped = g_string_new(NULL);

        while (*text) {
                size_t n = printable_size(text);

                if (n > 0)
                        g_string_append_len(escaped, text, (gssize) n);
                else if (*text == '\\')
                        g_string_append(escaped, "\\\\");
                else
                        g_string_append_printf(escaped, "\\x%02x", (unsigned char) *text);
                text += n > 0 ? n : 1;
        }
        return g_string_free(escaped, FALSE);
}

static void write_line(const char *prefix, const char *text) {
        g_autofree char *escaped = message_escape(text);

        fprintf(stderr, "%s%s\n", prefix, escaped);
}

void message_error(const char *next, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        write_line("nsresourcectl: ", text);
        if (next)
                write_line("    next: ", next);
}

void message_note(const char *format, ...) {
        g_autofree char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        write_line("nsresourcectl: ", text);
}

char *message_time(uint64_t usec) {
        g_autoptr(GDateTime) time = NULL;
        char *text = NULL;

        if (usec > 0 && usec / G_USEC_PER_SEC <= G_MAXINT64)
                time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
        if (time)
                text = g_date_time_format(time, "%Y-%m-%d %H:%M:%S");
        return text ?: g_strdup("-");
}

char *message_user(uint32_t uid) {
        const struct passwd *entry = getpwuid((uid_t) uid);
        g_autofree char *name = NULL;

        if (!entry)
                return g_strdup_printf("%u", uid);
        name = message_escape(entry->pw_name);
        return g_strdup_printf("%u (%s)", uid, name);
}
