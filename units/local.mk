# SPDX-License-Identifier: LGPL-2.1-or-later
units = \
	%D%/nsresourced.service \
	%D%/nsresourced.socket \
	%D%/nsresource-userdbd.service \
	%D%/nsresource-userdbd.socket
edited_files += $(units) %D%/nsresource.tmpfiles %D%/nsresource.sysusers
systemdunit_DATA = $(units)

nsresourceconfdir = $(sysconfdir)/nsresource
dist_nsresourceconf_DATA = %D%/nsresourced.conf

# systemd reads NAME.conf in both folders.
install-data-local: %D%/nsresource.tmpfiles %D%/nsresource.sysusers
	$(MKDIR_P) '$(DESTDIR)$(tmpfilesdir)' '$(DESTDIR)$(sysusersdir)'
	$(INSTALL_DATA) %D%/nsresource.tmpfiles '$(DESTDIR)$(tmpfilesdir)/nsresource.conf'
	$(INSTALL_DATA) %D%/nsresource.sysusers '$(DESTDIR)$(sysusersdir)/nsresource.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(tmpfilesdir)/nsresource.conf' '$(DESTDIR)$(sysusersdir)/nsresource.conf'
