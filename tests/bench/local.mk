# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench`: figures beside what they are compared with, in one run.  Not part of `make check`: no test fails on time.
bench_programs = tests/bench/bench-allocate tests/bench/bench-names
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
tests_bench_bench_allocate_SOURCES = %D%/bench-allocate.c tests/unit/holder.h
tests_bench_bench_allocate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_bench_allocate_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)

EXTRA_DIST += %D%/README.md %D%/bench-allocate.sh
tests_bench_bench_names_SOURCES = %D%/bench-names.c
tests_bench_bench_names_LDADD = libtable-write.la libutil.la $(GLIB_LIBS)

EXTRA_DIST += %D%/bench-ls.sh
bench: all $(bench_programs) tests/bats/table-make
	tests/bench/bench-names .libs/libnss_nsresource.so.2 ./nsresource-userdbd
	abs_top_builddir='$(abs_top_builddir)' bash $(srcdir)/%D%/bench-ls.sh
	abs_top_builddir='$(abs_top_builddir)' $(SHELL) $(srcdir)/%D%/bench-allocate.sh
.PHONY: bench
