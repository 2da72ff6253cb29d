# SPDX-License-Identifier: LGPL-2.1-or-later
# `make container-check` boots a Debian tree with this build installed as a container; needs root.

EXTRA_DIST += \
	%D%/README.md %D%/all-checks %D%/all-checks.service %D%/fetch-tree %D%/run-container %D%/system.sh \
	%D%/c-cold %D%/c-names %D%/c-units

CONTAINER_TOOLS = tests/tools/varlink-call

# CONTAINER_CHECK=tests/system/c-x runs that one alone.
container-check: all
	@$(MAKE) $(CONTAINER_TOOLS)
	$(srcdir)/%D%/run-container --builddir . $(CONTAINER_TOOLS:%=--program %) \
		$(CONTAINER_CHECK:%=--check $(srcdir)/%)
.PHONY: container-check
