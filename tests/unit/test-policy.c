/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What needs no kernel that runs the policy; the rest is in tests/vm/policy-harness.c. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "daemon/policy/for-test.h"
#include "daemon/policy/rules.h"
#include "lib/table/format.h"

#define P(program) POLICY_AVAILABLE(PROGRAM_##program)

/* What kernels available, as their types say. */
#define AVAILABLE_ALL_INODE                                                                  \
        (P(INODE_INIT_SECURITY) | P(INODE_MKDIR) | P(INODE_MKNOD) | P(INODE_SYMLINK) |       \
         P(INODE_CREATE) | P(FILE_OPEN) | P(INODE_LINK) | P(FILE_IOCTL) | P(SB_KERN_MOUNT) | \
         P(SHM_ALLOC_SECURITY) | P(SEM_ALLOC_SECURITY) | P(MSG_QUEUE_ALLOC_SECURITY) |       \
         P(KEY_PERMISSION) | P(KEY_ALLOC) | P(FILE_SET_FOWNER) | P(FILE_SEND_SIGIOTASK) |    \
         P(TASK_FIX_SETUID) | P(DEATH) | P(BIRTH) | P(DEATH_KPROBE) | P(BIRTH_KPROBE))
#define AVAILABLE_6_1                                                                         \
        (AVAILABLE_ALL_INODE | POLICY_AVAILABLE_PATH | P(INODE_SETATTR) | P(INODE_SETXATTR) | \
         P(FILE_IOCTL_COMPAT))
#define AVAILABLE_7_2                                                                              \
        (AVAILABLE_ALL_INODE | POLICY_AVAILABLE_PATH | P(INODE_SETATTR_IDMAP) | P(INODE_SET_ACL) | \
         P(FILE_IOCTL_COMPAT))
#define AVAILABLE_EL9                                                 \
        (AVAILABLE_ALL_INODE | P(INODE_SETATTR) | P(INODE_SETXATTR) | \
         POLICY_AVAILABLE_OWNER_ON_DISK | POLICY_AVAILABLE_ONE_IOCTL)

static const PolicyRuleInfo *find_rule(const char *name) {
        size_t n;

        (void) policy_rule_info(0, &n);
        for (size_t i = 0; i < n; i++)
                if (g_str_equal(policy_rule_info(i, NULL)->name, name))
                        return policy_rule_info(i, NULL);
        g_assert_not_reached();
}

static uint64_t chosen(const char *name, uint64_t available) {
        const PolicyRuleInfo *rule = find_rule(name);
        int variant = policy_rule_variant(rule, available);

        return variant < 0 ? 0 : rule->variants[variant].programs & ~POLICY_AVAILABLE_OTHER;
}

static bool has_note(const char *name, uint64_t available) {
        const PolicyRuleInfo *rule = find_rule(name);
        int variant = policy_rule_variant(rule, available);

        return variant >= 0 && rule->variants[variant].note;
}

static void test_variants(void) {
        g_assert_cmpuint(
                chosen("make", AVAILABLE_6_1), ==, P(PATH_MKNOD) | P(PATH_MKDIR) | P(PATH_SYMLINK));
        g_assert_cmpuint(chosen("chown", AVAILABLE_6_1), ==, P(PATH_CHOWN));
        g_assert_cmpuint(chosen("mode", AVAILABLE_6_1), ==, P(PATH_CHMOD));
        g_assert_cmpuint(chosen("acl", AVAILABLE_6_1), ==, P(INODE_SETXATTR));
        g_assert_false(has_note("subvolume", AVAILABLE_6_1));

        g_assert_cmpuint(chosen("chown", AVAILABLE_7_2), ==, P(INODE_SETATTR_IDMAP));
        g_assert_cmpuint(chosen("mode", AVAILABLE_7_2), ==, P(INODE_SETATTR_IDMAP));
        g_assert_cmpuint(chosen("acl", AVAILABLE_7_2), ==, P(INODE_SET_ACL));

        g_assert_cmpuint(
                chosen("make", AVAILABLE_EL9), ==,
                P(INODE_CREATE) | P(INODE_MKNOD) | P(INODE_MKDIR) | P(INODE_SYMLINK));
        g_assert_true(has_note("make", AVAILABLE_EL9));
        g_assert_cmpuint(chosen("chown", AVAILABLE_EL9), ==, P(INODE_SETATTR));
        g_assert_false(has_note("chown", AVAILABLE_EL9));
        g_assert_cmpuint(chosen("whiteout", AVAILABLE_EL9), ==, P(INODE_INIT_SECURITY));
        g_assert_true(has_note("whiteout", AVAILABLE_EL9));
        /* Old enough not to have the hook, and to ask the other one for 32-bit programs. */
        g_assert_cmpuint(chosen("subvolume", AVAILABLE_EL9), ==, P(FILE_IOCTL));
        g_assert_false(has_note("subvolume", AVAILABLE_EL9));

        /* 6.0 ... 6.8 without path hooks: the owner is the one the mount shows. */
        g_assert_cmpuint(
                chosen("chown", AVAILABLE_6_1 & ~POLICY_AVAILABLE_PATH), ==, P(INODE_SETATTR));
        g_assert_true(has_note("chown", AVAILABLE_6_1 & ~POLICY_AVAILABLE_PATH));
        g_assert_cmpuint(chosen("death", AVAILABLE_6_1 & ~P(DEATH)), ==, P(DEATH_KPROBE));
}

