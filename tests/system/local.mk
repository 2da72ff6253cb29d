# SPDX-License-Identifier: LGPL-2.1-or-later
# `make container-check` boots a Debian tree with this build installed as a container, `make system-check` another one
# as a machine of its own; both need root.

EXTRA_DIST += \
	%D%/README.md %D%/all-checks %D%/all-checks.service %D%/fetch-tree %D%/run-container %D%/system.sh \
	%D%/c-cold %D%/c-names %D%/c-units %D%/run-machine %D%/machine-init %D%/machine.sh \
	%D%/machine-checks.service %D%/m-clients %D%/m-containers %D%/m-nspawn

CONTAINER_TOOLS = tests/tools/varlink-call tests/tools/hold-at

# CONTAINER_CHECK=tests/system/c-x runs that one alone.
container-check: all
	@$(MAKE) $(CONTAINER_TOOLS)
	$(srcdir)/%D%/run-container --builddir . $(CONTAINER_TOOLS:%=--program %) \
		$(CONTAINER_CHECK:%=--check $(srcdir)/%)
.PHONY: container-check

# SYSTEM_CHECK=tests/system/m-x runs that one alone.
system-check: all
	@$(MAKE) $(CONTAINER_TOOLS)
	$(srcdir)/%D%/run-machine --builddir . $(CONTAINER_TOOLS:%=--program %) \
		$(SYSTEM_CHECK:%=--check $(srcdir)/%)
.PHONY: system-check
