/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Says whether this kernel loads, attaches and runs BPF programs on security hooks: a hand-made
 * program on path_mkdir refuses this process, and no other, until it is detached.  Where this
 * fails, nothing that is said about the policy proves anything.
 */
#include "config.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INSN(c, d, s, o, i)                                                         \
        (struct bpf_insn) {                                                         \
                .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
        }

#define DIRECTORY "/tmp/probe-lsm"

static int n_tests;

static bool tap(bool good, const char *what) {
        printf("%sok %d - %s\n", good ? "" : "not ", ++n_tests, what);
        return good;
}

static int load_refusal_for(pid_t pid) {
        struct bpf_insn program[] = {
                INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_pid_tgid),
                INSN(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 32),
                INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, pid),
                INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
                INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
                INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -EPERM),
                INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        };
        int hook = libbpf_find_vmlinux_btf_id("path_mkdir", BPF_LSM_MAC);
        if (hook < 0)
                return hook;

        LIBBPF_OPTS(
                bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC,
                .attach_btf_id = (unsigned) hook);
        return bpf_prog_load(
                BPF_PROG_TYPE_LSM, "probe", "GPL", program, sizeof(program) / sizeof(program[0]),
                &options);
}

static int mkdir_errno(void) {
        if (mkdir(DIRECTORY, 0700) < 0)
                return errno;
        rmdir(DIRECTORY);
        return 0;
}

int main(void) {
        setvbuf(stdout, NULL, _IOLBF, 0);

        int program = load_refusal_for(getpid());
        if (!tap(program >= 0, "a program for the path_mkdir hook loads"))
                printf("# %s\n", strerror(-program));
        else {
                int link = bpf_raw_tracepoint_open(NULL, program);
                tap(link >= 0, "it attaches");
                tap(mkdir_errno() == EPERM, "mkdir is refused by it");

                pid_t child = fork();
                if (child == 0)
                        _exit(mkdir_errno() == 0 ? 0 : 1);
                int status = -1;
                waitpid(child, &status, 0);
                tap(status == 0, "mkdir of another process is not");

                close(link);
                tap(mkdir_errno() == 0, "nor any when it is detached");
        }
        printf("1..%d\n", n_tests);
        return 0;
}
