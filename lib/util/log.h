/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines for the journal or a terminal, by priority.  Each line goes to standard error with the
 * "<N>" prefix of sd-daemon(3) when that is the journal, with the program's name otherwise.  Rows 0
 * to 3 of the layer table log nothing above debug.  Bytes of a client that reach a line are
 * escaped: control characters never pass. */

#include <stdbool.h>
#include <syslog.h>

/* Lines of a priority beyond `max_priority` (LOG_ERR ...
 * LOG_DEBUG) are dropped; LOG_INFO at start. */
void log_set_max_priority(int max_priority);

/* Whether a line of this priority would be written. */
bool log_enabled(int priority);

/* Write one line.  `error` is 0 or an errno, negative or positive: its text is appended. */
void log_line(int priority, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_line(LOG_DEBUG, 0, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, 0, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, 0, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, 0, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERR, 0, __VA_ARGS__)
#define log_error_errno(error, ...) log_line(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_line(LOG_WARNING, error, __VA_ARGS__)
