/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables for people, and for their scripts: all that nsresourcectl prints in columns is printed by
 * libsmartcols, and only this module calls it.
 *
 * Cells are text of others (names, a daemon's messages).  What could drive a terminal is escaped
 * here, by message_escape(): libsmartcols would let through what turns the direction of text round,
 * and loops or crashes over some bytes that are no text when it has to cut them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <glib.h>

typedef struct Columns Columns;

typedef struct ColumnTitle {
        const char *text;
        bool right;     /* numbers */
        bool shrink;    /* may be cut when the terminal is too narrow */
        unsigned width; /* at least so wide */
} ColumnTitle;

typedef struct ColumnsStyle {
        unsigned width; /* characters a line; 0, or too few for what may not be cut: as it comes */
        bool colours;
        bool no_headings;
        bool raw;             /* one blank between cells, none in them: \x20 */
        const GArray *chosen; /* of size_t: which columns, in this order; NULL: all */
} ColumnsStyle;

typedef enum ColumnsColour {
        COLUMNS_PLAIN,
        COLUMNS_GOOD,
        COLUMNS_DOUBTFUL,
        COLUMNS_BAD,
} ColumnsColour;

/* For standard output: the width of the terminal that it is, if it is one; colours there, unless
 * NO_COLOR is set or TERM says that there are none. */
ColumnsStyle columns_style(void);

/* Columns by their titles: "name,OWNER", in any case.  The caller unrefs the array.  NULL if one of
 * them does not exist; *ret_unknown is its name then, which the caller frees. */
GArray *columns_choose(
        const ColumnTitle *titles, size_t n_titles, const char *text, char **ret_unknown);

/* `titles` and `style` are borrowed for the life of the table. */
Columns *columns_new(const ColumnTitle *titles, size_t n_titles, const ColumnsStyle *style);
void columns_free(Columns *columns);

/* Add a row; takes the cells, one for each title, chosen or not (NULL is "-"). */
void columns_add(Columns *columns, char **take_cells);

/* Paint a cell of the row that was added last; does nothing where there are no colours. */
void columns_paint(Columns *columns, size_t column, ColumnsColour colour);

/* Write it all, titles first; nothing if there is no row. */
void columns_print(const Columns *columns, FILE *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Columns, columns_free)
