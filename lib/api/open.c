/* SPDX-License-Identifier: MIT
 * open.c - the public calls, over whichever family a model is of
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "family/registry.h"
#include "api/api.h"
#include "checkpoint/save_parts.h"
#include "op/op.h"

enum { IMAGES = 8, TEXTS = 64 }; /* of one pass; more bring nothing and take memory */
static const float length_floor = 1e-12f;

void vlm_threads(int count)
{
    pool_start(count);
}

const char *vlm_error(void)
{
    return error_text();
}

const char *vlm_error_code(void)
{
    return error_code();
}

const char *vlm_hardware(void)
{
    static _Thread_local char text[64];
    int threads = pool_threads();

    snprintf(text, sizeof text, "%s, %d thread%s", kernels.name, threads, threads == 1 ? "" : "s");
    return text;
}

/* --- opening --- */

static void describe(struct vlm *v)
{
    const struct model *m = v->model;

    if (v->tokenizer_path ||
        !(m->abilities & (VLM_EMBED_TEXT | VLM_MATCH | VLM_CAPTION | VLM_FILL)))
        v->about = xstrdup(m->about);
    else
        v->about = xprintf("%s, without a tokenizer (%s belongs into %s)", m->about,
                           m->reading.kind->files, m->folder);
}

static int choose_precision(const struct model *m, const char *word)
{
    static const char *const words[] = {
        [PRECISION_HIGHEST] = "highest", [PRECISION_HIGH] = "high", [PRECISION_MEDIUM] = "medium"
    };
    int at = 0;

    if (word && save_type(m) == DTYPE_I8)
        return fail_as("unsupported", "%s: an int8 model has its own precision", m->path);
    while (word && at < COUNT(words) && strcmp(word, words[at]))
        at++;
    if (at == COUNT(words))
        return fail("no precision \"%s\"", word);
    packed_precision((enum precision)at);
    return 0;
}

struct vlm *vlm_open(const char *path, const struct vlm_options *options)
{
    static const struct vlm_options none;
    struct vlm *v = NULL;
    char *found = model_find(path);
    struct model *m;

    options = options ? options : &none;
    m = found ? model_load(found, options) : NULL;
    free(found);
    if (!m)
        return NULL;
    if (choose_precision(m, options->precision)) {
        model_free(m);
        return NULL;
    }
    if (options->tokenizer && !path_exists(options->tokenizer)) {
        fail_as("not_found", "%s: no such tokenizer", options->tokenizer);
        model_free(m);
        return NULL;
    }
    v = xalloc(1, sizeof *v);
    v->model = m;
    v->clean_text = options->clean_text;
    pthread_mutex_init(&v->lock, NULL);
    v->tokenizer_path = options->tokenizer ? xstrdup(options->tokenizer) : model_tokenizer_path(m);
    describe(v);
    return v;
}

void vlm_close(struct vlm *v)
{
    if (!v)
        return;
    tokenizer_close(v->tokenizer);
    pthread_mutex_destroy(&v->lock);
    tape_free(&v->tape);
    model_free(v->model);
    free(v->tokenizer_path);
    free(v->about);
    free(v);
}

unsigned vlm_abilities(const struct vlm *v)
{
    unsigned texts = VLM_EMBED_TEXT | VLM_MATCH | VLM_CAPTION | VLM_ANSWER | VLM_GROUND | VLM_FILL;
    unsigned all = v->model->abilities | (v->model->image.tokens ? VLM_FEATURES : 0u);

    return all & ~(v->tokenizer_path ? 0u : texts);
}

const char *vlm_describe(const struct vlm *v)
{
    return v->about;
}

int vlm_width(const struct vlm *v)
{
    return v->model->embedding.width;
}

int vlm_image_vectors(const struct vlm *v)
{
    return v->model->embedding.per_image;
}

float vlm_scale(const struct vlm *v)
{
    return v->model->embedding.scale;
}

int vlm_images(const struct vlm *v)
{
    return v->model->image.per_text;
}

int vlm_classes(const struct vlm *v)
{
    return v->model->matching.classes ? v->model->matching.classes : 2;
}