/* A hook that is taken away takes the rules away that cannot do without it, and no other. */
static void test_missing(void) {
        size_t n;

        (void) policy_rule_info(0, &n);
        g_assert_cmpuint(n, ==, POLICY_RULES_MAX);
        for (size_t i = 0; i < n; i++) {
                const PolicyRuleInfo *rule = policy_rule_info(i, NULL);

                g_assert_nonnull(rule->missing);
                g_assert_nonnull(rule->remedy);
                g_assert_cmpint(policy_rule_variant(rule, 0), ==, -1);
                g_assert_cmpint(policy_rule_variant(rule, AVAILABLE_6_1), >=, 0);
                g_assert_cmpint(policy_rule_variant(rule, AVAILABLE_7_2), >=, 0);
                g_assert_cmpint(policy_rule_variant(rule, AVAILABLE_EL9), >=, 0);
        }
        g_assert_null(policy_rule_info(n, NULL));
        g_assert_cmpuint(chosen("tmpfile", AVAILABLE_7_2 & ~P(FILE_OPEN)), ==, 0);
        g_assert_cmpuint(chosen("make", AVAILABLE_7_2 & ~P(FILE_OPEN)), !=, 0);
        g_assert_cmpuint(chosen("keys", AVAILABLE_7_2 & ~P(KEY_ALLOC)), ==, 0);
        g_assert_cmpuint(chosen("signal", AVAILABLE_7_2 & ~P(FILE_SET_FOWNER)), ==, 0);
        g_assert_cmpuint(chosen("uids", AVAILABLE_7_2 & ~P(TASK_FIX_SETUID)), ==, 0);
        g_assert_cmpuint(chosen("ipc", AVAILABLE_7_2 & ~P(SEM_ALLOC_SECURITY)), ==, 0);
}

/* What a kernel cannot have done to it needs no rule. */
static void test_not_there(void) {
        uint64_t without_compat = AVAILABLE_7_2 & ~P(FILE_IOCTL_COMPAT);
        uint64_t without_keys = AVAILABLE_7_2 & ~(P(KEY_PERMISSION) | P(KEY_ALLOC));

        g_assert_cmpint(policy_rule_variant(find_rule("subvolume"), without_compat), ==, -1);
        g_assert_cmpint(
                policy_rule_variant(
                        find_rule("subvolume"), without_compat | POLICY_AVAILABLE_NO_BTRFS),
                >=, 0);
        g_assert_true(has_note("subvolume", without_compat | POLICY_AVAILABLE_NO_BTRFS));
        g_assert_cmpint(policy_rule_variant(find_rule("keys"), without_keys), ==, -1);
        g_assert_cmpint(
                policy_rule_variant(find_rule("keys"), without_keys | POLICY_AVAILABLE_NO_KEYS), >=,
                0);
}

static void test_programs(void) {
        for (PolicyProgram i = 0; i < PROGRAM_COUNT; i++) {
                g_assert_nonnull(policy_program_info(i)->name);
                g_assert_nonnull(policy_program_info(i)->hook);
        }
}

