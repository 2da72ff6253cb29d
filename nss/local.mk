# SPDX-License-Identifier: LGPL-2.1-or-later
# The NSS module goes into every process of the host: libc only, its sources compiled for it alone.  No
# $(SANITIZER_CFLAGS): it would need their libraries, and getent could not load it; the look-up code is tested with
# them through the unit tests.
nssexec_LTLIBRARIES += libnss_nsresource.la
libnss_nsresource_la_SOURCES = \
	%D%/nss-nsresource.c %D%/nss-nsresource.h \
	%D%/pack.c %D%/pack.h \
	%D%/view.c %D%/view.h \
	lib/table/crc.c lib/table/crc.h \
	lib/table/describe.c lib/table/describe.h \
	lib/table/format.h \
	lib/table/name.c lib/table/name.h \
	lib/table/read.c lib/table/read.h \
	lib/util/parse.c lib/util/parse.h
libnss_nsresource_la_CFLAGS = -std=gnu11 $(EXTRA_CFLAGS)
# -z nodelete: glibc may unload a module while another thread is in it.
libnss_nsresource_la_LDFLAGS = $(EXTRA_LDFLAGS) -module -shared -avoid-version -shrext .so.2 \
	-Wl,-z,defs -Wl,-z,nodelete -Wl,--version-script=$(top_srcdir)/%D%/nss-nsresource.map
EXTRA_libnss_nsresource_la_DEPENDENCIES = $(top_srcdir)/%D%/nss-nsresource.map
EXTRA_DIST += %D%/nss-nsresource.map

INSTALL_EXEC_HOOKS += remove-nss-libtool-archive
remove-nss-libtool-archive: install-nssexecLTLIBRARIES
	rm -f '$(DESTDIR)$(nssexecdir)/libnss_nsresource.la'

# libtool finds what it installed by the archive that was removed.
uninstall-hook:
	rm -f '$(DESTDIR)$(nssexecdir)/libnss_nsresource.so.2'

check_PROGRAMS += tests/unit/test-nss-pack
TESTS += tests/unit/test-nss-pack
tests_unit_test_nss_pack_SOURCES = tests/unit/test-nss-pack.c %D%/pack.c %D%/pack.h
tests_unit_test_nss_pack_LDADD = libtable-read.la libutil.la $(GLIB_LIBS)

# What nss.bats runs.  The client is no sanitizer's business: it loads the module as any program of the host does.
check_PROGRAMS += tests/bats/nss-client tests/bats/table-make
tests_bats_nss_client_SOURCES = tests/bats/nss-client.c
tests_bats_nss_client_CFLAGS = -std=gnu11 $(EXTRA_CFLAGS) $(PIE_CFLAGS) -pthread
tests_bats_nss_client_LDFLAGS = $(EXTRA_LDFLAGS) $(PIE_LDFLAGS) -pthread
tests_bats_table_make_SOURCES = tests/bats/table-make.c
tests_bats_table_make_LDADD = libtable-write.la libutil.la $(GLIB_LIBS)
EXTRA_DIST += tests/bats/nss.bats
if HAVE_BATS
TESTS += tests/bats/nss.bats
endif
