/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/host/host-ids.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/limits.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/login-defs.h"
#include "lib/util/parse.h"

/* A file that changed so short a time before it was read can change again without a new time stamp:
 * the kernel's clock for these ticks every few milliseconds only. */
#define SETTLED_SECONDS 2

#define FIELDS_MAX 4u /* no file has more that matter */
#define TEXTS_BLOCK_SIZE 4096u
#define SHOWN_NAME_MAX 64 /* bytes of a name that are shown; useradd allows 32 */

typedef enum HostFile {
        HOST_PASSWD,
        HOST_GROUP,
        HOST_SUBUID,
        HOST_SUBGID,
        HOST_FILES_N,
} HostFile;

static const char *const file_names[HOST_FILES_N] = {
        [HOST_PASSWD] = "passwd",
        [HOST_GROUP] = "group",
        [HOST_SUBUID] = "subuid",
        [HOST_SUBGID] = "subgid",
};

/* What tells that a file is the one that was read. */
typedef struct Signature {
        bool valid, exists;
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec mtime, ctime;
} Signature;

typedef struct Interval {
        uint64_t start, end; /* end is exclusive */
        uint32_t account;    /* of subuid blocks */
} Interval;

typedef struct Claim {
        uint64_t start, end, reach; /* reach: the largest end of this one and those before it */
        const char *name;           /* user, group or owner of the block, as the file spells it */
        HostFile file;
} Claim;

typedef struct User {
        uint32_t uid, gid;
} User;

/* What the files say. */
typedef struct Contents {
        GHashTable *names; /* of passwd and group; owned */
        GHashTable *users; /* name to User */
        GStringChunk *texts;
        GArray *claims;  /* Claim: sorted by start when complete */
        GArray *subuids; /* Interval, in the order of the file, then made disjoint */
} Contents;

struct HostIds {
        char *etc;
        Signature signatures[HOST_FILES_N];
        Contents contents;
        uint64_t generation;
        IdRange *reserved; /* owned */
        size_t n_reserved;
};

