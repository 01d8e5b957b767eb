/* SPDX-License-Identifier: MIT
 * expect.h - what the originals answered, beside what a model answers
 *
 * NAME.expect.safetensors holds what went into an original and what came out of it.
 */
#ifndef GOLDEN_EXPECT_H
#define GOLDEN_EXPECT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "family/registry.h"
#include "checkpoint/model.h"
#include "op/op.h"
#include "tests/unit/tap.h"

struct fixture {
    const char *name;
    struct model *model;
    struct weights *wanted;
    struct tape tape;
    double tolerance; /* of activations, absolute and relative */
};

static inline const struct stored *wanted(const struct fixture *f, const char *name)
{
    const struct stored *s = weights_find(f->wanted, name);

    if (!s)
        note("%s: no %s in the expectations", f->name, name);
    return s;
}

static inline bool fixture_open(struct fixture *f, const char *name, const char *folder,
                                const char *file, const struct vlm_options *options)
{
    char *path = xprintf("tests/golden/%s/%s", folder, file);
    char *answers = xprintf("tests/golden/%s/%s.expect.safetensors", folder, name);

    *f = (struct fixture){ .name = name, .tolerance = 2e-5 };
    f->model = model_load(path, options);
    f->wanted = f->model ? weights_open(answers) : NULL;
    if (!ok(f->model && f->wanted, "%s opens", name))
        note("%s", error_text());
    else
        note("%s", f->model->about);
    free(path);
    free(answers);
    return f->model && f->wanted;
}

static inline void fixture_close(struct fixture *f)
{
    tape_free(&f->tape);
    model_free(f->model);
    weights_close(f->wanted);
}

static inline void close_to(const struct fixture *f, const struct tensor *got, const char *name)
{
    const struct stored *s = wanted(f, name);
    char *label = xprintf("%s: %s", f->name, name);

    if (s && ok(tensor_count(got) == stored_count(s), "%s: as many numbers", label))
        is_close(got->data, s->data, tensor_count(got), f->tolerance, f->tolerance, label);
    free(label);
}

static inline void close_number(const struct fixture *f, double got, const char *name)
{
    double want = (double)*(const float *)wanted(f, name)->data;

    if (!ok(fabs(got - want) <= 1e-5 * fabs(want) + 1e-6, "%s: %s", f->name, name))
        note("got %.9g, expected %.9g", got, want);
}

static inline struct tensor *pixels_of(struct fixture *f)
{
    const struct stored *s = wanted(f, "pixels");

    return tensor_from(&f->tape, (float *)(uintptr_t)s->data, 4, s->shape);
}

/* The padded ids of the fixture as ragged rows; ids[0] of each is replaced by `first` unless < 0.
 */
struct ragged {
    int ids[512], counts[16];
    const struct spans *spans;
};

static inline void ragged_read(struct fixture *f, struct ragged *r, const char *prefix, int first)
{
    char *ids_name = xprintf("%sids", prefix), *mask_name = xprintf("%smask", prefix);
    const struct stored *ids = wanted(f, ids_name), *mask = wanted(f, mask_name);
    const int *id = ids->data, *seen = mask->data;
    int n = 0;

    memset(r->counts, 0, sizeof r->counts);
    for (long i = 0; i < ids->shape[0]; i++)
        for (long k = 0; k < ids->shape[1]; k++)
            if (seen[i * ids->shape[1] + k]) {
                r->ids[n++] = !r->counts[i] && first >= 0 ? first : id[i * ids->shape[1] + k];
                r->counts[i]++;
            }
    r->spans = spans_of(&f->tape, (int)ids->shape[0], r->counts);
    free(ids_name);
    free(mask_name);
}

/* The family's writing of `items` images with the fixture's rules, token for token. */
static inline int differs(const struct stored *s, long item, const struct hypothesis *h, int skip)
{
    const int *want = (const int *)s->data + item * s->shape[1];
    int length = 0;

    while (length < s->shape[1] && want[length] >= 0)
        length++;
    return length != h->count - skip ||
           memcmp(want, h->ids + skip, (size_t)length * sizeof *want) != 0;
}

/* prompts: [items]; the first `skip` ids of what is written are left aside */
static inline void texts_equal(struct fixture *f, const char *name, struct tensor *features,
                               const struct prompt *prompts, const struct decoding *d, int skip)
{
    const struct stored *s = wanted(f, name);
    int items = (int)features->shape[0], bad = 0;
    struct hypothesis *out = xalloc((size_t)items, sizeof *out);

    if (!ok(f->model->family->write(&f->tape, f->model, features, prompts, d, out) == 0,
            "%s: %s is written", f->name, name)) {
        note("%s", error_text());
        free(out);
        return;
    }
    for (int i = 0; i < items; i++) {
        bad += differs(s, i, &out[i], skip);
        free(out[i].ids);
    }
    ok(!bad, "%s: %s, token for token", f->name, name);
    free(out);
}

