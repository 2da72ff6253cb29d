/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/util/log.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The one mutable file-scope state outside main.c. */
static int log_max_priority = LOG_INFO;

void log_set_max_priority(int max_priority) {
        log_max_priority = max_priority;
}

bool log_enabled(int priority) {
        return priority <= log_max_priority;
}

/* Bytes of a line: a client can make a name as long as a message. */
#define LINE_MAX_SIZE 1024

/* A client chooses names that end up in lines: no newline, escape sequence or other control
 * character of theirs (those of 8 bits, in UTF-8, too) may forge a line or reach a terminal, and
 * they do not fill the journal. */
static void log_escape(char *line) {
        size_t i;

        for (i = 0; line[i] && i < LINE_MAX_SIZE; i++) {
                unsigned char c = (unsigned char) line[i], next = (unsigned char) line[i + 1];

                if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
                        line[i] = '?';
        }
        line[i] = '\0';
}

void log_line(int priority, int error, const char *format, ...) {
        g_autofree char *text = NULL, *line = NULL;
        va_list arguments;

        if (!log_enabled(priority))
                return;

        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        log_escape(text);

        line = g_strdup_printf(
                "%s%.1s%s%s%s%s\n", getenv("JOURNAL_STREAM") ? "<" : g_get_prgname() ?: "nsresource",
                getenv("JOURNAL_STREAM") ? (const char[]){ (char) ('0' + priority), 0 } : ":",
                getenv("JOURNAL_STREAM") ? ">" : " ", text, error != 0 ? ": " : "",
                error != 0 ? g_strerror(abs(error)) : "");

        /* One write a line, so that lines of several processes do not mix.  There is nobody to tell
         * when standard error itself is gone. */
        if (write(STDERR_FILENO, line, strlen(line)) < 0)
                return;
}
