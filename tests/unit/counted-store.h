/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Stands in for lib/table/store.c: counts, and ends the
 * process right before store number N. */

#include <stdint.h>

#define COUNTED_STORE_EXIT 86

/* 0: never. */
void counted_store_arm(uint64_t exit_before);
