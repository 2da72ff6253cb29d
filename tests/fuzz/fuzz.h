/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a fuzz target defines.  libFuzzer calls it with inputs that it makes up; fuzz-main.c, with
 * any compiler, with the files of the target's corpus. */

#include <stddef.h>
#include <stdint.h>

/* Returns 0. */
__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
