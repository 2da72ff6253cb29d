/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/run-filter.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>

#define X32_BIT 0x40000000u
/* The kernel looks at the lower half of the command only: so do we, or a bit above it would be a
 * way past. */
#define COMMAND_OFFSET                            \
        (offsetof(struct seccomp_data, args[1]) + \
         (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0))

/* What ioctl() is in one way to call the kernel.  A 64-bit kernel takes calls of 32-bit programs
 * too, and any program can make those.  All ways of one kernel have the same TIOCSTI. */
typedef struct Abi {
        uint32_t arch;
        uint32_t mask;       /* of the number, what counts */
        uint32_t numbers[2]; /* both the same if there is one */
} Abi;

static const Abi abis[] = {
        /* x32 has a number of its own; kernels before 5.4 take either with the bit and without. */
        { AUDIT_ARCH_X86_64, ~X32_BIT, { 16, 514 } },
        { AUDIT_ARCH_I386, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_AARCH64, UINT32_MAX, { 29, 29 } },
        { AUDIT_ARCH_ARM, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_RISCV64, UINT32_MAX, { 29, 29 } },
        { AUDIT_ARCH_RISCV32, UINT32_MAX, { 29, 29 } },
        { AUDIT_ARCH_PPC64LE, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_PPC64, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_PPC, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_S390X, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_S390, UINT32_MAX, { 54, 54 } },
        { AUDIT_ARCH_LOONGARCH64, UINT32_MAX, { 29, 29 } },
};

#define ABI_STEPS 11u

#if !defined(__x86_64__) && !defined(__i386__) && !defined(__aarch64__) && !defined(__arm__) && \
        !defined(__riscv) && !defined(__powerpc__) && !defined(__s390__) &&                     \
        !defined(__loongarch__)
#error "an architecture that is not in the table: all of its calls would be refused"
#endif

/* The steps for one way; the register holds which way the call came. */
static void add_abi(const Abi *abi, struct sock_filter steps[static ABI_STEPS]) {
        const struct sock_filter all[ABI_STEPS] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->arch, 0, ABI_STEPS - 1),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, abi->mask),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->numbers[0], 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, abi->numbers[1], 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, COMMAND_OFFSET),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        };

        memcpy(steps, all, sizeof(all));
}

struct sock_filter *run_filter_make(size_t *ret_n) {
        size_t n = 1;
        struct sock_filter *steps = g_new(struct sock_filter, 2 + G_N_ELEMENTS(abis) * ABI_STEPS);

        steps[0] = (struct sock_filter) BPF_STMT(
                BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
        for (size_t i = 0; i < G_N_ELEMENTS(abis); i++, n += ABI_STEPS)
                add_abi(&abis[i], steps + n);
        /* A way that we do not know: nobody takes it. */
        steps[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
        *ret_n = n;
        return steps;
}

int run_filter_install(void) {
        size_t n;
        g_autofree struct sock_filter *steps = run_filter_make(&n);
        const struct sock_fprog program = { .len = (unsigned short) n, .filter = steps };

        /* Kernels before 5.16 make a filtered program slow otherwise, against attacks that this
         * filter is not about. */
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                       &program) < 0
                       ? -errno
                       : 0;
}
