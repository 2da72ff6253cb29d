/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every store of the writer that a reader, or the next writer after a crash, can see goes through
 * here, as does every change of a file's name.  A module of its own, so that a test can link
 * another one that counts, and ends the process at any of them. */

#include "lib/table/format.h"

/* Store a word of the mapping, after everything that was stored before. */
void table_store(TableWord *word, uint32_t value);

/* Comes before each system call that changes what stands in the table's folder. */
void table_store_file_step(void);
