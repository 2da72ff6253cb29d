# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench`: figures beside what they are compared with, in one run.  Not part of `make check`: no test fails on time.
bench_programs = tests/bench/bench-allocate
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
tests_bench_bench_allocate_SOURCES = %D%/bench-allocate.c
tests_bench_bench_allocate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_bench_allocate_LDADD = libvarlink.la libutil.la $(JANSSON_LIBS) $(GLIB_LIBS)

EXTRA_DIST += %D%/bench-allocate.sh
bench: all $(bench_programs)
	abs_top_builddir='$(abs_top_builddir)' $(SHELL) $(srcdir)/%D%/bench-allocate.sh
.PHONY: bench
