/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "client/check-nscd.h"
#include "client/check-polkit.h"
#include "client/columns.h"
#include "client/foreign-ids.h"
#include "client/manager.h"
#include "client/message.h"
#include "client/nsswitch-file.h"
#include "client/nsswitch.h"
#include "client/verb.h"
#include "lib/table/read.h"
#include "lib/util/file.h"

#define MODULE "libnss_nsresource.so.2"
#define MODULE_SYMBOL "_nss_nsresource_getpwuid_r"
#define SYSCTL_SIZE_MAX 64u
#define PROVIDER_TIMEOUT_MSEC 10000
#define RESULT_WIDTH 7u /* whatever the words are that come */

typedef enum CheckResult { CHECK_OK, CHECK_NOTE, CHECK_FAILED } CheckResult;

static const char *const result_words[] = {
        [CHECK_OK] = "ok",
        [CHECK_NOTE] = "note",
        [CHECK_FAILED] = "failed",
};

/* What was found so far. */
typedef struct Report {
        json_t *results;
        bool failed;
        json_t *status; /* of the daemon; NULL if it does not answer */
} Report;

static void report_add(
        Report *report, const char *check, CheckResult result, const char *next, const char *format,
        ...) __attribute__((format(printf, 5, 6)));

static void report_add(
        Report *report, const char *check, CheckResult result, const char *next, const char *format,
        ...) {
        g_autofree char *text = NULL, *valid = NULL;
        json_t *entry;
        va_list arguments;

        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        valid = g_utf8_make_valid(text, -1);
        entry = json_pack(
                "{s:s, s:s, s:s}", "check", check, "result", result_words[result], "text", valid);
        if (next)
                json_object_set_new(entry, "next", json_string(next));
        json_array_append_new(report->results, entry);
        report->failed = report->failed || result == CHECK_FAILED;
}

/* the kernel */

static bool read_number(const char *path, char **ret_text) {
        if (file_read(AT_FDCWD, path, SYSCTL_SIZE_MAX, ret_text, NULL) < 0)
                return false;
        g_strchomp(*ret_text);
        return true;
}

static void check_kernel(Report *report) {
        static const struct {
                const char *path, *bad, *text, *next;
        } sysctls[] = {
                { "/proc/sys/user/max_user_namespaces", "0", "no user namespaces may be made",
                  "sysctl -w user.max_user_namespaces=65536" },
                { "/proc/sys/kernel/unprivileged_userns_clone", "0",
                  "ordinary users may not make user namespaces",
                  "sysctl -w kernel.unprivileged_userns_clone=1" },
                { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                  "AppArmor may keep ordinary users from using user namespaces",
                  "an AppArmor profile that allows userns for the program, or sysctl -w "
                  "kernel.apparmor_restrict_unprivileged_userns=0" },
        };
        bool found = false;

        for (size_t i = 0; i < G_N_ELEMENTS(sysctls); i++) {
                g_autofree char *value = NULL;

                if (!read_number(sysctls[i].path, &value) || !g_str_equal(value, sysctls[i].bad))
                        continue;
                found = true;
                report_add(
                        report, "user-namespaces", i == 0 ? CHECK_FAILED : CHECK_NOTE,
                        sysctls[i].next, "%s (%s)", sysctls[i].text, sysctls[i].path);
        }
        if (!found)
                report_add(
                        report, "user-namespaces", CHECK_OK, NULL, "user namespaces can be made");
}

/* the daemon */

static void check_rules(Report *report, const json_t *status) {
        bool required = g_strcmp0(manager_string(status, "enforcement"), "required") == 0;
        const json_t *rule;
        size_t index;

        if (!required)
                report_add(
                        report, "policy", CHECK_NOTE,
                        "Enforcement=required in nsresourced.conf, where the kernel can do it",
                        "Enforcement=none: files of a range can outlive its namespace");
        else if (manager_boolean(status, "policyLoaded"))
                report_add(report, "policy", CHECK_OK, NULL, "the kernel policy is in force");
        else
                report_add(
                        report, "policy", CHECK_FAILED,
                        "see the rules below; Enforcement=none in nsresourced.conf does without",
                        "the kernel policy is not in force");

        json_array_foreach(json_object_get(status, "rules"), index, rule) {
                const char *name = manager_string(rule, "rule") ?: "-";
                const char *reason = manager_string(rule, "reason");

                if (!manager_boolean(rule, "active"))
                        report_add(
                                report, "rule", required ? CHECK_FAILED : CHECK_NOTE,
                                manager_string(rule, "remedy"), "rule %s is missing: %s", name,
                                reason ?: "no reason given");
        }
}