static void contents_clear(Contents *contents) {
        g_clear_pointer(&contents->names, g_hash_table_unref);
        g_clear_pointer(&contents->users, g_hash_table_unref);
        g_clear_pointer(&contents->texts, g_string_chunk_free);
        g_clear_pointer(&contents->claims, g_array_unref);
        g_clear_pointer(&contents->subuids, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Contents, contents_clear)

static void contents_init(Contents *contents) {
        *contents = (Contents){
                .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                .users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                .texts = g_string_chunk_new(TEXTS_BLOCK_SIZE),
                .claims = g_array_new(FALSE, FALSE, sizeof(Claim)),
                .subuids = g_array_new(FALSE, FALSE, sizeof(Interval)),
        };
}

/* lines */

/* As the files' own readers, which are laxer than ours: blanks before, leading zeros, 0x. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret_value) {
        uint32_t value;

        text += strspn(text, " \t");
        if (strncmp(text, "0x", 2) == 0) {
                if (!parse_u32_any_base(text, &value) || value > max)
                        return false;
                *ret_value = value;
                return true;
        }
        while (text[0] == '0' && g_ascii_isdigit(text[1]))
                text++;
        return parse_decimal(text, strlen(text), max, ret_value);
}

static void claim(
        Contents *contents, HostFile file, const char *name, uint64_t start, uint64_t size) {
        Claim entry = {
                .start = start,
                .end = MIN(start + size, UINT64_C(1) << 32),
                .name = g_string_chunk_insert_const(contents->texts, name),
                .file = file,
        };

        g_array_append_val(contents->claims, entry);
}

static void take_user_or_group(Contents *contents, HostFile file, char **fields, size_t n_fields) {
        uint64_t id, gid;

        if (n_fields < 3 || fields[0][0] == '\0' || strchr("+-", fields[0][0]) ||
            !parse_number(fields[2], UINT32_MAX, &id))
                return;
        claim(contents, file, fields[0], id, 1);
        if (file == HOST_PASSWD && n_fields > 3 && parse_number(fields[3], UINT32_MAX, &gid)) {
                claim(contents, file, fields[0], gid, 1);
                if (!g_hash_table_contains(contents->users, fields[0])) {
                        User user = { (uint32_t) id, (uint32_t) gid };

                        g_hash_table_insert(
                                contents->users, g_strdup(fields[0]),
                                g_memdup2(&user, sizeof(user)));
                }
        }
        g_hash_table_add(contents->names, g_strdup(fields[0]));
}

/* passwd has been read by then. */
static void take_block(Contents *contents, HostFile file, char **fields, size_t n_fields) {
        uint64_t start, size, owner;
        const User *user;
        Interval interval;

        if (n_fields < 3 || !parse_number(fields[1], UINT32_MAX, &start) ||
            !parse_number(fields[2], UINT64_MAX / 2, &size) || size == 0)
                return;
        claim(contents, file, fields[0], start, size);
        if (file != HOST_SUBUID)
                return;

        interval = (Interval){ .start = start, .end = MIN(start + size, UINT64_C(1) << 32) };
        user = g_hash_table_lookup(contents->users, fields[0]);
        if (user)
                interval.account = user->uid;
        else if (parse_number(fields[0], UINT32_MAX, &owner))
                interval.account = (uint32_t) owner;
        else
                interval.account = (uint32_t) start;
        g_array_append_val(contents->subuids, interval);
}

static void take_line(Contents *contents, HostFile file, char *line) {
        char *fields[FIELDS_MAX];
        size_t n_fields = 0;

        if (line[0] == '#')
                return;
        for (char *field = line; field && n_fields < FIELDS_MAX;) {
                char *colon = strchr(field, ':');

                fields[n_fields++] = field;
                if (colon)
                        *colon++ = '\0';
                field = colon;
        }
        if (file == HOST_PASSWD || file == HOST_GROUP)
                take_user_or_group(contents, file, fields, n_fields);
        else
                take_block(contents, file, fields, n_fields);
}

/* `text` has a NUL after its `size` bytes.  One within ends what its line says. */
static void take_lines(Contents *contents, HostFile file, char *text, size_t size) {
        char *end = text + size;

        for (char *line = text, *next; line < end; line = next + 1) {
                next = memchr(line, '\n', (size_t) (end - line));
                if (!next)
                        next = end;
                *next = '\0';
                take_line(contents, file, line);
        }
}

/* intervals */

static int compare_starts(gconstpointer a, gconstpointer b) {
        const Claim *x = a, *y = b;

        return (x->start > y->start) - (x->start < y->start);
}

static void sort_claims(GArray *claims) {
        uint64_t reach = 0;

        g_array_sort(claims, compare_starts);
        for (guint i = 0; i < claims->len; i++) {
                Claim *entry = &g_array_index(claims, Claim, i);

                reach = MAX(reach, entry->end);
                entry->reach = reach;
        }
}

/* A claim on any of these IDs, or NULL. */
static const Claim *find_claim(const GArray *claims, uint64_t start, uint64_t end) {
        guint low = 0, high = claims->len;
        const Claim *entry;

        while (low < high) {
                guint middle = low + (high - low) / 2;

                if (g_array_index(claims, Claim, middle).reach > start)
                        high = middle;
                else
                        low = middle + 1;
        }
        if (low == claims->len)
                return NULL;
        /* The first that reaches beyond `start` is what ends there; all before it end sooner, and
         * all after it begin later. */
        entry = &g_array_index(claims, Claim, low);
        return entry->start < end ? entry : NULL;
}

/* A place where a block begins or ends. */
typedef struct Edge {
        uint64_t at;
        guint block; /* its place in the file */
        bool begins;
} Edge;

static int compare_edges(gconstpointer a, gconstpointer b) {
        const Edge *x = a, *y = b;

        return (x->at > y->at) - (x->at < y->at);
}

static int compare_blocks(gconstpointer a, gconstpointer b) {
        guint x = GPOINTER_TO_UINT(a), y = GPOINTER_TO_UINT(b);

        return (x > y) - (x < y);
}

static void append_piece(GArray *pieces, uint64_t start, uint64_t end, uint32_t account) {
        Interval *last = pieces->len > 0 ? &g_array_index(pieces, Interval, pieces->len - 1) : NULL;
        Interval piece = { start, end, account };

        if (start == end)
                return;
        if (last && last->end == start && last->account == account)
                last->end = end;
        else
                g_array_append_val(pieces, piece);
}

/* Cut overlapping blocks into disjoint ones, where the first in the file wins: walk over all edges
 * with the set of blocks that are open there. */
static void make_disjoint(GArray **blocks) {
        g_autoptr(GArray) edges = g_array_new(FALSE, FALSE, sizeof(Edge));
        g_autoptr(GTree) open = g_tree_new(compare_blocks);
        GArray *pieces = g_array_new(FALSE, FALSE, sizeof(Interval));
        uint64_t from = 0;

        for (guint i = 0; i < (*blocks)->len; i++) {
                const Interval *block = &g_array_index(*blocks, Interval, i);
                Edge both[] = { { block->start, i, true }, { block->end, i, false } };

                g_array_append_vals(edges, both, G_N_ELEMENTS(both));
        }
        g_array_sort(edges, compare_edges);
        for (guint i = 0; i < edges->len; i++) {
                const Edge *edge = &g_array_index(edges, Edge, i);
                GTreeNode *first = g_tree_node_first(open);

                if (first) {
                        guint block = GPOINTER_TO_UINT(g_tree_node_key(first)) - 1;

                        append_piece(
                                pieces, from, edge->at,
                                g_array_index(*blocks, Interval, block).account);
                }
                if (edge->begins)
                        g_tree_insert(open, GUINT_TO_POINTER(edge->block + 1), NULL);
                else
                        g_tree_remove(open, GUINT_TO_POINTER(edge->block + 1));
                from = edge->at;
        }
        g_array_unref(*blocks);
        *blocks = pieces;
}

/* The first of the disjoint intervals that ends after `id`, or NULL. */
static const Interval *find_interval(const GArray *intervals, uint64_t id) {
        guint low = 0, high = intervals->len;

        while (low < high) {
                guint middle = low + (high - low) / 2;

                if (g_array_index(intervals, Interval, middle).end > id)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low < intervals->len ? &g_array_index(intervals, Interval, low) : NULL;
}

/* files */

static Signature sign(const struct stat *st) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (Signature){
                .valid = now.tv_sec - st->st_ctim.tv_sec >= SETTLED_SECONDS,
                .exists = true,
                .device = st->st_dev,
                .inode = st->st_ino,
                .size = st->st_size,
                .mtime = st->st_mtim,
                .ctime = st->st_ctim,
        };
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const Signature *a, const Signature *b) {
        if (!a->valid || a->exists != b->exists)
                return false;
        return !a->exists ||
               (a->device == b->device && a->inode == b->inode && a->size == b->size &&
                same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime));
}