static PolicyConfig make_config(uint32_t pool_start, uint32_t n_slots, bool enforce) {
        return (PolicyConfig){ .pool_start = pool_start, .n_slots = n_slots, .enforce = enforce };
}

static void test_bounds(void) {
        PolicyConfig none = make_config(TABLE_POOL_START, 0, false);
        PolicyConfig many = make_config(TABLE_POOL_LOWEST, TABLE_SLOTS_MAX + 1, false);
        PolicyConfig high = make_config(TABLE_POOL_HIGHEST - TABLE_SLOT_SIZE, 2, false);
        PolicyConfig most = make_config(TABLE_POOL_LOWEST, TABLE_SLOTS_MAX, false);
        PolicyConfig last = make_config(TABLE_POOL_HIGHEST - TABLE_SLOT_SIZE, 1, false);
        g_autoptr(Policy) a = NULL, b = NULL;

        g_assert_cmpint(policy_open(&none, &a), ==, -EINVAL);
        g_assert_cmpint(policy_open(&many, &a), ==, -EINVAL);
        g_assert_cmpint(policy_open(&high, &a), ==, -EINVAL);
        g_assert_null(a);
        g_assert_cmpint(policy_open(&most, &a), ==, POLICY_E_UNSUPPORTED);
        g_assert_cmpint(policy_open(&last, &b), ==, POLICY_E_UNSUPPORTED);
}

/* Enforcement = none: every call is fine and does nothing, every rule says why. */
static void test_switched_off(void) {
        PolicyConfig config = make_config(TABLE_POOL_START, 16, false);
        g_autoptr(Policy) policy = NULL;
        const PolicyRule *rules;
        uint64_t inode = 1;
        size_t n;

        g_assert_cmpint(policy_open(&config, &policy), ==, POLICY_E_UNSUPPORTED);
        g_assert_false(policy_is_enforcing(policy));
        g_assert_false(policy_was_adopted(policy));
        rules = policy_rules(policy, &n);
        g_assert_cmpuint(n, ==, POLICY_RULES_MAX);
        for (size_t i = 0; i < n; i++) {
                g_assert_false(rules[i].active);
                g_assert_nonnull(rules[i].reason);
                g_assert_nonnull(rules[i].remedy);
        }
        g_assert_cmpint(policy_split(policy, 0, 0), ==, 0);
        g_assert_cmpint(policy_protect(policy, 1, 1, 77), ==, 0);
        g_assert_cmpint(policy_slot(policy, 1, &inode), ==, POLICY_SLOT_FREE);
        g_assert_cmpuint(inode, ==, 0);
        g_assert_cmpint(policy_orphan(policy, 1, 1), ==, 0);
        g_assert_cmpint(policy_unprotect(policy, 1, 1), ==, 0);
        g_assert_cmpint(policy_settle(policy), ==, 0);
}

/* Without privilege, or where pins cannot be: the reason is told, and nothing crashes. */
static void test_unusable_folder(void) {
        PolicyConfig config = make_config(TABLE_POOL_START, 16, true);
        g_autofree char *folder = g_dir_make_tmp("test-policy-XXXXXX", NULL);
        g_autofree char *pins = g_build_filename(folder, "pins", NULL);
        g_autoptr(Policy) policy = NULL;
        const PolicyRule *rules;
        size_t n;

        config.pin_folder = pins;
        g_assert_cmpint(policy_open(&config, &policy), ==, POLICY_E_UNSUPPORTED);
        rules = policy_rules(policy, &n);
        g_assert_nonnull(strstr(rules[0].reason, pins));
        g_assert_false(policy_is_enforcing(policy));
        (void) g_rmdir(pins);
        (void) g_rmdir(folder);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/policy/variants", test_variants);
        g_test_add_func("/policy/missing", test_missing);
        g_test_add_func("/policy/not-there", test_not_there);
        g_test_add_func("/policy/programs", test_programs);
        g_test_add_func("/policy/bounds", test_bounds);
        g_test_add_func("/policy/switched-off", test_switched_off);
        g_test_add_func("/policy/unusable-folder", test_unusable_folder);
        return g_test_run();
}
