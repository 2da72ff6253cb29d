/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/nsswitch.h"

#include <string.h>

#include <glib.h>

const char *const nsswitch_database_names[NSSWITCH_N_DATABASES] = {
        [NSSWITCH_PASSWD] = "passwd",
        [NSSWITCH_GROUP] = "group",
        [NSSWITCH_SHADOW] = "shadow",
};

/* A line that was not there: what glibc does without it, and us. */
#define ADDED_SERVICES "files " NSSWITCH_SERVICE
#define ADDED_MARK " # added by nsresourcectl"

#define BLANKS " \t\r\v\f"
#define NO_TOKEN G_MAXUINT

/* One service, or one action list in brackets: its place in the text. */
typedef struct Token {
        const char *start;
        size_t size;
} Token;

/* One line of the file. */
typedef struct Line {
        const char *start;
        size_t size;      /* with its newline */
        size_t n_content; /* up to a comment or the line's end */
        unsigned number;
        int database;   /* -1: none of ours */
        GArray *tokens; /* of Token; NULL unless it is ours */
} Line;

static void line_clear(void *data) {
        g_clear_pointer(&((Line *) data)->tokens, g_array_unref);
}

static bool token_is(const Token *token, const char *text) {
        return token->size == strlen(text) && memcmp(token->start, text, token->size) == 0;
}

static bool token_is_action(const Token *token) {
        return token->start[0] == '[';
}

/* parsing */

static int syntax_error(const Line *line, const char *why, char **ret_message) {
        *ret_message = g_strdup_printf("line %u: %s", line->number, why);
        return NSSWITCH_E_SYNTAX;
}

static bool is_service_name(const Token *token) {
        for (size_t i = 0; i < token->size; i++)
                if (!g_ascii_isalnum(token->start[i]) && !strchr("_-.", token->start[i]))
                        return false;
        return true;
}

/* "[NOTFOUND=return !UNAVAIL=continue]": pairs of words that glibc knows, in any case. */
static bool is_action_list(const Token *token) {
        static const char *const statuses[] = { "success", "notfound", "unavail", "tryagain",
                                                NULL };
        static const char *const actions[] = { "return", "continue", "merge", NULL };
        g_autofree char *text = g_ascii_strdown(token->start + 1, (gssize) token->size - 2);
        g_auto(GStrv) words = g_strsplit_set(text, BLANKS, -1);
        unsigned n_pairs = 0;

        for (char **word = words; *word; word++) {
                char *status = **word == '!' ? *word + 1 : *word, *equals = strchr(status, '=');

                if (**word == '\0')
                        continue;
                if (!equals)
                        return false;
                *equals = '\0';
                if (!g_strv_contains(statuses, status) || !g_strv_contains(actions, equals + 1))
                        return false;
                n_pairs++;
        }
        return n_pairs > 0;
}

/* Cut the content behind the colon into tokens. */
static int parse_services(Line *line, const char *from, char **ret_message) {
        const char *end = line->start + line->n_content;

        line->tokens = g_array_new(FALSE, FALSE, sizeof(Token));
        while ((from += strspn(from, BLANKS)) < end) {
                const char *stop = from;
                Token token;

                if (*from == '[') {
                        stop = memchr(from, ']', (size_t) (end - from));
                        if (!stop)
                                return syntax_error(line, "a [ without its ]", ret_message);
                        stop++;
                } else {
                        while (stop < end && !strchr(BLANKS "[", *stop))
                                stop++;
                }
                token = (Token){ .start = from, .size = (size_t) (stop - from) };
                if (token_is_action(&token) && line->tokens->len == 0)
                        return syntax_error(line, "starts with an action list", ret_message);
                if (token_is_action(&token) ? !is_action_list(&token) : !is_service_name(&token))
                        return syntax_error(
                                line,
                                token_is_action(&token) ? "an action list of unknown words"
                                                        : "a service with unusual characters",
                                ret_message);
                g_array_append_val(line->tokens, token);
                from = stop;
        }
        return 0;
}

static int parse_line(Line *line, char **ret_message) {
        const char *name = line->start + strspn(line->start, BLANKS);
        const char *end = line->start + line->n_content, *colon;
        size_t n_name;

        if (name >= end)
                return 0;
        colon = memchr(name, ':', (size_t) (end - name));
        if (!colon)
                return syntax_error(line, "there is no colon after the database", ret_message);
        n_name = strcspn(name, BLANKS ":");
        if (name + n_name + strspn(name + n_name, BLANKS) != colon)
                return syntax_error(line, "more than one word before the colon", ret_message);

        for (int i = 0; i < NSSWITCH_N_DATABASES; i++)
                if (n_name == strlen(nsswitch_database_names[i]) &&
                    memcmp(name, nsswitch_database_names[i], n_name) == 0)
                        line->database = i;
        return line->database < 0 ? 0 : parse_services(line, colon + 1, ret_message);
}

