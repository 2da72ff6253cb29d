/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/state/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "daemon/limits.h"
#include "lib/table/format.h"
#include "lib/util/file.h"
#include "lib/util/parse.h"

#define SETTINGS_FILE_SIZE_MAX (1024u * 1024)

/* What is set, and where that was said, for messages about values that do not fit together. */
typedef struct Draft {
        Settings settings;
        uint32_t pool_end;
        char *pool_file; /* owned */
} Draft;

typedef struct SettingsKey {
        const char *group, *key;
        /* Returns whether `value` is allowed. */
        bool (*parse)(const char *value, void *field);
        size_t offset; /* in Draft */
        const char *allowed;
} SettingsKey;

static bool parse_enforcement(const char *value, void *field) {
        bool *required = field;

        if (strcmp(value, "required") != 0 && strcmp(value, "none") != 0)
                return false;
        *required = strcmp(value, "required") == 0;
        return true;
}

static bool parse_entries(const char *value, void *field) {
        bool *all = field;

        if (strcmp(value, "first") != 0 && strcmp(value, "all") != 0)
                return false;
        *all = strcmp(value, "all") == 0;
        return true;
}

static bool parse_id(const char *value, void *field) {
        return parse_u32_any_base(value, field);
}

static bool parse_count(const char *value, void *field) {
        return parse_u32(value, field);
}

static bool parse_large_count(const char *value, void *field) {
        return parse_decimal(value, strlen(value), UINT64_MAX, field);
}

static bool parse_name_service(const char *value, void *field) {
        bool *ask = field;

        if (strcmp(value, "ask") != 0 && strcmp(value, "ignore") != 0)
                return false;
        *ask = strcmp(value, "ask") == 0;
        return true;
}

/* Add what one line says. */
static bool parse_reserved(const char *value, void *field) {
        static const char separators[] = " \t,";
        Settings *settings = field;

        if (value[0] == '\0')
                settings->n_reserved = 0;
        for (value += strspn(value, separators); value[0] != '\0';
             value += strspn(value, separators)) {
                size_t n = strcspn(value, separators);

                if (settings->n_reserved >= SETTINGS_RESERVED_MAX ||
                    !id_range_parse(value, n, &settings->reserved[settings->n_reserved]))
                        return false;
                settings->n_reserved++;
                value += n;
        }
        return true;
}

#define ID_FORM "a UID, decimal or with 0x"
#define COUNT_FORM "a decimal number"

#define RESERVED_GROUP "Pool"
#define RESERVED_KEY "Reserved"

static const SettingsKey settings_keys[] = {
        { "Policy", "Enforcement", parse_enforcement,
          offsetof(Draft, settings.enforcement_required), "required or none" },
        { "Pool", "Start", parse_id, offsetof(Draft, settings.pool_start), ID_FORM },
        { "Pool", "End", parse_id, offsetof(Draft, pool_end), ID_FORM },
        { RESERVED_GROUP, RESERVED_KEY, parse_reserved, offsetof(Draft, settings),
          "FIRST-LAST or one ID, decimal or with 0x, several separated by blanks, 256 in all" },
        { "Pool", "NameService", parse_name_service, offsetof(Draft, settings.ask_name_service),
          "ask or ignore" },
        { "Limits", "NamespacesPerUser", parse_count, offsetof(Draft, settings.namespaces_per_user),
          COUNT_FORM },
        { "Limits", "IDsPerUser", parse_large_count, offsetof(Draft, settings.ids_per_user),
          COUNT_FORM },
        { "Limits", "QuarantinedPerUser", parse_count,
          offsetof(Draft, settings.quarantined_per_user), COUNT_FORM },
        { "Names", "SetEntries", parse_entries, offsetof(Draft, settings.all_entries),
          "first or all" },
};

static const SettingsKey *find_key(const char *group, const char *key) {
        for (size_t i = 0; i < G_N_ELEMENTS(settings_keys); i++)
                if (strcmp(settings_keys[i].group, group) == 0 &&
                    (!key || strcmp(settings_keys[i].key, key) == 0))
                        return &settings_keys[i];
        return NULL;
}

static int apply_value(
        const char *path, const char *group, const char *name, char *value, Draft *draft,
        char **ret_message) {
        const SettingsKey *key = find_key(group, name);

        if (!key) {
                *ret_message = g_strdup_printf("%s: [%s] %s: no such key", path, group, name);
                return -EINVAL;
        }
        if (!value || !key->parse(g_strstrip(value), (char *) draft + key->offset)) {
                *ret_message = g_strdup_printf(
                        "%s: [%s] %s: \"%s\" is not %s", path, group, name, value ?: "",
                        key->allowed);
                return -EINVAL;
        }
        if (strcmp(name, "Start") == 0 || strcmp(name, "End") == 0) {
                g_free(draft->pool_file);
                draft->pool_file = g_strdup(path);
        }
        return 0;
}

static bool is_reserved(const char *group, const char *name) {
        return strcmp(group, RESERVED_GROUP) == 0 && strcmp(name, RESERVED_KEY) == 0;
}

