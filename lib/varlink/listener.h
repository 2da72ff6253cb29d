/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening AF_UNIX stream sockets.  Private to lib/varlink. */

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct VarlinkListener VarlinkListener;

/* Call `accepted` for each connection, which it then owns; `short_of` when there is none because
 * descriptors have run out: it returns whether it has freed some.  When it has not, accepting
 * pauses until varlink_listener_resume() or for a second.  So it does when
 * `may_accept` says no, before each. */
typedef struct VarlinkListenerHandlers {
        bool (*may_accept)(void *userdata);
        void (*accepted)(int take_fd, void *userdata);
        bool (*short_of)(void *userdata);
} VarlinkListenerHandlers;

/* `handlers` is borrowed.  `own`: the socket is nobody else's, so it is shut down when the listener
 * is freed, after the connections that wait in it have been accepted. */
int varlink_listener_new(
        int take_fd, bool own, GMainContext *context, const VarlinkListenerHandlers *handlers,
        void *userdata, VarlinkListener **ret_listener);
void varlink_listener_free(VarlinkListener *listener);

void varlink_listener_resume(VarlinkListener *listener);

/* As varlink_server_listen_path(), without the server. */
int varlink_listener_bind(const char *path, mode_t mode, int *ret_fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkListener, varlink_listener_free)
