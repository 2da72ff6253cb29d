/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The .varlink texts of this folder, as they are served. */

extern const char interface_io_systemd[];
extern const char interface_io_systemd_NamespaceResource[];
extern const char interface_io_systemd_UserDatabase[];
extern const char interface_org_nsresource_Manager[];
extern const char interface_org_varlink_service[];
