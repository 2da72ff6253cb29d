# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libuserdb.la
libuserdb_la_SOURCES = \
	%D%/privileges.c %D%/privileges.h \
	%D%/user-filter.c %D%/user-filter.h \
	%D%/user-record.c %D%/user-record.h \
	%D%/service.c %D%/service.h
libuserdb_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libuserdb_la_LIBADD = libhost-ids.la libtable-follow.la libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)

libexecnsr_PROGRAMS += nsresource-userdbd
nsresource_userdbd_SOURCES = %D%/main.c
nsresource_userdbd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS)
nsresource_userdbd_LDADD = libuserdb.la $(SYSTEMD_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-user-record
TESTS += tests/unit/test-user-record
tests_unit_test_user_record_SOURCES = tests/unit/test-user-record.c
tests_unit_test_user_record_LDADD = libuserdb.la $(JANSSON_LIBS) $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-userdb-service
TESTS += tests/unit/test-userdb-service
tests_unit_test_userdb_service_SOURCES = tests/unit/test-userdb-service.c tests/unit/table-fixture.h tests/unit/unit.h
tests_unit_test_userdb_service_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_userdb_service_LDADD = libuserdb.la libtable-write.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)
