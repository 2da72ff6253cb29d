/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>
#include <linux/bpf.h>

#include "lib/util/fd.h"
#include "lib/util/file.h"
#include "lib/util/parse.h"

/* Below the pin folder, one folder a generation, named by a number; the newest that is whole
 * counts.  Its control map is pinned last, so a generation without one was never finished.
 * Everything else is taken away when a new generation is whole, its programs being attached by
 * then: at no time is a lent ID unprotected.
 *
 * Of an older generation only the maps are used, and only if they are what this version would make:
 * type, sizes, flags, magic, version, pool.  Its programs are never trusted, just replaced. */

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

struct PolicyPins {
        const PolicyConfig *config;
        uint32_t n_records;
        uint32_t newest;  /* generation */
        char *old_folder; /* the generation whose maps are used, or NULL */
        char *new_folder; /* what policy_pins_write() made */
        int map_fds[MAP_COUNT];
        bool holds_other_pool, has_old;
};

static void notice(const PolicyPins *pins, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void notice(const PolicyPins *pins, const char *format, ...) {
        g_autofree char *text = NULL;
        va_list arguments;

        if (!pins->config->notice)
                return;
        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        pins->config->notice(text, pins->config->userdata);
}

static void close_maps(int fds[static MAP_COUNT]) {
        for (PolicyMap i = 0; i < MAP_COUNT; i++)
                fds[i] = fd_close(fds[i]);
}

void policy_pins_free(PolicyPins *pins) {
        if (!pins)
                return;
        close_maps(pins->map_fds);
        g_free(pins->old_folder);
        g_free(pins->new_folder);
        g_free(pins);
}

/* ---- what is there ---- */

static int open_map(const char *folder, PolicyMap map, uint32_t n_slots, uint32_t n_records) {
        const PolicyMapInfo *wanted = policy_map_info(map);
        g_autofree char *path = g_build_filename(folder, wanted->name, NULL);
        struct bpf_map_info info = {};
        __u32 size = sizeof(info), max_entries = policy_map_entries(map, n_slots, n_records);
        auto_fd fd = bpf_obj_get(path);

        if (fd < 0)
                return -errno;
        /* What is pinned under the name of a map can be a program. */
        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != wanted->type ||
            info.key_size != wanted->key_size || info.value_size != wanted->value_size ||
            info.max_entries != max_entries || info.map_flags != wanted->flags ||
            strcmp(info.name, wanted->name) != 0)
                return -EBADMSG;
        return g_steal_fd(&fd);
}

/* Any record in use, in a map of any length. */
static bool has_lent_records(int fd) {
        struct policy_record record;

        for (uint32_t i = 0; bpf_map_lookup_elem(fd, &i, &record) >= 0; i++)
                if (record.state != POLICY_RECORD_FREE)
                        return true;
        return false;
}

/* The maps of a generation.  -ENOENT: it was never finished.  -EBADMSG: it is not ours, or of
 * another version. -EADDRINUSE: ours, and protects ranges of another pool. */
static int open_generation(
        const PolicyPins *pins, const char *folder, int ret_fds[static MAP_COUNT]) {
        int fds[MAP_COUNT] = POLICY_NO_MAPS, r = 0;
        struct policy_control control;
        uint32_t zero = 0;

        fds[MAP_CONTROL] = open_map(folder, MAP_CONTROL, pins->config->n_slots, pins->n_records);
        if (fds[MAP_CONTROL] < 0)
                return fds[MAP_CONTROL];
        if (bpf_map_lookup_elem(fds[MAP_CONTROL], &zero, &control) < 0 ||
            control.magic != POLICY_ABI_MAGIC || control.version != POLICY_ABI_VERSION)
                r = -EBADMSG;
        for (PolicyMap i = 0; i < MAP_COUNT && r >= 0; i++) {
                if (i == MAP_CONTROL)
                        continue;
                fds[i] = open_map(folder, i, control.n_slots, control.n_records);
                if (fds[i] < 0)
                        r = -EBADMSG;
        }
        if (r >= 0 &&
            (control.pool_start != pins->config->pool_start ||
             control.n_slots != pins->config->n_slots || control.n_records != pins->n_records))
                r = has_lent_records(fds[MAP_RECORDS]) ? -EADDRINUSE : -EBADMSG;
        if (r < 0)
                close_maps(fds);
        else
                memcpy(ret_fds, fds, sizeof(fds));
        return r;
}

static int check_folder(const char *path) {
        struct statfs file_system;
        int r;

        r = file_make_directory(path, 0700);
        if (r < 0)
                return r;
        if (statfs(path, &file_system) < 0)
                return -errno;
        return (unsigned long) file_system.f_type == BPF_FS_MAGIC ? 0 : -EMEDIUMTYPE;
}

static int by_number_down(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? 1 : x > y ? -1 : 0;
}

static void look_at_generation(PolicyPins *pins, uint32_t number) {
        g_autofree char *folder = g_strdup_printf("%s/%u", pins->config->pin_folder, number);
        struct stat st;
        int r;

        if (lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
            (st.st_mode & 022)) {
                notice(pins, "%s is not ours: replaced", folder);
                return;
        }
        r = open_generation(pins, folder, pins->map_fds);
        if (r >= 0)
                pins->old_folder = g_steal_pointer(&folder);
        else if (r == -EADDRINUSE)
                pins->holds_other_pool = true;
        else if (r != -ENOENT)
                notice(pins, "what is pinned in %s is of another version, or not ours: replaced",
                       folder);
}

