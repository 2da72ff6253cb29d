/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text for people.  Bytes that came from a daemon, a file name or another user reach a terminal
 * only by way of these functions: control characters, and whatever else could drive it, are
 * escaped. */

#include <stdint.h>

/* A copy of `text` in which everything but printable characters of the locale is \xNN, and \ is \\;
 * the caller frees it. */
char *message_escape(const char *text);

/* "nsresourcectl: CAUSE" on standard error, and what to do next on a line of its own unless `next`
 * is NULL. */
void message_error(const char *next, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As message_error(), for what is no failure. */
void message_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "2026-11-22 14:03:11" in the local time zone, or "-" for 0 and what no clock shows; the caller
 * frees it. */
char *message_time(uint64_t usec);

/* "1000 (alice)", or "1000" if nobody has that UID; the caller frees it.  Asks NSS. */
char *message_user(uint32_t uid);
