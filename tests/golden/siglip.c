/* SPDX-License-Identifier: MIT
 * siglip.c - a tiny SigLIP against transformers: vectors, logits, loss, gradients, twenty steps;
 * and a NaFlex, of pictures that are tall, wide, tiny and square in one batch, prepared to the last
 * bit
 *
 * Vectors of length 1 may differ by 2e-6: sums of some dozens of f32 products, each rounded by
 * 6e-8, in another order.  A gradient is compared with 1e-4 of its tensor's largest element, or of
 * 1e-2 where that is less: a key's bias has no gradient but rounding.  Steps add up what rounding
 * does: a loss of twenty steps may be off by 1e-4.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "family/registry.h"
#include "family/siglip/siglip.h"
#include "tests/unit/tap.h"
#include "train/train.h"

#define FOLDER "tests/golden/siglip/"

static struct model *model;
static struct weights *expect;
static int *ids, counts[8], count;
static float *pixels;

static const float *wanted(const char *name, long *size)
{
    const struct stored *s = weights_find(expect, name);

    *size = 1;
    for (int i = 0; s && i < s->rank; i++)
        *size *= s->shape[i];
    return s ? s->data : NULL;
}

/* Pictures that keep their shape, from their files. */
static void read_pictures(void)
{
    const struct preprocess *p = &model->image.preprocess;
    size_t each = preprocess_numbers(p);
    long all, size;
    const float *theirs = wanted("squares", &all);
    const int *shapes = (const void *)wanted("shapes", &size);

    pixels = xalloc((size_t)count * each, sizeof *pixels);
    is_long(all, count * ((long)each - 2), "as many numbers");
    for (int i = 0; i < count; i++) {
        char *name = xprintf("picture.%d", i);
        const void *bytes = wanted(name, &size);
        float *at = pixels + (size_t)i * each, *last = at + each - 2;

        ok(preprocess_bytes(p, bytes, (size_t)size, 0, at) == 0, "%s is read", name);
        ok((int)last[0] == shapes[2 * i] && (int)last[1] == shapes[2 * i + 1],
           "%s has %g squares down, %g across", name, (double)last[0], (double)last[1]);
        is_close(at, theirs + (size_t)i * (each - 2), (long)each - 2, 0, 0, name);
        free(name);
    }
}

static void read_pixels(void)
{
    long size;
    const signed char *bytes = (const void *)wanted("pixels", &size);

    pixels = xalloc((size_t)size, sizeof *pixels);
    for (long i = 0; i < size; i++)
        pixels[i] = (float)bytes[i] / 32;
}

static void read_inputs(void)
{
    const struct stored *s = weights_find(expect, "ids");

    count = (int)s->shape[0];
    if (model->image.preprocess.geometry == GEOMETRY_PATCHES)
        read_pictures();
    else
        read_pixels();
    for (int i = 0; i < count; i++)
        counts[i] = (int)s->shape[1];
    ids = xalloc((size_t)count * (size_t)s->shape[1], sizeof *ids);
    memcpy(ids, s->data, (size_t)count * (size_t)s->shape[1] * sizeof *ids);
}

static void compare_unit(struct tape *t, struct tensor *x, const char *name)
{
    long size;
    const float *w = wanted(name, &size);
    struct tensor *theirs = tensor_from(t, (float *)(uintptr_t)w, 2, x->shape);

    is_close(normalize(t, x, 0)->data, normalize(t, theirs, 0)->data, size, 2e-6, 0, name);
}

