# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libvarlink.la
libvarlink_la_SOURCES = \
	%D%/call.c %D%/call.h \
	%D%/client.c %D%/client.h \
	%D%/connection.c %D%/connection.h \
	%D%/discard.c %D%/discard.h \
	%D%/dispatch.c %D%/dispatch.h \
	%D%/interface.c %D%/interface.h \
	%D%/json.h \
	%D%/listener.c %D%/listener.h \
	%D%/message.c %D%/message.h \
	%D%/method.h \
	%D%/output.c %D%/output.h \
	%D%/peek.c %D%/peek.h \
	%D%/receive.h \
	%D%/run-queue.c %D%/run-queue.h \
	%D%/server.c %D%/server.h \
	%D%/service.c %D%/service.h \
	%D%/types.h
libvarlink_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libvarlink_la_LIBADD = libinterfaces.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)

# The tests of connections share a server of their own.
varlink_test_libs = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
varlink_fixture = tests/unit/varlink-fixture.c tests/unit/varlink-fixture.h
varlink_tests = \
	tests/unit/test-varlink-client \
	tests/unit/test-varlink-connection \
	tests/unit/test-varlink-descriptors \
	tests/unit/test-varlink-discard \
	tests/unit/test-varlink-interface \
	tests/unit/test-varlink-message \
	tests/unit/test-varlink-peek \
	tests/unit/test-varlink-server \
	tests/unit/test-varlink-turns
check_PROGRAMS += $(varlink_tests)
TESTS += $(varlink_tests)
tests_unit_test_varlink_interface_SOURCES = tests/unit/test-varlink-interface.c
tests_unit_test_varlink_interface_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_message_SOURCES = tests/unit/test-varlink-message.c
tests_unit_test_varlink_message_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_peek_SOURCES = tests/unit/test-varlink-peek.c $(varlink_fixture)
tests_unit_test_varlink_peek_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_server_SOURCES = tests/unit/test-varlink-server.c $(varlink_fixture)
tests_unit_test_varlink_server_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_connection_SOURCES = tests/unit/test-varlink-connection.c $(varlink_fixture)
tests_unit_test_varlink_connection_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_descriptors_SOURCES = tests/unit/test-varlink-descriptors.c $(varlink_fixture)
tests_unit_test_varlink_descriptors_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_client_SOURCES = tests/unit/test-varlink-client.c $(varlink_fixture)
tests_unit_test_varlink_client_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_turns_SOURCES = tests/unit/test-varlink-turns.c $(varlink_fixture)
tests_unit_test_varlink_turns_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_turns_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg
tests_unit_test_varlink_discard_SOURCES = tests/unit/test-varlink-discard.c tests/unit/unit.h
tests_unit_test_varlink_discard_LDADD = $(varlink_test_libs)
tests_unit_test_varlink_discard_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall,--wrap=sendmsg