static int read_host_file(
        const char *etc, HostFile file, Contents *contents, Signature *ret_signature) {
        g_autofree char *path = g_build_filename(etc, file_names[file], NULL), *text = NULL;
        auto_fd fd = -1;
        struct stat st;
        size_t size;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0) {
                if (errno != ENOENT)
                        return -errno;
                *ret_signature = (Signature){ .valid = true };
                return 0;
        }
        if (fstat(fd, &st) < 0)
                return -errno;
        r = file_read_fd(fd, LIMIT_ETC_FILE_SIZE, &text, &size);
        if (r < 0)
                return r;
        take_lines(contents, file, text, size);
        *ret_signature = sign(&st);
        return 0;
}

static int read_all(HostIds *ids) {
        Signature signatures[HOST_FILES_N];
        g_auto(Contents) contents = { NULL };

        contents_init(&contents);
        for (HostFile file = 0; file < HOST_FILES_N; file++) {
                int r = read_host_file(ids->etc, file, &contents, &signatures[file]);

                if (r < 0)
                        return r;
        }
        sort_claims(contents.claims);
        make_disjoint(&contents.subuids);

        contents_clear(&ids->contents);
        ids->contents = contents;
        contents = (Contents){ NULL };
        memcpy(ids->signatures, signatures, sizeof(signatures));
        ids->generation++;
        return 0;
}

static int has_changed(const HostIds *ids, HostFile file, bool *ret_changed) {
        g_autofree char *path = g_build_filename(ids->etc, file_names[file], NULL);
        Signature now = { .exists = false };
        struct stat st;

        if (stat(path, &st) == 0)
                now = sign(&st);
        else if (errno != ENOENT)
                return -errno;
        *ret_changed = !same_file(&ids->signatures[file], &now);
        return 0;
}

