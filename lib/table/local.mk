# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader: libc only.  Programs link libutil.la after it, for lib/util/parse.
noinst_LTLIBRARIES += libtable-read.la
libtable_read_la_SOURCES = \
	%D%/crc.c %D%/crc.h \
	%D%/describe.c %D%/describe.h \
	%D%/format.h \
	%D%/name.c %D%/name.h \
	%D%/read.c %D%/read.h \
	%D%/socket.c %D%/socket.h

# The reader of a long-lived process.
noinst_LTLIBRARIES += libtable-follow.la
libtable_follow_la_SOURCES = %D%/follow.c %D%/follow.h
libtable_follow_la_LIBADD = libtable-read.la

# The writer.  Its stores stand apart, so that a test can put others in their place: programs link
# libtable-write.la, that test links libtable-core.la and its own table-store.
noinst_LTLIBRARIES += libtable-core.la libtable-write.la
libtable_core_la_SOURCES = \
	%D%/file.c %D%/file.h \
	%D%/free.c %D%/free.h \
	%D%/image.c %D%/image.h \
	%D%/index.c %D%/index.h \
	%D%/live.c %D%/live.h \
	%D%/recover.c %D%/recover.h \
	%D%/store.h \
	%D%/types.h \
	%D%/write.c %D%/write.h
libtable_core_la_LIBADD = libtable-read.la $(GLIB_LIBS)
libtable_write_la_SOURCES = %D%/store.c
libtable_write_la_LIBADD = libtable-core.la

check_PROGRAMS += tests/unit/test-table-write
TESTS += tests/unit/test-table-write
EXTRA_DIST += tests/unit/table-fixture.h
tests_unit_test_table_write_SOURCES = tests/unit/test-table-write.c
tests_unit_test_table_write_LDADD = libtable-write.la libutil.la $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-table-delegate
TESTS += tests/unit/test-table-delegate
tests_unit_test_table_delegate_SOURCES = tests/unit/test-table-delegate.c
tests_unit_test_table_delegate_LDADD = libtable-write.la libutil.la $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-table-describe tests/unit/test-table-follow
TESTS += tests/unit/test-table-describe tests/unit/test-table-follow
tests_unit_test_table_describe_SOURCES = tests/unit/test-table-describe.c
tests_unit_test_table_describe_LDADD = libtable-read.la libutil.la $(GLIB_LIBS)
tests_unit_test_table_follow_SOURCES = tests/unit/test-table-follow.c
tests_unit_test_table_follow_LDADD = libtable-follow.la libtable-write.la libutil.la $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-table-crash
TESTS += tests/unit/test-table-crash
tests_unit_test_table_crash_SOURCES = tests/unit/test-table-crash.c \
	tests/unit/counted-store.c tests/unit/counted-store.h
tests_unit_test_table_crash_LDADD = libtable-core.la libutil.la $(GLIB_LIBS)

check_PROGRAMS += tests/unit/test-table-read
TESTS += tests/unit/test-table-read
EXTRA_DIST += tests/unit/table-sample.h
tests_unit_test_table_read_SOURCES = tests/unit/test-table-read.c
tests_unit_test_table_read_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_table_read_LDADD = libtable-write.la libutil.la $(GLIB_LIBS)

# The same with ThreadSanitizer, reader and writer compiled for it alone.
if HAVE_TSAN
check_PROGRAMS += tests/unit/tsan-table-read
TESTS += tests/unit/tsan-table-read
endif
tests_unit_tsan_table_read_SOURCES = tests/unit/test-table-read.c \
	$(libtable_read_la_SOURCES) $(libtable_core_la_SOURCES) $(libtable_write_la_SOURCES) \
	lib/util/parse.c lib/util/parse.h
tests_unit_tsan_table_read_CFLAGS = -std=gnu11 $(EXTRA_CFLAGS) $(GLIB_CFLAGS) -pthread -fPIE -fsanitize=thread
tests_unit_tsan_table_read_LDFLAGS = $(EXTRA_LDFLAGS) -pthread -pie -fsanitize=thread
tests_unit_tsan_table_read_LDADD = $(GLIB_LIBS)
