# SPDX-License-Identifier: LGPL-2.1-or-later
# The policy sits in a library of its own, so that tests can put a fake in its place at link time.
noinst_LTLIBRARIES += libpolicy.la
if BUILD_POLICY
libpolicy_la_SOURCES = \
	%D%/policy/policy.c %D%/policy/policy.h %D%/policy/for-test.h \
	%D%/policy/canary.c %D%/policy/canary.h \
	%D%/policy/load.c %D%/policy/load.h \
	%D%/policy/pins.c %D%/policy/pins.h \
	%D%/policy/rules.c %D%/policy/rules.h
libpolicy_la_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
libpolicy_la_LIBADD = libutil.la $(LIBBPF_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-policy
TESTS += tests/unit/test-policy
tests_unit_test_policy_SOURCES = tests/unit/test-policy.c
tests_unit_test_policy_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
tests_unit_test_policy_LDADD = libpolicy.la $(GLIB_LIBS)
nodist_libpolicy_la_SOURCES = bpf/policy.skel.h
else
libpolicy_la_SOURCES = %D%/policy/none.c %D%/policy/policy.h
# Without a line here there would be no flags at all: the one above hides AM_CFLAGS.
libpolicy_la_CFLAGS = $(AM_CFLAGS)
libpolicy_la_LIBADD = $(GLIB_LIBS)
endif
EXTRA_DIST += tests/unit/test-policy.c %D%/policy/none.c %D%/policy/policy.c %D%/policy/for-test.h \
	%D%/policy/canary.c %D%/policy/canary.h %D%/policy/load.c %D%/policy/load.h \
	%D%/policy/pins.c %D%/policy/pins.h %D%/policy/rules.c %D%/policy/rules.h

# Who has which IDs of the host: the daemon and the user database provider count by it.
noinst_LTLIBRARIES += libhost-ids.la
libhost_ids_la_SOURCES = %D%/host/host-ids.c %D%/host/host-ids.h
libhost_ids_la_LIBADD = libutil.la $(GLIB_LIBS)

# All of the daemon but main.c, host-ids and the policy.
noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = \
	%D%/account.c %D%/account.h \
	%D%/adopt.c %D%/adopt.h \
	%D%/allocator/allocator.c %D%/allocator/allocator.h %D%/allocator/state.h \
	%D%/allocator/add.c \
	%D%/allocator/walks.c %D%/allocator/walks.h \
	%D%/allocator/end.c %D%/allocator/end.h \
	%D%/allocator/releasing.c %D%/allocator/releasing.h \
	%D%/allocator/name.c %D%/allocator/name.h \
	%D%/allocator/own-maps.c %D%/allocator/own-maps.h \
	%D%/allocator/reclaim.c %D%/allocator/reclaim.h \
	%D%/allocator/record.c %D%/allocator/record.h \
	%D%/allocator/looks.c %D%/allocator/looks.h \
	%D%/api/container.c \
	%D%/api/errors.c %D%/api/errors.h \
	%D%/api/manager.c \
	%D%/api/namespace.c \
	%D%/api/api.h \
	%D%/host/asker.c %D%/host/asker.h \
	%D%/cgroup/cgroup.c %D%/cgroup/cgroup.h \
	%D%/cgroup/walk.c %D%/cgroup/walk.h \
	%D%/cgroup/open.c %D%/cgroup/open.h \
	%D%/cgroup/remove.c %D%/cgroup/remove.h \
	%D%/cgroup/threads.c %D%/cgroup/threads.h \
	%D%/host/claims.c %D%/host/claims.h \
	%D%/state/details.c %D%/state/details.h \
	%D%/door/door.c %D%/door/door.h \
	%D%/door/child.c %D%/door/child.h \
	%D%/host/host-ids.h \
	%D%/leftovers/leftovers.c %D%/leftovers/leftovers.h \
	%D%/leftovers/child.c %D%/leftovers/child.h \
	%D%/leftovers/claims.c %D%/leftovers/claims.h \
	%D%/leftovers/files.c %D%/leftovers/files.h \
	%D%/leftovers/ipc.c %D%/leftovers/ipc.h \
	%D%/leftovers/processes.c %D%/leftovers/processes.h \
	%D%/leftovers/task.c %D%/leftovers/task.h \
	%D%/limits.h \
	%D%/manager.c %D%/manager.h \
	%D%/reconcile.c %D%/reconcile.h \
	%D%/host/name-cache.c %D%/host/name-cache.h \
	%D%/api/namespace-name.c %D%/api/namespace-name.h \
	%D%/state/settings.c %D%/state/settings.h \
	%D%/host/slot-locks.c %D%/host/slot-locks.h \
	%D%/leftovers/uid-trial.c %D%/leftovers/uid-trial.h \
	%D%/leftovers/uid-trial-child.c %D%/leftovers/uid-trial-child.h \
	%D%/host/vetter.c %D%/host/vetter.h \
	%D%/state/unenforced.c %D%/state/unenforced.h \
	%D%/allocator/unenforced-clear.c %D%/allocator/unenforced-clear.h \
	%D%/host/used-ids.c %D%/host/used-ids.h \
	%D%/userns/userns.c %D%/userns/userns.h \
	%D%/userns/helper.c \
	%D%/userns/processes.c \
	%D%/userns/joiner.c %D%/userns/joiner.h \
	%D%/userns/sweep.c %D%/userns/sweep.h \
	%D%/userns/sweep-child.c \
	%D%/userns/probe.c \
	%D%/host/vetting.c %D%/host/vetting.h
libdaemon_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libdaemon_la_LIBADD = libhost-ids.la libvarlink.la libinterfaces.la libtable-write.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)