static void test_vectors(void)
{
    struct siglip *s = model->self;
    struct tape t = { 0 };
    long logits;
    struct tensor *x = model_pixels(&t, model, pixels, count), *image = siglip_image(&t, s, x);
    struct tensor *text = siglip_text(&t, s, ids, counts, count), *u, *v;
    const float *w = wanted("logits", &logits);

    compare_unit(&t, image, "image");
    compare_unit(&t, text, "text");
    u = normalize(&t, image, 0);
    v = normalize(&t, text, 0);
    x = scale(&t, matmul_transposed(&t, v, u), model->embedding.scale);
    for (long i = 0; i < logits; i++)
        x->data[i] += model->embedding.bias;
    is_close(x->data, w, logits, 2e-5, 0, "logits");
    /* padding is seen: a shorter text is padded to the places of the model */
    counts[1] = 3;
    u = siglip_text(&t, s, ids + counts[0], counts + 1, 1);
    ok(!memcmp(u->data, text->data + width(text), (size_t)width(text) * sizeof(float)),
       "a text is padded by the model's own token");
    counts[1] = counts[0];
    for (int i = 0; i < count; i++) {
        size_t each = preprocess_numbers(&model->image.preprocess);

        x = model_pixels(&t, model, pixels + (size_t)i * each, 1);
        u = siglip_image(&t, s, x);
        ok(!memcmp(u->data, image->data + i * width(image), (size_t)width(image) * sizeof(float)),
           "picture %d alone has the same bytes", i);
    }
    tape_free(&t);
}

static double worst_gradient(const struct learning *l, const char **where, int *known)
{
    double worst = 0;

    for (int i = 0; i < l->params; i++) {
        const struct param *p = l->list[i];
        const struct tensor *x = *p->slot;
        struct place at;
        char *name;
        long kept, ours = tensor_count(x), step;
        const float *w;
        double largest = 1e-2;

        layout_place(model->layout, p->name, &at);
        name = xprintf("grad/%s", at.name);
        w = wanted(name, &kept);
        free(name);
        *known += w != NULL;
        step = (ours * at.parts + 255) / 256;
        for (long k = 0; w && k < kept; k++)
            largest = fmax(largest, fabs((double)w[k]));
        for (long k = 0; w && k < kept; k++) {
            long place = k * step - at.part * ours;
            double d = place < 0 || place >= ours
                           ? 0
                           : fabs((double)x->grad[place] - (double)w[k]) / largest;

            if (!(d <= worst)) {
                worst = d;
                *where = p->name;
            }
        }
    }
    return worst;
}

static void test_learning(void)
{
    struct learning *l = params_learn(&model->params, NULL);
    struct adamw a = { .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-4f };
    struct pairs pairs = { .count = count, .pixels = pixels, .ids = ids, .counts = counts };
    struct loss_options o = { .objectives = OBJECTIVE_ITC };
    struct tape t = { 0 };
    long steps;
    const float *w = wanted("step", &steps);

    adamw_begin(&a, l);
    for (int i = 0; i < steps; i++) {
        struct losses losses;
        const char *where = "";
        int known = 0;
        double d;

        tape_clear(&t);
        learning_zero(l);
        if (!ok(model_learn(&t, model, &pairs, &o, &losses) == 0, "step %d", i))
            break;
        d = fabs((double)losses.total->data[0] - (double)w[i]);
        ok(d < (i ? 1e-4 : 1e-5), "loss %.6f (%.1e)", (double)losses.total->data[0], d);
        tape_backward(&t, losses.total);
        if (i == 0) {
            d = worst_gradient(l, &where, &known);
            ok(known == l->params, "%d of %d gradients are known", known, l->params);
            ok(d < 1e-4, "gradients agree (%.1e, %s)", d, where);
        }
        adamw_step(&a, l);
    }
    adamw_end(&a);
    tape_free(&t);
    learning_free(l);
}

static void test(const char *folder, const char *file)
{
    note("%s", folder);
    model = model_load(folder, NULL);
    expect = weights_open(file);
    if (ok(model && expect, "opens")) {
        read_inputs();
        test_vectors();
        test_learning();
    } else {
        note("%s", error_text());
    }
    weights_close(expect);
    model_free(model);
    free(pixels);
    free(ids);
}

int main(void)
{
    test(FOLDER "hf", FOLDER "hf.expect.safetensors");
    test(FOLDER "naflex", FOLDER "naflex.expect.safetensors");
    return done();
}
