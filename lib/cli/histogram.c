/* SPDX-License-Identifier: MIT
 * histogram.c - counts in bins whose width is a power of two and grows with the range
 *
 * Bin i counts the values in [first + i, first + i + 1) x 2^exponent.  A value that falls outside
 * doubles the width, joining neighbours, until it fits: what is printed does not depend on order.
 */
#include <math.h>
#include <string.h>
#include "cli/select.h"

enum { FINEST = -7 }; /* bins of 1/128 to begin with */

static long bin_of(double value, int exponent)
{
    return (long)floor(ldexp(value, -exponent));
}

static long floor_half(long x)
{
    return x >= 0 ? x / 2 : -((1 - x) / 2);
}

static void widen(struct histogram *h)
{
    uint64_t joined[HISTOGRAM_BINS] = { 0 };
    long first = floor_half(h->first);

    for (int i = 0; i < HISTOGRAM_BINS; i++)
        if (h->bins[i])
            joined[floor_half(h->first + i) - first] += h->bins[i];
    memcpy(h->bins, joined, sizeof joined);
    h->first = first;
    h->exponent++;
}

/* Moves the bins so that the used ones and `bin` fit; false if they do not. */
static bool shift_to(struct histogram *h, long bin)
{
    long low = bin, high = bin;
    uint64_t moved[HISTOGRAM_BINS] = { 0 };

    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        if (h->bins[i]) {
            low = h->first + i < low ? h->first + i : low;
            high = h->first + i > high ? h->first + i : high;
        }
    }
    if (high - low >= HISTOGRAM_BINS)
        return false;
    for (int i = 0; i < HISTOGRAM_BINS; i++)
        if (h->bins[i])
            moved[h->first + i - low] = h->bins[i];
    memcpy(h->bins, moved, sizeof moved);
    h->first = low;
    return true;
}

void histogram_add(struct histogram *h, double value)
{
    if (!isfinite(value) || fabs(value) > 1e15) {
        h->missing++;
        return;
    }
    if (!h->count) {
        h->exponent = FINEST;
        while (fabs(ldexp(value, -h->exponent)) > 1e9)
            h->exponent++;
        h->first = bin_of(value, h->exponent);
        h->least = h->most = value;
    }
    while (!shift_to(h, bin_of(value, h->exponent)))
        widen(h);
    h->bins[bin_of(value, h->exponent) - h->first]++;
    h->count++;
    h->sum += value;
    h->least = value < h->least ? value : h->least;
    h->most = value > h->most ? value : h->most;
}

void histogram_print(const struct histogram *h, const char *name, FILE *to)
{
    static const char bar[] = "##################################################";
    uint64_t highest = 1;
    int last = -1;

    fprintf(to, "%s: %llu values, %llu missing", name, (unsigned long long)h->count,
            (unsigned long long)h->missing);
    if (h->count)
        fprintf(to, ", mean %.4g, from %.4g to %.4g", h->sum / (double)h->count, h->least, h->most);
    fputc('\n', to);
    for (int i = 0; i < HISTOGRAM_BINS && h->count; i++) {
        highest = h->bins[i] > highest ? h->bins[i] : highest;
        last = h->bins[i] ? i : last;
    }
    for (int i = 0; i <= last; i++) {
        int length = (int)(50 * h->bins[i] / highest);

        fprintf(to, "%10.4g %10llu %.*s\n", ldexp((double)(h->first + i), h->exponent),
                (unsigned long long)h->bins[i], h->bins[i] && !length ? 1 : length, bar);
    }
}