/* All lines, whatever they are, in order. */
static int parse_text(const char *text, GArray **ret_lines, char **ret_message) {
        g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));
        bool seen[NSSWITCH_N_DATABASES] = {};

        g_array_set_clear_func(lines, line_clear);
        while (*text) {
                size_t n = strcspn(text, "\n");
                Line line = {
                        .start = text,
                        .size = n + (text[n] == '\n'),
                        .n_content = MIN(n, strcspn(text, "#")),
                        .number = lines->len + 1,
                        .database = -1,
                };
                int r = parse_line(&line, ret_message);

                g_array_append_val(lines, line);
                if (r != 0)
                        return r;
                if (line.database >= 0 && seen[line.database])
                        return syntax_error(&line, "the same database again", ret_message);
                if (line.database >= 0)
                        seen[line.database] = true;
                text += line.size;
        }
        *ret_lines = g_steal_pointer(&lines);
        return 0;
}

static unsigned find_token(const Line *line, const char *service) {
        for (unsigned i = 0; i < line->tokens->len; i++)
                if (token_is(&g_array_index(line->tokens, Token, i), service))
                        return i;
        return NO_TOKEN;
}

/* what is there */

int nsswitch_state(
        const char *text, NsswitchState ret_states[static NSSWITCH_N_DATABASES],
        char **ret_message) {
        g_autoptr(GArray) lines = NULL;
        int r;

        r = parse_text(text, &lines, ret_message);
        if (r != 0)
                return r;
        for (int i = 0; i < NSSWITCH_N_DATABASES; i++)
                ret_states[i] = NSSWITCH_DISABLED;
        for (guint i = 0; i < lines->len; i++) {
                const Line *line = &g_array_index(lines, Line, i);
                unsigned ours;

                if (line->database < 0)
                        continue;
                ours = find_token(line, NSSWITCH_SERVICE);
                if (ours != NO_TOKEN)
                        ret_states[line->database] = find_token(line, "systemd") < ours
                                                             ? NSSWITCH_LATE
                                                             : NSSWITCH_ENABLED;
        }
        return 0;
}

/* changes */

static void append_range(GString *text, const char *from, const char *to) {
        g_string_append_len(text, from, to - from);
}

static int add_service(const Line *line, GString *text, char **ret_message) {
        const char *end = line->start + line->size;
        unsigned files = MIN(find_token(line, "files"), find_token(line, "compat"));
        unsigned systemd = find_token(line, "systemd"), before = MIN(files, systemd);
        const Token *token;

        if (before == NO_TOKEN)
                return syntax_error(
                        line,
                        "neither files nor systemd is asked: where does " NSSWITCH_SERVICE
                        " belong?",
                        ret_message);
        token = &g_array_index(line->tokens, Token, before);
        if (before == files && (files + 1 == line->tokens->len || !token_is_action(token + 1))) {
                append_range(text, line->start, token->start + token->size);
                g_string_append(text, " " NSSWITCH_SERVICE);
                append_range(text, token->start + token->size, end);
        } else {
                append_range(text, line->start, token->start);
                g_string_append(text, NSSWITCH_SERVICE " ");
                append_range(text, token->start, end);
        }
        return 0;
}

/* Without the service, its action lists, and the blanks that parted it from what stands before it
 * (of the first one: after it). */
static void remove_service(const Line *line, unsigned ours, GString *text) {
        const Token *tokens = &g_array_index(line->tokens, Token, 0);
        const char *from = tokens[ours].start, *to;
        unsigned last = ours;

        while (last + 1 < line->tokens->len && token_is_action(tokens + last + 1))
                last++;
        to = tokens[last].start + tokens[last].size;
        if (ours > 0)
                from = tokens[ours - 1].start + tokens[ours - 1].size;
        else
                to += strspn(to, BLANKS);
        append_range(text, line->start, from);
        append_range(text, to, line->start + line->size);
}

static char *added_line(int database) {
        return g_strdup_printf(
                "%s: " ADDED_SERVICES ADDED_MARK "\n", nsswitch_database_names[database]);
}

static bool was_added(const Line *line) {
        g_autofree char *added = added_line(line->database);

        return line->size == strlen(added) && memcmp(line->start, added, line->size) == 0;
}

static int edit_line(const Line *line, bool enable, GString *text, char **ret_message) {
        unsigned ours = line->database < 0 ? NO_TOKEN : find_token(line, NSSWITCH_SERVICE);

        if (line->database >= 0 && enable && ours == NO_TOKEN)
                return add_service(line, text, ret_message);
        if (enable || ours == NO_TOKEN)
                g_string_append_len(text, line->start, (gssize) line->size);
        else if (!was_added(line))
                remove_service(line, ours, text);
        return 0;
}

int nsswitch_edit(const char *text, bool enable, char **ret_text, char **ret_message) {
        g_autoptr(GString) edited = g_string_new(NULL);
        g_autoptr(GArray) lines = NULL;
        bool seen[NSSWITCH_N_DATABASES] = {};
        int r;

        r = parse_text(text, &lines, ret_message);
        for (guint i = 0; r == 0 && i < lines->len; i++) {
                const Line *line = &g_array_index(lines, Line, i);

                if (line->database >= 0)
                        seen[line->database] = true;
                r = edit_line(line, enable, edited, ret_message);
        }
        if (r != 0)
                return r;

        for (int i = 0; enable && i < NSSWITCH_N_DATABASES; i++) {
                g_autofree char *added = added_line(i);

                if (seen[i])
                        continue;
                if (edited->len > 0 && edited->str[edited->len - 1] != '\n')
                        g_string_append_c(edited, '\n');
                g_string_append(edited, added);
        }
        *ret_text = g_string_free(g_steal_pointer(&edited), FALSE);
        return 0;
}
