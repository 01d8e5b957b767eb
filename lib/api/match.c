/* SPDX-License-Identifier: MIT
 * match.c - does this text describe this image?
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "base/error.h"
#include "base/memory.h"
#include "api/api.h"
#include "op/op.h"

enum { TEXTS = 32 }; /* of one pass */

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

/* Texts that look at images first .. first + images; image_of is counted from `first`. */
struct run {
    struct image_texts texts;
    int first, images;
};

static void match_run(struct vlm *v, const float *features, const struct run *r, float *logits,
                      float *itc)
{
    const struct family *family = v->model->family;
    struct tensor *x, *y;

    tape_clear(&v->tape);
    x = vlm_features_at(v, features, r->first, r->images);
    if (logits) {
        y = family->match(&v->tape, v->model, x, &r->texts);
        vlm_copy_rows(v, y, false, logits);
    }
    if (itc)
        cosines(v, family->image_of(&v->tape, v->model, x),
                family->text(&v->tape, v->model, r->texts.ids, r->texts.counts, r->texts.count),
                r->texts.image_of, r->texts.count, itc);
}

/* The next texts from `at` on, as many as one pass takes, of neighbouring images. */
static struct run next_run(const struct vlm_pairs *p, int at, int *image_of)
{
    int low = p->image_of[at], high = low, count;

    for (count = 0; count < TEXTS && at + count < p->texts; count++) {
        int image = p->image_of[at + count];
        int least = image < low ? image : low, most = image > high ? image : high;

        assert(image >= 0 && image < p->images);
        if (most - least >= VLM_IMAGES_AT_ONCE)
            break;
        low = least;
        high = most;
    }
    for (int i = 0; i < count; i++)
        image_of[i] = p->image_of[at + i] - low;
    return (
        struct run){ .texts = { .counts = p->counts + at, .image_of = image_of, .count = count },
                     .first = low,
                     .images = high - low + 1 };
}

int vlm_match(struct vlm *v, const struct vlm_pairs *p, float *logits, float *itc)
{
    const int *ids = p->ids;
    int image_of[TEXTS];

    if (vlm_require(v, VLM_MATCH))
        return -1;
    if (itc && !(v->model->abilities & VLM_EMBED_IMAGE))
        return fail_as("unsupported", "%s has no cosines", v->about);
    if (model_check_ids(v->model, p->ids, p->counts, p->texts, 0))
        return -1;
    for (int at = 0; at < p->texts;) {
        struct run r = next_run(p, at, image_of);

        r.texts.ids = ids;
        match_run(v, p->features, &r, logits ? logits + at * vlm_classes(v) : NULL,
                  itc ? itc + at : NULL);
        for (int i = 0; i < r.texts.count; i++)
            ids += r.texts.counts[i];
        at += r.texts.count;
    }
    return 0;
}
