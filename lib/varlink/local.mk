# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libvarlink.la
libvarlink_la_SOURCES = \
	%D%/call.c %D%/call.h \
	%D%/client.c %D%/client.h \
	%D%/connection.c %D%/connection.h \
	%D%/dispatch.c %D%/dispatch.h \
	%D%/interface.c %D%/interface.h \
	%D%/json.h \
	%D%/listener.c %D%/listener.h \
	%D%/message.c %D%/message.h \
	%D%/output.c %D%/output.h \
	%D%/peek.c %D%/peek.h \
	%D%/server.c %D%/server.h \
	%D%/service.c %D%/service.h
libvarlink_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libvarlink_la_LIBADD = libinterfaces.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS) -lm

check_PROGRAMS += tests/unit/test-varlink-server
TESTS += tests/unit/test-varlink-server
tests_unit_test_varlink_server_SOURCES = tests/unit/test-varlink-server.c \
	tests/unit/varlink-fixture.c tests/unit/varlink-fixture.h
tests_unit_test_varlink_server_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
