/* SPDX-License-Identifier: MIT
 * random.c - reproducible random numbers from a 64-bit seed
 *
 * splitmix64: state += 0x9e3779b97f4a7c15, then a bijective mix of the state.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
 */
#include <math.h>
#include "base/random.h"

uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double random_uniform(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

/* Box-Muller, one of the pair: the stream stays a function of the count of calls alone. */
float random_normal(struct random *r)
{
    double u = 1 - random_uniform(r), v = random_uniform(r);

    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

/* Unbiased: draws that fall into the incomplete last block are repeated. */
uint64_t random_below(struct random *r, uint64_t bound)
{
    uint64_t limit = -bound % bound, x;

    do
        x = random_next(r);
    while (x < limit);
    return x % bound;
}