static void check_serving(Report *report, const json_t *status) {
        const json_t *message;
        size_t index;

        if (manager_boolean(status, "serving"))
                report_add(report, "serving", CHECK_OK, NULL, "nsresourced lends IDs");
        else
                report_add(
                        report, "serving", CHECK_FAILED, "journalctl -u nsresourced.service",
                        "nsresourced lends no IDs");
        json_array_foreach(json_object_get(status, "messages"), index, message) report_add(
                report, "message", CHECK_NOTE, NULL, "nsresourced says: %s",
                json_string_value(message) ?: "-");
}

static void check_daemon(Report *report, const VerbContext *context) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) status = NULL;
        g_autofree char *error = NULL;
        int r;

        r = varlink_client_connect(context->socket, MANAGER_TIMEOUT_MSEC, &client);
        if (r < 0) {
                report_add(
                        report, "daemon", CHECK_FAILED, manager_connect_hint(r),
                        "cannot reach nsresourced at %s: %s", context->socket, strerror(-r));
                return;
        }
        r = varlink_client_call(
                client, "org.nsresource.Manager.GetStatus", NULL, NULL, 0, &status, &error);
        if (r < 0 || error) {
                report_add(
                        report, "daemon", CHECK_FAILED,
                        error ? "is systemd-nsresourced running there?  systemctl disable --now "
                                "systemd-nsresourced.socket"
                              : manager_connect_hint(-ETIMEDOUT),
                        "what listens at %s does not answer as nsresourced: %s", context->socket,
                        error ?: strerror(-r));
                return;
        }
        report_add(
                report, "daemon", CHECK_OK, NULL, "nsresourced %s answers",
                manager_string(status, "version") ?: "-");
        check_serving(report, status);
        check_rules(report, status);
        report->status = g_steal_pointer(&status);
}

/* what services of the host do in the name of a lent ID */

static void check_polkit(Report *report) {
        static const char next[] =
                "make install puts it there; or copy it to /etc/polkit-1/rules.d";
        static const struct {
                CheckResult result;
                const char *text, *next;
        } answers[] = {
                [POLKIT_RULE_READ] = { CHECK_OK, "polkit denies lent IDs every action", NULL },
                [POLKIT_RULE_NO_POLKIT] = { CHECK_OK, "there is no polkit that could be asked",
                                            NULL },
                [POLKIT_RULE_NEWER] = { CHECK_NOTE,
                                        "polkit denies lent IDs every action, if it is 125 or "
                                        "later",
                                        "copy it to /etc/polkit-1/rules.d, which all read" },
                [POLKIT_RULE_UNSEEN] = { CHECK_NOTE,
                                         "only root sees whether polkit denies lent IDs its "
                                         "actions",
                                         "try again as root" },
                [POLKIT_RULE_MISSING] = { CHECK_FAILED,
                                          "polkit has no rule that denies lent IDs its actions",
                                          next },
        };
        const char *path;
        PolkitRule rule = polkit_rule_find(&path);

        report_add(
                report, "polkit", answers[rule].result, answers[rule].next, "%s (%s)",
                answers[rule].text, path ?: POLKIT_RULE_NAME);
}

/* the table and the names */

/* Returns whether there is one; then *ret_view is open. */
static bool check_table(Report *report, const VerbContext *context, TableView *ret_view) {
        int r;

        r = table_view_open(context->table, ret_view);
        if (r == 0)
                report_add(report, "table", CHECK_OK, NULL, "%s is readable", context->table);
        else if (r == TABLE_READ_E_MISSING)
                report_add(
                        report, "table", CHECK_FAILED, "systemctl start nsresourced.service",
                        "there is no table at %s", context->table);
        else if (r == TABLE_READ_E_FOREIGN)
                report_add(
                        report, "table", CHECK_FAILED,
                        "check outside, on the host: its IDs are other ones in here",
                        "the owner of %s is nobody who is known in this user namespace",
                        context->table);
        else if (r < 0)
                report_add(
                        report, "table", CHECK_FAILED,
                        "its folder and it must be readable by everybody", "cannot read %s: %s",
                        context->table, strerror(-r));
        else
                report_add(
                        report, "table", CHECK_FAILED,
                        "systemctl restart nsresourced.service, which sets it aside",
                        "%s is damaged, of another version, or not root's", context->table);
        return r == 0;
}