sbin_PROGRAMS += nsresourced
nsresourced_SOURCES = %D%/main.c
nsresourced_LDADD = libdaemon.la libpolicy.la $(SYSTEMD_LIBS)

# Runs once a question, so it links little.
libexecnsr_PROGRAMS += nsresource-ask
nsresource_ask_SOURCES = %D%/host/ask-main.c %D%/host/asker.h %D%/host/name-services.c %D%/host/name-services.h %D%/host/used-ids.c %D%/host/used-ids.h
nsresource_ask_LDADD = libutil.la $(GLIB_LIBS)

# Whoever runs a file that it cannot read is not to be traced, from the first instruction on: others
# of the user that asks have no say in the answers.
INSTALL_EXEC_HOOKS += hide-nsresource-ask
hide-nsresource-ask: install-libexecnsrPROGRAMS
	chmod 0711 "$(DESTDIR)$(libexecnsrdir)/nsresource-ask$(EXEEXT)"

check_PROGRAMS += tests/unit/test-door tests/unit/test-door-lies tests/unit/test-host-ids tests/unit/test-settings tests/unit/test-userns \
	tests/unit/test-used-ids tests/unit/test-userns-probe tests/unit/test-vetting
TESTS += tests/unit/test-door tests/unit/test-door-lies tests/unit/test-host-ids tests/unit/test-settings tests/unit/test-userns \
	tests/unit/test-used-ids tests/unit/test-userns-probe tests/unit/test-vetting
tests_unit_test_door_SOURCES = tests/unit/test-door.c tests/unit/door-fixture.h tests/unit/hanging-fuse.c \
	tests/unit/hanging-fuse.h tests/unit/unit.h
tests_unit_test_door_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_door_lies_SOURCES = tests/unit/test-door-lies.c tests/unit/door-fixture.h tests/unit/hanging-fuse.c \
	tests/unit/hanging-fuse.h tests/unit/unit.h
tests_unit_test_door_lies_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_host_ids_SOURCES = tests/unit/test-host-ids.c
tests_unit_test_host_ids_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_settings_SOURCES = tests/unit/test-settings.c
tests_unit_test_settings_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_userns_SOURCES = tests/unit/test-userns.c tests/unit/unit.h
tests_unit_test_userns_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_userns_probe_SOURCES = tests/unit/test-userns-probe.c tests/unit/unit.h
tests_unit_test_userns_probe_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_vetter_SOURCES = tests/unit/test-vetter.c tests/unit/unit.h
tests_unit_test_vetter_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_vetter_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=g_get_monotonic_time
tests_unit_test_vetting_SOURCES = tests/unit/test-vetting.c tests/unit/unit.h
tests_unit_test_vetting_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_used_ids_SOURCES = tests/unit/test-used-ids.c tests/unit/unit.h
tests_unit_test_used_ids_LDADD = libdaemon.la $(GLIB_LIBS) -lpthread

