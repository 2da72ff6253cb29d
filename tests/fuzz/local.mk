# SPDX-License-Identifier: LGPL-2.1-or-later
# A target: its name in fuzz_targets, its sources and libraries below, its corpus in corpus/NAME.
# With --enable-fuzzers it is a libFuzzer program, else a test that runs its corpus.
fuzz_targets = \
	%D%/fuzz-table \
	%D%/fuzz-table-name \
	%D%/fuzz-varlink-interface \
	%D%/fuzz-varlink-message \
	%D%/fuzz-varlink-server

if ENABLE_FUZZERS
fuzz_main = %D%/fuzz.h
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += $(fuzz_targets)
else
fuzz_main = %D%/fuzz.h %D%/fuzz-main.c
fuzz_ldflags = $(AM_LDFLAGS)
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
endif
EXTRA_DIST += %D%/fuzz-main.c %D%/corpus

%C%_fuzz_varlink_interface_SOURCES = %D%/fuzz-varlink-interface.c $(fuzz_main)
%C%_fuzz_varlink_interface_LDADD = $(varlink_test_libs)
%C%_fuzz_varlink_interface_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_varlink_message_SOURCES = %D%/fuzz-varlink-message.c $(fuzz_main)
%C%_fuzz_varlink_message_LDADD = $(varlink_test_libs)
%C%_fuzz_varlink_message_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_varlink_server_SOURCES = %D%/fuzz-varlink-server.c $(varlink_fixture) $(fuzz_main)
%C%_fuzz_varlink_server_LDADD = $(varlink_test_libs)
%C%_fuzz_varlink_server_LDFLAGS = $(fuzz_ldflags)

%C%_fuzz_table_SOURCES = %D%/fuzz-table.c nss/pack.c nss/pack.h $(fuzz_main)
%C%_fuzz_table_LDADD = libtable-read.la libutil.la $(GLIB_LIBS)
%C%_fuzz_table_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_table_name_SOURCES = %D%/fuzz-table-name.c $(fuzz_main)
%C%_fuzz_table_name_LDADD = libtable-read.la libutil.la $(GLIB_LIBS)
%C%_fuzz_table_name_LDFLAGS = $(fuzz_ldflags)
