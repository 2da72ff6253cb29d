/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "client/message.h"
#include "client/processes.h"
#include "client/range-info.h"
#include "client/verb.h"
#include "lib/util/parse.h"

typedef enum WhoseKind { WHOSE_GUESS, WHOSE_UID, WHOSE_PID, WHOSE_FILE } WhoseKind;

/* One ID that the question is about. */
typedef struct Candidate {
        const char *role; /* "owner", "group", "effective UID" ...; NULL: the question itself */
        uint32_t id;
} Candidate;

#define CANDIDATES_MAX 8u

typedef struct Question {
        const char *text;
        WhoseKind kind; /* not GUESS any more */
        Candidate candidates[CANDIDATES_MAX];
        size_t n_candidates;
} Question;

static void question_add(Question *question, const char *role, uint32_t id) {
        question->candidates[question->n_candidates++] = (Candidate){ role, id };
}

static int ask_file(Question *question) {
        struct stat st;

        /* The link itself, not what it points to: anybody may make a link to anything. */
        if (lstat(question->text, &st) < 0)
                return -errno;
        question->kind = WHOSE_FILE;
        question_add(question, "owner", st.st_uid);
        question_add(question, "group", st.st_gid);
        return 0;
}

static int ask_process(Question *question, uint32_t pid) {
        ProcessIds ids;
        int r;

        r = process_ids(pid, &ids);
        if (r < 0)
                return r;
        question->kind = WHOSE_PID;
        question_add(question, "effective UID", ids.uids[1]);
        question_add(question, "file system UID", ids.uids[3]);
        question_add(question, "real UID", ids.uids[0]);
        question_add(question, "saved UID", ids.uids[2]);
        question_add(question, "effective GID", ids.gids[1]);
        question_add(question, "file system GID", ids.gids[3]);
        question_add(question, "real GID", ids.gids[0]);
        question_add(question, "saved GID", ids.gids[2]);
        return 0;
}

/* A number in the pool is a UID, another one a process; what is no number is a file. */
static int ask(const TableView *view, WhoseKind kind, Question *question) {
        uint32_t number = 0;
        bool is_number = parse_u32(question->text, &number);

        if (kind == WHOSE_FILE || (kind == WHOSE_GUESS && !is_number))
                return ask_file(question);
        if (!is_number)
                return -EINVAL;
        if (kind == WHOSE_UID ||
            (kind == WHOSE_GUESS && number >= view->pool_start &&
             number - view->pool_start < (uint64_t) view->n_slots * TABLE_SLOT_SIZE)) {
                question->kind = WHOSE_UID;
                question_add(question, NULL, number);
                return 0;
        }
        return ask_process(question, number);
}

static void say_no_question(const char *text, int error) {
        const char *next = "nsresourcectl whose --help";

        if (error == -ESRCH)
                message_error(
                        next, "there is no process %s, and as a UID it is none of the pool's",
                        text);
        else
                message_error(next, "%s: %s", text, strerror(-error));
}

/* Find each ID of the question that a namespace has, once. */
static int answer_question(const TableView *view, const Question *question, json_t **ret_answers) {
        g_autoptr(json_t) answers = json_array();
        uint32_t last = TABLE_NONE;

        for (size_t i = 0; i < question->n_candidates; i++) {
                const Candidate *candidate = question->candidates + i;
                TableAnswer answer;
                json_t *info;
                int r;

                r = table_find_id(view, candidate->id, &answer);
                if (r == TABLE_READ_E_NOT_FOUND || (r == 0 && answer.id == last))
                        continue;
                if (r != 0)
                        return r;
                last = answer.id;
                info = range_info_new_for_id(&answer);
                if (candidate->role)
                        json_object_set_new(info, "role", json_string(candidate->role));
                json_array_append_new(answers, info);
        }
        if (json_array_size(answers) == 0)
                return TABLE_READ_E_NOT_FOUND;
        *ret_answers = g_steal_pointer(&answers);
        return 0;
}

static void say_not_found(const Question *question) {
        uint32_t id = question->candidates[0].id;

        if (question->kind == WHOSE_FILE)
                message_error(
                        NULL, "%s is owned by %u:%u, which belong to no namespace", question->text,
                        id, question->candidates[1].id);
        else if (question->kind == WHOSE_PID)
                message_error(
                        NULL, "process %s runs as UID %u, which belongs to no namespace",
                        question->text, id);
        else
                message_error(NULL, "UID %s belongs to no namespace now", question->text);
}

static void print_answers(const Question *question, const json_t *answers) {
        const json_t *info;
        size_t index;

        json_array_foreach(answers, index, info) {
                const char *role = json_string_value(json_object_get(info, "role"));
                g_autofree char *text = message_escape(question->text);

                if (index > 0)
                        putchar('\n');
                if (role)
                        printf("%-11s %s of %s%s\n", "", role,
                               question->kind == WHOSE_PID ? "process " : "", text);
                range_info_print(info);
        }
}

static int run_question(const VerbContext *context, WhoseKind kind, Question *question) {
        g_autoptr(json_t) answers = NULL;
        TableView view;
        int r;

        if (range_info_open(context->table, &view) != 0)
                return VERB_EXIT_FAILURE;
        r = ask(&view, kind, question);
        if (r < 0) {
                say_no_question(question->text, r);
                table_view_close(&view);
                return VERB_EXIT_FAILURE;
        }
        r = answer_question(&view, question, &answers);
        table_view_close(&view);
        if (r == TABLE_READ_E_NOT_FOUND)
                say_not_found(question);
        else if (r != 0)
                range_info_say_failure(r, context->table, question->text);
        if (r != 0)
                return VERB_EXIT_FAILURE;

        if (context->json)
                verb_print_json(answers);
        else
                print_answers(question, answers);
        return VERB_EXIT_OK;
}

static int run_whose(VerbContext *context, int argc, char **argv) {
        bool uid = false, pid = false, file = false;
        const Option options[] = {
                { "uid", .help = "it is a UID", .flag = &uid },
                { "pid", .help = "it is a process", .flag = &pid },
                { "file", .help = "it is a file", .flag = &file },
                {},
        };
        Question question = {};
        WhoseKind kind;
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_whose, options, argc, argv, &arguments, &status))
                return status;
        if (uid + pid + file > 1) {
                message_error(
                        "nsresourcectl whose --help",
                        "whose: only one of --uid, --pid and --file may be given");
                return VERB_EXIT_USAGE;
        }
        kind = uid ? WHOSE_UID : pid ? WHOSE_PID : file ? WHOSE_FILE : WHOSE_GUESS;
        question.text = arguments[0];
        return run_question(context, kind, &question);
}

const Verb verb_whose = {
        .name = "whose",
        .arguments = "[--uid|--pid|--file] UID|FILE|PID",
        .summary = "Say which namespace has an ID, a file, a process",
        .help = "A number within the pool is a UID, another one a process, anything else a file "
                "(a\n"
                "symbolic link is not followed).  To say which is meant:",
        .n_min = 1,
        .n_max = 1,
        .run = run_whose,
};