/* Each line of Reserved= counts, and GKeyFile knows the last one only.  The text has passed it: a
 * line is blank, a comment, a group or a key with its value. */
static int apply_reserved(const char *path, const char *text, Draft *draft, char **ret_message) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        bool in_group = false;
        int r = 0;

        for (char **line = lines; *line && r == 0; line++) {
                char *key = g_strstrip(*line), *value = strchr(key, '=');

                if (key[0] == '[')
                        in_group = g_str_has_prefix(key, "[" RESERVED_GROUP "]");
                if (!in_group || key[0] == '[' || key[0] == '#' || !value)
                        continue;
                *value++ = '\0';
                if (strcmp(g_strchomp(key), RESERVED_KEY) == 0)
                        r = apply_value(
                                path, RESERVED_GROUP, RESERVED_KEY, value, draft, ret_message);
        }
        return r;
}

static int apply_group(
        const char *path, GKeyFile *file, const char *group, Draft *draft, char **ret_message) {
        g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);

        if (!find_key(group, NULL)) {
                *ret_message = g_strdup_printf("%s: [%s]: no such group", path, group);
                return -EINVAL;
        }
        for (char **key = keys; key && *key; key++) {
                g_autofree char *value = g_key_file_get_value(file, group, *key, NULL);
                int r = is_reserved(group, *key)
                                ? 0
                                : apply_value(path, group, *key, value, draft, ret_message);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply_file(const char *path, Draft *draft, char **ret_message) {
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        g_auto(GStrv) groups = NULL;
        size_t size;
        int r;

        r = file_read(AT_FDCWD, path, SETTINGS_FILE_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                *ret_message = g_strdup_printf("%s: cannot be read: %s", path, g_strerror(-r));
                return r;
        }
        if (!g_key_file_load_from_data(file, text, size, G_KEY_FILE_NONE, &error) &&
            !g_error_matches(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_NOT_FOUND)) {
                *ret_message = g_strdup_printf("%s: %s", path, error->message);
                return -EINVAL;
        }
        groups = g_key_file_get_groups(file, NULL);
        for (char **group = groups; *group; group++) {
                r = apply_group(path, file, *group, draft, ret_message);
                if (r < 0)
                        return r;
        }
        return apply_reserved(path, text, draft, ret_message);
}

static int compare_names(gconstpointer a, gconstpointer b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int apply_folder(const char *path, Draft *draft, char **ret_message) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) folder = NULL;
        const char *name;

        folder = g_dir_open(path, 0, &error);
        if (!folder) {
                if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                        return 0;
                *ret_message = g_strdup(error->message);
                return -EIO;
        }
        while ((name = g_dir_read_name(folder)))
                if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
                        g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_sort(names, compare_names);

        for (guint i = 0; i < names->len; i++) {
                g_autofree char *file = g_build_filename(path, names->pdata[i], NULL);
                int r = apply_file(file, draft, ret_message);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int finish(Draft *draft, char **ret_message) {
        uint64_t start = draft->settings.pool_start, end = (uint64_t) draft->pool_end + 1;
        const char *wrong = NULL;

        if (start % TABLE_SLOT_SIZE != 0 || end % TABLE_SLOT_SIZE != 0)
                wrong = "Start and End + 1 must be multiples of 65536";
        else if (start < TABLE_POOL_LOWEST || end > TABLE_POOL_HIGHEST)
                wrong = "the pool must lie in 0x10000...0xFFFEFFFF";
        else if (start >= end)
                wrong = "End must be above Start";
        else if ((end - start) / TABLE_SLOT_SIZE > TABLE_SLOTS_MAX)
                wrong = "the pool may have 49152 times 65536 IDs at most";
        if (wrong) {
                *ret_message =
                        g_strdup_printf("%s: [Pool] Start, End: %s", draft->pool_file, wrong);
                return -EINVAL;
        }
        draft->settings.n_slots = (uint32_t) ((end - start) / TABLE_SLOT_SIZE);
        return 0;
}

int settings_load(const char *path, Settings *ret_settings, char **ret_message) {
        g_autofree char *folder = g_strconcat(path, ".d", NULL), *message = NULL;
        Draft draft = {
                .settings = {
                        .enforcement_required = true,
                        .pool_start = TABLE_POOL_START,
                        .ask_name_service = true,
                        .namespaces_per_user = LIMIT_NAMESPACES_PER_USER_DEFAULT,
                        .ids_per_user = LIMIT_IDS_PER_USER_DEFAULT,
                        .quarantined_per_user = LIMIT_QUARANTINED_PER_USER_DEFAULT,
                },
                .pool_end = TABLE_POOL_END - 1,
        };
        int r;

        r = apply_file(path, &draft, &message);
        if (r == 0)
                r = apply_folder(folder, &draft, &message);
        if (r == 0)
                r = finish(&draft, &message);
        g_free(draft.pool_file);
        if (r < 0) {
                *ret_message = g_steal_pointer(&message);
                return r;
        }
        *ret_settings = draft.settings;
        return 0;
}
