/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "tests/fuzz/fuzz.h"

/* A copy of exactly the input's size on the heap, so that reading past its end is noticed. */
static void run_file(const char *path) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        gsize size;
        void *copy;

        if (!g_file_get_contents(path, &text, &size, &error))
                g_error("%s", error->message);
        copy = malloc(size);
        g_assert_true(copy || size == 0);
        if (size > 0)
                memcpy(copy, text, size);
        g_assert_cmpint(LLVMFuzzerTestOneInput(copy, size), ==, 0);
        free(copy);
}

static unsigned run_folder(const char *path) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
        const char *name;
        unsigned n = 0;

        if (!folder)
                g_error("%s", error->message);
        while ((name = g_dir_read_name(folder))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                run_file(file);
                n++;
        }
        return n;
}

/* With arguments: run these files.  Without: the corpus that is called after the program. */
int main(int argc, char **argv) {
        g_autofree char *name = g_path_get_basename(argv[0]);
        g_autofree char *path = NULL;
        const char *source = g_getenv("abs_top_srcdir");
        unsigned n;

        for (int i = 1; i < argc; i++)
                run_file(argv[i]);
        if (argc > 1)
                return 0;
        if (!source)
                g_error("name files to run, or set abs_top_srcdir");
        /* libtool runs "lt-NAME" from .libs. */
        path = g_build_filename(
                source, "tests", "fuzz", "corpus", g_str_has_prefix(name, "lt-") ? name + 3 : name,
                NULL);
        n = run_folder(path);
        g_print("1..1\n%s 1 - %s: %u inputs\n", n > 0 ? "ok" : "not ok", name, n);
        return n > 0 ? 0 : 1;
}
