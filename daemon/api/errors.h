/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From outcomes to varlink errors: the one table. */

#include "lib/varlink/method.h"

/* Answer `call` with the error that stands for an outcome of the allocator, or for a negative
 * errno. */
void api_answer_allocator_error(VarlinkCall *call, int result);
