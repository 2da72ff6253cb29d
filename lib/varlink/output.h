/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts and descriptors that wait to be written to a stream socket.  Descriptors go with the first
 * byte of their text, and no byte of an earlier text goes with them. */

#include <stddef.h>

#include <glib.h>

#define VARLINK_OUTPUT_DESCRIPTORS_MAX 253u /* the kernel's SCM_MAX_FD */

typedef struct VarlinkOutput {
        GQueue items;
        size_t size;    /* bytes waiting */
        size_t written; /* of the first item */
} VarlinkOutput;

#define VARLINK_OUTPUT_INIT \
        { .items = G_QUEUE_INIT }

void varlink_output_clear(VarlinkOutput *output);

/* `take_text` is from malloc(), `take_fds` from g_malloc(). */
void varlink_output_add(
        VarlinkOutput *output, char *take_text, size_t size, int *take_fds, size_t n_fds);

/* As varlink_output_add(), with descriptors that stay the caller's and open until they have been
 * written. */
void varlink_output_add_borrowed(
        VarlinkOutput *output, char *take_text, size_t size, const int *fds, size_t n_fds);

/* Write what can be written without waiting.  0: something may be left.  -EPIPE and others: the
 * peer has gone. */
int varlink_output_write(VarlinkOutput *output, int fd);