static void check_provider(Report *report, const VerbContext *context) {
        g_autoptr(VarlinkClient) client = NULL;
        g_autoptr(json_t) parameters = NULL, reply = NULL;
        g_autofree char *error = NULL;
        int r;

        parameters = json_pack(
                "{s:s, s:s}", "userName", "ns-0", "service", "io.systemd.NamespaceResource");
        r = varlink_client_connect(context->provider, PROVIDER_TIMEOUT_MSEC, &client);
        if (r == 0)
                r = varlink_client_call(
                        client, "io.systemd.UserDatabase.GetUserRecord", parameters, NULL, 0,
                        &reply, &error);
        if (r == 0 && g_strcmp0(error, "io.systemd.UserDatabase.NoRecordFound") == 0)
                report_add(report, "provider", CHECK_OK, NULL, "nsresource-userdbd answers");
        else
                report_add(
                        report, "provider", CHECK_FAILED,
                        "systemctl enable --now nsresource-userdbd.socket",
                        "userdbctl and nss-systemd cannot ask %s: %s", context->provider,
                        r < 0 ? strerror(-r) : error ?: "a name that cannot be was found");
}

static void check_nsswitch(Report *report) {
        static const char next[] = "nsresourcectl nss enable";
        g_autofree char *text = NULL, *message = NULL;
        NsswitchState states[NSSWITCH_N_DATABASES];
        int r;

        r = nsswitch_file_read(NSSWITCH_FILE_PATH, &text);
        if (r == 0)
                r = nsswitch_state(text, states, &message);
        if (r != 0) {
                report_add(
                        report, "nsswitch", CHECK_FAILED, "nsswitch.conf(5)", "%s: %s",
                        NSSWITCH_FILE_PATH, message ?: strerror(-r));
                return;
        }
        for (int i = 0; i < NSSWITCH_N_DATABASES; i++)
                if (states[i] == NSSWITCH_ENABLED)
                        report_add(
                                report, "nsswitch", CHECK_OK, NULL, "%s asks nsresource",
                                nsswitch_database_names[i]);
                else
                        report_add(
                                report, "nsswitch",
                                states[i] == NSSWITCH_LATE ? CHECK_NOTE : CHECK_FAILED,
                                states[i] == NSSWITCH_LATE ? "put it in front of systemd" : next,
                                states[i] == NSSWITCH_LATE
                                        ? "%s asks nsresource after systemd, which may wait"
                                        : "%s does not ask nsresource: files show numbers",
                                nsswitch_database_names[i]);
}

static void check_module(Report *report) {
        void *module = dlopen(MODULE, RTLD_LAZY | RTLD_LOCAL);

        if (module && dlsym(module, MODULE_SYMBOL))
                report_add(report, "module", CHECK_OK, NULL, "%s is found", MODULE);
        else
                report_add(
                        report, "module", CHECK_FAILED,
                        "install it where ld.so looks, then ldconfig", "%s: %s", MODULE,
                        module ? "it is another library" : dlerror());
        if (module)
                (void) dlclose(module);
}

/* Whether a name that must be there is found through libc. */
static void check_name(Report *report, const TableView *view) {
        char name[TABLE_USER_NAME_MAX + 1];
        const struct passwd *entry;
        TableAnswer answer;
        uint32_t cursor = 0;

        if (table_next(view, &cursor, &answer) != 0)
                return;
        table_user_name(&answer, name);
        entry = getpwuid((uid_t) answer.id);
        if (entry && g_str_equal(entry->pw_name, name))
                report_add(
                        report, "names", CHECK_OK, NULL, "UID %u is shown as %s", answer.id, name);
        else
                report_add(
                        report, "names", CHECK_FAILED,
                        "the checks above; a running nscd keeps what it found before",
                        "UID %u is shown as %s, not as %s", answer.id,
                        entry ? entry->pw_name : "a number", name);
}

static void check_nscd(Report *report) {
        static const char next[] = "enable-cache passwd no and enable-cache group no in "
                                   "/etc/nscd.conf, and restart nscd; see nss-nsresource(8)";
        static const struct {
                CheckResult result;
                const char *text, *next;
        } answers[] = {
                [NSCD_ABSENT] = { CHECK_OK, "no nscd is running", NULL },
                [NSCD_IDLE] = { CHECK_OK, "nscd is running and keeps neither users nor groups",
                                NULL },
                [NSCD_CACHES] = { CHECK_NOTE,
                                  "nscd is running and keeps users or groups: a name can be wrong "
                                  "for some seconds after it came or went",
                                  next },
                [NSCD_UNKNOWN] = { CHECK_NOTE,
                                   "nscd is running, and its configuration cannot be read", next },
        };
        NscdState state = nscd_find("/run/nscd/socket", "/etc/nscd.conf");

        report_add(
                report, "nscd", answers[state].result, answers[state].next, "%s",
                answers[state].text);
}

/* who else has IDs of the pool */

typedef struct Foreign {
        Report *report;
        uint32_t first, last; /* of the pool */
        unsigned n;           /* that meet it */
} Foreign;

