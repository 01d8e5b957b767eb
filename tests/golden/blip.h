/* SPDX-License-Identifier: MIT
 * blip.h - a golden BLIP: its model, its texts, and what is compared
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"
#include "text/text.h"
#include "family/blip/files.h"
#include "decode/writer.h"
#include "op/op.h"
#include "tests/unit/tap.h"
#include "vlm.h"

static const double TOLERANCE = 2e-5, GRADIENT = 1e-4;

struct fixture {
    const char *name;
    struct weights *weights, *wanted;
    struct arena memory;
    struct params params;
    const struct layout *layout;
    struct blip model;
    struct tape tape;
};

static inline const struct stored *wanted(const struct fixture *f, const char *name)
{
    const struct stored *s = weights_find(f->wanted, name);

    if (!s)
        note("%s: no %s in the expectations", f->name, name);
    return s;
}

static inline bool open_fixture(struct fixture *f, const char *name, const char *file)
{
    char *path = xprintf("tests/golden/blip/%s", file);
    char *answers = xprintf("tests/golden/blip/%s.expect.safetensors", name);
    char *config = xprintf("%s/config.json", path);
    struct blip_config c;
    int status;

    *f = (struct fixture){ .name = name };
    f->weights = weights_open(path);
    f->wanted = weights_open(answers);
    if (f->weights && f->wanted && path_is_folder(path)) {
        cJSON *root = json_read(config);

        status = blip_config_hf(root, f->weights, &c);
        f->layout = c.contrastive ? &blip_layout_hf_pooled : &blip_layout_hf;
        cJSON_Delete(root);
    } else {
        status = f->weights && f->wanted ? blip_config_original(f->weights, &c) : -1;
        f->layout = !status && c.text.pairs ? &blip_layout_original_pairs : &blip_layout_original;
    }
    if (!status) {
        blip_init(&f->model, &c);
        blip_params(&f->model, &f->params);
        status = params_bind(&f->params, f->weights, f->layout, blip_ignored, &f->memory);
    }
    if (!ok(!status, "%s opens", name))
        note("%s", error_text());
    free(path);
    free(answers);
    free(config);
    return !status;
}

static inline void close_fixture(struct fixture *f)
{
    blip_close(&f->model);
    params_free(&f->params);
    tape_free(&f->tape);
    arena_free(&f->memory);
    weights_close(f->weights);
    weights_close(f->wanted);
}

static inline void close_to(const struct fixture *f, const struct tensor *got, const char *name)
{
    const struct stored *s = wanted(f, name);
    char *label = xprintf("%s: %s", f->name, name);

    if (s && ok(tensor_count(got) ==
                    s->shape[0] * (s->rank > 1 ? s->shape[1] : 1) * (s->rank > 2 ? s->shape[2] : 1),
                "%s: as many numbers", label))
        is_close(got->data, s->data, tensor_count(got), TOLERANCE, TOLERANCE, label);
    free(label);
}

static inline struct tensor *pixels(struct fixture *f)
{
    const struct stored *s = wanted(f, "pixels");

    return tensor_from(&f->tape, (float *)(uintptr_t)s->data, 4, s->shape);
}

/* What the text side looks at. */
static inline struct tensor *image_of(struct fixture *f)
{
    return blip_bridge(&f->tape, &f->model, blip_features(&f->tape, &f->model, pixels(f)));
}

/* The padded ids of the fixture as ragged rows; ids[0] of each is replaced by `first` unless < 0.
 */
struct ragged {
    int ids[256], rows[256]; /* rows: where each stands in the padded form */
    const struct spans *spans;
};

static inline void read_texts(struct fixture *f, struct ragged *r, int first)
{
    const struct stored *ids = wanted(f, "ids"), *mask = wanted(f, "mask");
    const int *id = ids->data, *seen = mask->data;
    int lengths[8] = { 0 }, n = 0;

    for (long i = 0; i < ids->shape[0]; i++) {
        for (long k = 0; k < ids->shape[1]; k++) {
            long at = i * ids->shape[1] + k;

            if (!seen[at])
                continue;
            r->ids[n] = k == 0 && first >= 0 ? first : id[at];
            r->rows[n++] = (int)at;
            lengths[i]++;
        }
    }
    r->spans = spans_of(&f->tape, (int)ids->shape[0], lengths);
}

static inline void close_rows(const struct fixture *f, const struct ragged *r,
                              const struct tensor *got, const char *name)
{
    const struct stored *s = wanted(f, name);
    float *list = xalloc((size_t)tensor_count(got), sizeof *list);

    for (long i = 0; i < rows(got); i++)
        memcpy(list + i * width(got), (const float *)s->data + r->rows[i] * width(got),
               (size_t)width(got) * sizeof *list);
    is_close(got->data, list, tensor_count(got), TOLERANCE, TOLERANCE, name);
    free(list);
}

/* The largest entry of all gradients: what a thousandth of it is lost to rounding is judged by. */
static inline double largest_gradient(const struct fixture *f, const char *prefix)
{
    double size = 0;

    for (int i = 0; i < weights_count(f->wanted); i++) {
        const struct stored *s = weights_at(f->wanted, i);

        if (strncmp(s->name, prefix, strlen(prefix)))
            continue;
        for (size_t k = 0; k < s->bytes / sizeof(float); k++)
            size = fmax(size, fabs((double)((const float *)s->data)[k]));
    }
    return size;
}

/* Largest difference over the largest entry, or over `least`: the gradient of a key's bias is zero
 * but for rounding. */
static inline double difference(const float *got, const float *want, long count, double least)
{
    double d = 0;

    for (long k = 0; k < count; k++) {
        least = fmax(least, fabs((double)want[k]));
        d = fmax(d, fabs((double)got[k] - want[k]));
    }
    return d / least;
}

/* Every parameter's gradient against PREFIX.THEIR_NAME; one that is not there must be zero. */
static inline void gradients(struct fixture *f, const char *prefix)
{
    double worst = 0, least = 1e-3 * largest_gradient(f, prefix);
    int compared = 0, missing = 0;
    char *where = NULL;

    for (int i = 0; i < f->params.count; i++) {
        struct param *p = &f->params.list[i];
        struct place place;
        const struct stored *s;
        char *name;
        double d;
        long count;

        if (!*p->slot) /* the temperature of a checkpoint that is not for learning */
            continue;
        count = tensor_count(*p->slot);
        layout_place(f->layout, p->name, &place);
        name = xprintf("%s.%s", prefix, place.name);
        s = weights_find(f->wanted, name);
        free(name);
        if (!s) {
            float *zero = xalloc((size_t)count, sizeof *zero);

            missing += worst_difference((*p->slot)->grad, zero, count) > 0;
            free(zero);
            continue;
        }
        compared++;
        d = difference((*p->slot)->grad, (const float *)s->data + place.part * count, count, least);
        if (d > worst) {
            worst = d;
            where = p->name;
        }
    }
    ok(compared > 20 && worst <= GRADIENT, "%s: %d gradients of %s, worst %.2g at %s", f->name,
       compared, prefix, worst, where);
    ok(!missing, "%s: no gradient where the original has none", f->name);
}

static inline void close_number(const struct fixture *f, double got, const char *name)
{
    double want = (double)*(const float *)wanted(f, name)->data;

    if (!ok(fabs(got - want) <= 1e-5 * fabs(want) + 1e-6, "%s: %s", f->name, name))
        note("got %.9g, expected %.9g", got, want);
}