const char *vlm_class(const struct vlm *v, int which)
{
    return v->model->matching.class_names ? v->model->matching.class_names[which] : NULL;
}

bool vlm_ranks_by_match(const struct vlm *v)
{
    return v->model->matching.without_cosine;
}

uint64_t vlm_hash(const struct vlm *v)
{
    return model_hash_sampled(v->model);
}

uint64_t vlm_tower_hash(const struct vlm *v)
{
    return model_tower_hash(v->model);
}

/* --- images --- */

size_t vlm_pixels(const struct vlm *v)
{
    return 3 * (size_t)v->model->image.size * (size_t)v->model->image.size;
}

int vlm_read_image(const struct vlm *v, const void *bytes, size_t size, long max_pixels,
                   float *pixels)
{
    if (!v->model->image.size)
        return fail_as("unsupported", "%s has no image tower", v->about);
    return preprocess_bytes(&v->model->image.preprocess, bytes, size, max_pixels, pixels);
}

bool vlm_is_image(const void *head, size_t size)
{
    struct image_info info;
    bool known = image_probe(head, size, &info) == 0 || strcmp(error_code(), "unknown_format");

    error_clear();
    return known && size;
}

size_t vlm_image_memory(const void *bytes, size_t size, long max_pixels)
{
    size_t memory = image_memory(bytes, size, max_pixels);

    error_clear();
    return memory;
}

static struct tensor *pixels_at(struct vlm *v, const float *pixels, int first, int count)
{
    long size = v->model->image.size;
    const float *at = pixels + (size_t)first * vlm_pixels(v);

    return tensor_from(&v->tape, (float *)(uintptr_t)at, 4, (long[]){ count, 3, size, size });
}

void vlm_copy_rows(struct vlm *v, struct tensor *x, bool normalized, float *out)
{
    if (normalized)
        x = normalize(&v->tape, x, length_floor);
    for (long i = 0; i < rows(x); i++)
        memcpy(out + i * width(x), x->data + i * x->stride, (size_t)width(x) * sizeof *out);
}

static struct tensor *image_vectors(struct vlm *v, struct tensor *pixels)
{
    const struct family *f = v->model->family;

    return f->image ? f->image(&v->tape, v->model, pixels)
                    : f->image_of(&v->tape, v->model, f->features(&v->tape, v->model, pixels));
}

int vlm_embed_images(struct vlm *v, const float *pixels, int count, bool normalized, float *out)
{
    const struct model *m = v->model;
    size_t each = (size_t)vlm_image_vectors(v) * (size_t)m->embedding.width;

    if (!(m->abilities & VLM_EMBED_IMAGE))
        return fail_as("unsupported", "%s cannot embed images", v->about);
    for (int i = 0; i < count; i += IMAGES) {
        int some = count - i < IMAGES ? count - i : IMAGES;
        struct tensor *x;

        tape_clear(&v->tape);
        x = image_vectors(v, pixels_at(v, pixels, i, some));
        vlm_copy_rows(v, x, normalized, out + (size_t)i * each);
    }
    return 0;
}

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
    for (int i = 0; i < count; i += IMAGES) {
        int some = count - i < IMAGES ? count - i : IMAGES;
        struct tensor *x;

        tape_clear(&v->tape);
        x = m->family->features(&v->tape, v->model, pixels_at(v, pixels, i, some));
        vlm_copy_rows(v, x, false, out + (size_t)i * each);
    }
    return out;
}

/* --- texts --- */

const struct tokenizer *vlm_tokenizer(const struct vlm *v)
{
    struct vlm *own = (struct vlm *)(uintptr_t)v;
    struct tokenizer *t;

    if (!v->tokenizer_path) {
        fail_as("unsupported", "%s", v->about);
        return NULL;
    }
    pthread_mutex_lock(&own->lock);
    if (!own->tokenizer)
        own->tokenizer = model_tokenizer(v->model, v->tokenizer_path);
    t = own->tokenizer;
    pthread_mutex_unlock(&own->lock);
    return t;
}

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

    if (!(m->abilities & VLM_EMBED_TEXT))
        return fail_as("unsupported", "%s cannot embed texts", v->about);
    if (model_check_ids(m, ids, counts, texts, 0))
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
