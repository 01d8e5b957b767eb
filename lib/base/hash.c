/* SPDX-License-Identifier: MIT
 * hash.c - the 64-bit content hash (XXH3); part of the contract of --shard, never changes
 */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "base/random.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}
