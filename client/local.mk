# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	%D%/check.c \
	%D%/check-nscd.c %D%/check-nscd.h \
	%D%/check-polkit.c %D%/check-polkit.h \
	%D%/columns.c %D%/columns.h \
	%D%/foreign-ids.c %D%/foreign-ids.h \
	%D%/list.c \
	%D%/manager.c %D%/manager.h \
	%D%/message.c %D%/message.h \
	%D%/nss.c \
	%D%/nsswitch.c %D%/nsswitch.h \
	%D%/nsswitch-file.c %D%/nsswitch-file.h \
	%D%/processes.c %D%/processes.h \
	%D%/range-info.c %D%/range-info.h \
	%D%/run.c \
	%D%/run-filter.c %D%/run-filter.h \
	%D%/run-group.c %D%/run-group.h \
	%D%/run-init.c \
	%D%/run-message.c %D%/run-message.h \
	%D%/run-name.c %D%/run-name.h \
	%D%/run-namespace.c %D%/run-namespace.h \
	%D%/run-supervise.c %D%/run-supervise.h \
	%D%/show.c \
	%D%/status.c \
	%D%/unenforced.c \
	%D%/verb.c %D%/verb.h \
	%D%/whose.c
libclient_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
libclient_la_LIBADD = libtable-read.la libvarlink.la libutil.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS) $(GLIB_LIBS)

bin_PROGRAMS += nsresourcectl
nsresourcectl_SOURCES = %D%/main.c
nsresourcectl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
nsresourcectl_LDADD = libclient.la $(JANSSON_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-client tests/unit/test-foreign-ids tests/unit/test-nsswitch
TESTS += tests/unit/test-client tests/unit/test-foreign-ids tests/unit/test-nsswitch
tests_unit_test_client_SOURCES = tests/unit/test-client.c
tests_unit_test_client_LDADD = libclient.la $(JANSSON_LIBS) $(GLIB_LIBS)
tests_unit_test_foreign_ids_SOURCES = tests/unit/test-foreign-ids.c
tests_unit_test_foreign_ids_LDADD = libclient.la $(JANSSON_LIBS) $(GLIB_LIBS)
tests_unit_test_nsswitch_SOURCES = tests/unit/test-nsswitch.c
tests_unit_test_nsswitch_LDADD = libclient.la $(JANSSON_LIBS) $(GLIB_LIBS)
