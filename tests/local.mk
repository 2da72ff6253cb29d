# SPDX-License-Identifier: LGPL-2.1-or-later
# One line a subject.  What only one folder's sources concern is registered in that folder's local.mk.
bats_tests =
bats_tests += %D%/bats/allocate.bats
bats_tests += %D%/bats/artefacts.bats
bats_tests += %D%/bats/claims.bats
bats_tests += %D%/bats/container.bats
bats_tests += %D%/bats/hostile.bats
bats_tests += %D%/bats/no-process.bats
bats_tests += %D%/bats/leftovers.bats %D%/bats/states.bats
bats_tests += %D%/bats/lifecycle.bats
bats_tests += %D%/bats/mounts.bats
bats_tests += %D%/bats/nscd.bats
bats_tests += %D%/bats/polkit.bats
bats_tests += %D%/bats/register.bats
bats_tests += %D%/bats/units.bats
bats_tests += %D%/bats/nsresourcectl.bats
bats_tests += %D%/bats/run.bats
bats_tests += %D%/bats/same-answers.bats
bats_tests += %D%/bats/userdb.bats

# What no program that is built has a part in: a build with sanitizers would say the same.
tree_tests = %D%/bats/limits.bats %D%/bats/quickstart.bats %D%/bats/tree.bats
if !ENABLE_SANITIZERS
bats_tests += $(tree_tests)
endif

EXTRA_DIST += $(filter-out $(tree_tests),$(bats_tests)) $(tree_tests) %D%/isolated %D%/bats/common.bash %D%/bats/daemon.bash %D%/bats/cgroups.bash %D%/bats/stub-policy.cil
if HAVE_BATS
TESTS += $(bats_tests)
endif

# For who works on the tree.  What is quick: all but tests that wait for real time, build much, or start many daemons.
slow_tests = %D%/unit/test-allocator-looks %D%/unit/test-door %D%/unit/test-table-crash %D%/unit/test-varlink-connection \
	%D%/unit/test-varlink-discard
quick_bats = %D%/bats/tree.bats %D%/bats/units.bats %D%/bats/quickstart.bats
# What takes longest comes first, so that all the others run meanwhile.
check-quick:
	$(MAKE) check TESTS='$(quick_bats) $(filter-out $(slow_tests),$(filter tests/unit/%,$(TESTS)))'
lint:
	$(MAKE) check TESTS=%D%/bats/tree.bats
format:
	cd $(srcdir) && git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
compile-commands:
	$(MAKE) clean
	bear -- $(MAKE) all
.PHONY: check-quick lint format compile-commands

include %D%/fuzz/local.mk
include %D%/bench/local.mk
