/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables for people: aligned columns, cut to the width of the terminal where that is one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <glib.h>

typedef struct Columns Columns;

typedef struct ColumnTitle {
        const char *text;
        bool right;  /* numbers */
        bool shrink; /* cut first, from the right end, when the terminal is too narrow */
} ColumnTitle;

/* `titles` is borrowed for the life of the table. */
Columns *columns_new(const ColumnTitle *titles, size_t n_titles);
void columns_free(Columns *columns);

/* Add a row; takes the cells, one for each title (NULL is "-"), and escapes them. */
void columns_add(Columns *columns, char **take_cells);

/* Write it all, titles first.  `width` characters a line, 0: as wide as it needs. */
void columns_print(const Columns *columns, FILE *file, unsigned width);

/* The width of the terminal that standard output is, 0 if it is none. */
unsigned columns_terminal_width(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Columns, columns_free)
