/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/columns.h"
#include "client/message.h"
#include "client/nsswitch.h"
#include "client/nsswitch-file.h"
#include "client/verb.h"

#define NAME_WIDTH 7u /* with a second blank behind the longest, "passwd" */

static const char *const state_texts[] = {
        [NSSWITCH_DISABLED] = "disabled",
        [NSSWITCH_ENABLED] = "enabled",
        [NSSWITCH_LATE] = "enabled, but after systemd: look-ups may wait for other services",
};

static const char *const state_words[] = {
        [NSSWITCH_DISABLED] = "disabled",
        [NSSWITCH_ENABLED] = "enabled",
        [NSSWITCH_LATE] = "late",
};

static int say_syntax_error(const char *path, const char *message) {
        message_error(
                "put \"" NSSWITCH_SERVICE
                "\" after \"files\" in the lines passwd, group and shadow by hand",
                "%s, %s; nothing was changed", path, message);
        return VERB_EXIT_FAILURE;
}

static const char *const outcome_texts[] = {
        [NSSWITCH_FILE_E_LINK] = "a symbolic link leads there",
        [NSSWITCH_FILE_E_FOLDER] = "others than root can change what is in its folder",
        [NSSWITCH_FILE_E_KIND] = "it is no regular file",
};

static const char *const outcome_hints[] = {
        [NSSWITCH_FILE_E_LINK] = "another tool owns this file (authselect?): tell it, or name the "
                                 "real file with --file",
        [NSSWITCH_FILE_E_FOLDER] = "copy the file to a folder that only you can write to",
        [NSSWITCH_FILE_E_KIND] = NULL,
};

static int say_file_error(const char *path, const char *what, int r) {
        const char *hint = r > 0                         ? outcome_hints[r]
                           : r == -EACCES || r == -EPERM ? "try again as root"
                                                         : NULL;

        message_error(
                hint, "cannot %s %s: %s", what, path, r > 0 ? outcome_texts[r] : strerror(-r));
        return VERB_EXIT_FAILURE;
}

static void print_states(const NsswitchState *states) {
        static const ColumnTitle titles[] = {
                { .text = "NAME", .width = NAME_WIDTH },
                { .text = "STATE" },
        };
        static const ColumnsColour colours[] = {
                [NSSWITCH_DISABLED] = COLUMNS_BAD,
                [NSSWITCH_ENABLED] = COLUMNS_GOOD,
                [NSSWITCH_LATE] = COLUMNS_DOUBTFUL,
        };
        ColumnsStyle style = columns_style();
        g_autoptr(Columns) columns = NULL;

        style.no_headings = true;
        columns = columns_new(titles, G_N_ELEMENTS(titles), &style);
        for (int i = 0; i < NSSWITCH_N_DATABASES; i++) {
                columns_add(
                        columns, (char *[]){ g_strdup(nsswitch_database_names[i]),
                                             g_strdup(state_texts[states[i]]) });
                columns_paint(columns, 1, colours[states[i]]);
        }
        columns_print(columns, stdout);
}

static int show_status(const VerbContext *context, const char *path) {
        g_autofree char *text = NULL, *message = NULL;
        NsswitchState states[NSSWITCH_N_DATABASES];
        bool all = true;
        int r;

        r = nsswitch_file_read(path, &text);
        if (r < 0)
                return say_file_error(path, "read", r);
        r = nsswitch_state(text, states, &message);
        if (r != 0)
                return say_syntax_error(path, message);

        for (int i = 0; i < NSSWITCH_N_DATABASES; i++)
                all = all && states[i] != NSSWITCH_DISABLED;
        if (context->json) {
                g_autoptr(json_t) object = json_object();

                for (int i = 0; i < NSSWITCH_N_DATABASES; i++)
                        json_object_set_new(
                                object, nsswitch_database_names[i],
                                json_string(state_words[states[i]]));
                verb_print_json(object);
        } else {
                print_states(states);
        }
        return all ? VERB_EXIT_OK : VERB_EXIT_FAILURE;
}

static int change(const VerbContext *context, const char *path, bool enable) {
        g_autofree char *text = NULL, *edited = NULL, *message = NULL;
        g_autoptr(NsswitchFile) file = NULL;
        bool changed;
        int r;

        r = nsswitch_file_open(path, &file);
        if (r == 0)
                r = nsswitch_file_text(file, &text);
        if (r != 0)
                return say_file_error(path, "read", r);
        r = nsswitch_edit(text, enable, &edited, &message);
        if (r != 0)
                return say_syntax_error(path, message);
        changed = !g_str_equal(text, edited);
        r = changed ? nsswitch_file_replace(file, edited) : 0;
        if (r < 0)
                return say_file_error(path, "change", r);

        if (context->json) {
                g_autoptr(json_t) object = json_pack("{s:b}", "changed", changed);

                verb_print_json(object);
        } else {
                g_autofree char *escaped = message_escape(path);

                printf("%s: " NSSWITCH_SERVICE " %s %s\n", escaped,
                       changed ? "is now" : "was already", enable ? "enabled" : "disabled");
        }
        return VERB_EXIT_OK;
}

static int run_nss(VerbContext *context, int argc, char **argv) {
        const char *path = NSSWITCH_FILE_PATH;
        const Option options[] = {
                { "file", "PATH", "another file than " NSSWITCH_FILE_PATH, &path },
                {},
        };
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_nss, options, argc, argv, &arguments, &status))
                return status;
        if (g_str_equal(arguments[0], "status"))
                return show_status(context, path);
        if (g_str_equal(arguments[0], "enable") || g_str_equal(arguments[0], "disable"))
                return change(context, path, g_str_equal(arguments[0], "enable"));
        message_error(
                "nsresourcectl nss --help", "nss takes enable, disable or status, not \"%s\"",
                arguments[0]);
        return VERB_EXIT_USAGE;
}

const Verb verb_nss = {
        .name = "nss",
        .arguments = "enable|disable|status [--file PATH]",
        .summary = "Have names looked up by libnss_nsresource",
        .help = "Edits /etc/nsswitch.conf: comments, order and everything else stay; what cannot "
                "be\n"
                "understood is not touched.  `status` succeeds if all three databases are "
                "enabled.",
        .n_min = 1,
        .n_max = 1,
        .run = run_nss,
};
