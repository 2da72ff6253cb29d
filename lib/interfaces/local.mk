# SPDX-License-Identifier: LGPL-2.1-or-later
# The texts of our interfaces as C strings.  To add one: a line here, a line in interfaces.h.
INTERFACE_TEXTS = \
	%D%/io.systemd.varlink \
	%D%/io.systemd.NamespaceResource.varlink \
	%D%/io.systemd.UserDatabase.varlink \
	%D%/org.nsresource.Manager.varlink \
	%D%/org.varlink.service.varlink

noinst_LTLIBRARIES += libinterfaces.la
libinterfaces_la_SOURCES = %D%/interfaces.h
nodist_libinterfaces_la_SOURCES = %D%/interfaces.c

EXTRA_DIST += $(INTERFACE_TEXTS) %D%/embed.awk
CLEANFILES += %D%/interfaces.c

# The array is named after the text's own `interface` line: io.systemd.UserDatabase is
# interface_io_systemd_UserDatabase.
%D%/interfaces.c: $(INTERFACE_TEXTS) %D%/embed.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	(cd $(srcdir) && $(AWK) -f %D%/embed.awk $(INTERFACE_TEXTS)) >$@.tmp && mv $@.tmp $@
