# SPDX-License-Identifier: LGPL-2.1-or-later
# `make vm-check` boots Debian's kernels and runs the guest tests inside; VM_KERNEL=6.12 picks one.

EXTRA_DIST += \
	%D%/fetch-kernels %D%/run %D%/init %D%/lib.sh %D%/README.md \
	%D%/guest-etc/group %D%/guest-etc/nsswitch.conf %D%/guest-etc/passwd \
	%D%/guest-etc/subgid %D%/guest-etc/subuid \
	%D%/t-smoke

# Programs the machine gets as /vm/NAME.  Built by vm-check only.
VM_TOOLS = %D%/probe-lsm
EXTRA_PROGRAMS = $(VM_TOOLS)
CLEANFILES += $(VM_TOOLS)

%C%_probe_lsm_SOURCES = %D%/probe-lsm.c
%C%_probe_lsm_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
%C%_probe_lsm_LDADD = $(LIBBPF_LIBS)

# VM_KERNEL and friends come from the environment or the command line: a value here would win over the former.
VM_RUN = $(srcdir)/%D%/run --builddir . $(VM_TOOLS:%=--program %) $(VM_EXTRA_TOOLS:%=--program %)

# VM_SCRIPT=tests/vm/t-x runs that test alone, VM_CMDLINE gives words to the kernel's command line.
vm-check: all $(VM_TOOLS) $(VM_EXTRA_TOOLS)
	$(VM_RUN) $(VM_KERNEL:%=--kernel %) $(VM_SCRIPT:%=--script $(srcdir)/%) \
		$(if $(VM_CMDLINE),--cmdline '$(VM_CMDLINE)')
.PHONY: vm-check
