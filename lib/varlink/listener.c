/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <glib-unix.h>

#include "lib/util/fd.h"

/* Connections accepted in one turn of the main loop, so that a flood of them does not hold up those
 * that are there. */
#define ACCEPT_MAX 16u
#define PAUSE_S 1u

struct VarlinkListener {
        int fd;
        GMainContext *context;
        const VarlinkListenerHandlers *handlers;
        void *userdata;
        GSource *source; /* the socket's, or the pause's */
        bool paused;
        bool own;
};

static gboolean on_connections(int fd, GIOCondition condition, void *data);

static void set_source(VarlinkListener *listener, GSource *take_source) {
        if (listener->source) {
                g_source_destroy(listener->source);
                g_source_unref(listener->source);
        }
        listener->source = take_source;
        if (take_source)
                g_source_attach(take_source, listener->context);
}

static void watch(VarlinkListener *listener) {
        GSource *source = g_unix_fd_source_new(listener->fd, G_IO_IN);

        /* GLib's cast: a source of this kind calls a GUnixFDSourceFunc. */
        g_source_set_callback(source, G_SOURCE_FUNC(on_connections), listener, NULL);
        set_source(listener, source);
        listener->paused = false;
}

static gboolean on_pause_over(void *data) {
        watch(data);
        return G_SOURCE_REMOVE;
}

static void pause_accepting(VarlinkListener *listener) {
        GSource *source = g_timeout_source_new_seconds(PAUSE_S);

        g_source_set_callback(source, on_pause_over, listener, NULL);
        set_source(listener, source);
        listener->paused = true;
}

static bool is_awaited(int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

        return poll(&poll_fd, 1, 0) > 0;
}

static gboolean on_connections(int fd, GIOCondition condition, void *data) {
        VarlinkListener *listener = data;

        for (unsigned i = 0; i < ACCEPT_MAX; i++) {
                int connection_fd;

                if (!listener->handlers->may_accept(listener->userdata)) {
                        pause_accepting(listener);
                        break;
                }
                connection_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (connection_fd >= 0) {
                        listener->handlers->accepted(connection_fd, listener->userdata);
                        continue;
                }
                if (errno == EAGAIN)
                        break;
                if (errno == EINTR || errno == ECONNABORTED)
                        continue;
                /* That descriptors have run out is also said when nobody waits. */
                if (!is_awaited(fd))
                        break;
                if (!listener->handlers->short_of(listener->userdata)) {
                        pause_accepting(listener);
                        break;
                }
        }
        return G_SOURCE_CONTINUE;
}

static int check_socket(int fd) {
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int type, listening;

        if (getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;
        size = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return -errno;
        size = sizeof(listening);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
                return -errno;
        return address.sun_family == AF_UNIX && type == SOCK_STREAM && listening ? 0 : -EINVAL;
}

int varlink_listener_new(
        int take_fd, bool own, GMainContext *context, const VarlinkListenerHandlers *handlers,
        void *userdata, VarlinkListener **ret_listener) {
        auto_fd fd = take_fd;
        g_autoptr(GError) error = NULL;
        VarlinkListener *listener;
        int r;

        r = check_socket(fd);
        if (r < 0)
                return r;
        if (!g_unix_set_fd_nonblocking(fd, TRUE, &error))
                return -EBADF;

        listener = g_new(VarlinkListener, 1);
        *listener = (VarlinkListener){
                .fd = g_steal_fd(&fd),
                .context = context,
                .handlers = handlers,
                .userdata = userdata,
                .own = own,
        };
        watch(listener);
        *ret_listener = listener;
        return 0;
}

/* Closing would drop what the waiting connections hold, descriptors included. */
static void drain(VarlinkListener *listener) {
        (void) shutdown(listener->fd, SHUT_RDWR);
        for (;;) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
                        return;
                if (fd >= 0)
                        listener->handlers->accepted(fd, listener->userdata);
        }
}

void varlink_listener_free(VarlinkListener *listener) {
        if (!listener)
                return;
        set_source(listener, NULL);
        if (listener->own)
                drain(listener);
        listener->fd = fd_close(listener->fd);
        g_free(listener);
}

void varlink_listener_resume(VarlinkListener *listener) {
        if (listener->paused)
                watch(listener);
}

/* -ECONNREFUSED if a socket stands at the address and nobody listens on it. */
static int probe(const struct sockaddr_un *address) {
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat status;

        if (fd < 0)
                return -errno;
        if (lstat(address->sun_path, &status) < 0)
                return -errno;
        /* connect() says the same of a regular file. */
        if (!S_ISSOCK(status.st_mode))
                return -EADDRINUSE;
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 &&
            errno == ECONNREFUSED)
                return -ECONNREFUSED;
        return -EADDRINUSE;
}

static int bind_address(int fd, const struct sockaddr_un *address) {
        if (bind(fd, (const struct sockaddr *) address, sizeof(*address)) < 0)
                return -errno;
        return 0;
}

int varlink_listener_bind(const char *path, mode_t mode, int *ret_fd) {
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mode_t umask_before;
        int r;

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);

        /* The socket's own mode becomes the file's, less the umask: so there is no moment with
         * another one. */
        if (fchmod(fd, mode) < 0)
                return -errno;
        umask_before = umask(0);
        r = bind_address(fd, &address);
        if (r == -EADDRINUSE && probe(&address) == -ECONNREFUSED) {
                (void) unlink(path);
                r = bind_address(fd, &address);
        }
        (void) umask(umask_before);
        if (r < 0)
                return r;
        if (listen(fd, SOMAXCONN) < 0)
                return -errno;

        *ret_fd = g_steal_fd(&fd);
        return 0;
}
