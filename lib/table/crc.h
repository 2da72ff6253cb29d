/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CRC-32 as in IEEE 802.3 and zlib, sixteen bytes a step: it is computed for every answer, in every
 * process. */

#include <stddef.h>
#include <stdint.h>

uint32_t table_crc(const void *data, size_t size);
