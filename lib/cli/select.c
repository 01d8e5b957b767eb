/* SPDX-License-Identifier: MIT
 * select.c - records wait in a temporary file until it is known which of them stay
 *
 * Two files without names: the records, as a CBOR sequence, and their scores as 64-bit keys that
 * sort as the scores do.  The k-th largest key is found by radix selection: four passes over the
 * keys, each counting 16 bits of those that share the bits found so far.  So memory is one table of
 * 65,536 counts, whatever the stream's length, and the choice is exact.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/select.h"

struct selection {
    FILE *records, *keys;
    uint64_t count;
    struct buffer line;
};

enum { DIGITS = 1 << 16 };

static FILE *nameless(void)
{
    const char *folder = getenv("TMPDIR");
    char *name = xprintf("%s/vlm-select-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkostemp(name, 02000000); /* O_CLOEXEC */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w+b");

    if (!f)
        fail_errno("%s", name);
    else
        remove(name);
    free(name);
    return f;
}

struct selection *selection_new(void)
{
    struct selection *s = xalloc(1, sizeof *s);

    s->records = nameless();
    s->keys = s->records ? nameless() : NULL;
    if (s->keys)
        return s;
    selection_free(s);
    return NULL;
}

uint64_t selection_count(const struct selection *s)
{
    return s->count;
}

/* An unsigned number that is larger where the score is: negative ones inverted, others offset. */
static uint64_t key_of(double score)
{
    uint64_t bits;

    score += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

int selection_add(struct selection *s, const struct record *r, double score)
{
    uint64_t key = key_of(score), size;

    buffer_clear(&s->line);
    record_write(&s->line, r, true);
    size = s->line.size;
    if (fwrite(&size, sizeof size, 1, s->records) != 1 ||
        fwrite(s->line.data, 1, s->line.size, s->records) != s->line.size ||
        fwrite(&key, sizeof key, 1, s->keys) != 1)
        return fail_errno("temporary file");
    s->count++;
    return 0;
}

/* Counts the next 16 bits of the keys that begin with the `bits` bits of `prefix`. */
static int count_digits(struct selection *s, uint64_t flip, uint64_t prefix, int bits,
                        uint64_t *counts)
{
    uint64_t key;

    memset(counts, 0, DIGITS * sizeof *counts);
    if (fseek(s->keys, 0, SEEK_SET))
        return fail_errno("temporary file");
    while (fread(&key, sizeof key, 1, s->keys) == 1) {
        key ^= flip;
        if (!bits || key >> (64 - bits) == prefix)
            counts[key >> (48 - bits) & (DIGITS - 1)]++;
    }
    return ferror(s->keys) ? fail_errno("temporary file") : 0;
}

/* The key of the keep-th best, and how many equal to it stay. */
static int select_key(struct selection *s, uint64_t keep, uint64_t flip, uint64_t *key,
                      uint64_t *equal)
{
    uint64_t *counts = xalloc(DIGITS, sizeof *counts), prefix = 0;
    int status = 0;

    for (int bits = 0; bits < 64 && !status; bits += 16) {
        int digit = DIGITS - 1;

        status = count_digits(s, flip, prefix, bits, counts);
        for (; digit > 0 && counts[digit] < keep; digit--)
            keep -= counts[digit];
        prefix = prefix << 16 | (uint64_t)digit;
    }
    *key = prefix;
    *equal = keep;
    free(counts);
    return status;
}

static struct record *read_record(struct selection *s)
{
    uint64_t size;
    size_t used;

    if (fread(&size, sizeof size, 1, s->records) != 1) {
        fail_as("io", "temporary file: cut short");
        return NULL;
    }
    buffer_clear(&s->line);
    buffer_reserve(&s->line, size);
    s->line.size = fread(s->line.data, 1, size, s->records);
    return cbor_read_record(s->line.data, s->line.size, &used);
}

int selection_choose(struct selection *s, uint64_t keep, bool lowest,
                     void (*stays)(struct record *r), void (*falls)(struct record *r))
{
    uint64_t flip = lowest ? ~(uint64_t)0 : 0, limit = 0, equal = 0, key;

    if (fflush(s->records) || fflush(s->keys))
        return fail_errno("temporary file");
    if (keep && keep < s->count && select_key(s, keep, flip, &limit, &equal))
        return -1;
    if (fseek(s->records, 0, SEEK_SET) || fseek(s->keys, 0, SEEK_SET))
        return fail_errno("temporary file");
    for (uint64_t i = 0; i < s->count; i++) {
        struct record *r = read_record(s);
        bool good = keep >= s->count;

        if (!r || fread(&key, sizeof key, 1, s->keys) != 1)
            return -1;
        key ^= flip;
        if (keep && !good)
            good = key > limit || (key == limit && equal && equal--);
        if (good)
            stays(r);
        else
            falls(r);
    }
    return 0;
}

void selection_free(struct selection *s)
{
    if (!s)
        return;
    if (s->records)
        fclose(s->records);
    if (s->keys)
        fclose(s->keys);
    buffer_free(&s->line);
    free(s);
}
