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
    x = vlm_features_at(v, features, r->first, r->images);
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

    if (vlm_require(v, VLM_MATCH))
        return -1;
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
            if (most - least >= VLM_IMAGES_AT_ONCE)
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
