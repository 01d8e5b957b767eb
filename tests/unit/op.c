/* SPDX-License-Identifier: MIT
 * op.c - values that operations have to give, and what they promise of memory and bytes
 *
 * Gradients are gradient.c's.  Numbers are PyTorch 2.14's on the inputs seen here; sums of tens of
 * float32 terms: a relative 1e-6.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "op/op.h"
#include "tests/unit/tap.h"

static struct tape tape;

static struct tensor *random_tensor(uint64_t seed, int rank, const long *shape)
{
    struct tensor *x = tensor_new(&tape, rank, shape);
    struct random r = { seed };

    for (long i = 0; i < tensor_count(x); i++)
        x->data[i] = 0.3f * random_normal(&r);
    return x;
}
#define RANDOM(seed, ...)                                                                          \
    random_tensor(seed, COUNT(((long[]){ __VA_ARGS__ })), (long[]){ __VA_ARGS__ })

static void test_cross_entropy(void)
{
    float logits[] = { 1, -2, .5f, 3, 0, 0, 1, -1, 4, 1, -3, 2 };
    struct tensor *z = tensor_from(&tape, logits, 2, (long[]){ 3, 4 });
    static const int target[] = { 3, -100, 1 }, nothing[] = { -1, -1, -1 };

    is_close(cross_entropy(&tape, z, target, 0)->data, (float[]){ 1.68643439f }, 1, 0, 1e-6,
             "cross_entropy, one row ignored");
    is_close(cross_entropy(&tape, z, target, 0.1f)->data, (float[]){ 1.80518436f }, 1, 0, 1e-6,
             "cross_entropy, smoothed");
    ok(cross_entropy(&tape, z, nothing, 0)->data[0] == 0, "cross_entropy of no row is 0");
    logits[0] = 1e4f;
    ok(isfinite(cross_entropy(&tape, z, target, 0)->data[0]), "cross_entropy of a large logit");
}

static void test_contrastive(void)
{
    struct tensor *u = tensor_from(&tape, (float[]){ 1, 2, 3, -1, -1, .5f }, 2, (long[]){ 3, 2 });
    struct tensor *v = tensor_from(&tape, (float[]){ 2, 1, 1, 0, -.5f, 1 }, 2, (long[]){ 3, 2 });
    struct tensor *s = tensor_from(&tape, (float[]){ 1.5f }, 0, NULL);

    is_close(contrastive(&tape, normalize(&tape, u, 1e-12f), normalize(&tape, v, 1e-12f), s)->data,
             (float[]){ 0.287413985f }, 1, 0, 1e-6, "contrastive");
}

static void test_batchnorm(void)
{
    static const float wanted[] = { -1.43081212f, 1.61521792f, -1.32473171f, 1.5316546f,
                                    -1.13077152f, 1.43925607f, -.879602432f, 1.33879852f,
                                    .969512403f,  .733188093f, 1.4333576f,   .593853414f,
                                    1.92374337f,  .449051172f, 2.43930411f,  .298980474f };
    float gain_grad[2] = { 0 };
    struct tensor *x = tensor_make(&tape, 2, 2, 2, 2), *y;
    struct tensor gain = { .rank = 1,
                           .shape = { 2 },
                           .stride = 2,
                           .data = (float[]){ 1.5f, -.5f },
                           .grad = gain_grad,
                           .needs_grad = true };
    struct batchnorm b = { &gain, tensor_from(&tape, (float[]){ .25f, 1 }, 1, (long[]){ 2 }),
                           tensor_from(&tape, (float[]){ 0, 0 }, 1, (long[]){ 2 }),
                           tensor_from(&tape, (float[]){ 1, 1 }, 1, (long[]){ 2 }), 1e-5f };

    for (int i = 0; i < 16; i++)
        x->data[i] = powf((float)i, 1.5f) / 8;
    y = batchnorm(&tape, &b, to_channels_last(&tape, x), ACTIVATION_NONE);
    is_close(y->data, wanted, 16, 2e-6, 1e-6, "batchnorm, statistics of the batch");
    is_close(b.mean->data, (float[]){ .198058829f, .392682642f }, 2, 0, 1e-6, "running mean");
    is_close(b.variance->data, (float[]){ 1.25704515f, 1.54664695f }, 2, 0, 1e-6,
             "running variance, unbiased");
}

static void test_convolve(void)
{
    static const float wanted[] = { 1.375f,  16.5625f, 7.8125f,  -.625f,  3.0625f, -15.5f,
                                    -5.125f, -8.5f,    -7.4375f, 2.6875f, 1.625f,  6.6875f };
    struct tensor *w = tensor_make(&tape, 2, 3, 3, 3), *x = tensor_make(&tape, 1, 3, 4, 5);
    struct linear l = { .weight = { w }, .parts = 1 };

    for (int i = 0; i < 54; i++)
        w->data[i] = (float)(i - 20) / 16;
    for (int i = 0; i < 60; i++)
        x->data[i] = (float)(i % 7 - 3);
    is_close(convolve(&tape, &l, to_channels_last(&tape, x), 2)->data, wanted, 12, 0, 0,
             "convolve, stride 2, of numbers without rounding");
    linear_close(&l);
}

static void test_linear_onto(void)
{
    struct tensor *x = RANDOM(1, 3, 4), *h = RANDOM(2, 3, 6), *before = scale(&tape, x, 1), *sum;
    struct linear l = { .weight = { RANDOM(3, 4, 6) }, .bias = { RANDOM(4, 4) }, .parts = 1 };
    struct tensor *y = linear_onto(&tape, &l, x, h);

    ok(y == x, "linear_onto writes over its first operand");
    sum = add(&tape, before, linear(&tape, &l, h, ACTIVATION_NONE));
    is_close(y->data, sum->data, 12, 1e-6, 0, "linear_onto adds");
    linear_close(&l);
}

/* Of n numbers kept each with probability p about n p are kept, give or take 5 sqrt(n p (1 - p)).
 */
