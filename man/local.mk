# SPDX-License-Identifier: LGPL-2.1-or-later
man8_MANS += %D%/nsresourced.8 %D%/nsresource-userdbd.8 %D%/nss-nsresource.8
man1_MANS += %D%/nsresourcectl.1
man5_MANS += %D%/nsresourced.conf.5
man7_MANS += %D%/nsresource-varlink.7
edited_files += %D%/nsresource-varlink.7 %D%/nsresourcectl.1 %D%/nsresourced.8 %D%/nsresource-userdbd.8 %D%/nss-nsresource.8 %D%/nsresourced.conf.5
