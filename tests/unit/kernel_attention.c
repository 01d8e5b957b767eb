/* SPDX-License-Identifier: MIT
 * kernel_attention.c - attention and its gradients beside plain loops in double
 *
 * Tolerances: a score is a sum of head_width products of unit normals, scaled to deviation 1, each
 * rounded to 2^-24; exp() turns its absolute error of some 1e-6 into a relative one.  The output is
 * a mean of unit normals: 5e-6 holds with room.  Gradients add a few more sums: 2e-5.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

/* What one case has: sequences of queries, sequences of keys, who looks at whom. */
struct shape {
    const char *name;
    int heads, width, sequences, key_sequences;
    int queries[12], keys[5], key_of[12];
    bool shared, causal, biased;
};

static const struct shape shapes[] = {
    { "a picture", 2, 64, 1, 1, { 50 }, { 50 }, { 0 }, false, false, false },
    { "ragged, narrow", 3, 24, 3, 3, { 1, 9, 17 }, { 1, 9, 17 }, { 0 }, false, false, false },
    { "causal", 2, 80, 3, 3, { 8, 20, 33 }, { 8, 20, 33 }, { 0 }, false, true, false },
    { "shared keys",
      2,
      88,
      5,
      2,
      { 3, 7, 1, 16, 2 },
      { 61, 5 },
      { 0, 1, 0, 0, 1 },
      true,
      false,
      false },
    { "beams",
      2,
      64,
      12,
      3,
      { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
      { 61, 5, 97 },
      { 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 0 },
      true,
      false,
      false },
    { "one key", 1, 104, 2, 2, { 5, 1 }, { 1, 1 }, { 0 }, false, false, false },
    { "decoding", 2, 64, 3, 3, { 1, 2, 3 }, { 40, 41, 42 }, { 0 }, false, true, false },
    { "width 1", 5, 1, 2, 2, { 4, 19 }, { 30, 3 }, { 0 }, false, false, false },
    { "width 7", 3, 7, 2, 2, { 4, 19 }, { 30, 49 }, { 0 }, false, true, false },
    { "bias", 3, 64, 2, 2, { 3, 19 }, { 3, 19 }, { 0 }, false, false, true },
    { "bias, decoding", 2, 64, 3, 3, { 1, 2, 20 }, { 40, 2, 42 }, { 0 }, false, true, true },
    { "width 112, long", 1, 112, 1, 1, { 21 }, { 601 }, { 0 }, false, false, false },
    { "many queries", 2, 64, 1, 1, { 145 }, { 690 }, { 0 }, false, false, false },
};

struct data {
    struct attention a;
    int query_start[13], key_start[5], key_count[5];
    long queries, keys;
    float *q, *k, *v, *out, *dout, *dq, *dk, *dv, *bias, *dbias;
};
enum { MOST_KEYS = 43, MOST_DISTANCES = 63 }; /* of shapes with a bias */

static float *normal(struct random *r, long count)
{
    float *x = xalloc((size_t)count + 1, sizeof *x);

    for (long i = 0; i < count; i++)
        x[i] = random_normal(r);
    return x;
}

/* Row strides that are no multiple of anything. */
static void make(struct data *d, const struct shape *s)
{
    long wide = (long)s->heads * s->width;
    struct random r = { 7 };

    *d = (struct data){ 0 };
    for (int i = 0; i < s->sequences; i++)
        d->query_start[i + 1] = d->query_start[i] + s->queries[i];
    for (int j = 0; j < s->key_sequences; j++) {
        d->key_start[j] = (int)d->keys;
        d->key_count[j] = s->keys[j];
        d->keys += s->keys[j];
    }
    d->queries = d->query_start[s->sequences];
    d->a = (struct attention){ .q_stride = wide + 3,
                               .k_stride = wide + 1,
                               .v_stride = wide + 5,
                               .out_stride = wide + 2,
                               .heads = s->heads,
                               .head_width = s->width,
                               .sequences = s->sequences,
                               .query_start = d->query_start,
                               .key_start = d->key_start,
                               .key_count = d->key_count,
                               .key_of = s->shared ? s->key_of : NULL,
                               .scale = 1 / sqrtf((float)s->width),
                               .causal = s->causal };

    d->q = normal(&r, d->queries * d->a.q_stride);
    d->k = normal(&r, d->keys * d->a.k_stride);
    d->v = normal(&r, d->keys * d->a.v_stride);
    d->out = normal(&r, d->queries * d->a.out_stride);
    d->dout = normal(&r, d->queries * d->a.out_stride);
    d->dq = normal(&r, d->queries * d->a.q_stride);
    d->dk = normal(&r, d->keys * d->a.k_stride);
    d->dv = normal(&r, d->keys * d->a.v_stride);
    d->bias = normal(&r, MOST_DISTANCES * s->heads);
    d->dbias = normal(&r, MOST_DISTANCES * s->heads);
    d->a.bias = s->biased ? d->bias : NULL;
    d->a.bias_zero = MOST_KEYS - 1;
    d->a.q = d->q, d->a.k = d->k, d->a.v = d->v, d->a.out = d->out;
}

static void drop(struct data *d)
{
    float *all[] = { d->q, d->k, d->v, d->out, d->dout, d->dq, d->dk, d->dv, d->bias, d->dbias };

    for (int i = 0; i < COUNT(all); i++)
        free(all[i]);
}

/* One query row of one head in double: out, and its share of the gradients. */
static void plain_row(struct data *d, int row, int first, int seen, int head, int place)
{
    const struct attention *a = &d->a;
    long column = (long)head * a->head_width;
    const float *q = d->q + row * a->q_stride + column;
    const float *dout = d->dout + row * a->out_stride + column;
    double p[700], dp[700], sum = 0, mean = 0, largest = -1e300;

    for (int t = 0; t < seen; t++) {
        const float *k = d->k + (first + t) * a->k_stride + column;
        const float *v = d->v + (first + t) * a->v_stride + column;

        p[t] = dp[t] = 0;
        for (int c = 0; c < a->head_width; c++) {
            p[t] += (double)a->scale * q[c] * k[c];
            dp[t] += (double)dout[c] * v[c];
        }
        if (a->bias)
            p[t] += d->bias[(t - place + a->bias_zero) * a->heads + head];
        largest = fmax(largest, p[t]);
    }
    for (int t = 0; t < seen; t++)
        sum += p[t] = exp(p[t] - largest);
    for (int t = 0; t < seen; t++)
        mean += (p[t] /= sum) * dp[t];
    for (int t = 0; a->bias && t < seen; t++)
        d->dbias[(t - place + a->bias_zero) * a->heads + head] += (float)(p[t] * (dp[t] - mean));
    for (int c = 0; c < a->head_width; c++) {
        double out = 0, dq = 0;

        for (int t = 0; t < seen; t++) {
            double ds = p[t] * (dp[t] - mean) * a->scale;
            long k = (first + t) * a->k_stride + column + c;
            long v = (first + t) * a->v_stride + column + c;

            out += p[t] * d->v[v];
            dq += ds * d->k[k];
            d->dk[k] += (float)(ds * q[c]);
            d->dv[v] += (float)(p[t] * dout[c]);
        }
        d->out[row * a->out_stride + column + c] = (float)out;
        d->dq[row * a->q_stride + column + c] += (float)dq;
    }
}

static void plain(struct data *d)
{
    const struct attention *a = &d->a;

    for (int i = 0; i < a->sequences; i++) {
        int j = a->key_of ? a->key_of[i] : i, end = a->query_start[i + 1];

        for (int row = a->query_start[i]; row < end; row++)
            for (int h = 0; h < a->heads; h++)
                plain_row(d, row, a->key_start[j],
                          a->key_count[j] - (a->causal ? end - 1 - row : 0), h,
                          a->key_count[j] - (end - row));
    }
}

static void compare(const struct shape *s, const char *variant, bool wide)
{
    struct data got, want;

    make(&got, s);
    got.a.wide = wide;
    make(&want, s);
    attention_forward(&got.a);
    attention_backward(&got.a, got.dout, got.dq, got.dk, got.dv, got.a.bias ? got.dbias : NULL);
    plain(&want);
    note("%s, %s%s", variant, s->name, wide ? ", wide" : "");
    is_close(got.out, want.out, got.queries * got.a.out_stride, 5e-6, 0, "output");
    is_close(got.dq, want.dq, got.queries * got.a.q_stride, 2e-5, 0, "gradient of queries");
    is_close(got.dk, want.dk, got.keys * got.a.k_stride, 2e-5, 0, "gradient of keys");
    is_close(got.dv, want.dv, got.keys * got.a.v_stride, 2e-5, 0, "gradient of values");
    is_close(got.dbias, want.dbias, (long)MOST_DISTANCES * s->heads, 2e-5, 0, "gradient of bias");
    drop(&got);
    drop(&want);
}

static bool same_data(const struct data *a, const struct data *b)
{
    size_t queries = (size_t)a->queries * sizeof(float), keys = (size_t)a->keys * sizeof(float);

    return !memcmp(a->out, b->out, queries * (size_t)a->a.out_stride) &&
           !memcmp(a->dq, b->dq, queries * (size_t)a->a.q_stride) &&
           !memcmp(a->dk, b->dk, keys * (size_t)a->a.k_stride) &&
           !memcmp(a->dv, b->dv, keys * (size_t)a->a.v_stride);
}

/* The bytes of a row's result: alone or among others, one thread or three. */
static void same_bytes(const char *variant)
{
    static const struct shape one = { "", 2, 64, 1, 1, { 50 }, { 50 }, { 0 }, false, true, false };
    struct data d, first;
    bool same = true;

    make(&first, &one);
    make(&d, &one);
    attention_forward(&first.a);
    for (int row = 0; row < 50; row++) { /* as decoding does: one row more, one key more */
        int start[2] = { row, row + 1 };

        d.key_count[0] = row + 1;
        d.a.query_start = start;
        attention_forward(&d.a);
    }
    for (int row = 0; row < 50; row++)
        same = same && !memcmp(d.out + row * d.a.out_stride, first.out + row * d.a.out_stride,
                               128 * sizeof(float));
    ok(same, "%s: row by row gives the bytes of all rows at once", variant);
    attention_backward(&first.a, first.dout, first.dq, first.dk, first.dv, NULL);
    for (int threads = 1; threads < 4; threads++) {
        struct data again;

        pool_stop();
        pool_start(threads);
        make(&again, &one);
        attention_forward(&again.a);
        attention_backward(&again.a, again.dout, again.dq, again.dk, again.dv, NULL);
        ok(same_data(&again, &first), "%s: %d threads, the same bytes", variant, threads);
        drop(&again);
    }
    drop(&d);
    drop(&first);
}

/* Keys that were arranged before, and keys alone: the same bytes. */
static void same_packed(const struct shape *s, const char *variant)
{
    struct data plainly, packed;
    struct packed_keys *keys;

    make(&plainly, s);
    make(&packed, s);
    keys = attention_pack(&packed.a, s->key_sequences);
    packed.a.packed = keys;
    packed.a.k = packed.a.v = NULL;
    attention_forward(&plainly.a);
    attention_forward(&packed.a);
    ok(!memcmp(plainly.out, packed.out,
               (size_t)(plainly.queries * plainly.a.out_stride) * sizeof(float)),
       "%s: %s, packed keys give the same bytes", variant, s->name);
    packed_keys_free(keys);
    drop(&plainly);
    drop(&packed);
}

/* Sequences that lie one after the other and share keys may be taken as one. */
static void same_together(const char *variant, bool wide)
{
    static const struct shape apart = {
        "", 3, 64, 4, 1, { 1, 1, 99, 2 }, { 577 }, { 0, 0, 0, 0 }, true, false, false
    };
    static const struct shape together = { "",      3,     64,   1,     1,    { 103 },
                                           { 577 }, { 0 }, true, false, false };
    struct data one, other;

    make(&one, &apart);
    make(&other, &together);
    one.a.wide = other.a.wide = wide;
    attention_forward(&one.a);
    attention_forward(&other.a);
    ok(!memcmp(one.out, other.out, (size_t)(one.queries * one.a.out_stride) * sizeof(float)),
       "%s: four sequences, or one of all their rows: the same bytes%s", variant,
       wide ? ", wide" : "");
    drop(&one);
    drop(&other);
}

int main(void)
{
    static const char *const variants[] = { "scalar", "avx2", "avxvnni", "avx512",
                                            "vnni",   "bf16", "amx" };

    pool_start(2);
    for (int i = 0; i < COUNT(variants); i++) {
        if (!kernels_supported(variants[i]))
            continue;
        kernels_use(variants[i]);
        for (int j = 0; j < COUNT(shapes); j++)
            compare(&shapes[j], variants[i], false);
        for (int j = 0; j < COUNT(shapes); j++)
            if (!shapes[j].causal && !shapes[j].biased)
                compare(&shapes[j], variants[i], true);
        for (int j = 0; j < COUNT(shapes); j++)
            same_packed(&shapes[j], variants[i]);
        same_together(variants[i], false);
        same_together(variants[i], true);
        same_bytes(variants[i]);
    }
    return done();
}
