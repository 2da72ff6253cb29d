# SPDX-License-Identifier: LGPL-2.1-or-later
# The policy sits in a library of its own, so that tests can put a fake in its place at link time.
noinst_LTLIBRARIES += libpolicy.la
if BUILD_POLICY
libpolicy_la_SOURCES = %D%/policy.c %D%/policy.h
else
libpolicy_la_SOURCES = %D%/policy-none.c %D%/policy.h
endif
libpolicy_la_LIBADD = $(GLIB_LIBS)
EXTRA_DIST += %D%/policy-none.c

# All of the daemon but main.c and the policy.
noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = \
	%D%/door.c %D%/door.h \
	%D%/door-child.c %D%/door-child.h \
	%D%/host-ids.c %D%/host-ids.h \
	%D%/limits.h \
	%D%/settings.c %D%/settings.h \
	%D%/userns.c %D%/userns.h \
	%D%/userns-helper.c \
	%D%/userns-probe.c \
	%D%/vetting.c %D%/vetting.h
libdaemon_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
libdaemon_la_LIBADD = libutil.la $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-door tests/unit/test-host-ids tests/unit/test-settings tests/unit/test-userns \
	tests/unit/test-userns-probe tests/unit/test-vetting
TESTS += tests/unit/test-door tests/unit/test-host-ids tests/unit/test-settings tests/unit/test-userns \
	tests/unit/test-userns-probe tests/unit/test-vetting
tests_unit_test_door_SOURCES = tests/unit/test-door.c tests/unit/unit.h
tests_unit_test_door_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_host_ids_SOURCES = tests/unit/test-host-ids.c
tests_unit_test_host_ids_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_settings_SOURCES = tests/unit/test-settings.c
tests_unit_test_settings_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_userns_SOURCES = tests/unit/test-userns.c tests/unit/unit.h
tests_unit_test_userns_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_userns_probe_SOURCES = tests/unit/test-userns-probe.c tests/unit/unit.h
tests_unit_test_userns_probe_LDADD = libdaemon.la $(GLIB_LIBS)
tests_unit_test_vetting_SOURCES = tests/unit/test-vetting.c tests/unit/unit.h
tests_unit_test_vetting_LDADD = libdaemon.la $(GLIB_LIBS) -lpthread
