/* SPDX-License-Identifier: MIT
 * fold.c - channels that stick out of layer norms, and what int8 makes of them
 *
 * In a copy of a model some gains and shifts are multiplied by 50, and the columns of the matrices
 * behind them divided by it: the same model, in which one number of a row is far larger than the
 * others.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "api/api.h"
#include "checkpoint/fold.h"
#include "checkpoint/save.h"
#include "tests/unit/tap.h"
#include "vlm.h"

static const char source[] = "tests/golden/clip/hf-vit";
static const long channels[] = { 3, 17 };
static char folder[] = "/tmp/vlm-fold-XXXXXX";

static bool ends(const char *name, const char *tail)
{
    size_t size = strlen(name), end = strlen(tail);

    return size >= end && !strcmp(name + size - end, tail);
}

/* The numbers of a parameter, which are to change. */
static float *own(struct model *m, const struct param *p)
{
    struct tensor *x = *p->slot;
    float *to = arena_alloc(&m->memory, (size_t)tensor_count(x) * sizeof *to);

    tensor_read(x, 0, tensor_count(x), to);
    x->data = to;
    x->type = DTYPE_F32;
    x->mapped = false;
    return to;
}

static void plant(struct model *m, float by)
{
    static const char *const matrices[] = { ".attention.query.weight", ".attention.key.weight",
                                            ".attention.value.weight", ".mlp.fc1.weight" };

    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.list[i];
        bool vector = p->rank == 1 && (strstr(p->name, ".norm1.") || strstr(p->name, ".norm2."));
        bool matrix = false;

        for (int k = 0; k < COUNT(matrices); k++)
            matrix |= ends(p->name, matrices[k]);
        for (int c = 0; c < COUNT(channels) && (vector || matrix); c++) {
            float *x = own(m, p);

            for (long r = 0; matrix && r < p->shape[0]; r++)
                x[r * p->shape[1] + channels[c]] /= by;
            if (vector)
                x[channels[c]] *= by;
        }
    }
}

static char *in_folder(const char *name)
{
    return path_join(folder, name);
}

static int write_planted(const char *path)
{
    struct vlm *v = vlm_open(source, NULL);
    const struct save_options o = { .type = DTYPE_F32 };
    int result;

    if (!v)
        return -1;
    plant(v->model, 50);
    result = model_save(v->model, path, &o);
    vlm_close(v);
    return result;
}

/* Of noise; to free. */
static float *vector_of(const char *path, int *width)
{
    struct vlm *v = vlm_open(path, NULL);
    struct random r = { 11 };
    size_t count;
    float *pixels, *out;

    if (!v) {
        note("%s", error_text());
        *width = 0;
        return xalloc(1, sizeof *out);
    }
    count = vlm_pixels(v);
    pixels = xalloc(count, sizeof *pixels);
    *width = vlm_width(v);
    out = xalloc((size_t)*width, sizeof *out);
    for (size_t i = 0; i < count; i++)
        pixels[i] = random_normal(&r);
    if (vlm_embed_images(v, pixels, 1, true, out))
        note("%s", error_text());
    free(pixels);
    vlm_close(v);
    return out;
}

/* 1 - the cosine of what two models say. */
static double loss(const char *a, const char *b)
{
    int width, other;
    float *x = vector_of(a, &width), *y = vector_of(b, &other);
    double xy = 0;

    for (int i = 0; i < width && width == other; i++)
        xy += (double)x[i] * (double)y[i];
    free(x);
    free(y);
    return 1 - xy;
}

static void test_factors(const char *planted)
{
    struct vlm *v = vlm_open(planted, NULL), *plain = vlm_open(source, NULL);
    struct folds f = { 0 }, none = { 0 };
    bool right = true, powers = true;

    if (!ok(v && plain, "the models open"))
        return;
    folds_find(&f, v->model);
    folds_find(&none, plain->model);
    for (int i = 0; i < f.count; i++) {
        for (int c = 0; c < COUNT(channels); c++)
            right &= f.list[i].factor[channels[c]] >= 16;
        for (long j = 0; j < f.list[i].width; j++) {
            int exponent;

            powers &= frexpf(f.list[i].factor[j], &exponent) == 0.5f;
        }
        right &= f.list[i].channels >= COUNT(channels);
    }
    ok(f.count >= 4 && right, "%d norms have the channels that stick out", f.count);
    ok(powers, "factors are powers of two");
    is_long(none.count, 0, "an ordinary model has none");
    folds_free(&f);
    folds_free(&none);
    vlm_close(v);
    vlm_close(plain);
}

static void test_int8(const char *planted)
{
    const struct vlm_conversion how = { .type = "int8", .once = true, .pieces = 1 };
    char *plain = in_folder("plain"), *folded = in_folder("folded");
    double usual, now;

    ok(vlm_convert(source, plain, &how) == 0 && vlm_convert(planted, folded, &how) == 0,
       "both become int8");
    usual = loss(source, plain);
    now = loss(source, folded);
    ok(now < 5 * usual + 1e-4, "what sticks out costs nothing: 1 - cosine %.2e, usual %.2e", now,
       usual);
    free(plain);
    free(folded);
}

int main(void)
{
    char *planted, *clean = NULL;

    pool_start(1);
    if (!mkdtemp(folder))
        return 1;
    planted = in_folder("planted");
    ok(write_planted(planted) == 0, "a model with channels that stick out");
    ok(fabs(loss(source, planted)) < 1e-5, "... is the same model");
    test_factors(planted);
    test_int8(planted);
    clean = xprintf("rm -r %s", folder);
    if (system(clean))
        note("%s stays", folder);
    free(clean);
    free(planted);
    pool_stop();
    return done();
}
