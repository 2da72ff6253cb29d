/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/foreign-ids.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/util/file.h"
#include "lib/util/login-defs.h"

#define FILE_SIZE_MAX (16u * 1024 * 1024)

/* SSSD's own, for domains whose IDs it makes from SIDs (sssd-ldap(5)). */
#define SSSD_IDMAP_FIRST "200000"
#define SSSD_IDMAP_LAST "2000200000"

typedef struct Search {
        ForeignIdsFunc func;
        void *userdata;
} Search;

static void found(const Search *search, const IdRange *range, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void found(const Search *search, const IdRange *range, const char *format, ...) {
        g_autofree char *source = NULL;
        va_list arguments;

        va_start(arguments, format);
        source = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        search->func(source, range, 0, search->userdata);
}

/* The text of a file, or NULL if there is none to be had. */
static char *read_text(const Search *search, const char *etc, const char *name) {
        g_autofree char *path = g_build_filename(etc, name, NULL);
        char *text = NULL;
        int r = file_read(AT_FDCWD, path, FILE_SIZE_MAX, &text, NULL);

        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                search->func(path, NULL, -r, search->userdata);
        return text;
}

static bool parse_range(const char *first, const char *last, IdRange *ret_range) {
        g_autofree char *text = g_strdup_printf("%s-%s", first, last);

        return id_range_parse(text, strlen(text), ret_range);
}

/* lines */

/* A line of a file of sections: its key in lower case, without blanks, or NULL; `section` changes
 * with the lines. */
typedef struct Line {
        char *section, *key;
        const char *value;
} Line;

static bool take_line(Line *line, char *text) {
        char *value;

        g_strstrip(text);
        g_clear_pointer(&line->key, g_free);
        if (text[0] == '[') {
                g_free(line->section);
                line->section = g_strndup(text + 1, strcspn(text + 1, "]"));
                return false;
        }
        value = strchr(text, '=');
        if (!value || strchr("#;", text[0]))
                return false;
        *value++ = '\0';
        line->key = g_ascii_strdown(text, -1);
        for (char *from = line->key, *to = line->key;; from++) {
                if (!g_ascii_isspace(*from))
                        *to++ = *from;
                if (*from == '\0')
                        break;
        }
        line->value = g_strstrip(value);
        return true;
}

/* SSSD */

typedef struct Domain {
        char *name, *first, *last, *idmap_first, *idmap_last, *id_mapping, *provider;
} Domain;

static void domain_free(void *data) {
        Domain *domain = data;
        char *const strings[] = { domain->name,        domain->first,      domain->last,
                                  domain->idmap_first, domain->idmap_last, domain->id_mapping,
                                  domain->provider };

        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_free(domain);
}

static Domain *domain_of(GPtrArray *domains, const char *section) {
        const char *name = section + strlen("domain/");
        Domain *domain;

        for (guint i = 0; i < domains->len; i++) {
                domain = domains->pdata[i];
                if (strcmp(domain->name, name) == 0)
                        return domain;
        }
        domain = g_new0(Domain, 1);
        domain->name = g_strdup(name);
        g_ptr_array_add(domains, domain);
        return domain;
}

static void domain_take(Domain *domain, const Line *line) {
        const struct {
                const char *key;
                char **value;
        } keys[] = {
                { "min_id", &domain->first },
                { "ldap_min_id", &domain->first },
                { "max_id", &domain->last },
                { "ldap_max_id", &domain->last },
                { "ldap_idmap_range_min", &domain->idmap_first },
                { "ldap_idmap_range_max", &domain->idmap_last },
                { "ldap_id_mapping", &domain->id_mapping },
                { "id_provider", &domain->provider },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (strcmp(keys[i].key, line->key) == 0) {
                        g_free(*keys[i].value);
                        *keys[i].value = g_strdup(line->value);
                }
}

static bool domain_maps_ids(const Domain *domain) {
        if (domain->id_mapping)
                return g_ascii_strcasecmp(domain->id_mapping, "true") == 0;
        return domain->idmap_first || domain->idmap_last || g_strcmp0(domain->provider, "ad") == 0;
}

static void domain_report(const Search *search, const Domain *domain) {
        const char *first = domain->first, *last = domain->last;
        IdRange range;

        if (g_strcmp0(domain->provider, "files") == 0 || g_strcmp0(domain->provider, "proxy") == 0)
                return;
        if (domain_maps_ids(domain)) {
                first = domain->idmap_first ?: SSSD_IDMAP_FIRST;
                last = domain->idmap_last ?: SSSD_IDMAP_LAST;
        }
        if (first && last && parse_range(first, last, &range))
                found(search, &range, "domain %s of sssd.conf", domain->name);
        else
                found(search, NULL, "domain %s of sssd.conf", domain->name);
}

static void take_sssd(GPtrArray *domains, char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        Line line = { NULL };

        for (char **l = lines; *l; l++)
                if (take_line(&line, *l) && line.section &&
                    g_str_has_prefix(line.section, "domain/"))
                        domain_take(domain_of(domains, line.section), &line);
        g_free(line.section);
        g_free(line.key);
}

static void find_sssd(const Search *search, const char *etc) {
        g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func(domain_free);
        g_autofree char *folder = g_build_filename(etc, "sssd/conf.d", NULL);
        g_autofree char *text = read_text(search, etc, "sssd/sssd.conf");
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name;

        if (text)
                take_sssd(domains, text);
        while (dir && (name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename("sssd/conf.d", name, NULL), *more = NULL;

                if (name[0] == '.' || !g_str_has_suffix(name, ".conf"))
                        continue;
                more = read_text(search, etc, path);
                if (more)
                        take_sssd(domains, more);
        }
        for (guint i = 0; i < domains->len; i++)
                domain_report(search, domains->pdata[i]);
}

/* Samba */

static void find_samba(const Search *search, const char *etc) {
        static const char prefix[] = "idmapconfig", suffix[] = ":range";
        g_autofree char *text = read_text(search, etc, "samba/smb.conf");
        g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);
        Line line = { NULL };

        for (char **l = lines; *l; l++) {
                g_auto(GStrv) ends = NULL;
                IdRange range;

                if (!take_line(&line, *l) || !g_str_has_prefix(line.key, prefix) ||
                    !g_str_has_suffix(line.key, suffix))
                        continue;
                ends = g_strsplit(line.value, "-", 2);
                if (ends[0] && ends[1] &&
                    parse_range(g_strstrip(ends[0]), g_strstrip(ends[1]), &range))
                        found(search, &range, "idmap config %.*s of smb.conf",
                              (int) (strlen(line.key) - strlen(prefix) - strlen(suffix)),
                              line.key + strlen(prefix));
        }
        g_free(line.section);
        g_free(line.key);
}

/* useradd */

static void find_useradd(const Search *search, const char *etc) {
        static const struct {
                const char *what, *first_key, *last_key;
                IdRange range; /* where the file does not say */
        } kinds[] = {
                { "users", "UID_MIN", "UID_MAX", { 1000, 60000 } },
                { "groups", "GID_MIN", "GID_MAX", { 1000, 60000 } },
                { "subuid blocks",
                  "SUB_UID_MIN",
                  "SUB_UID_MAX",
                  { 100000, LOGIN_DEFS_SUB_MAX_DEFAULT } },
                { "subgid blocks",
                  "SUB_GID_MIN",
                  "SUB_GID_MAX",
                  { 100000, LOGIN_DEFS_SUB_MAX_DEFAULT } },
        };
        g_autofree char *text = read_text(search, etc, "login.defs");

        for (size_t i = 0; i < G_N_ELEMENTS(kinds) && text; i++) {
                IdRange range = kinds[i].range;

                (void) login_defs_number(text, kinds[i].first_key, &range.first);
                (void) login_defs_number(text, kinds[i].last_key, &range.last);
                if (range.first <= range.last)
                        found(search, &range, "useradd, for %s (login.defs)", kinds[i].what);
        }
}

void foreign_ids_find(const char *etc, ForeignIdsFunc func, void *userdata) {
        const Search search = { func, userdata };

        find_sssd(&search, etc);
        find_samba(&search, etc);
        find_useradd(&search, etc);
}