int policy_pins_open(const PolicyConfig *config, uint32_t n_records, PolicyPins **ret_pins) {
        g_autoptr(PolicyPins) pins = g_new(PolicyPins, 1);
        g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autoptr(GDir) dir = NULL;
        const char *name;
        int r;

        *pins = (PolicyPins){ .config = config, .n_records = n_records, .map_fds = POLICY_NO_MAPS };
        r = check_folder(config->pin_folder);
        if (r < 0)
                return r;
        dir = g_dir_open(config->pin_folder, 0, NULL);
        if (!dir)
                return -EACCES;
        while ((name = g_dir_read_name(dir))) {
                uint32_t number;

                pins->has_old = true;
                if (parse_u32(name, &number) && number > 0 && number < UINT32_MAX)
                        g_array_append_val(numbers, number);
                else
                        notice(pins, "%s/%s is not ours: removed", config->pin_folder, name);
        }
        g_array_sort(numbers, by_number_down);
        if (numbers->len > 0)
                pins->newest = g_array_index(numbers, uint32_t, 0);
        for (guint i = 0; i < numbers->len && !pins->old_folder; i++)
                look_at_generation(pins, g_array_index(numbers, uint32_t, i));
        *ret_pins = g_steal_pointer(&pins);
        return 0;
}

const int *policy_pins_maps(const PolicyPins *pins) {
        return pins->map_fds;
}

bool policy_pins_hold_other_pool(const PolicyPins *pins) {
        return pins->holds_other_pool;
}

bool policy_pins_have_old(const PolicyPins *pins) {
        return pins->has_old;
}

/* ---- writing ---- */

static int pin(int fd, const char *folder, const char *name) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

int policy_pins_write(PolicyPins *pins, const PolicyObject *object) {
        int r;

        g_assert(!pins->new_folder);
        pins->new_folder = g_strdup_printf("%s/%u", pins->config->pin_folder, pins->newest + 1);
        if (mkdir(pins->new_folder, 0700) < 0)
                return -errno;
        for (PolicyMap i = 0; i < MAP_COUNT; i++) {
                if (i == MAP_CONTROL)
                        continue;
                r = pin(policy_object_map_fd(object, i), pins->new_folder,
                        policy_map_info(i)->name);
                if (r < 0)
                        return r;
        }
        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++) {
                if (!object->links[i])
                        continue;
                r = pin(bpf_link__fd(object->links[i]), pins->new_folder,
                        policy_program_info(i)->name);
                /* Links of kprobes cannot be pinned before 5.15: ends go unseen while the daemon is
                 * away. */
                if (r < 0 && !policy_program_info(i)->is_kprobe)
                        return r;
        }
        return 0;
}

/* Programs that are not what this build would have pinned are worth a word. */
static void compare_program(
        const PolicyPins *pins, const PolicyObject *object, PolicyProgram program) {
        g_autofree char *path =
                g_build_filename(pins->old_folder, policy_program_info(program)->name, NULL);
        struct bpf_prog_info old_info = {}, new_info = {};
        struct bpf_link_info link_info = {};
        __u32 link_size = sizeof(link_info), old_size = sizeof(old_info),
              new_size = sizeof(new_info);
        auto_fd link = bpf_obj_get(path), old = -1;

        if (link < 0 && !object->links[program])
                return;
        if (link >= 0 && bpf_obj_get_info_by_fd(link, &link_info, &link_size) >= 0)
                old = bpf_prog_get_fd_by_id(link_info.prog_id);
        if (old < 0 || bpf_obj_get_info_by_fd(old, &old_info, &old_size) < 0 ||
            !object->links[program] ||
            bpf_obj_get_info_by_fd(
                    policy_object_program_fd(object, program), &new_info, &new_size) < 0 ||
            memcmp(old_info.tag, new_info.tag, sizeof(old_info.tag)) != 0)
                notice(pins, "%s is not what this version pins: replaced", path);
}

/* Pins and folders of pins, whoever made them; -1 levels would be a loop in the making. */
static void remove_tree(const char *path, int levels) {
        g_autoptr(GDir) dir = NULL;
        const char *name;

        if (unlink(path) >= 0 || levels == 0)
                return;
        dir = g_dir_open(path, 0, NULL);
        if (!dir)
                return;
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *child = g_build_filename(path, name, NULL);

                remove_tree(child, levels - 1);
        }
        (void) rmdir(path);
}

int policy_pins_commit(PolicyPins *pins, const PolicyObject *object) {
        g_autofree char *keep = g_path_get_basename(pins->new_folder);
        g_autoptr(GDir) dir = NULL;
        const char *name;
        int r;

        if (pins->old_folder)
                for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++)
                        compare_program(pins, object, i);
        r = pin(policy_object_map_fd(object, MAP_CONTROL), pins->new_folder,
                policy_map_info(MAP_CONTROL)->name);
        if (r < 0)
                return r;
        dir = g_dir_open(pins->config->pin_folder, 0, NULL);
        if (!dir)
                return -EACCES;
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(pins->config->pin_folder, name, NULL);

                if (strcmp(name, keep) != 0)
                        remove_tree(path, 4);
        }
        pins->has_old = false;
        return 0;
}
