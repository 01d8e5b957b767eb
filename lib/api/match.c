/* SPDX-License-Identifier: MIT
 * match.c - the public calls that look at an image while they read or write a text
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "api/api.h"
#include "op/op.h"

enum { IMAGES = 8, TEXTS = 32 }; /* of one pass */

void vlm_features_shape(const struct vlm *v, int *tokens, int *width_)
{
    *tokens = v->model->image.tokens;
    *width_ = (int)v->model->image.width;
}

static struct tensor *features_at(struct vlm *v, const float *features, int first, int count)
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

    if (!(m->abilities & VLM_EMBED_IMAGE) || !m->family->image_of)
        return fail_as("unsupported", "%s cannot embed images", v->about);
    for (int i = 0; i < images; i += IMAGES) {
        int some = images - i < IMAGES ? images - i : IMAGES;
        struct tensor *x;

        tape_clear(&v->tape);
        x = m->family->image_of(&v->tape, v->model, features_at(v, features, i, some));
        vlm_copy_rows(v, x, normalized, out + (size_t)i * each);
    }
    return 0;
}

/* The cosine of each text and its image, of several vectors the closest. */
static void cosines(struct vlm *v, struct tensor *u, struct tensor *w, const int *image_of,
                    int texts, float *out)
{
    int each = vlm_image_vectors(v);
    float *one = tape_floats(&v->tape, each);

    u = normalize(&v->tape, u, 1e-12f);
    w = normalize(&v->tape, w, 1e-12f);
    for (int i = 0; i < texts; i++) {
        vlm_dot(u->data + (long)image_of[i] * each * u->stride, each, w->data + i * w->stride, 1,
                (int)width(w), one);
        out[i] = one[0];
        for (int k = 1; k < each; k++)
            out[i] = fmaxf(out[i], one[k]);
    }
}

/* A run of texts that look at images first .. first + count. */
struct run {
    const int *ids, *counts;
    int *image_of; /* counted from `first` */
    int texts, first, images;
};

static void match_run(struct vlm *v, const float *features, const struct run *r, float *logits,
                      float *itc)
{
    const struct family *family = v->model->family;
    struct tensor *x, *y;

    tape_clear(&v->tape);
    x = features_at(v, features, r->first, r->images);
    if (logits) {
        y = family->match(&v->tape, v->model, x, r->ids, r->counts, r->image_of, r->texts);
        vlm_copy_rows(v, y, false, logits);
    }
    if (itc)
        cosines(v, family->image_of(&v->tape, v->model, x),
                family->text(&v->tape, v->model, r->ids, r->counts, r->texts), r->image_of,
                r->texts, itc);
}

int vlm_match(struct vlm *v, const float *features, int images, const int *ids, const int *counts,
              const int *image_of, int texts, float *logits, float *itc)
{
    struct run r = { .ids = ids };
    int at = 0;

    if (!(v->model->abilities & VLM_MATCH))
        return fail_as("unsupported", "%s cannot match texts and images", v->about);
    if (itc && !(v->model->abilities & VLM_EMBED_IMAGE))
        return fail_as("unsupported", "%s has no cosines", v->about);
    if (model_check_ids(v->model, ids, counts, texts, 0))
        return -1;
    r.image_of = xalloc((size_t)texts, sizeof *r.image_of);
    while (at < texts) { /* as many texts as one pass takes, of neighbouring images */
        int low = image_of[at], high = low;

        for (r.texts = 0; r.texts < TEXTS && at + r.texts < texts; r.texts++) {
            int image = image_of[at + r.texts];
            int least = image < low ? image : low, most = image > high ? image : high;

            assert(image >= 0 && image < images);
            if (most - least >= IMAGES)
                break;
            low = least;
            high = most;
        }
        r.first = low;
        r.images = high - low + 1;
        r.counts = counts + at;
        for (int i = 0; i < r.texts; i++)
            r.image_of[i] = image_of[at + i] - low;
        match_run(v, features, &r, logits ? logits + at * vlm_classes(v) : NULL,
                  itc ? itc + at : NULL);
        for (int i = 0; i < r.texts; i++)
            r.ids += r.counts[i];
        at += r.texts;
    }
    free(r.image_of);
    return 0;
}

static struct decoding rules_of(const struct model *m, const struct vlm_writing *how)
{
    struct decoding d = m->writing.rules;

