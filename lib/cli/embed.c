/* SPDX-License-Identifier: MIT
 * embed.c - a record's image and texts on their way through a model
 */
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/thread.h"
#include "cli/cli.h"

enum { TEXTS_AT_ONCE = 64 };

static int failed(struct record *r, const char *stage)
{
    record_fail_last(r, stage);
    return -1;
}

/* Vectors that an earlier filter added. 0 also where the record has none. */
static int read_known(struct embedding *e, struct record *r, const char *name, float **vectors,
                      int *rows, bool *list)
{
    long width;
    float *v = vectors_read(r, name, rows, &width, list);

    if (!v)
        return *error_text() ? failed(r, "read") : 0;
    *vectors = v;
    if (e->width && e->width != width) {
        fail_as("mismatch", "image_embedding has %ld numbers, text_embedding %ld", e->width, width);
        return failed(r, "read");
    }
    e->width = width;
    return 0;
}

/* Both sides must have one width, or no cosine of them means anything. */
int embed_known(struct embedding *e, struct record *r, unsigned sides)
{
    bool list;

    if (sides & EMBED_IMAGE && read_known(e, r, "image_embedding", &e->image, &e->images, &list))
        return -1;
    return sides & EMBED_TEXT ? read_known(e, r, "text_embedding", &e->text, &e->texts, &e->list)
                              : 0;
}

/* Of the bytes that are decoded at once, over all threads. */
static struct budget decoded = BUDGET_INITIALIZER;

int image_within_budget(const struct vlm *m, const struct buffer *bytes, float *pixels)
{
    size_t size = vlm_image_memory(bytes->data, bytes->size, settings.max_pixels);
    int result;

    budget_take(&decoded, size, (size_t)settings.memory << 20);
    result = vlm_read_image(m, bytes->data, bytes->size, settings.max_pixels, pixels);
    budget_give(&decoded, size);
    return result;
}

/* [3, size, size], to free; NULL when the record has failed. */
float *pixels_read(const struct vlm *m, struct record *r)
{
    struct buffer bytes = { 0 };
    float *pixels = NULL;

    if (record_image_bytes(r, &settings.fields, &bytes)) {
        record_image_fail(r, &settings.fields, "read");
    } else {
        pixels = xresize(NULL, vlm_pixels(m), sizeof *pixels);
        if (image_within_budget(m, &bytes, pixels)) {
            record_image_fail(r, &settings.fields, "decode");
            free(pixels);
            pixels = NULL;
        }
    }
    buffer_free(&bytes);
    return pixels;
}

/* The ids of all texts, one after the other, as vlm_embed_texts() takes them. */
static int read_texts(struct embedding *e, const struct vlm *m, struct record *r,
                      const struct texts *t)
{
    size_t total = 0;

    e->counts = xalloc((size_t)t->count, sizeof *e->counts);
    for (int i = 0; i < t->count; i++) {
        bool cut = false;
        int *ids;

        if (vlm_read_text(m, t->list[i], t->sizes[i], &ids, &e->counts[i], &cut))
            return failed(r, "text");
        e->ids = xresize(e->ids, total + (size_t)e->counts[i], sizeof *e->ids);
        memcpy(e->ids + total, ids, (size_t)e->counts[i] * sizeof *ids);
        total += (size_t)e->counts[i];
        e->truncated |= cut;
        free(ids);
    }
    e->texts = t->count;
    e->list = t->is_list;
    return 0;
}

int embed_read(struct embedding *e, const struct vlm *m, struct record *r, unsigned sides)
{
    struct texts t;
    int has = sides & EMBED_TEXT ? record_texts(r, &settings.fields, &t) : 0;
    int result = 0;

    if (has < 0)
        return failed(r, "read");
    if (sides & EMBED_IMAGE && record_has_image(r, &settings.fields))
        result = (e->pixels = pixels_read(m, r)) ? 0 : -1;
    if (!result && has)
        result = read_texts(e, m, r, &t);
    if (has)
        texts_free(&t);
    e->computed = e->pixels || e->ids;
    return result;
}

