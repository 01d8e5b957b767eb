/* SPDX-License-Identifier: MIT
 * embed.c - images and texts in, features and embeddings out
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "api/api.h"
#include "op/op.h"

enum { TEXTS = 64 }; /* of one pass */
static const float length_floor = 1e-12f;

/* --- images --- */

size_t vlm_pixels(const struct vlm *v)
{
    return preprocess_numbers(&v->model->image.preprocess);
}

int vlm_read_image(const struct vlm *v, const void *bytes, size_t size, long max_pixels,
                   float *pixels)
{
    if (!v->model->image.size)
        return fail_as("unsupported", "%s has no image tower", v->about);
    return preprocess_bytes(&v->model->image.preprocess, bytes, size, max_pixels, pixels);
}

/* A format that is known but damaged or not read here is an image too: its record then says what is
 * wrong. */
bool vlm_is_image(const void *head, size_t size)
{
    struct image_info info;
    bool known = image_probe(head, size, &info) == 0 || strcmp(error_code(), "unknown_format");

    error_clear();
    return known && size;
}

/* The reason for 0 is forgotten: reading the image says it again. */
size_t vlm_image_memory(const void *bytes, size_t size, long max_pixels)
{
    size_t memory = image_memory(bytes, size, max_pixels);

    error_clear();
    return memory;
}

/* The caller's pixels as a tensor, not copied. */
static struct tensor *pixels_at(struct vlm *v, const float *pixels, int first, int count)
{
    return model_pixels(&v->tape, v->model, pixels + (size_t)first * vlm_pixels(v), count);
}

void vlm_copy_rows(struct vlm *v, struct tensor *x, bool normalized, float *out)
{
    if (normalized)
        x = normalize(&v->tape, x, length_floor);
    for (long i = 0; i < rows(x); i++)
        memcpy(out + i * width(x), x->data + i * x->stride, (size_t)width(x) * sizeof *out);
}

/* A family that can leave out what no embedding needs has a pass of its own. */
static struct tensor *image_vectors(struct vlm *v, struct tensor *pixels)
{
    const struct family *f = v->model->family;

    return f->image ? f->image(&v->tape, v->model, pixels)
                    : f->image_of(&v->tape, v->model, f->features(&v->tape, v->model, pixels));
}

/* A few images at a time: more in one pass bring no speed and take memory. The bytes are the same
 * for any division. */
int vlm_embed_images(struct vlm *v, const float *pixels, int count, bool normalized, float *out)
{
    const struct model *m = v->model;
    size_t each = (size_t)vlm_image_vectors(v) * (size_t)m->embedding.width;

    if (vlm_require(v, VLM_EMBED_IMAGE))
        return -1;
    for (int i = 0; i < count; i += VLM_IMAGES_AT_ONCE) {
        int some = count - i < VLM_IMAGES_AT_ONCE ? count - i : VLM_IMAGES_AT_ONCE;
        struct tensor *x;

        tape_clear(&v->tape);
        x = image_vectors(v, pixels_at(v, pixels, i, some));
        vlm_copy_rows(v, x, normalized, out + (size_t)i * each);
    }
    return 0;
}

/* Not normed and not projected: what embedding, matching and writing begin with. */
float *vlm_image_features(struct vlm *v, const float *pixels, int count, int *tokens, int *width_)
{
    const struct model *m = v->model;
    size_t each = (size_t)m->image.tokens * (size_t)m->image.width;
    float *out;

    if (!m->image.tokens) {
        fail_as("unsupported", "%s has no image tower", v->about);
        return NULL;
    }
    *tokens = m->image.tokens;
    *width_ = (int)m->image.width;
    out = xalloc((size_t)count * each, sizeof *out);
    for (int i = 0; i < count; i += VLM_IMAGES_AT_ONCE) {
        int some = count - i < VLM_IMAGES_AT_ONCE ? count - i : VLM_IMAGES_AT_ONCE;
        struct tensor *x;

        tape_clear(&v->tape);
        x = m->family->features(&v->tape, v->model, pixels_at(v, pixels, i, some));
        vlm_copy_rows(v, x, false, out + (size_t)i * each);
    }
    return out;
}

void vlm_features_shape(const struct vlm *v, int *tokens, int *width_)
{
    *tokens = v->model->image.tokens;
    *width_ = (int)v->model->image.width;
}

/* A model that compares two pictures has two of them for each of `count`. */
struct tensor *vlm_features_at(struct vlm *v, const float *features, int first, int count)
{
    const struct model *m = v->model;
    long pictures = (long)count * m->image.per_text;
    size_t each = (size_t)m->image.per_text * (size_t)m->image.tokens * (size_t)m->image.width;
    float *at = (float *)(uintptr_t)(features + (size_t)first * each);

    return tensor_from(&v->tape, at, 3, (long[]){ pictures, m->image.tokens, m->image.width });
}

int vlm_embed_features(struct vlm *v, const float *features, int images, bool normalized,
                       float *out)
{
    const struct model *m = v->model;
    size_t each = (size_t)vlm_image_vectors(v) * (size_t)m->embedding.width;

    if (vlm_require(v, VLM_EMBED_IMAGE))
        return -1;
    for (int i = 0; i < images; i += VLM_IMAGES_AT_ONCE) {
        int some = images - i < VLM_IMAGES_AT_ONCE ? images - i : VLM_IMAGES_AT_ONCE;
        struct tensor *x;

        tape_clear(&v->tape);
        x = m->family->image_of(&v->tape, v->model, vlm_features_at(v, features, i, some));
        vlm_copy_rows(v, x, normalized, out + (size_t)i * each);
    }
    return 0;
}

/* --- texts --- */

/* Cleaning comes before tokenising, and the limit counts tokens of the cleaned text. */
int vlm_read_text(const struct vlm *v, const char *text, size_t size, int **ids, int *count,
                  bool *truncated)
{
    const struct tokenizer *t = vlm_tokenizer(v);
    struct buffer cleaned = { 0 };
    struct token_ids got;

    if (!t)
        return -1;
    if (v->clean_text)
        clean_caption(&cleaned, text, size, v->model->reading.caption_style,
                      v->model->reading.caption_words);
    tokenizer_encode(t, v->clean_text ? cleaned.data : text, v->clean_text ? cleaned.size : size,
                     v->model->reading.context, &got);
    buffer_free(&cleaned);
    *ids = got.ids;
    *count = got.count;
    if (truncated)
        *truncated = got.truncated;
    return 0;
}

int vlm_embed_texts(struct vlm *v, const int *ids, const int *counts, int texts, bool normalized,
                    float *out)
{
    const struct model *m = v->model;

    if (vlm_require(v, VLM_EMBED_TEXT) || model_check_ids(m, ids, counts, texts, 0))
        return -1;
    for (int i = 0; i < texts; i += TEXTS) {
        int some = texts - i < TEXTS ? texts - i : TEXTS;
        struct tensor *x;

        tape_clear(&v->tape);
        x = m->family->text(&v->tape, v->model, ids, counts + i, some);
        vlm_copy_rows(v, x, normalized, out + (size_t)i * (size_t)m->embedding.width);
        for (int k = 0; k < some; k++)
            ids += counts[i + k];
    }
    return 0;
}
