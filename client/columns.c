/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/columns.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/message.h"

#define GAP 1u /* libsmartcols's own, between columns */

struct Columns {
        const ColumnTitle *titles;
        size_t n_titles;
        const ColumnsStyle *style;
        size_t *widths; /* by title: of the widest cell, at least */
        struct libscols_table *table;
        struct libscols_line *line; /* the last one; the table's */
};

/* What libsmartcols fails for is memory, as GLib does. */
static void need(bool done) {
        if (!done)
                g_error("libsmartcols: out of memory");
}

ColumnsStyle columns_style(void) {
        const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
        struct winsize size;
        ColumnsStyle style = {};

        if (!isatty(STDOUT_FILENO))
                return style;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
                style.width = size.ws_col;
        style.colours = !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
        return style;
}

/* chosen columns */

GArray *columns_choose(
        const ColumnTitle *titles, size_t n_titles, const char *text, char **ret_unknown) {
        g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(size_t));
        g_auto(GStrv) names = g_strsplit(text, ",", -1);

        for (size_t i = 0; names[i]; i++) {
                size_t column = 0;

                while (column < n_titles && g_ascii_strcasecmp(titles[column].text, names[i]) != 0)
                        column++;
                if (column == n_titles) {
                        *ret_unknown = g_strdup(names[i]);
                        return NULL;
                }
                g_array_append_val(chosen, column);
        }
        if (chosen->len == 0) {
                *ret_unknown = g_strdup("");
                return NULL;
        }
        return g_steal_pointer(&chosen);
}

static size_t n_shown(const Columns *columns) {
        return columns->style->chosen ? columns->style->chosen->len : columns->n_titles;
}

/* The title of the column that is the `i`th to be shown. */
static size_t shown(const Columns *columns, size_t i) {
        return columns->style->chosen ? g_array_index(columns->style->chosen, size_t, i) : i;
}

/* rows */

Columns *columns_new(const ColumnTitle *titles, size_t n_titles, const ColumnsStyle *style) {
        Columns *columns = g_new(Columns, 1);

        *columns = (Columns){
                .titles = titles,
                .n_titles = n_titles,
                .style = style,
                .widths = g_new0(size_t, n_titles),
                .table = scols_new_table(),
        };
        need(columns->table);
        for (size_t i = 0; i < n_shown(columns); i++) {
                const ColumnTitle *title = titles + shown(columns, i);
                int flags =
                        (title->right ? SCOLS_FL_RIGHT : 0) | (title->shrink ? SCOLS_FL_TRUNC : 0);

                need(scols_table_new_column(columns->table, title->text, title->width, flags));
        }
        (void) scols_table_enable_noheadings(columns->table, style->no_headings);
        (void) scols_table_enable_colors(columns->table, style->colours);
        (void) scols_table_enable_raw(columns->table, style->raw);
        (void) scols_table_enable_noencoding(columns->table, !style->raw);
        return columns;
}

void columns_free(Columns *columns) {
        if (!columns)
                return;
        scols_unref_table(columns->table);
        g_free(columns->widths);
        g_free(columns);
}

void columns_add(Columns *columns, char **take_cells) {
        columns->line = scols_table_new_line(columns->table, NULL);
        need(columns->line);
        for (size_t i = 0; i < n_shown(columns); i++) {
                size_t column = shown(columns, i);
                const char *text = take_cells[column] ?: "-";
                /* Raw cells are escaped by libsmartcols, which a second time would not make better.
                 */
                g_autofree char *cell = columns->style->raw ? g_strdup(text) : message_escape(text);

                columns->widths[column] = MAX(columns->widths[column], strlen(cell));
                need(scols_line_set_data(columns->line, i, cell) == 0);
        }
        for (size_t i = 0; i < columns->n_titles; i++)
                g_free(take_cells[i]);
}

void columns_paint(Columns *columns, size_t column, ColumnsColour colour) {
        static const char *const names[] = {
                [COLUMNS_GOOD] = "green",
                [COLUMNS_DOUBTFUL] = "yellow",
                [COLUMNS_BAD] = "red",
        };

        if (colour == COLUMNS_PLAIN || !columns->style->colours || columns->style->raw)
                return;
        for (size_t i = 0; i < n_shown(columns); i++)
                if (shown(columns, i) == column)
                        need(scols_cell_set_color(
                                     scols_line_get_cell(columns->line, i), names[colour]) == 0);
}

/* How wide it is when all is cut that may be. */
static size_t least_width(const Columns *columns) {
        size_t width = 0;

        for (size_t i = 0; i < n_shown(columns); i++) {
                const ColumnTitle *title = columns->titles + shown(columns, i);
                size_t content = title->shrink ? 0 : columns->widths[shown(columns, i)];

                width += MAX(MAX(strlen(title->text), content), title->width) + GAP;
        }
        return width - GAP;
}

void columns_print(const Columns *columns, FILE *file) {
        unsigned width = columns->style->width;
        bool cut = width >= least_width(columns);

        /* Told to make it narrower than it can, libsmartcols 2.39 to 2.40 never ends: util-linux
         * issue 3003. */
        need(scols_table_set_stream(columns->table, file) == 0);
        (void) scols_table_set_termforce(
                columns->table, cut ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
        if (cut)
                (void) scols_table_set_termwidth(columns->table, width);
        need(scols_print_table(columns->table) == 0);
}