    d.sample = how->sample;
    d.sequences = how->sequences > 0 ? how->sequences : 1;
    d.beams = how->beams > 0 ? how->beams : d.beams;
    if (!d.sample && d.sequences > d.beams)
        d.beams = d.sequences;
    d.top_p = how->top_p > 0 ? how->top_p : d.top_p;
    d.top_k = how->top_k >= 0 ? how->top_k : d.top_k;
    d.temperature = how->temperature > 0 ? how->temperature : d.temperature;
    d.min_length = how->min_length > 0 ? how->min_length : d.min_length;
    d.max_length = how->max_length > 0 ? how->max_length : d.max_length;
    d.length_penalty = isnan(how->length_penalty) ? d.length_penalty : how->length_penalty;
    if (d.sample)
        d.repetition_penalty = m->writing.sampling_penalty;
    if (how->repetition_penalty > 0)
        d.repetition_penalty = how->repetition_penalty;
    if (how->stop_early)
        d.early = EARLY_TRUE;
    return d;
}

/* [DEC] and the words of the prompt, or a whole question; ids to free. */
static struct prompt read_prompt(const struct model *m, const struct tokenizer *t, const char *text,
                                 uint64_t seed, bool *truncated)
{
    struct token_ids got;
    int count;

    text = text ? text : m->writing.prompt;
    tokenizer_encode(t, text, strlen(text), m->reading.context, &got);
    count = m->writing.answers || m->writing.prompt_apart
                ? got.count
                : got.count - 1; /* a prompt goes on: it has no end */
    if (!m->writing.answers && !m->writing.prompt_apart)
        got.ids[0] = m->writing.begin;
    *truncated = got.truncated;
    return (struct prompt){ .ids = got.ids, .count = count, .seed = seed };
}

/* What was written, without the prompt: both are spelt out, so that spaces agree. */
static char *written(const struct model *m, const struct tokenizer *t, const struct hypothesis *h,
                     const struct prompt *p)
{
    char *all = tokenizer_decode(t, h->ids, h->count), *start, *rest;
    size_t length;

    if (m->writing.answers || m->writing.prompt_apart)
        return all;
    start = tokenizer_decode(t, p->ids, p->count);
    length = strlen(start);
    rest = strncmp(all, start, length) ? all : all + length;
    rest = xstrdup(rest + (*rest == ' '));
    free(all);
    free(start);
    return rest;
}

static int write_some(struct vlm *v, const struct tokenizer *t, struct tensor *x,
                      struct prompt *prompts, const bool *truncated, const struct decoding *d,
                      struct vlm_text *out)
{
    int count = (int)x->shape[0], texts = count * d->sequences, status;
    struct hypothesis *got = xalloc((size_t)texts, sizeof *got);

    status = v->model->family->write(&v->tape, v->model, x, prompts, d, got);
    for (int i = 0; i < texts && !status; i++) {
        out[i].text = written(v->model, t, &got[i], &prompts[i / d->sequences]);
        out[i].logprob = (float)got[i].logprob;
        out[i].truncated = truncated[i / d->sequences];
        free(got[i].ids);
    }
    free(got);
    return status;
}

int vlm_write(struct vlm *v, const float *features, int images, const char *const *prompts,
              const uint64_t *seeds, const struct vlm_writing *how, struct vlm_text *out)
{
    const struct model *m = v->model;
    const struct tokenizer *t = m->abilities & VLM_CAPTION ? vlm_tokenizer(v) : NULL;
    struct decoding d = rules_of(m, how);
    int status = 0;

    if (!(m->abilities & VLM_CAPTION))
        return fail_as("unsupported", "%s cannot write captions", v->about);
    if (!t)
        return -1;
    if (d.end <= 0)
        d.end = tokenizer_id(t, m->writing.end_word);
    for (int i = 0; i < images && !status; i += IMAGES) {
        int some = images - i < IMAGES ? images - i : IMAGES;
        struct prompt list[IMAGES];
        bool truncated[IMAGES];

        for (int k = 0; k < some; k++)
            list[k] = read_prompt(m, t, prompts ? prompts[i + k] : NULL, seeds ? seeds[i + k] : 0,
                                  &truncated[k]);
        tape_clear(&v->tape);
        status = write_some(v, t, features_at(v, features, i, some), list, truncated, &d,
                            out + (size_t)i * (size_t)d.sequences);
        for (int k = 0; k < some; k++)
            free((int *)(uintptr_t)list[k].ids);
    }
    return status;
}
