# SPDX-License-Identifier: LGPL-2.1-or-later
# policy.bpf.c -> policy.bpf.o -> policy.skel.h, which daemon/policy/load.c includes.  Not distributed: the skeleton
# is made where it is used.
if BUILD_POLICY
BPF_CPPFLAGS = -D__TARGET_ARCH_$(BPF_ARCH) -I$(top_srcdir) $(BPF_INCLUDES) $(LIBBPF_CFLAGS)

# Line tables and types are not debug ballast here: without -g there is no BTF, and nothing relocates.
%D%/policy.bpf.o: %D%/policy.bpf.c %D%/policy-judge.bpf.h %D%/policy-abi.h %D%/kernel-types.h
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	$(CLANG) -target bpf -g -O2 -Wall -Werror $(BPF_CPPFLAGS) -c $(srcdir)/%D%/policy.bpf.c -o $@.tmp && \
	mv $@.tmp $@

%D%/policy.skel.h: %D%/policy.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton $< name policy_bpf >$@.tmp && mv $@.tmp $@

BUILT_SOURCES += %D%/policy.skel.h
CLEANFILES += %D%/policy.skel.h %D%/policy.bpf.o
endif
EXTRA_DIST += %D%/policy.bpf.c %D%/policy-judge.bpf.h %D%/policy-abi.h %D%/kernel-types.h
