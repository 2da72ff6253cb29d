/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "nss/view.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

/* The only data of the module that changes, besides the places of three enumerations. */
static TableView *shared_view;

static void view_unmap(TableView *view) {
        table_view_close(view);
        munmap(view, sizeof(*view));
}

/* Map the table, and a page for the view of it: malloc() is the application's, and may be in use or
 * replaced. */
static int view_map(TableView **ret_view) {
        TableView *view;
        int r;

        view = mmap(
                NULL, sizeof(*view), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (view == MAP_FAILED)
                return -errno;
        r = table_view_open(TABLE_PATH, view);
        if (r != 0) {
                munmap(view, sizeof(*view));
                return r;
        }
        *ret_view = view;
        return 0;
}

int nss_view_get(NssView *ret_view) {
        TableView *view = __atomic_load_n(&shared_view, __ATOMIC_ACQUIRE), *expected = NULL;
        int r;

        if (view) {
                ret_view->view = view;
                return 0;
        }

        r = view_map(&view);
        /* No mapping here: a policy forbids it (SELinux has a permission of its own for that, and
         * answers EACCES; others EPERM), or there is no room for it (EAGAIN where mlockall() is in
         * force and RLIMIT_MEMLOCK small, ENOMEM with a small RLIMIT_AS).  Whatever it was, reading
         * may work; where it was the file itself, the same comes of opening it again. */
        if (r < 0) {
                r = table_view_open_unmapped(TABLE_PATH, &ret_view->own);
                ret_view->view = &ret_view->own;
                return r;
        }
        if (r != 0)
                return r;

        if (!__atomic_compare_exchange_n(
                    &shared_view, &expected, view, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                view_unmap(view); /* another thread was faster, and nobody has seen ours */
                view = expected;
        }
        ret_view->view = view;
        return 0;
}

void nss_view_put(NssView *view) {
        if (view->view == &view->own)
                table_view_close(&view->own);
}

void nss_view_retire(const NssView *view) {
        TableView *expected = (TableView *) (uintptr_t) view->view;

        if (view->view != &view->own)
                (void) __atomic_compare_exchange_n(
                        &shared_view, &expected, NULL, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