static void test_dropout(void)
{
    enum { ROWS = 1000, WIDTH = 40 };
    const float rate = 0.25f, grown = 1 / 0.75f;
    struct tensor *x = tensor_make(&tape, ROWS, WIDTH), *y, *z;
    int kept = 0, other = 0, whole = 0;

    for (long i = 0; i < ROWS * WIDTH; i++)
        x->data[i] = 1;
    ok(dropout(&tape, x, rate) == x, "dropout of what does not learn leaves nothing out");
    tensor_watch(&tape, x);
    ok(dropout(&tape, x, 0) == x, "dropout of nothing");
    tape.random.state = 1;
    y = dropout(&tape, x, rate);
    z = drop_sequences(&tape, x, spans_even(&tape, ROWS / 2, 2), rate);
    for (long i = 0; i < ROWS * WIDTH; i++) {
        kept += y->data[i] != 0;
        other += y->data[i] != 0 && fabsf(y->data[i] - grown) > 1e-6f;
        other += z->data[i] != z->data[i / WIDTH / 2 * 2 * WIDTH];
        other += z->data[i] != 0 && fabsf(z->data[i] - grown) > 1e-6f;
    }
    for (long i = 0; i < ROWS; i += 2)
        whole += z->data[i * WIDTH] != 0;
    ok(abs(kept - 30000) < 5 * 87, "dropout keeps about three quarters: %d of 40000", kept);
    ok(abs(whole - 375) < 5 * 10, "drop_sequences too: %d of 500", whole);
    is_long(other, 0, "what is kept grows by 1 / (1 - rate), and a sequence stays or goes whole");
}

static void test_pack_follows(void)
{
    struct tensor *x = RANDOM(1, 3, 6), *w = RANDOM(3, 4, 6), *y;
    struct linear l = { .weight = { w }, .parts = 1 };
    float first = linear(&tape, &l, x, ACTIVATION_NONE)->data[0];

    for (long i = 0; i < tensor_count(w); i++)
        w->data[i] *= 2;
    linear_close(&l);
    y = linear(&tape, &l, x, ACTIVATION_NONE);
    is_close(y->data, (float[]){ 2 * first }, 1, 0, 1e-6, "linear_close lets new weights be seen");
    linear_close(&l);
}