daemon_unit_tests =
daemon_unit_tests += tests/unit/test-allocator
daemon_unit_tests += tests/unit/test-allocator-end
daemon_unit_tests += tests/unit/test-allocator-walks
daemon_unit_tests += tests/unit/test-allocator-looks
daemon_unit_tests += tests/unit/test-allocator-waits
daemon_unit_tests += tests/unit/test-cgroup
daemon_unit_tests += tests/unit/test-details
daemon_unit_tests += tests/unit/test-leftovers
daemon_unit_tests += tests/unit/test-leftovers-claims
daemon_unit_tests += tests/unit/test-namespace-name
daemon_unit_tests += tests/unit/test-slot-locks
daemon_unit_tests += tests/unit/test-uid-trial
daemon_unit_tests += tests/unit/test-unenforced
daemon_unit_tests += tests/unit/test-vetter
check_PROGRAMS += $(daemon_unit_tests)
TESTS += $(daemon_unit_tests)
tests_unit_test_allocator_SOURCES = tests/unit/test-allocator.c tests/unit/fake-policy.c tests/unit/fake-policy.h tests/unit/holder.h
tests_unit_test_allocator_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_allocator_end_SOURCES = tests/unit/test-allocator-end.c tests/unit/fake-policy.c tests/unit/fake-policy.h
tests_unit_test_allocator_end_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_allocator_end_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=child_new,--wrap=child_succeeded,--wrap=child_kill,--wrap=child_forget,--wrap=cgroup_tree_fd,--wrap=cgroup_tree_removals
tests_unit_test_allocator_walks_SOURCES = tests/unit/test-allocator-walks.c tests/unit/unit.h
tests_unit_test_allocator_walks_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_allocator_walks_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=cgroup_walk,--wrap=cgroup_walk_free,--wrap=allocator_list_owners,--wrap=releasing_set_try_again,--wrap=looks_schedule_next
tests_unit_test_allocator_looks_SOURCES = tests/unit/test-allocator-looks.c tests/unit/fake-policy.c tests/unit/fake-policy.h tests/unit/leftovers-fixture.h tests/unit/unit.h
tests_unit_test_allocator_looks_LDADD = libdaemon.la $(GLIB_LIBS) -lpthread
tests_unit_test_allocator_waits_SOURCES = tests/unit/test-allocator-waits.c tests/unit/fake-policy.c tests/unit/fake-policy.h tests/unit/unit.h
tests_unit_test_allocator_waits_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_allocator_waits_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=vetter_check,--wrap=vetter_want,--wrap=vetter_forget_wanted,--wrap=vetter_go_on,--wrap=g_timeout_source_new
tests_unit_test_namespace_name_SOURCES = tests/unit/test-namespace-name.c
tests_unit_test_namespace_name_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_slot_locks_SOURCES = tests/unit/test-slot-locks.c
tests_unit_test_slot_locks_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_unenforced_SOURCES = tests/unit/test-unenforced.c
tests_unit_test_unenforced_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_cgroup_SOURCES = tests/unit/test-cgroup.c tests/unit/unit.h
tests_unit_test_cgroup_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_details_SOURCES = tests/unit/test-details.c
tests_unit_test_details_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_leftovers_SOURCES = tests/unit/test-leftovers.c tests/unit/leftovers-fixture.h tests/unit/unit.h
tests_unit_test_leftovers_LDADD = libdaemon.la $(GLIB_LIBS) -lpthread -lrt
tests_unit_test_uid_trial_SOURCES = tests/unit/test-uid-trial.c tests/unit/failing-forks.h tests/unit/unit.h
tests_unit_test_uid_trial_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_uid_trial_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=child_new
tests_unit_test_leftovers_claims_SOURCES = tests/unit/test-leftovers-claims.c tests/unit/leftovers-fixture.h tests/unit/unit.h
tests_unit_test_leftovers_claims_LDADD = libdaemon.la $(GLIB_LIBS) -lpthread
