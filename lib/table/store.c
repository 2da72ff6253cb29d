/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/store.h"

void table_store(TableWord *word, uint32_t value) {
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void table_store_file_step(void) {
}
