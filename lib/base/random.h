/* SPDX-License-Identifier: MIT
 * random.h - hashes and random numbers, which never change
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/core.h"

/* hash.c - 64-bit content hash (XXH3); part of the contract of --shard, never changes */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);

/* random.c - reproducible random numbers from a 64-bit seed */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *r);
double random_uniform(struct random *r); /* [0, 1) */
float random_normal(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound);

#endif
