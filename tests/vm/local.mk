# SPDX-License-Identifier: LGPL-2.1-or-later
# `make vm-check` boots Debian's kernels and runs the guest tests inside; VM_KERNEL=6.12 picks one.

EXTRA_DIST += \
	%D%/fetch-kernels %D%/mirror.sh %D%/tap-filter %D%/emulator.sh %D%/kernel-log.sh %D%/run %D%/init %D%/lib.sh %D%/README.md \
	%D%/guest-etc/group %D%/guest-etc/nsswitch.conf %D%/guest-etc/passwd \
	%D%/guest-etc/subgid %D%/guest-etc/subuid \
	%D%/bench-cost %D%/soak-churn %D%/t-attack %D%/t-attack-none %D%/t-churn %D%/t-daemon %D%/t-daemon-no-lsm %D%/t-daemon-none \
	%D%/t-leftovers %D%/t-policy %D%/t-policy-no-lsm %D%/t-policy-no-path %D%/t-rules %D%/t-run %D%/t-smoke %D%/t-varlink

# Programs the machine gets as /vm/NAME.  Built by vm-check only.
VM_TOOLS = %D%/attack %D%/attack32 %D%/churn %D%/leave %D%/lender %D%/poison %D%/probe-lsm
EXTRA_PROGRAMS += %D%/attack %D%/churn %D%/leave %D%/lender %D%/poison %D%/probe-lsm
if BUILD_POLICY
VM_TOOLS += %D%/policy-harness
VM_BENCH = %D%/bench-policy %D%/bench-ends
EXTRA_PROGRAMS += %D%/policy-harness %D%/bench-policy %D%/bench-ends
endif
CLEANFILES += $(VM_TOOLS) $(VM_BENCH)
# Unit tests of what the kernel does.
VM_UNIT_TESTS = \
	tests/unit/test-varlink-connection tests/unit/test-varlink-descriptors \
	tests/unit/test-varlink-peek tests/unit/test-varlink-server
# What bats tests drive on the host's own kernel, too.
VM_TEST_TOOLS = tests/tools/caller-keys tests/tools/terminal tests/tools/type

%C%_attack_SOURCES = \
	%D%/attack.c %D%/attack.h %D%/attack-context.c %D%/attack-fs.c %D%/attack-harmless.c \
	%D%/attack-host.c %D%/attack-ipc.c %D%/attack-keys.c %D%/attack-make.c %D%/attack-nobody.c %D%/attack-owner.c %D%/attack-stage.c \
	%D%/attack-uring.c
# The same attacks through the kernel's 32-bit entry points; static, so that no 32-bit libraries are needed inside.
%D%/attack32: $(%C%_attack_SOURCES)
	$(AM_V_CCLD)$(MKDIR_P) $(@D) && $(CC) -m32 -static -std=gnu11 -O1 -g -D_FILE_OFFSET_BITS=64 \
		-I$(top_srcdir) -I. -o $@ $(filter %.c,$^)

%C%_churn_SOURCES = %D%/churn.c %D%/attack-stage.c %D%/attack.h

%C%_leave_SOURCES = %D%/leave.c
%C%_leave_LDADD = -lpthread

%C%_poison_SOURCES = %D%/poison.c

%C%_lender_SOURCES = %D%/lender.c %D%/lender-policy.h
if BUILD_POLICY
%C%_lender_SOURCES += %D%/lender-policy.c
else
%C%_lender_SOURCES += %D%/lender-policy-none.c
endif
%C%_lender_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
%C%_lender_LDADD = libpolicy.la libutil.la $(LIBBPF_LIBS) $(GLIB_LIBS)

%C%_probe_lsm_SOURCES = %D%/probe-lsm.c
%C%_probe_lsm_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
%C%_probe_lsm_LDADD = $(LIBBPF_LIBS)

%C%_policy_harness_SOURCES = \
	%D%/policy-harness.c %D%/policy-harness.h %D%/policy-attacks.c %D%/policy-attacks.h %D%/policy-signals.c \
	%D%/policy-uids.c
%C%_policy_harness_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
%C%_policy_harness_LDADD = libdaemon.la libpolicy.la libutil.la $(LIBBPF_LIBS) $(GLIB_LIBS)

%C%_bench_ends_SOURCES = %D%/bench-ends.c
%C%_bench_ends_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_bench_ends_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
%C%_bench_policy_SOURCES = %D%/bench-policy.c %D%/lender-policy.c %D%/lender-policy.h
%C%_bench_policy_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
%C%_bench_policy_LDADD = libpolicy.la libutil.la $(LIBBPF_LIBS) $(GLIB_LIBS)

# VM_KERNEL and friends come from the environment or the command line: a value here would win over the former.
VM_RUN = $(srcdir)/%D%/run --builddir . $(VM_TOOLS:%=--program %) $(VM_UNIT_TESTS:%=--program %) \
	$(VM_TEST_TOOLS:%=--program %) $(VM_EXTRA_TOOLS:%=--program %)

# VM_SCRIPT=tests/vm/t-x runs that test alone, VM_CMDLINE gives words to the kernel's command line.
# One after the other: `all` builds in a make of its own.
vm-check: all
	@$(MAKE) $(VM_TOOLS) $(VM_UNIT_TESTS) $(VM_TEST_TOOLS) $(VM_EXTRA_TOOLS)
	$(VM_RUN) $(VM_KERNEL:%=--kernel %) $(VM_SCRIPT:%=--script $(srcdir)/%) \
		$(if $(VM_CMDLINE),--cmdline '$(VM_CMDLINE)')
.PHONY: vm-check

# t-churn for long, on one kernel.
vm-soak: all
	@$(MAKE) $(VM_TOOLS) $(VM_UNIT_TESTS) $(VM_TEST_TOOLS)
	VM_BOOT_LIMIT=3600 $(VM_RUN) --kernel $(or $(VM_KERNEL),6.12) --script $(srcdir)/%D%/soak-churn
.PHONY: vm-soak

# What the policy costs; figures, no verdict.
vm-bench: all
	@$(MAKE) $(VM_TOOLS) $(VM_UNIT_TESTS) $(VM_TEST_TOOLS) $(VM_BENCH)
	$(VM_RUN) $(VM_BENCH:%=--program %) --kernel $(or $(VM_KERNEL),6.12) --script $(srcdir)/%D%/bench-cost
.PHONY: vm-bench
