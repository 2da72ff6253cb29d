# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs that bats tests call.
check_PROGRAMS += tests/tools/varlink-call tests/tools/terminal
tests_tools_varlink_call_SOURCES = tests/tools/varlink-call.c
tests_tools_varlink_call_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_varlink_call_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
check_PROGRAMS += tests/tools/cycle tests/tools/stop-joiners
tests_tools_cycle_SOURCES = tests/tools/cycle.c tests/unit/holder.h
tests_tools_cycle_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_cycle_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
tests_tools_stop_joiners_SOURCES = tests/tools/stop-joiners.c
check_PROGRAMS += tests/tools/hang-fuse
tests_tools_hang_fuse_SOURCES = tests/tools/hang-fuse.c tests/unit/hanging-fuse.c tests/unit/hanging-fuse.h
tests_tools_hang_fuse_LDADD = $(GLIB_LIBS)
tests_tools_terminal_SOURCES = tests/tools/terminal.c
tests_tools_terminal_LDADD = $(GLIB_LIBS)
check_PROGRAMS += tests/tools/hold-at
tests_tools_hold_at_SOURCES = tests/tools/hold-at.c
check_PROGRAMS += tests/tools/flood tests/tools/many-groups
tests_tools_many_groups_SOURCES = tests/tools/many-groups.c
tests_tools_flood_SOURCES = tests/tools/flood.c
tests_tools_flood_LDADD = libutil.la $(GLIB_LIBS)
check_PROGRAMS += tests/tools/caller-keys tests/tools/forbid tests/tools/type
tests_tools_caller_keys_SOURCES = tests/tools/caller-keys.c
tests_tools_type_SOURCES = tests/tools/type.c
tests_tools_forbid_SOURCES = tests/tools/forbid.c
# A directory service: an NSS module, never installed (an rpath makes libtool build a shared one).
check_LTLIBRARIES += libnss_fake.la
libnss_fake_la_SOURCES = tests/tools/nss-fake.c
libnss_fake_la_CFLAGS = -std=gnu11 $(EXTRA_CFLAGS)
libnss_fake_la_LDFLAGS = $(EXTRA_LDFLAGS) -module -shared -avoid-version -shrext .so.2 -rpath /nowhere
