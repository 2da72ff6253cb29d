/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/varlink/output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util/fd.h"

/* Texts written with one system call: what a step of a connection makes of them, and the last. */
#define GATHER_MAX 64u

typedef struct Item {
        char *text;
        size_t size;
        int *fds;
        size_t n_fds;
        bool borrowed; /* the descriptors */
} Item;

static void item_clear_fds(Item *item) {
        for (size_t i = 0; i < item->n_fds && !item->borrowed; i++)
                fd_close(item->fds[i]);
        item->n_fds = 0;
        g_clear_pointer(&item->fds, g_free);
}

static void item_free(void *data) {
        Item *item = data;

        item_clear_fds(item);
        free(item->text);
        g_free(item);
}

void varlink_output_clear(VarlinkOutput *output) {
        g_queue_clear_full(&output->items, item_free);
        output->size = 0;
        output->written = 0;
}

static void add_item(VarlinkOutput *output, const Item *item) {
        g_assert(item->size > 0 && item->n_fds <= VARLINK_OUTPUT_DESCRIPTORS_MAX);
        g_queue_push_tail(&output->items, g_memdup2(item, sizeof(*item)));
        output->size += item->size;
}

void varlink_output_add(
        VarlinkOutput *output, char *take_text, size_t size, int *take_fds, size_t n_fds) {
        const Item item = { .text = take_text, .size = size, .fds = take_fds, .n_fds = n_fds };

        add_item(output, &item);
}

void varlink_output_add_borrowed(
        VarlinkOutput *output, char *take_text, size_t size, const int *fds, size_t n_fds) {
        const Item item = {
                .text = take_text,
                .size = size,
                .fds = g_memdup2(fds, n_fds * sizeof(int)),
                .n_fds = n_fds,
                .borrowed = true,
        };

        add_item(output, &item);
}

static size_t gather(const VarlinkOutput *output, struct iovec *iov, size_t n_max) {
        size_t n = 0;

        for (const GList *l = output->items.head; l && n < n_max; l = l->next) {
                const Item *item = l->data;
                size_t skip = n == 0 ? output->written : 0;

                if (n > 0 && item->n_fds > 0)
                        break;
                iov[n++] = (struct iovec){ .iov_base = item->text + skip,
                                           .iov_len = item->size - skip };
        }
        return n;
}

static ssize_t write_once(const VarlinkOutput *output, int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int) * VARLINK_OUTPUT_DESCRIPTORS_MAX)];
        } control;
        struct iovec iov[GATHER_MAX];
        struct msghdr message = { .msg_iov = iov };
        const Item *first = g_queue_peek_head(&((VarlinkOutput *) output)->items);
        ssize_t n;

        message.msg_iovlen = gather(output, iov, first->n_fds > 0 ? 1 : GATHER_MAX);
        if (first->n_fds > 0) {
                size_t size = sizeof(int) * first->n_fds;

                memset(&control, 0, sizeof(control));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(&control.header), first->fds, size);
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
        }
        do
                n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

static void drop_written(VarlinkOutput *output, size_t n) {
        output->size -= n;
        n += output->written;
        while (n > 0) {
                Item *item = g_queue_peek_head(&output->items);

                item_clear_fds(item);
                if (n < item->size)
                        break;
                n -= item->size;
                item_free(g_queue_pop_head(&output->items));
        }
        output->written = n;
}

int varlink_output_write(VarlinkOutput *output, int fd) {
        while (output->size > 0) {
                ssize_t n = write_once(output, fd);

                if (n == -EAGAIN)
                        return 0;
                if (n < 0)
                        return (int) n;
                drop_written(output, (size_t) n);
        }
        return 0;
}
