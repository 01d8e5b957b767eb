/* SPDX-License-Identifier: MIT
 * open_clip.c - tiny models of open_clip's other towers against open_clip's own code: vectors,
 * logits, loss, gradients, twenty steps, CoCa's texts
 *
 *     open_clip                      every model in tests/golden/open_clip
 *     open_clip FOLDER EXPECT ..     the models in these folders and what is expected of each
 *
 * Vectors of length 1 may differ by 2e-6: sums of some hundreds of f32 products, each rounded by
 * 6e-8, in another order.  An expectation in f64 says by how much open_clip's own f32 is off: twice
 * that may we be off, where it is more.  A gradient is compared with 1e-4 of its tensor's largest
 * element, or of 1e-2 where that is less: a key's bias has no gradient but rounding.  Nor has a
 * filter of 1 x 1 a channel before a batch normalisation, which divides it out again: what is left
 * of a sum over all pixels is compared with 1e-1.  Steps add up what rounding does: a loss of
 * twenty steps may be off by 1e-4.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/registry.h"
#include "tests/unit/tap.h"
#include "train/train.h"

static const double tolerance = 2e-6;

struct golden {
    const char *name;
    struct model *model;
    struct weights *expect;
    float *pixels;
    int *ids, *counts, count;
};

static const float *wanted(const struct golden *g, const char *name, long *size)
{
    const struct stored *s = weights_find(g->expect, name);

    *size = 1;
    for (int i = 0; s && i < s->rank; i++)
        *size *= s->shape[i];
    return s ? s->data : NULL;
}

/* Texts without what the tokenizer pads them by. */
static void read_inputs(struct golden *g)
{
    long size;
    const signed char *bytes = (const void *)wanted(g, "pixels", &size);
    const struct stored *s = weights_find(g->expect, "ids");
    const int *counts = weights_find(g->expect, "counts")->data, *ids = s->data;
    int at = 0;

    g->pixels = xalloc((size_t)size, sizeof *g->pixels);
    for (long i = 0; i < size; i++)
        g->pixels[i] = (float)bytes[i] / 32;
    g->count = (int)s->shape[0];
    g->counts = xalloc((size_t)g->count, sizeof *g->counts);
    g->ids = xalloc((size_t)g->count * (size_t)s->shape[1], sizeof *ids);
    for (int i = 0; i < g->count; i++) {
        int most = g->model->reading.context;

        g->counts[i] = counts[i] < most ? counts[i] : most;
        memcpy(g->ids + at, ids + i * s->shape[1], (size_t)g->counts[i] * sizeof *ids);
        at += g->counts[i];
    }
}

static void compare_unit(struct golden *g, struct tape *t, struct tensor *x, const char *name)
{
    long size;
    const float *w = wanted(g, name, &size);
    struct tensor *theirs = tensor_from(t, (float *)(uintptr_t)w, 2, x->shape);
    const float *off = wanted(g, "off", &(long){ 0 });
    double allowed = off ? fmax(tolerance, 2 * (double)*off) : tolerance;
    char *what = xprintf("%s: %s", g->name, name);

    is_close(normalize(t, x, 0)->data, normalize(t, theirs, 0)->data, size, allowed, 0, what);
    free(what);
}

static void test_vectors(struct golden *g)
{
    struct model *m = g->model;
    struct tape t = { 0 };
    long size = m->image.size, logits;
    struct tensor *x = tensor_from(&t, g->pixels, 4, (long[]){ g->count, 3, size, size });
    struct tensor *features = m->family->features(&t, m, x);
    struct tensor *image = m->family->image_of(&t, m, features);
    struct tensor *text = m->family->text(&t, m, g->ids, g->counts, g->count);
    const float *w = wanted(g, "logits", &logits);
    const float *off = wanted(g, "off", &(long){ 0 });
    char *what = xprintf("%s: logits", g->name);

    ok(features->shape[1] == m->image.tokens && features->shape[2] == m->image.width,
       "%s: %ld tokens of %ld numbers", g->name, features->shape[1], features->shape[2]);
    compare_unit(g, &t, image, "image");
    compare_unit(g, &t, text, "text");
    x = matmul_transposed(&t, normalize(&t, image, 0), normalize(&t, text, 0));
    x = scale(&t, x, m->embedding.scale);
    for (long i = 0; i < logits; i++)
        x->data[i] += m->embedding.bias;
    is_close(x->data, w, logits, off ? fmax(2e-5, 20 * (double)*off) : 2e-5, 0, what);
    ok(m->embedding.sigmoid == (m->embedding.bias < 0),
       "%s: a bias says that pairs are judged "
       "by themselves",
       g->name);
    free(what);
    tape_free(&t);
}

/* Texts about the pictures, with as many ids as open_clip's had room for; the end is not among
 * them.  A greedy text's last place is the end's in any case. */
static void test_captions(struct golden *g, const char *name, int beams)
{
    struct model *m = g->model;
    const struct stored *s = weights_find(g->expect, name);
    const int *theirs = s->data, room = (int)s->shape[1];
    struct decoding d = m->writing.rules;
    struct hypothesis *out = xalloc((size_t)g->count, sizeof *out);
    struct prompt *starts = xalloc((size_t)g->count, sizeof *starts);
    struct tape t = { 0 };
    long size = m->image.size;
    struct tensor *x = tensor_from(&t, g->pixels, 4, (long[]){ g->count, 3, size, size });

    d.beams = beams;
    d.min_length = 3;
    d.max_length = beams > 1 ? 8 : 7;
    for (int i = 0; i < g->count; i++)
        starts[i] = (struct prompt){ .ids = &m->writing.begin, .count = 1 };
    ok(!m->family->write(&t, m, m->family->features(&t, m, x), starts, &d, out), "%s: %s writes",
       g->name, name);
    for (int i = 0; i < g->count; i++, theirs += room) {
        int count = 0;

        while (count < room && theirs[count] != d.end)
            count++;
        ok(out[i].count == count && !memcmp(out[i].ids, theirs, (size_t)count * sizeof *theirs),
           "%s: %s: text %d has %d ids, %d of them expected", g->name, name, i, out[i].count,
           count);
        free(out[i].ids);
    }
    free(out);
    free(starts);
    tape_free(&t);
}

