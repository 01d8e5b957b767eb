/* SPDX-License-Identifier: MIT
 * clip.c - tiny CLIP models of every released layout against the original programs
 *
 * Embeddings of length 1 may differ by 2e-6: sums of some dozens of f32 products, each rounded by
 * 6e-8, in another order.  Activations inside the towers are compared with 1e-5 of their largest.
 */
#include "base/error.h"
#include "base/file.h"
#include "tests/golden/clip.h"

static const double tolerance = 2e-6;

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
    long size = g->model->image.size;
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

/* --- from files on --- */

static void test_picture(void)
{
    static const char *const texts[] = { "a photo of a red circle", "Two BLUE squares!",
                                         ("the sea the sea the sea the sea the sea the sea "
                                          "the sea the sea the sea the sea the sea the sea ") };
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
    static const char *const models[][2] = {
        { "openai-vit", FOLDER "openai-vit.pt" },
        { "openai-rn", FOLDER "openai-rn.pt" },
        { "hf-vit", FOLDER "hf-vit" },
        { "hf-sharded", FOLDER "hf-sharded" },
        { "hf-bf16", FOLDER "hf-bf16" },
        { "open_clip-gelu", FOLDER "open_clip-gelu" },
        { "open_clip-mean", FOLDER "open_clip-mean" },
        { "own-bag", FOLDER "own-bag" },
    };

    for (int i = 0; i < COUNT(models); i++) {
        struct golden g;

        if (open_golden(&g, models[i][0], models[i][1]))
            test_forward(&g);
        close_golden(&g);
    }
    test_picture();
    return done();
}
