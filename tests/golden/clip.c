/* SPDX-License-Identifier: MIT
 * clip.c - tiny CLIP models of every released layout against the original programs
 *
 * Embeddings of length 1 may differ by 2e-6: sums of some dozens of f32 products, each rounded by
 * 6e-8, in another order.  Gradients pass through twice as many, and are compared with 1e-4 of
 * their tensor's norm, or of 5e-3 where that is less: a key's bias has no gradient but rounding.
 * AdamW's first step is nearly the gradient's sign, whatever its size, so noise counts for more:
 * after three steps of 1e-3 a parameter may be off by 1e-4.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/clip.h"
#include "model/model.h"
#include "tests/unit/tap.h"
#include "train/train.h"

#define FOLDER "tests/golden/clip/"

static const double tolerance = 2e-6, gradient_tolerance = 1e-4, floor_of_norms = 5e-3,
                    step_tolerance = 1e-4;

struct golden {
    const char *name;
    struct model *model;
    struct clip *clip;
    struct weights *expect;
    float *pixels;
    int *ids, *counts, count;
};

static const struct stored *find(const struct golden *g, const char *format, ...) PRINTF_LIKE(2, 3);
static const struct stored *find(const struct golden *g, const char *format, ...)
{
    char name[200];
    va_list list;

    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    return weights_find(g->expect, name);
}

static long count_of(const struct stored *s)
{
    long count = 1;

    for (int i = 0; i < s->rank; i++)
        count *= s->shape[i];
    return count;
}

/* Ids of all texts in a row; padding is what follows the end, unless the tower sees it. */
static void read_ids(struct golden *g)
{
    const struct stored *s = weights_find(g->expect, "ids");
    const struct text_config *c = &g->clip->config.text;
    const int *from = s->data;
    int context = (int)s->shape[1], total = 0;

    g->count = (int)s->shape[0];
    g->ids = xalloc((size_t)count_of(s), sizeof *g->ids);
    g->counts = xalloc((size_t)g->count, sizeof *g->counts);
    for (int i = 0; i < g->count; i++, from += context) {
        int end = 0;

        while (!c->pad && from[end] != c->vocabulary - 1)
            end++;
        g->counts[i] = c->pad ? context : end + 1;
        memcpy(g->ids + total, from, (size_t)g->counts[i] * sizeof *from);
        total += g->counts[i];
    }
}

static bool open_golden(struct golden *g, const char *name, const char *path)
{
    char *expect = xprintf(FOLDER "%s.expect.safetensors", name);
    const struct stored *pixels;

    *g = (struct golden){ .name = name };
    g->model = model_load(path, NULL);
    g->expect = weights_open(expect);
    free(expect);
    if (!ok(g->model && g->expect, "%s opens", name)) {
        note("%s", error_text());
        return false;
    }
    note("%s", g->model->about);
    g->clip = model_clip(g->model);
    pixels = weights_find(g->expect, "pixels");
    g->pixels = xalloc((size_t)count_of(pixels), sizeof *g->pixels);
    for (long i = 0; i < count_of(pixels); i++)
        g->pixels[i] = (float)((const signed char *)pixels->data)[i] / 32;
    read_ids(g);
    return true;
}

static void close_golden(struct golden *g)
{
    weights_close(g->expect);
    model_free(g->model);
    free(g->pixels);
    free(g->ids);
    free(g->counts);
}

static struct tensor *pixels_of(struct golden *g, struct tape *t)
{
    long size = g->model->image_size;

    return tensor_from(t, g->pixels, 4, (long[]){ g->count, 3, size, size });
}

/* Rows of unit length on both sides. */
static void compare_rows(struct golden *g, struct tape *t, struct tensor *x, const char *what)
{
    const struct stored *s = weights_find(g->expect, what);
    struct tensor *wanted = tensor_from(t, (float *)(uintptr_t)s->data, 2, x->shape);
    char name[64];

    snprintf(name, sizeof name, "%s: %s", g->name, what);
    if (count_of(s) != tensor_count(x)) {
        ok(false, "%s has %ld numbers of %ld", name, tensor_count(x), count_of(s));
        return;
    }
    is_close(normalize(t, x, 0)->data, normalize(t, wanted, 0)->data, count_of(s), tolerance, 0,
             name);
}

