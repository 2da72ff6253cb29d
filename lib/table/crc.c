/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lib/table/crc.h"

/* clang-format off */

/* The CRC is linear: the entry of a byte is the exclusive or of the entries of its bits.  So eight numbers spell
 * out a table of 256, and the compiler does the sums.  Table k is for a byte that k more bytes follow. */
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7) \
        (((i) & 1 ? (b0) : 0) ^ ((i) & 2 ? (b1) : 0) ^ ((i) & 4 ? (b2) : 0) ^ ((i) & 8 ? (b3) : 0) ^ \
         ((i) & 16 ? (b4) : 0) ^ ((i) & 32 ? (b5) : 0) ^ ((i) & 64 ? (b6) : 0) ^ ((i) & 128 ? (b7) : 0))
#define ENTRIES_4(i, ...) \
        ENTRY((i), __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES_16(i, ...) \
        ENTRIES_4((i), __VA_ARGS__), ENTRIES_4((i) + 4, __VA_ARGS__), \
        ENTRIES_4((i) + 8, __VA_ARGS__), ENTRIES_4((i) + 12, __VA_ARGS__)
#define ENTRIES_64(i, ...) \
        ENTRIES_16((i), __VA_ARGS__), ENTRIES_16((i) + 16, __VA_ARGS__), \
        ENTRIES_16((i) + 32, __VA_ARGS__), ENTRIES_16((i) + 48, __VA_ARGS__)
#define ENTRIES(...) \
        { ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), \
          ENTRIES_64(128, __VA_ARGS__), ENTRIES_64(192, __VA_ARGS__) }

static const uint32_t crc_table[16][256] = {
        ENTRIES(0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, 0x1db71064u, 0x3b6e20c8u, 0x76dc4190u, 0xedb88320u),
        ENTRIES(0x191b3141u, 0x32366282u, 0x646cc504u, 0xc8d98a08u, 0x4ac21251u, 0x958424a2u, 0xf0794f05u, 0x3b83984bu),
        ENTRIES(0x01c26a37u, 0x0384d46eu, 0x0709a8dcu, 0x0e1351b8u, 0x1c26a370u, 0x384d46e0u, 0x709a8dc0u, 0xe1351b80u),
        ENTRIES(0xb8bc6765u, 0xaa09c88bu, 0x8f629757u, 0xc5b428efu, 0x5019579fu, 0xa032af3eu, 0x9b14583du, 0xed59b63bu),
        ENTRIES(0x3d6029b0u, 0x7ac05360u, 0xf580a6c0u, 0x30704bc1u, 0x60e09782u, 0xc1c12f04u, 0x58f35849u, 0xb1e6b092u),
        ENTRIES(0xcb5cd3a5u, 0x4dc8a10bu, 0x9b914216u, 0xec53826du, 0x03d6029bu, 0x07ac0536u, 0x0f580a6cu, 0x1eb014d8u),
        ENTRIES(0xa6770bb4u, 0x979f1129u, 0xf44f2413u, 0x33ef4e67u, 0x67de9cceu, 0xcfbd399cu, 0x440b7579u, 0x8816eaf2u),
        ENTRIES(0xccaa009eu, 0x4225077du, 0x844a0efau, 0xd3e51bb5u, 0x7cbb312bu, 0xf9766256u, 0x299dc2edu, 0x533b85dau),
        ENTRIES(0x177b1443u, 0x2ef62886u, 0x5dec510cu, 0xbbd8a218u, 0xacc04271u, 0x82f182a3u, 0xde920307u, 0x6655004fu),
        ENTRIES(0xefc26b3eu, 0x04f5d03du, 0x09eba07au, 0x13d740f4u, 0x27ae81e8u, 0x4f5d03d0u, 0x9eba07a0u, 0xe6050901u),
        ENTRIES(0xc18edfc0u, 0x586cb9c1u, 0xb0d97382u, 0xbac3e145u, 0xaef6c4cbu, 0x869c8fd7u, 0xd64819efu, 0x77e1359fu),
        ENTRIES(0x9ba54c6fu, 0xec3b9e9fu, 0x03063b7fu, 0x060c76feu, 0x0c18edfcu, 0x1831dbf8u, 0x3063b7f0u, 0x60c76fe0u),
        ENTRIES(0xdd96d985u, 0x605cb54bu, 0xc0b96a96u, 0x5a03d36du, 0xb407a6dau, 0xb37e4bf5u, 0xbd8d91abu, 0xa06a2517u),
        ENTRIES(0x9d0fe176u, 0xe16ec4adu, 0x19ac8f1bu, 0x33591e36u, 0x66b23c6cu, 0xcd6478d8u, 0x41b9f7f1u, 0x8373efe2u),
        ENTRIES(0xb9fbdbe8u, 0xa886b191u, 0x8a7c6563u, 0xcf89cc87u, 0x44629f4fu, 0x88c53e9eu, 0xcafb7b7du, 0x4e87f0bbu),
        ENTRIES(0xae689191u, 0x87a02563u, 0xd4314c87u, 0x73139f4fu, 0xe6273e9eu, 0x173f7b7du, 0x2e7ef6fau, 0x5cfdedf4u),
};

/* clang-format on */

static inline uint32_t load_le32(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 |
               (uint32_t) p[3] << 24;
}

/* What four bytes add to a CRC when `after` more bytes follow them. */
static inline uint32_t fold(uint32_t word, unsigned after) {
        return crc_table[after + 3][word & 255] ^ crc_table[after + 2][word >> 8 & 255] ^
               crc_table[after + 1][word >> 16 & 255] ^ crc_table[after][word >> 24];
}

uint32_t table_crc(const void *data, size_t size) {
        const uint8_t *p = data;
        uint32_t crc = UINT32_MAX;

        /* The rest of a record is seven of these steps, each of which waits for the one before. */
        for (; size >= 16; p += 16, size -= 16)
                crc = fold(load_le32(p) ^ crc, 12) ^ fold(load_le32(p + 4), 8) ^
                      fold(load_le32(p + 8), 4) ^ fold(load_le32(p + 12), 0);

        for (; size > 0; p++, size--)
                crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];

        return ~crc;
}