int host_ids_refresh(HostIds *ids) {
        for (HostFile file = 0; file < HOST_FILES_N; file++) {
                bool changed = false;
                int r = has_changed(ids, file, &changed);

                if (r < 0)
                        return r;
                if (changed)
                        return read_all(ids);
        }
        return 0;
}

int host_ids_new(const char *etc, HostIds **ret_ids) {
        g_autoptr(HostIds) ids = g_new0(HostIds, 1);
        int r;

        ids->etc = g_strdup(etc);
        r = read_all(ids);
        if (r < 0)
                return r;
        *ret_ids = g_steal_pointer(&ids);
        return 0;
}

void host_ids_free(HostIds *ids) {
        if (!ids)
                return;
        contents_clear(&ids->contents);
        g_free(ids->reserved);
        g_free(ids->etc);
        g_free(ids);
}

/* questions */

uint32_t host_ids_account(const HostIds *ids, uint32_t uid) {
        const Interval *block = find_interval(ids->contents.subuids, uid);

        /* Root is nobody's subordinate, whatever a file says. */
        return uid != 0 && block && block->start <= uid ? block->account : uid;
}

/* who claims */

static const Claim *first_claim(const HostIds *ids, uint32_t start, uint32_t n_ids) {
        return n_ids == 0 ? NULL
                          : find_claim(ids->contents.claims, start, (uint64_t) start + n_ids);
}

static bool is_reserved(const HostIds *ids, uint32_t start, uint32_t n_ids) {
        for (size_t i = 0; i < ids->n_reserved; i++)
                if (id_range_meets(&ids->reserved[i], start, n_ids))
                        return true;
        return false;
}

void host_ids_set_reserved(HostIds *ids, const IdRange *ranges, size_t n) {
        g_free(ids->reserved);
        ids->reserved = g_memdup2(ranges, n * sizeof(*ranges));
        ids->n_reserved = n;
}

bool host_ids_claims(const HostIds *ids, uint32_t start, uint32_t n_ids) {
        return first_claim(ids, start, n_ids) || is_reserved(ids, start, n_ids);
}

int host_ids_first_untouched(const HostIds *ids, uint32_t *ret_first) {
        static const char *const keys[] = { "SUB_UID_MAX", "SUB_GID_MAX" };
        g_autofree char *path = g_build_filename(ids->etc, "login.defs", NULL), *text = NULL;
        uint32_t highest = 0;
        int r;

        r = file_read(AT_FDCWD, path, LIMIT_ETC_FILE_SIZE, &text, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                uint32_t last = LOGIN_DEFS_SUB_MAX_DEFAULT;

                (void) login_defs_number(text ?: "", keys[i], &last);
                highest = MAX(highest, last);
        }
        *ret_first = highest == UINT32_MAX ? UINT32_MAX : highest + 1;
        return 0;
}

uint64_t host_ids_generation(const HostIds *ids) {
        return ids->generation;
}

char *host_ids_claimant(const HostIds *ids, uint32_t start, uint32_t n_ids) {
        static const char *const kinds[HOST_FILES_N] = {
                [HOST_PASSWD] = "user",
                [HOST_GROUP] = "group",
                [HOST_SUBUID] = "subuid block of",
                [HOST_SUBGID] = "subgid block of",
        };
        const Claim *entry = first_claim(ids, start, n_ids);
        char *claimant;

        if (!entry)
                return is_reserved(ids, start, n_ids) ? g_strdup("Reserved= of nsresourced.conf")
                                                      : NULL;
        claimant = g_strdup_printf(
                "%s %.*s in %s/%s", kinds[entry->file], SHOWN_NAME_MAX, entry->name, ids->etc,
                file_names[entry->file]);
        /* The files are root's, but names may come from anywhere. */
        for (char *c = claimant; *c != '\0'; c++)
                if (!g_ascii_isprint(*c))
                        *c = '?';
        return claimant;
}

bool host_ids_has_name(const HostIds *ids, const char *name) {
        return g_hash_table_contains(ids->contents.names, name);
}

bool host_ids_find_user(
        const HostIds *ids, const char *name, uint32_t *ret_uid, uint32_t *ret_gid) {
        const User *user = g_hash_table_lookup(ids->contents.users, name);

        if (!user)
                return false;
        *ret_uid = user->uid;
        *ret_gid = user->gid;
        return true;
}