static void compare_stage(struct golden *g, const struct tensor *x, const char *tower, int layer)
{
    const struct stored *s = find(g, "stage.%s.%d", tower, layer);
    char name[64];
    double worst;

    if (!s)
        return;
    snprintf(name, sizeof name, "%s: %s before layer %d", g->name, tower, layer);
    worst = worst_difference(x->data, s->data, count_of(s));
    ok(worst < 1e-5, "%s (%.1e)", name, worst);
}

/* The first image alone, layer by layer. */
static void compare_vision_stages(struct golden *g, struct tape *t)
{
    struct vit *v = &g->clip->vit;
    int tokens = vit_tokens(&v->config);
    const struct spans *spans = spans_even(t, g->count, tokens);
    struct tensor *x = vit_embed(t, v, pixels_of(g, t));

    x = tensor_reshape(t, x, 2, (long[]){ rows(x), width(x) });
    for (int i = 0; i <= v->config.layers; i++) {
        compare_stage(g, x, "image", i);
        if (i < v->config.layers)
            x = block_forward(t, &v->blocks[i], x, spans, false, NULL);
    }
}

/* clip_image skips what the class token does not need; the long way round must give the same. */
static void compare_long_way(struct golden *g, struct tape *t, const struct tensor *image)
{
    struct tensor *x = clip_image_of(t, g->clip, clip_features(t, g->clip, pixels_of(g, t)));

    ok(worst_difference(x->data, image->data, tensor_count(x)) < tolerance,
       "%s: the class token alone is as good as all tokens", g->name);
}

/* Bytes do not depend on the batch. */
static void compare_alone(struct golden *g, struct tape *t, const struct tensor *image,
                          const struct tensor *text)
{
    int last = g->count - 1, before = 0;
    long size = g->model->image_size;
    struct tensor *one =
        tensor_from(t, g->pixels + last * 3 * size * size, 4, (long[]){ 1, 3, size, size });
    size_t bytes = (size_t)width(image) * sizeof(float);

    for (int i = 0; i < last; i++)
        before += g->counts[i];
    ok(!memcmp(clip_image(t, g->clip, one)->data, image->data + last * width(image), bytes),
       "%s: an image alone gives the same bytes", g->name);
    one = clip_text(t, g->clip, g->ids + before, g->counts + last, 1);
    ok(!memcmp(one->data, text->data + last * width(text), bytes),
       "%s: a text alone gives the same bytes", g->name);
}

static void test_forward(struct golden *g)
{
    struct tape t = { 0 };
    const struct stored *logits = weights_find(g->expect, "logits");
    struct tensor *image = clip_image(&t, g->clip, pixels_of(g, &t));
    struct tensor *text = clip_text(&t, g->clip, g->ids, g->counts, g->count);
    struct tensor *product;
    char name[64];

    compare_rows(g, &t, image, "image");
    compare_rows(g, &t, text, "text");
    if (!g->clip->config.is_resnet) {
        compare_vision_stages(g, &t);
        compare_long_way(g, &t, image);
    }
    compare_alone(g, &t, image, text);
    product = matmul_transposed(&t, normalize(&t, image, 1e-12f), normalize(&t, text, 1e-12f));
    product = scale_exp(&t, product, g->clip->logit_scale);
    snprintf(name, sizeof name, "%s: logits", g->name);
    is_close(product->data, logits->data, count_of(logits), 20 * tolerance, 0, name);
    tape_free(&t);
}

/* --- gradients and steps --- */