/* Whether Reserved= has all of these. */
static bool is_reserved(const json_t *status, uint64_t first, uint64_t last) {
        const json_t *reserved = json_object_get(status, "reserved"), *range;
        bool grows = true;
        size_t index;

        while (first <= last && grows) {
                grows = false;
                json_array_foreach(reserved, index, range) {
                        json_int_t begin = manager_integer(range, "first");
                        json_int_t end = manager_integer(range, "last");

                        if (begin <= (json_int_t) first && end >= (json_int_t) first) {
                                first = (uint64_t) end + 1;
                                grows = true;
                        }
                }
        }
        return first > last;
}

static void check_foreign(const char *source, const IdRange *range, int error, void *userdata) {
        Foreign *foreign = userdata;
        g_autofree char *next = NULL;
        uint32_t first, last;

        if (error != 0) {
                report_add(
                        foreign->report, "others", CHECK_NOTE,
                        error == EACCES ? "run this as root" : NULL,
                        "%s may keep IDs of the pool for others, but cannot be read: %s", source,
                        strerror(error));
                return;
        }
        if (!range) {
                report_add(
                        foreign->report, "others", CHECK_NOTE,
                        "Reserved=FIRST-LAST in [Pool] of nsresourced.conf, with its IDs",
                        "%s does not say which IDs it has", source);
                return;
        }
        first = MAX(range->first, foreign->first);
        last = MIN(range->last, foreign->last);
        if (first > last)
                return;
        foreign->n++;
        next = g_strdup_printf(
                "Reserved=%u-%u in [Pool] of nsresourced.conf", range->first, range->last);
        if (is_reserved(foreign->report->status, first, last))
                report_add(
                        foreign->report, "others", CHECK_OK, NULL,
                        "%s has IDs of the pool, and they are reserved", source);
        else
                report_add(
                        foreign->report, "others", CHECK_NOTE, next,
                        "%s has IDs of the pool: %u to %u", source, first, last);
}

static void check_others(Report *report, const TableView *view) {
        uint32_t n_ids = view->n_slots * TABLE_SLOT_SIZE;
        Foreign foreign = {
                .report = report,
                .first = view->pool_start,
                .last = view->pool_start + n_ids - 1,
        };

        foreign_ids_find("/etc", check_foreign, &foreign);
        if (foreign.n == 0)
                report_add(
                        report, "others", CHECK_OK, NULL,
                        "no file says that others have IDs of the pool");
}

static ColumnsColour result_colour(const char *word) {
        return g_str_equal(word, result_words[CHECK_OK])     ? COLUMNS_GOOD
               : g_str_equal(word, result_words[CHECK_NOTE]) ? COLUMNS_DOUBTFUL
                                                             : COLUMNS_BAD;
}

static void print_results(const json_t *results) {
        static const ColumnTitle titles[] = {
                { .text = "RESULT", .width = RESULT_WIDTH },
                { .text = "TEXT" },
        };
        ColumnsStyle style = columns_style();
        g_autoptr(Columns) columns = NULL;
        const json_t *entry;
        size_t index;

        style.no_headings = true;
        columns = columns_new(titles, G_N_ELEMENTS(titles), &style);
        json_array_foreach(results, index, entry) {
                const char *word = manager_string(entry, "result");
                const char *next = manager_string(entry, "next");

                columns_add(
                        columns,
                        (char *[]){ g_strdup(word), g_strdup(manager_string(entry, "text")) });
                columns_paint(columns, 0, result_colour(word));
                if (next)
                        columns_add(
                                columns,
                                (char *[]){ g_strdup(""), g_strdup_printf("next: %s", next) });
        }
        columns_print(columns, stdout);
}

static int run_check(VerbContext *context, int argc, char **argv) {
        g_autoptr(json_t) results = json_array();
        Report report = { .results = results };
        char **arguments;
        TableView view;
        int status;

        if (!verb_parse(context, &verb_check, NULL, argc, argv, &arguments, &status))
                return status;
        check_kernel(&report);
        check_daemon(&report, context);
        check_provider(&report, context);
        check_polkit(&report);
        check_module(&report);
        check_nsswitch(&report);
        check_nscd(&report);
        if (check_table(&report, context, &view)) {
                check_name(&report, &view);
                check_others(&report, &view);
                table_view_close(&view);
        }
        json_decref(report.status);

        if (context->json)
                verb_print_json(results);
        else
                print_results(results);
        return report.failed ? VERB_EXIT_FAILURE : VERB_EXIT_OK;
}

const Verb verb_check = {
        .name = "check",
        .arguments = "",
        .summary = "See whether this host can do it all, and what to do if not",
        .help = "Exit status 1 if anything has failed; notes do not count.",
        .run = run_check,
};
