# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader: libc only.  Programs link libutil.la after it, for lib/util/parse.
noinst_LTLIBRARIES += libtable-read.la
libtable_read_la_SOURCES = \
	%D%/table-crc.c %D%/table-crc.h \
	%D%/table-describe.c %D%/table-describe.h \
	%D%/table-format.h \
	%D%/table-name.c %D%/table-name.h \
	%D%/table-read.c %D%/table-read.h \
	%D%/table-socket.c %D%/table-socket.h

# The reader of a long-lived process.
noinst_LTLIBRARIES += libtable-follow.la
libtable_follow_la_SOURCES = %D%/table-follow.c %D%/table-follow.h
libtable_follow_la_LIBADD = libtable-read.la

# The writer.  Its stores stand apart, so that a test can put others in their place: programs link
# libtable-write.la, that test links libtable-core.la and its own table-store.
noinst_LTLIBRARIES += libtable-core.la libtable-write.la
libtable_core_la_SOURCES = \
	%D%/table-file.c %D%/table-file.h \
	%D%/table-free.c %D%/table-free.h \
	%D%/table-image.c %D%/table-image.h \
	%D%/table-index.c %D%/table-index.h \
	%D%/table-live.c %D%/table-live.h \
	%D%/table-recover.c %D%/table-recover.h \
	%D%/table-store.h \
	%D%/table-write.c %D%/table-write.h
libtable_core_la_LIBADD = libtable-read.la $(GLIB_LIBS)
libtable_write_la_SOURCES = %D%/table-store.c
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