/* Pixels are copied side by side into one array, and freed as soon as they are vectors: they are by
 * far the largest thing a record has. */
static int embed_images(struct vlm *m, struct embedding *list[], int count, bool normalized)
{
    int vectors = vlm_image_vectors(m);
    size_t pixels = vlm_pixels(m), width = (size_t)vlm_width(m), each = width * (size_t)vectors;
    float *in = xresize(NULL, (size_t)count * pixels, sizeof *in);
    float *out = xresize(NULL, (size_t)count * each, sizeof *out);
    int n = 0, result = 0;

    for (int i = 0; i < count; i++)
        if (list[i]->pixels)
            memcpy(in + (size_t)n++ * pixels, list[i]->pixels, pixels * sizeof *in);
    if (n)
        result = vlm_embed_images(m, in, n, normalized, out);
    for (int i = 0, row = 0; i < count && !result; i++) {
        if (list[i]->pixels) {
            list[i]->image = (void *)xmemdup(out + (size_t)row++ * each, each * sizeof *out);
            list[i]->images = vectors;
            free(list[i]->pixels);
            list[i]->pixels = NULL;
            list[i]->width = (long)width;
        }
    }
    free(in);
    free(out);
    return result;
}

/* The texts of many records, some at once; a text's vector depends on nothing beside it. */
static int embed_texts(struct vlm *m, struct embedding *list[], int count, bool normalized)
{
    struct buffer ids = { 0 }, counts = { 0 };
    size_t width = (size_t)vlm_width(m), at = 0;
    int texts, result = 0;
    float *out;

    for (int i = 0; i < count; i++) {
        const struct embedding *e = list[i];
        size_t total = 0;

        for (int k = 0; e->ids && k < e->texts; k++)
            total += (size_t)e->counts[k];
        buffer_add(&ids, e->ids, total * sizeof *e->ids);
        if (e->ids)
            buffer_add(&counts, e->counts, (size_t)e->texts * sizeof *e->counts);
    }
    texts = (int)(counts.size / sizeof(int));
    out = xresize(NULL, (size_t)texts * width, sizeof *out);
    for (int i = 0; i < texts && !result; i += TEXTS_AT_ONCE) {
        int n = texts - i < TEXTS_AT_ONCE ? texts - i : TEXTS_AT_ONCE;
        const int *some = (const int *)counts.data + i;

        result = vlm_embed_texts(m, (const int *)ids.data + at, some, n, normalized,
                                 out + (size_t)i * width);
        for (int k = 0; k < n; k++)
            at += (size_t)some[k];
    }
    for (int i = 0, row = 0; i < count && !result; i++) {
        struct embedding *e = list[i];

        if (!e->ids)
            continue;
        e->text =
            (void *)xmemdup(out + (size_t)row * width, (size_t)e->texts * width * sizeof *out);
        e->width = (long)width;
        row += e->texts;
        free(e->ids);
        e->ids = NULL;
    }
    buffer_free(&ids);
    buffer_free(&counts);
    free(out);
    return result;
}

int embed_batch(struct vlm *m, struct embedding *list[], int count, bool normalized)
{
    return embed_images(m, list, count, normalized) || embed_texts(m, list, count, normalized) ? -1
                                                                                               : 0;
}

/* Every vector to length 1. False if one of them is 0 or not finite. */
bool embed_unit(struct embedding *e)
{
    bool good = true;

    for (int i = 0; e->image && i < e->images; i++)
        good &= vector_unit(e->image + i * e->width, e->width);
    for (int i = 0; e->text && i < e->texts; i++)
        good &= vector_unit(e->text + i * e->width, e->width);
    return good;
}

void embed_free(struct embedding *e)
{
    free(e->pixels);
    free(e->ids);
    free(e->counts);
    free(e->image);
    free(e->text);
    free(e);
}