static double worst_gradient(struct golden *g, const struct learning *l, const char **where,
                             int *known)
{
    double worst = 0;

    for (int i = 0; i < l->params; i++) {
        const struct param *p = l->list[i];
        const struct tensor *x = *p->slot;
        struct place at;
        char *name;
        long kept, ours = tensor_count(x), step;
        const float *w;
        /* a depthwise filter of 1 x 1: the norm behind it divides its one number out */
        bool divided = strstr(p->name, ".conv_scale.") && ours == x->shape[0];
        double largest = divided ? 1e-1 : 1e-2;

        layout_place(g->model->layout, p->name, &at);
        name = xprintf("grad/%s", at.name);
        w = wanted(g, name, &kept);
        free(name);
        *known += w != NULL;
        step = (ours * at.parts + 255) / 256;
        for (long k = 0; w && k < kept; k++)
            largest = fmax(largest, fabs((double)w[k]));
        for (long k = 0; w && k < kept; k++) {
            long place = k * step - at.part * ours;
            double d;

            if (place < 0 || place >= ours)
                continue;
            if (at.transpose) /* element i of [in, out] is ours at [out, in] */
                place = place % x->shape[0] * x->shape[1] + place / x->shape[0];
            d = fabs((double)x->grad[place] - (double)w[k]) / largest;
            if (!(d <= worst)) {
                worst = d;
                *where = p->name;
            }
        }
    }
    return worst;
}

static void test_learning(struct golden *g)
{
    struct learning *l = params_learn(&g->model->params, NULL);
    struct adamw a = { .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-4f };
    struct pairs pairs = {
        .count = g->count, .pixels = g->pixels, .ids = g->ids, .counts = g->counts
    };
    struct loss_options o = { .objectives = model_objectives(g->model) };
    struct tape t = { 0 };
    long steps;
    const float *w = wanted(g, "step", &steps);
    double worst = 0;

    adamw_begin(&a, l);
    for (int i = 0; w && i < steps; i++) {
        struct losses losses;
        const char *where = "";
        int known = 0;
        double d;

        tape_clear(&t);
        learning_zero(l);
        if (model_learn(&t, g->model, &pairs, &o, &losses)) {
            ok(false, "%s: step %d: %s", g->name, i, error_text());
            break;
        }
        d = fabs((double)losses.total->data[0] - (double)w[i]);
        worst = fmax(worst, d);
        tape_backward(&t, losses.total);
        if (i == 0) {
            ok(d < 1e-5, "%s: loss %.6f (%.1e)", g->name, (double)losses.total->data[0], d);
            d = worst_gradient(g, l, &where, &known);
            ok(known == l->params, "%s: %d of %d gradients are known", g->name, known, l->params);
            ok(d < 1e-4, "%s: gradients agree (%.1e, %s)", g->name, d, where);
        }
        adamw_step(&a, l);
    }
    ok(worst < 1e-4, "%s: %ld steps agree (%.1e)", g->name, steps, worst);
    adamw_end(&a);
    tape_free(&t);
    learning_free(l);
}

static void test(const char *folder, const char *expect)
{
    const char *slash = strrchr(folder, '/');
    struct golden g = { .name = slash ? slash + 1 : folder };
    long size;

    g.model = model_load(folder, NULL);
    g.expect = weights_open(expect);
    if (ok(g.model && g.expect, "%s: opens%s%s", g.name, g.model ? "" : ": ",
           g.model ? "" : error_text())) {
        read_inputs(&g);
        test_vectors(&g);
        if (wanted(&g, "beam", &size)) {
            test_captions(&g, "greedy", 1);
            test_captions(&g, "beam", g.model->writing.rules.beams);
        }
        if (wanted(&g, "step", &size))
            test_learning(&g);
    }
    weights_close(g.expect);
    model_free(g.model);
    free(g.pixels);
    free(g.ids);
    free(g.counts);
}

int main(int count, char **arguments)
{
    static const char *const names[] = {
        "siglip",
        "siglip2",
        "mobileclip2-l",
        "eva01",
        "eva02",
        "eva02-after",
        "pe",
        "gap",
        "convnext",
        "convnext-mlp",
        "mobileclip-b",
        "mobileclip2-s0",
        "mobileclip2-s0-folded",
        "mobileclip2-s3",
        "vitamin",
        "coca",
        "roberta",
        "mt5",
        "nllb",
        "clipa",
        "scaled",
        "metaclip2",
        "big_vision.npz",
        "big_vision-scan.npz",
    };

    for (int i = 1; i + 1 < count; i += 2)
        test(arguments[i], arguments[i + 1]);
    for (int i = 0; count == 1 && i < COUNT(names); i++) {
        char *folder = xprintf("tests/golden/open_clip/%s", names[i]);
        char *expect = xprintf("%s.expect.safetensors", folder);

        test(folder, expect);
        free(folder);
        free(expect);
    }
    return done();
}
