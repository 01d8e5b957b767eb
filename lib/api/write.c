/* SPDX-License-Identifier: MIT
 * write.c - captions and answers, written word by word
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "api/api.h"

/* What nobody asked for is no more than the model has places for. */
static void bound_length(struct decoding *d, const struct vlm_writing *how, int places)
{
    if (places <= 0 || how->max_length > 0 || d->max_length <= places)
        return;
    d->max_length = places;
    if (how->min_length <= 0 && d->min_length > places)
        d->min_length = places;
}

static struct decoding rules_of(const struct model *m, const struct vlm_writing *how)
{
    struct decoding d = m->writing.rules;

    d.sample = how->sample;
    d.sequences = how->sequences > 0 ? how->sequences : 1;
    if (d.sample)
        d.beams = m->writing.sampling_beams > 0 ? m->writing.sampling_beams : 1;
    if (how->beams > 0)
        d.beams = how->beams;
    if ((!d.sample || d.beams > 1) && d.sequences > d.beams)
        d.beams = d.sequences;
    d.top_p = how->top_p > 0 ? how->top_p : d.top_p;
    d.top_k = how->top_k >= 0 ? how->top_k : d.top_k;
    d.temperature = how->temperature > 0 ? how->temperature : d.temperature;
    d.min_length = how->min_length > 0 ? how->min_length : d.min_length;
    d.max_length = how->max_length > 0 ? how->max_length : d.max_length;
    bound_length(&d, how, m->writing.positions);
    if (how->min_length <= 0 && d.min_length > d.max_length)
        d.min_length = d.max_length; /* who asks for a short text does not ask for a long one */
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

/* What is asked for the images of one pass. */
struct asked {
    struct prompt prompts[VLM_IMAGES_AT_ONCE];
    bool truncated[VLM_IMAGES_AT_ONCE];
};

static int write_some(struct vlm *v, const struct tokenizer *t, struct tensor *x,
                      const struct asked *a, const struct decoding *d, struct vlm_text *out)
{
    int count = (int)x->shape[0], texts = count * d->sequences, status;
    struct hypothesis *got = xalloc((size_t)texts, sizeof *got);

    status = v->model->family->write(&v->tape, v->model, x, a->prompts, d, got);
    for (int i = 0; i < texts && !status; i++) {
        out[i].text = written(v->model, t, &got[i], &a->prompts[i / d->sequences]);
        out[i].logprob = (float)got[i].logprob;
        out[i].truncated = a->truncated[i / d->sequences];
        free(got[i].ids);
    }
    free(got);
    return status;
}

int vlm_check_writing(const struct vlm *v, const struct vlm_writing *how)
{
    const struct writing *w = &v->model->writing;
    struct decoding d = rules_of(v->model, how);

    if (vlm_require(v, VLM_CAPTION))
        return -1;
    if (d.beams == 1 && !isnan(how->length_penalty))
        return fail_as("unsupported", "a length penalty acts between beams, and there is one");
    if (d.min_length > d.max_length)
        return fail("at least %d tokens, and at most %d", d.min_length, d.max_length);
    if (w->positions && d.max_length > w->positions)
        return fail_as("unsupported", "%s writes at most %d tokens; asked for %d", v->about,
                       w->positions, d.max_length);
    return 0;
}

int vlm_write(struct vlm *v, const float *features, int images, const char *const *prompts,
              const struct vlm_writing *how, struct vlm_text *out)
{
    const struct model *m = v->model;
    const struct tokenizer *t = vlm_check_writing(v, how) ? NULL : vlm_tokenizer(v);
    struct decoding d = rules_of(m, how);
    int status = 0;

    if (!t)
        return -1;
    if (d.end <= 0)
        d.end = tokenizer_id(t, m->writing.end_word);
    for (int i = 0; i < images && !status; i += VLM_IMAGES_AT_ONCE) {
        int some = images - i < VLM_IMAGES_AT_ONCE ? images - i : VLM_IMAGES_AT_ONCE;
        struct asked a;

        for (int k = 0; k < some; k++)
            a.prompts[k] = read_prompt(m, t, prompts ? prompts[i + k] : NULL,
                                       how->seeds ? how->seeds[i + k] : 0, &a.truncated[k]);
        tape_clear(&v->tape);
        status = write_some(v, t, vlm_features_at(v, features, i, some), &a, &d,
                            out + (size_t)i * (size_t)d.sequences);
        for (int k = 0; k < some; k++)
            free((int *)(uintptr_t)a.prompts[k].ids);
    }
    return status;
}
