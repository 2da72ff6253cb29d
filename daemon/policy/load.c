/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon/policy/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <glib.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/mount.h>

#include "bpf/policy.skel.h"
#include "lib/util/fd.h"
#include "lib/util/file.h"

#define LSM_LIST "/sys/kernel/security/lsm"
#define LSM_LIST_MAX 4096u
#define FILE_SYSTEMS "/proc/filesystems"
#define FILE_SYSTEMS_MAX 65536u
#define MODULES_DISABLED "/proc/sys/kernel/modules_disabled"
#define VERIFIER_LOG_SIZE (256u * 1024u)
#define PROBLEM_LINE_MAX 300

typedef struct btf KernelTypes;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KernelTypes, btf__free)

static const PolicyMapInfo maps[MAP_COUNT] = {
        [MAP_RECORDS] = { .name = "records",
                          .type = BPF_MAP_TYPE_ARRAY,
                          .key_size = sizeof(uint32_t),
                          .value_size = sizeof(struct policy_record),
                          .flags = BPF_F_MMAPABLE },
        [MAP_HOLDERS] = { .name = "holders",
                          .type = BPF_MAP_TYPE_HASH,
                          .key_size = sizeof(uint32_t),
                          .value_size = sizeof(struct policy_holder) },
        [MAP_CONTROL] = { .name = "control",
                          .type = BPF_MAP_TYPE_ARRAY,
                          .key_size = sizeof(uint32_t),
                          .value_size = sizeof(struct policy_control),
                          .max_entries = 1,
                          .flags = BPF_F_MMAPABLE },
        [MAP_EVENTS] = { .name = "events",
                         .type = BPF_MAP_TYPE_RINGBUF,
                         .max_entries = POLICY_EVENTS_SIZE },
        [MAP_SETTERS] = { .name = "setters",
                          .type = BPF_MAP_TYPE_LRU_HASH,
                          .key_size = sizeof(uint64_t),
                          .value_size = sizeof(uint64_t),
                          .max_entries = POLICY_SETTERS },
        [MAP_USES] = { .name = "uses",
                       .type = BPF_MAP_TYPE_ARRAY,
                       .key_size = sizeof(uint32_t),
                       .value_size = sizeof(struct policy_uses),
                       .flags = BPF_F_MMAPABLE },
};
G_STATIC_ASSERT(sizeof((int[]) POLICY_NO_MAPS) == MAP_COUNT * sizeof(int));

const PolicyMapInfo *policy_map_info(PolicyMap map) {
        return &maps[map];
}

uint32_t policy_map_entries(PolicyMap map, uint32_t n_slots, uint32_t n_records) {
        if (maps[map].max_entries > 0)
                return maps[map].max_entries;
        return map == MAP_USES ? n_slots : n_records + 1;
}

/* ---- what the kernel has ---- */

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments) {
        return 0;
}

/* The programs that a kernel function is the hook of. */
static uint64_t available_of_function(
        const struct btf *btf, const struct btf_type *function, const char *name) {
        const struct btf_type *prototype = btf__type_by_id(btf, function->type);
        bool is_security = g_str_has_prefix(name, "bpf_lsm_");
        uint64_t available = 0;

        if (is_security)
                name += strlen("bpf_lsm_");
        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++) {
                const PolicyProgramInfo *info = policy_program_info(i);

                if (!info->is_kprobe && info->is_tracing != is_security &&
                    strcmp(info->hook, name) == 0 &&
                    (info->n_args == 0 || (prototype && btf_vlen(prototype) == info->n_args)))
                        available |= POLICY_AVAILABLE(i);
        }
        if (is_security)
                available |= POLICY_AVAILABLE_LSM;
        /* The function that does it, in 6.1. */
        if (!is_security && strcmp(name, "vfs_set_acl_prepare") == 0)
                available |= POLICY_AVAILABLE_ACL_PASSES_MOUNT_LATER;
        return available;
}

/* Whether a struct has a member, also inside unnamed ones. */
static bool has_member(const struct btf *btf, const struct btf_type *type, const char *name) {
        const struct btf_member *member = btf_members(type);

        for (int i = 0; i < btf_vlen(type); i++, member++) {
                const char *own = btf__name_by_offset(btf, member->name_off);
                const struct btf_type *inner;

                if (own && strcmp(own, name) == 0)
                        return true;
                inner = btf__type_by_id(btf, member->type);
                if (own && !*own && inner && btf_is_composite(inner) &&
                    has_member(btf, inner, name))
                        return true;
        }
        return false;
}

/* What the layout of a type tells. */
static uint64_t available_of_type(
        const struct btf *btf, const struct btf_type *type, const char *name) {
        if (g_strcmp0(name, "iattr") == 0 && !has_member(btf, type, "ia_vfsuid"))
                return POLICY_AVAILABLE_OWNER_ON_DISK;
        /* Every hook the kernel has, also those that programs cannot be on. */
        if (g_strcmp0(name, "security_list_options") == 0 &&
            !has_member(btf, type, "file_ioctl_compat"))
                return POLICY_AVAILABLE_ONE_IOCTL;
        return 0;
}

