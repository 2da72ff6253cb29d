# SPDX-License-Identifier: LGPL-2.1-or-later
# The policy sits in a library of its own, so that tests can put a fake in its place at link time.
noinst_LTLIBRARIES += libpolicy.la
if BUILD_POLICY
libpolicy_la_SOURCES = %D%/policy.c %D%/policy.h
else
libpolicy_la_SOURCES = %D%/policy-none.c %D%/policy.h
endif
libpolicy_la_LIBADD = $(GLIB_LIBS)
EXTRA_DIST += %D%/policy-none.c