/* Element `index` of theirs, if it lies in our part of the tensor: its place in ours, else -1. */
static long place_in(const struct param *p, const struct place *at, long index, long count)
{
    long ours = index - at->part * count;

    if (ours < 0 || ours >= count)
        return -1;
    if (at->transpose) /* theirs is [in, out] */
        ours = index % p->shape[0] * p->shape[1] + index / p->shape[0];
    return ours;
}

/* The worst of the elements that are kept of a thinned tensor and lie in our part. */
static double compare_thin(const struct param *p, const struct place *at, const struct stored *kept,
                           bool steps)
{
    const struct tensor *x = *p->slot;
    const float *wanted = kept->data, *got = steps ? x->data : x->grad;
    long count = tensor_count(x), step = (count * at->parts + 255) / 256;
    double worst = 0;

    for (long k = 0; k < count_of(kept); k++) {
        long ours = place_in(p, at, k * step, count);
        double difference = ours < 0 ? 0 : fabs((double)got[ours] - (double)wanted[k]);

        if (!(difference <= worst))
            worst = difference;
    }
    return worst;
}

/* Of their whole tensor, which may be query, key and value in one. */
static double norm_of(const struct golden *g, const struct learning *l, const char *name,
                      bool steps)
{
    double square = 0;

    for (int i = 0; i < l->params; i++) {
        const struct tensor *x = *l->list[i]->slot;
        const float *numbers = steps ? x->data : x->grad;
        struct place at;

        if (layout_place(g->model->layout, l->list[i]->name, &at) && !strcmp(at.name, name))
            for (long k = 0; k < tensor_count(x); k++)
                square += (double)numbers[k] * (double)numbers[k];
    }
    return sqrt(square);
}

struct worst {
    double difference;
    const char *where;
};

static void worse(struct worst *w, double difference, const char *where)
{
    if (!(difference <= w->difference))
        *w = (struct worst){ difference, where };
}

static void compare_learning(struct golden *g, const struct learning *l, bool steps)
{
    struct worst one = { 0, "" }, norms = { 0, "" };
    int known = 0;

    for (int i = 0; i < l->params; i++) {
        const struct param *p = l->list[i];
        const struct stored *kept = NULL, *norm = NULL;
        struct place at;
        double wanted, size;

        if (layout_place(g->model->layout, p->name, &at)) {
            kept = find(g, "%s/%s", steps ? "step" : "grad", at.name);
            norm = find(g, "norm/%s", at.name);
        }
        if (!kept || !norm)
            continue;
        known++;
        wanted = ((const float *)norm->data)[steps];
        size = fmax(wanted, floor_of_norms);
        worse(&one, compare_thin(p, &at, kept, steps) / (steps ? 1 : size), p->name);
        worse(&norms, fabs(norm_of(g, l, at.name, steps) - wanted) / size, p->name);
    }
    ok(known == l->params, "%s: %d of %d %s are known", g->name, known, l->params,
       steps ? "parameters" : "gradients");
    ok(one.difference < (steps ? step_tolerance : gradient_tolerance), "%s: %s agree (%.1e, %s)",
       g->name, steps ? "parameters after three steps" : "gradients", one.difference, one.where);
    ok(norms.difference < gradient_tolerance, "%s: so do their norms (%.1e, %s)", g->name,
       norms.difference, norms.where);
}

static void test_learning(struct golden *g)
{
    struct tape t = { 0 };
    struct learning *l = params_learn(&g->model->params, "");
    struct adamw a = { .rate = 1e-3f,
                       .beta1 = 0.9f,
                       .beta2 = 0.98f,
                       .eps = 1e-4f,
                       .weight_decay = 0.2f,
                       .decays = decays_matrices };

    adamw_begin(&a, l);
    for (int step = 0; step < 4; step++) {
        const struct stored *wanted = find(g, "loss.%d", step);
        struct tensor *loss;
        double difference;

        tape_clear(&t);
        learning_zero(l);
        loss = clip_loss(&t, g->clip, pixels_of(g, &t), g->ids, g->counts);
        difference = fabs((double)loss->data[0] - (double)((const float *)wanted->data)[0]);
        ok(difference < (step ? 2e-4 : 1e-5), "%s: loss before step %d is %.6f (%.1e)", g->name,
           step, (double)loss->data[0], difference);
        tape_backward(&t, loss);
        if (step == 0)
            compare_learning(g, l, false);
        if (step < 3)
            adamw_step(&a, l);
    }
    compare_learning(g, l, true);
    adamw_end(&a);
    tape_free(&t);
    close_golden(g); /* before the blocks that its tensors point into */
    learning_free(l);
}

