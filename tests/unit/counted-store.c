/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/unit/counted-store.h"

#include <unistd.h>

#include "lib/table/store.h"

static uint64_t stores_left;

void counted_store_arm(uint64_t exit_before) {
        stores_left = exit_before;
}

static void count(void) {
        if (stores_left > 0 && --stores_left == 0)
                _exit(COUNTED_STORE_EXIT);
}

void table_store(TableWord *word, uint32_t value) {
        count();
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void table_store_file_step(void) {
        count();
}