/* A large weight's mapped pages are let go once it is packed; the file still has them. */
static void test_mapped(void)
{
    struct tensor *x = RANDOM(1, 3, 1024), *copy = RANDOM(2, 512, 1024), weight = *copy;
    struct linear l = { .weight = { copy }, .parts = 1 }, m = { .weight = { &weight }, .parts = 1 };
    size_t bytes = (size_t)tensor_count(copy) * sizeof(float);
    char *name =
        xprintf("%s/vlm-op-%ld", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    struct file file = { 0 };
    struct tensor *y;

    if (ok(!file_write_atomic(name, copy->data, bytes) && !file_map(&file, name),
           "a mapped file")) {
        weight.bytes = (void *)(uintptr_t)file.data;
        weight.mapped = true;
        y = linear(&tape, &m, x, ACTIVATION_NONE);
        ok(!memcmp(y->data, linear(&tape, &l, x, ACTIVATION_NONE)->data, 3 * 512 * sizeof(float)),
           "a mapped weight gives the same bytes");
        ok(!memcmp(weight.bytes, copy->data, bytes), "and can still be read");
    } else {
        note("%s", error_text());
    }
    linear_close(&l);
    linear_close(&m);
    file_unmap(&file);
    unlink(name);
    free(name);
}

/* Everything a tower does to its rows, forward only */
static struct tensor *tower(struct tensor *x, struct linear l[3], int sequences)
{
    const struct spans *spans = spans_even(&tape, sequences, (int)rows(x) / sequences);
    struct attention_plan plan = { .heads = 4, .scale = .25f, .queries = spans, .keys = spans };
    struct tensor *one = RANDOM(9, 64), *h = layernorm(&tape, x, one, one, 1e-5f);

    h = linear(&tape, &l[0], h, ACTIVATION_NONE);
    h = attention(&tape, &plan, tensor_columns(&tape, h, 0, 64), tensor_columns(&tape, h, 64, 64),
                  tensor_columns(&tape, h, 128, 64));
    x = linear_onto(&tape, &l[1], scale(&tape, x, 1), h);
    h = linear(&tape, &l[2], x, ACTIVATION_QUICK_GELU);
    return normalize(&tape, mean_rows(&tape, h, spans), 1e-12f);
}

/* A record's bytes do not depend on its neighbours or on the number of threads. */
static void test_bytes(void)
{
    struct linear l[3] = {
        { .weight = { RANDOM(1, 64, 64), RANDOM(2, 64, 64), RANDOM(3, 64, 64) }, .parts = 3 },
        { .weight = { RANDOM(4, 64, 64) }, .bias = { RANDOM(5, 64) }, .parts = 1 },
        { .weight = { RANDOM(6, 100, 64) }, .parts = 1 }
    };
    struct tensor *x = RANDOM(7, 7 * 11, 64), *all = tower(x, l, 7), *again;
    bool same = true;

    for (int i = 0; i < 7; i++) {
        struct tensor *one = tower(tensor_rows(&tape, x, 11 * i, 11), l, 1);

        same &= !memcmp(one->data, all->data + 100 * i, 100 * sizeof(float));
    }
    ok(same, "bytes do not depend on the batch");
    pool_start(3);
    again = tower(x, l, 7);
    pool_stop();
    ok(!memcmp(again->data, all->data, 700 * sizeof(float)), "nor on the number of threads");
    for (int i = 0; i < 3; i++)
        linear_close(&l[i]);
}

int main(void)
{
    test_cross_entropy();
    test_contrastive();
    test_batchnorm();
    test_convolve();
    test_linear_onto();
    test_dropout();
    test_pack_follows();
    test_mapped();
    test_bytes();
    tape_free(&tape);
    return done();
}
