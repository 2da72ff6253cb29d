/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/columns.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/message.h"

#define GAP 2u        /* between columns */
#define SHRUNK_MIN 8u /* no column is cut further than this */
#define CUT_MARK "~"  /* ends a cell that was cut: one character in every locale */

struct Columns {
        const ColumnTitle *titles;
        size_t n_titles;
        GPtrArray *cells; /* row by row */
};

Columns *columns_new(const ColumnTitle *titles, size_t n_titles) {
        Columns *columns = g_new(Columns, 1);

        *columns = (Columns){
                .titles = titles,
                .n_titles = n_titles,
                .cells = g_ptr_array_new_with_free_func(g_free),
        };
        return columns;
}

void columns_free(Columns *columns) {
        if (!columns)
                return;
        g_ptr_array_free(columns->cells, TRUE);
        g_free(columns);
}

void columns_add(Columns *columns, char **take_cells) {
        for (size_t i = 0; i < columns->n_titles; i++) {
                g_ptr_array_add(columns->cells, message_escape(take_cells[i] ?: "-"));
                g_free(take_cells[i]);
        }
}

/* How wide a text is shown.  Escaped text is valid in the locale. */
static size_t text_width(const char *text) {
        size_t width = 0;

        if (!g_utf8_validate(text, -1, NULL))
                return strlen(text);
        for (; *text; text = g_utf8_next_char(text)) {
                gunichar character = g_utf8_get_char(text);

                width += g_unichar_iszerowidth(character) ? 0 : g_unichar_iswide(character) ? 2 : 1;
        }
        return width;
}

/* The longest start of `text` that is at most `width` wide. */
static char *cut_text(const char *text, size_t width) {
        const char *end = text;
        size_t used = 0;

        if (text_width(text) <= width)
                return g_strdup(text);
        while (*end) {
                gunichar character = g_utf8_get_char(end);
                size_t n = g_unichar_iszerowidth(character) ? 0
                           : g_unichar_iswide(character)    ? 2
                                                            : 1;

                if (used + n + strlen(CUT_MARK) > width)
                        break;
                used += n;
                end = g_utf8_next_char(end);
        }
        return g_strdup_printf("%.*s" CUT_MARK, (int) (end - text), text);
}

static size_t *column_widths(const Columns *columns, unsigned width) {
        size_t *widths = g_new(size_t, columns->n_titles), total = 0;

        for (size_t i = 0; i < columns->n_titles; i++) {
                widths[i] = strlen(columns->titles[i].text);
                for (size_t cell = i; cell < columns->cells->len; cell += columns->n_titles)
                        widths[i] = MAX(widths[i], text_width(columns->cells->pdata[cell]));
                total += widths[i] + (i > 0 ? GAP : 0);
        }
        for (size_t i = 0; width > 0 && i < columns->n_titles && total > width; i++) {
                size_t least = MAX(SHRUNK_MIN, strlen(columns->titles[i].text)), cut;

                if (!columns->titles[i].shrink || widths[i] <= least)
                        continue;
                cut = MIN(widths[i] - least, total - width);
                widths[i] -= cut;
                total -= cut;
        }
        return widths;
}

static void print_cell(
        const ColumnTitle *title, const char *text, size_t width, bool first, bool last,
        FILE *file) {
        g_autofree char *cut = cut_text(text, width);
        int padding = (int) (width - text_width(cut));

        fprintf(file, "%*s", first ? 0 : (int) GAP, "");
        if (title->right)
                fprintf(file, "%*s%s", padding, "", cut);
        else
                fprintf(file, "%s%*s", cut, last ? 0 : padding, "");
}

void columns_print(const Columns *columns, FILE *file, unsigned width) {
        g_autofree size_t *widths = column_widths(columns, width);
        size_t n = columns->n_titles;

        for (size_t i = 0; i < n; i++)
                print_cell(
                        columns->titles + i, columns->titles[i].text, widths[i], i == 0, i == n - 1,
                        file);
        fputc('\n', file);
        for (size_t cell = 0; cell < columns->cells->len; cell++) {
                print_cell(
                        columns->titles + cell % n, columns->cells->pdata[cell], widths[cell % n],
                        cell % n == 0, cell % n == n - 1, file);
                if (cell % n == n - 1)
                        fputc('\n', file);
        }
}

unsigned columns_terminal_width(void) {
        struct winsize size;

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
                return 0;
        return size.ws_col;
}
