# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libutil.la
libutil_la_SOURCES = \
	%D%/child.c %D%/child.h \
	%D%/fd.h \
	%D%/fd-send.c %D%/fd-send.h \
	%D%/file.c %D%/file.h \
	%D%/log.c %D%/log.h \
	%D%/parse.c %D%/parse.h \
	%D%/id-range.c %D%/id-range.h \
	%D%/login-defs.c %D%/login-defs.h \
	%D%/nss-services.c %D%/nss-services.h \
	%D%/options.c %D%/options.h \
	%D%/proc-status.c %D%/proc-status.h \
	%D%/proc-userns.c %D%/proc-userns.h \
	%D%/source.h \
	%D%/turns.c %D%/turns.h \
	%D%/worker-pool.c %D%/worker-pool.h
libutil_la_LIBADD = $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-child tests/unit/test-fd-send tests/unit/test-parse tests/unit/test-worker-pool tests/unit/test-file tests/unit/test-id-range tests/unit/test-nss-services tests/unit/test-options tests/unit/test-proc-status tests/unit/test-turns
TESTS += tests/unit/test-child tests/unit/test-fd-send tests/unit/test-parse tests/unit/test-worker-pool tests/unit/test-file tests/unit/test-id-range tests/unit/test-nss-services tests/unit/test-options tests/unit/test-proc-status tests/unit/test-turns
tests_unit_test_child_SOURCES = tests/unit/test-child.c tests/unit/unit.h
tests_unit_test_child_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_fd_send_SOURCES = tests/unit/test-fd-send.c
tests_unit_test_fd_send_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_parse_SOURCES = tests/unit/test-parse.c
tests_unit_test_parse_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_worker_pool_SOURCES = tests/unit/test-worker-pool.c tests/unit/failing-forks.h tests/unit/unit.h
tests_unit_test_worker_pool_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_worker_pool_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=child_new
tests_unit_test_file_SOURCES = tests/unit/test-file.c
tests_unit_test_file_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_id_range_SOURCES = tests/unit/test-id-range.c
tests_unit_test_id_range_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_nss_services_SOURCES = tests/unit/test-nss-services.c
tests_unit_test_nss_services_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_options_SOURCES = tests/unit/test-options.c
tests_unit_test_options_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_proc_status_SOURCES = tests/unit/test-proc-status.c
tests_unit_test_proc_status_LDADD = libutil.la $(GLIB_LIBS)
tests_unit_test_turns_SOURCES = tests/unit/test-turns.c
tests_unit_test_turns_LDADD = libutil.la $(GLIB_LIBS)