/* --- from files on --- */

static void test_picture(void)
{
    static const char *const texts[] = { "a photo of a red circle", "Two BLUE squares!",
                                         "the sea the sea the sea the sea the sea the sea "
                                         "the sea the sea the sea the sea the sea the sea " };
    struct vlm *v = vlm_open(FOLDER "hf-vit", NULL);
    struct weights *expect = weights_open(FOLDER "picture.expect.safetensors");
    struct file picture;
    float pixels[3 * 32 * 32], image[12], text[12], unit[12];
    struct tape t = { 0 };

    if (!ok(v && expect && file_map(&picture, FOLDER "picture.png") == 0, "files open")) {
        note("%s", error_text());
        return;
    }
    ok(vlm_pixels(v) == COUNT(pixels) && vlm_width(v) == COUNT(image), "sizes are told");
    ok(vlm_read_image(v, picture.data, picture.size, 0, pixels) == 0, "a picture is read");
    is_close(pixels, weights_find(expect, "pixels")->data, COUNT(pixels), 5e-7, 0, "pixels");
    ok(vlm_embed_images(v, pixels, 1, true, image) == 0, "and embedded");
    memcpy(unit, weights_find(expect, "image")->data, sizeof unit);
    is_close(image, normalize(&t, tensor_from(&t, unit, 2, (long[]){ 1, 12 }), 0)->data, 12,
             tolerance, 0, "embedding of the picture");
    for (int i = 0; i < COUNT(texts); i++) {
        const int *wanted = (const int *)weights_find(expect, "ids")->data + 16 * i;
        int *ids = NULL, count = 0;
        bool truncated;

        ok(vlm_read_text(v, texts[i], strlen(texts[i]), &ids, &count, &truncated) == 0 &&
               !memcmp(ids, wanted, (size_t)count * sizeof *ids) && ids[count - 1] == 573,
           "ids of text %d", i);
        ok(truncated == (i == 2), "only the long text is cut");
        vlm_embed_texts(v, ids, &count, 1, true, text);
        memcpy(unit, (const float *)weights_find(expect, "text")->data + 12 * i, sizeof unit);
        is_close(text, normalize(&t, tensor_from(&t, unit, 2, (long[]){ 1, 12 }), 0)->data, 12,
                 tolerance, 0, "embedding of the text");
        free(ids);
    }
    file_unmap(&picture);
    weights_close(expect);
    vlm_close(v);
    tape_free(&t);
}

int main(void)
{
    static const struct {
        const char *name, *path;
        bool learns;
    } models[] = {
        { "openai-vit", FOLDER "openai-vit.pt", true },
        { "openai-rn", FOLDER "openai-rn.pt", true },
        { "hf-vit", FOLDER "hf-vit", true },
        { "hf-sharded", FOLDER "hf-sharded", false },
        { "hf-bf16", FOLDER "hf-bf16", false },
        { "open_clip-gelu", FOLDER "open_clip-gelu", true },
        { "open_clip-mean", FOLDER "open_clip-mean", false },
    };

    for (int i = 0; i < COUNT(models); i++) {
        struct golden g;

        if (!open_golden(&g, models[i].name, models[i].path))
            continue;
        test_forward(&g);
        if (models[i].learns)
            test_learning(&g);
        else
            close_golden(&g);
    }
    test_picture();
    return done();
}
