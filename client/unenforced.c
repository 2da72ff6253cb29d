/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client/manager.h"
#include "client/message.h"
#include "client/verb.h"

/* How much was lent with Enforcement=none, and the administrator's word that no files of it are
 * left. */

static int show(VerbContext *context, VarlinkClient *client) {
        g_autoptr(json_t) status = NULL, answer = NULL;
        json_int_t n;

        if (manager_call(client, "org.nsresource.Manager.GetStatus", &status) < 0)
                return VERB_EXIT_FAILURE;
        n = manager_integer(json_object_get(status, "counts"), "unenforced");
        if (context->json) {
                answer = json_pack("{s:I}", "slots", n);
                verb_print_json(answer);
        } else
                printf("%" JSON_INTEGER_FORMAT
                       " slots of 65536 IDs were lent without enforcement\n",
                       n);
        return VERB_EXIT_OK;
}

static int clear(VerbContext *context, VarlinkClient *client) {
        g_autoptr(json_t) answer = NULL;

        if (manager_call(client, "org.nsresource.Manager.ClearUnenforced", &answer) < 0)
                return VERB_EXIT_FAILURE;
        if (context->json)
                verb_print_json(answer);
        else
                printf("%" JSON_INTEGER_FORMAT " slots can be used again, %" JSON_INTEGER_FORMAT
                       " are lent, in use, or not proven unused\n",
                       manager_integer(answer, "cleared"), manager_integer(answer, "kept"));
        return VERB_EXIT_OK;
}

static int run_unenforced(VerbContext *context, int argc, char **argv) {
        g_autoptr(VarlinkClient) client = NULL;
        char **arguments;
        int status;

        if (!verb_parse(context, &verb_unenforced, NULL, argc, argv, &arguments, &status))
                return status;
        if (arguments[0] && strcmp(arguments[0], "clear") != 0) {
                message_error("only \"clear\" may follow", "unenforced: %s", arguments[0]);
                return VERB_EXIT_USAGE;
        }
        if (manager_connect(context->socket, &client) < 0)
                return VERB_EXIT_FAILURE;
        return arguments[0] ? clear(context, client) : show(context, client);
}

const Verb verb_unenforced = {
        .name = "unenforced",
        .arguments = "[clear]",
        .summary = "IDs lent without enforcement",
        .help = "IDs lent with Enforcement=none may own files that outlive their namespace, and a\n"
                "reboot, so they are not lent again.  \"clear\", for root, says that such files "
                "have been\n"
                "looked for: slots that are proven unused otherwise are free again.",
        .n_min = 0,
        .n_max = 1,
        .run = run_unenforced,
};