/* Whether there is btrfs, or the kernel could load it for whoever mounts one.  Which modules there
 * are is hidden from the service (ProtectKernelModules=). */
static bool can_have_btrfs(void) {
        g_autofree char *known = NULL, *disabled = NULL;

        if (file_read(AT_FDCWD, FILE_SYSTEMS, FILE_SYSTEMS_MAX, &known, NULL) < 0 ||
            strstr(known, "\tbtrfs\n"))
                return true;
        return file_read(AT_FDCWD, MODULES_DISABLED, FILE_SYSTEMS_MAX, &disabled, NULL) < 0 ||
               disabled[0] != '1';
}

static bool has_keys(void) {
        return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0) >= 0 ||
               errno != ENOSYS;
}

/* In one pass: there are 100,000 types, and asking by name goes through all of them each time. */
static uint64_t read_available(const struct btf *btf) {
        /* Whether there are kprobes, attaching tells. */
        uint64_t available =
                POLICY_AVAILABLE(PROGRAM_DEATH_KPROBE) | POLICY_AVAILABLE(PROGRAM_BIRTH_KPROBE);

        for (__u32 id = 1; id < btf__type_cnt(btf); id++) {
                const struct btf_type *type = btf__type_by_id(btf, id);
                const char *name = btf__name_by_offset(btf, type->name_off);

                if (btf_is_func(type))
                        available |= available_of_function(btf, type, name);
                else if (btf_is_composite(type))
                        available |= available_of_type(btf, type, name);
        }
        if (!can_have_btrfs())
                available |= POLICY_AVAILABLE_NO_BTRFS;
        if (!has_keys())
                available |= POLICY_AVAILABLE_NO_KEYS;
        return available;
}

/* Programs on security hooks are attached without complaint to a kernel that was told not to run
 * them. */
static bool is_lsm_left_out(PolicyObject *object) {
        static const char *const nothing[] = { NULL };
        g_autofree char *text = NULL;
        g_auto(GStrv) names = NULL;

        if (file_read(AT_FDCWD, LSM_LIST, LSM_LIST_MAX, &text, NULL) < 0)
                return false; /* securityfs is not mounted: the canary finds out */
        names = g_strsplit(g_strstrip(text), ",", -1);
        if (g_strv_contains((const char *const *) names ?: nothing, "bpf"))
                return false;
        object->problem =
                g_strdup_printf("bpf is not among the active security modules (%s)", text);
        object->remedy = "add bpf to the list of the kernel's boot parameter lsm=, for example "
                         "lsm=landlock,lockdown,"
                         "yama,integrity,apparmor,bpf";
        return true;
}

/* The layout of overlayfs is read from its module's BTF, which is there only once the module is. */
static void ask_for_overlayfs(void) {
        auto_fd fd = (int) syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);

        (void) fd;
}

/* ---- load ---- */

static struct bpf_program *find_program(const PolicyObject *object, PolicyProgram program) {
        return bpf_object__find_program_by_name(
                object->skeleton->obj, policy_program_info(program)->name);
}

static struct bpf_map *find_map(const PolicyObject *object, PolicyMap map) {
        return bpf_object__find_map_by_name(object->skeleton->obj, maps[map].name);
}

int policy_object_map_fd(const PolicyObject *object, PolicyMap map) {
        return object->skeleton ? bpf_map__fd(find_map(object, map)) : -1;
}

int policy_object_program_fd(const PolicyObject *object, PolicyProgram program) {
        return object->skeleton ? bpf_program__fd(find_program(object, program)) : -1;
}

/* Every program that a rule's chosen variant has. */
static uint64_t chosen_programs(uint64_t available) {
        uint64_t chosen = 0;
        size_t n;

        (void) policy_rule_info(0, &n);
        for (size_t i = 0; i < n; i++) {
                const PolicyRuleInfo *rule = policy_rule_info(i, NULL);
                int variant = policy_rule_variant(rule, available);

                if (variant >= 0)
                        chosen |= rule->variants[variant].programs;
        }
        return chosen;
}