/* An image alone gives the ids and the bytes of the scores that it gives among others. */
static inline void texts_alone(struct fixture *f, struct tensor *features,
                               const struct prompt *prompts, const struct decoding *d)
{
    int items = (int)features->shape[0], bad = 0;
    struct hypothesis *all = xalloc((size_t)items, sizeof *all), one;
    const struct family *family = f->model->family;
    long each = tensor_count(features) / items;

    bad += family->write(&f->tape, f->model, features, prompts, d, all) != 0;
    for (int i = 0; i < items && !bad; i++) {
        struct tensor *x = tensor_from(&f->tape, features->data + i * each, 3,
                                       (long[]){ 1, features->shape[1], features->shape[2] });

        bad += family->write(&f->tape, f->model, x, prompts + i, d, &one) != 0;
        bad += one.count != all[i].count || one.score != all[i].score ||
               one.logprob != all[i].logprob ||
               memcmp(one.ids, all[i].ids, (size_t)one.count * sizeof *one.ids) != 0;
        free(one.ids);
        free(all[i].ids);
    }
    ok(!bad, "%s: %d beams, an image alone gives the bytes that it gives among others", f->name,
       d->beams);
    free(all);
}

static inline double next_draw(void *from)
{
    const double **at = from;

    return *(*at)++;
}

/* Image i draws the fixture's numbers from number i on. */
static inline void texts_sampled(struct fixture *f, struct tensor *features,
                                 const struct prompt *prompts, struct decoding d, int skip)
{
    const struct stored *s = wanted(f, "sampled"), *numbers = wanted(f, "draws");
    long items = features->shape[0], each = tensor_count(features) / items;
    int bad = 0;

    for (long i = 0; i < items; i++) {
        const double *at = (const double *)numbers->data + i;
        struct tensor *x = tensor_from(&f->tape, features->data + i * each, 3,
                                       (long[]){ 1, features->shape[1], features->shape[2] });
        struct hypothesis out = { 0 };

        d.draw = next_draw;
        d.draw_from = &at;
        if (f->model->family->write(&f->tape, f->model, x, prompts + i, &d, &out))
            note("%s", error_text());
        bad += differs(s, i, &out, skip);
        free(out.ids);
    }
    ok(!bad, "%s: sampled with the same numbers, token for token", f->name);
}

/* The largest entry of all gradients: what a thousandth of it is lost to rounding is judged by. */
static inline double largest_gradient(const struct fixture *f, const char *prefix)
{
    double size = 0;

    for (int i = 0; i < weights_count(f->wanted); i++) {
        const struct stored *s = weights_at(f->wanted, i);

        if (strncmp(s->name, prefix, strlen(prefix)))
            continue;
        for (long k = 0; k < stored_count(s); k++)
            size = fmax(size, fabs((double)((const float *)s->data)[k]));
    }
    return size;
}

/* Largest difference over the largest entry, or over `least`: the gradient of a key's bias is zero
 * but for rounding. */
static inline double gradient_difference(const float *got, const float *want, long count,
                                         double least)
{
    double d = 0;

    for (long k = 0; k < count; k++) {
        least = fmax(least, fabs((double)want[k]));
        d = fmax(d, fabs((double)got[k] - want[k]));
    }
    return d / least;
}

/* Gradients of what learns against PREFIX.THEIR_NAME; one that is not there must be zero. */
static inline void gradients_equal(struct fixture *f, const char *prefix, double tolerance)
{
    double worst = 0, least = 1e-3 * largest_gradient(f, prefix);
    int compared = 0, missing = 0;
    const char *where = "none";

    for (int i = 0; i < f->model->params.count; i++) {
        struct param *p = &f->model->params.list[i];
        struct place place;
        const struct stored *s;
        long count;
        char *name;

        if (!*p->slot || !(*p->slot)->grad)
            continue;
        count = tensor_count(*p->slot);
        layout_place(f->model->layout, p->name, &place);
        name = xprintf("%s.%s", prefix, place.name);
        s = weights_find(f->wanted, name);
        free(name);
        if (!s) {
            for (long k = 0; k < count; k++)
                missing += (*p->slot)->grad[k] != 0;
            continue;
        }
        compared++;
        double d = gradient_difference((*p->slot)->grad,
                                       (const float *)s->data + place.part * count, count, least);
        if (d > worst) {
            worst = d;
            where = p->name;
        }
    }
    ok(compared > 20 && worst <= tolerance, "%s: %d gradients of %s, worst %.2g at %s", f->name,
       compared, prefix, worst, where);
    ok(!missing, "%s: no gradient where the original has none", f->name);
}

static const struct decoding greedy = {
    .beams = 1,
    .sequences = 1,
    .top_p = 1,
    .temperature = 1,
    .repetition_penalty = 1,
    .length_penalty = 1,
    .max_length = 20,
    .end = 3,
};

#endif
