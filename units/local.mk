# SPDX-License-Identifier: LGPL-2.1-or-later
units = \
	%D%/nsresourced.service \
	%D%/nsresourced.socket \
	%D%/nsresource-userdbd.service \
	%D%/nsresource-userdbd.socket
edited_files += $(units) %D%/nsresource.tmpfiles %D%/nsresource.sysusers %D%/nsresource.rules
systemdunit_DATA = $(units)

nsresourceconfdir = $(sysconfdir)/nsresource
dist_nsresourceconf_DATA = %D%/nsresourced.conf

# For hosts with SELinux, which load it themselves: semodule -i.
selinuxdir = $(datadir)/selinux/packages
dist_selinux_DATA = %D%/selinux/nsresource.cil

# The default pool, as in lib/table/format.h.
POOL_FIRST = 524288
POOL_LAST = 1879048191

# systemd reads NAME.conf in both folders; polkit reads rules by the order of their names.
install-data-local: %D%/nsresource.tmpfiles %D%/nsresource.sysusers %D%/nsresource.rules
	$(MKDIR_P) '$(DESTDIR)$(tmpfilesdir)' '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(polkitrulesdir)'
	$(INSTALL_DATA) %D%/nsresource.rules '$(DESTDIR)$(polkitrulesdir)/00-nsresource.rules'
	$(INSTALL_DATA) %D%/nsresource.tmpfiles '$(DESTDIR)$(tmpfilesdir)/nsresource.conf'
	$(INSTALL_DATA) %D%/nsresource.sysusers '$(DESTDIR)$(sysusersdir)/nsresource.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(tmpfilesdir)/nsresource.conf' '$(DESTDIR)$(sysusersdir)/nsresource.conf' \
		'$(DESTDIR)$(polkitrulesdir)/00-nsresource.rules'