static int prepare_maps(const PolicyLoad *load, PolicyObject *object) {
        for (PolicyMap i = 0; i < MAP_COUNT; i++) {
                struct bpf_map *map = find_map(object, i);
                int r;

                if (maps[i].max_entries == 0) {
                        r = bpf_map__set_max_entries(
                                map, policy_map_entries(i, load->n_slots, load->n_records));
                        if (r < 0)
                                return r;
                }
                if (load->map_fds[i] < 0)
                        continue;
                r = bpf_map__reuse_fd(map, load->map_fds[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void prepare_constants(const PolicyLoad *load, PolicyObject *object) {
        struct policy_bpf__rodata *constants = object->skeleton->rodata;
        int variant = policy_rule_variant(policy_rule_info(0, NULL), object->available);

        constants->pool_start = load->pool_start;
        constants->pool_size = load->n_slots * POLICY_SLOT_SIZE + POLICY_CANARY_IDS;
        constants->pool_slots = load->n_slots;
        constants->canary_record = load->n_records;
        constants->rules_off = load->test.rules_off;
        constants->without_path_hooks = variant > 0;
        constants->acl_passes_mount_later =
                object->available & POLICY_AVAILABLE_ACL_PASSES_MOUNT_LATER;
        constants->without_loop_helper = load->test.without_loop_helper;
}

/* The last line of the verifier's log that says something. */
static char *last_words(const char *log) {
        g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
        size_t n = g_strv_length(lines);

        while (n > 0 &&
               (*g_strstrip(lines[n - 1]) == '\0' || g_str_has_prefix(lines[n - 1], "processed ")))
                n--;
        return n > 0 ? g_strndup(lines[n - 1], PROBLEM_LINE_MAX) : g_strdup("");
}

static int open_and_load(const PolicyLoad *load, PolicyObject *object) {
        g_autofree char *log = g_malloc0(VERIFIER_LOG_SIZE);
        g_autofree char *words = NULL;
        uint64_t chosen = chosen_programs(object->available);
        int r;

        LIBBPF_OPTS(
                bpf_object_open_opts, options, .kernel_log_buf = log,
                .kernel_log_size = VERIFIER_LOG_SIZE);
        object->skeleton = policy_bpf__open_opts(&options);
        if (!object->skeleton)
                return -errno;
        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++)
                (void) bpf_program__set_autoload(
                        find_program(object, i),
                        (chosen & POLICY_AVAILABLE(i)) || policy_program_info(i)->is_kprobe);
        prepare_constants(load, object);
        r = prepare_maps(load, object);
        if (r >= 0)
                r = policy_bpf__load(object->skeleton);
        if (r >= 0)
                return 0;
        words = last_words(log);
        object->problem = g_strdup_printf(
                "the kernel does not take the programs: %s%s%s", g_strerror(-r), *words ? ": " : "",
                words);
        object->remedy = r == -EPERM ? "run with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN, on a "
                                       "kernel that is not locked down (lockdown=) and "
                                       "lets BPF programs on security hooks be loaded"
                                     : "report this, with the output of `nsresourcectl check` and "
                                       "the kernel's version";
        return 0;
}

/* ---- attach ---- */

/* What cannot be attached is not available: another variant may be taken. */
static void attach(PolicyObject *object) {
        for (;;) {
                uint64_t chosen = chosen_programs(object->available), before = object->available;

                for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++) {
                        struct bpf_program *program = find_program(object, i);

                        if (!(chosen & POLICY_AVAILABLE(i)) || object->links[i])
                                continue;
                        if (bpf_program__fd(program) >= 0)
                                object->links[i] = bpf_program__attach(program);
                        if (!object->links[i])
                                object->available &= ~POLICY_AVAILABLE(i);
                }
                if (object->available == before)
                        return;
        }
}

int policy_object_load(const PolicyLoad *load, PolicyObject *ret_object) {
        g_autoptr(KernelTypes) btf = NULL;
        int r;

        *ret_object = (PolicyObject){};
        (void) libbpf_set_print(quiet);
        btf = btf__load_vmlinux_btf();
        if (!btf) {
                ret_object->problem =
                        g_strdup("the kernel does not tell its types (/sys/kernel/btf/vmlinux)");
                ret_object->remedy = "a kernel with CONFIG_DEBUG_INFO_BTF";
                return 0;
        }
        ret_object->available = read_available(btf) & ~load->test.unavailable;
        if (!(ret_object->available & POLICY_AVAILABLE_LSM)) {
                ret_object->problem = g_strdup("this kernel has no BPF programs on security hooks");
                ret_object->remedy = "a kernel with CONFIG_BPF_LSM";
                return 0;
        }
        if (is_lsm_left_out(ret_object))
                return 0;
        ask_for_overlayfs();
        r = open_and_load(load, ret_object);
        if (r < 0)
                return r;
        if (!ret_object->problem)
                attach(ret_object);
        return 0;
}

void policy_object_clear(PolicyObject *object) {
        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++)
                if (object->links[i])
                        (void) bpf_link__destroy(object->links[i]);
        if (object->skeleton)
                policy_bpf__destroy(object->skeleton);
        g_free(object->problem);
        *object = (PolicyObject){};
}

uint64_t policy_object_missed(const PolicyObject *object) {
        static const PolicyProgram watched[] = { PROGRAM_DEATH, PROGRAM_BIRTH };
        uint64_t missed = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(watched); i++) {
                struct bpf_prog_info info = {};
                __u32 size = sizeof(info);

                if (object->links[watched[i]] &&
                    bpf_obj_get_info_by_fd(
                            policy_object_program_fd(object, watched[i]), &info, &size) >= 0)
                        missed += info.recursion_misses;
        }
        return missed;
}
