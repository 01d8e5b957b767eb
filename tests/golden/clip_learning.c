/* SPDX-License-Identifier: MIT
 * clip_learning.c - every gradient of CLIP's loss, and three steps of AdamW, against PyTorch
 *
 * A gradient is compared with 1e-4 of its tensor's norm, or of 5e-3 where that is less: a key's
 * bias has no gradient but rounding.  AdamW's first step is nearly the gradient's sign, whatever
 * its size, so noise counts for more: after three steps of 1e-3 a parameter may be off by 1e-4.
 */
#include <math.h>
#include "tests/golden/clip.h"
#include "train/train.h"

static const double gradient_tolerance = 1e-4, floor_of_norms = 5e-3, step_tolerance = 1e-4;

/* Element `index` of theirs, if it lies in our part of the tensor: its place in ours, else -1. */
static long place_in(const struct param *p, const struct place *at, long index, long count)
{
    long ours = index - at->part * count;

    if (ours < 0 || ours >= count)
        return -1;
    if (at->transpose) /* theirs is [in, out] */
        ours = index % p->shape[0] * p->shape[1] + index / p->shape[0];
    return ours;
}

/* The worst of the elements that are kept of a thinned tensor and lie in our part. */
static double compare_thin(const struct param *p, const struct place *at, const struct stored *kept,
                           bool steps)
{
    const struct tensor *x = *p->slot;
    const float *wanted = kept->data, *got = steps ? x->data : x->grad;
    long count = tensor_count(x), step = (count * at->parts + 255) / 256;
    double worst = 0;

    for (long k = 0; k < count_of(kept); k++) {
        long ours = place_in(p, at, k * step, count);
        double difference = ours < 0 ? 0 : fabs((double)got[ours] - (double)wanted[k]);

        if (!(difference <= worst))
            worst = difference;
    }
    return worst;
}

/* Of their whole tensor, which may be query, key and value in one. */
static double norm_of(const struct golden *g, const struct learning *l, const char *name,
                      bool steps)
{
    double square = 0;

    for (int i = 0; i < l->params; i++) {
        const struct tensor *x = *l->list[i]->slot;
        const float *numbers = steps ? x->data : x->grad;
        struct place at;

        if (layout_place(g->model->layout, l->list[i]->name, &at) && !strcmp(at.name, name))
            for (long k = 0; k < tensor_count(x); k++)
                square += (double)numbers[k] * (double)numbers[k];
    }
    return sqrt(square);
}

struct worst {
    double difference;
    const char *where;
};

static void worse(struct worst *w, double difference, const char *where)
{
    if (!(difference <= w->difference))
        *w = (struct worst){ difference, where };
}

static void compare_learning(struct golden *g, const struct learning *l, bool steps)
{
    struct worst one = { 0, "" }, norms = { 0, "" };
    int known = 0;

    for (int i = 0; i < l->params; i++) {
        const struct param *p = l->list[i];
        const struct stored *kept = NULL, *norm = NULL;
        struct place at;
        double wanted, size;

        if (layout_place(g->model->layout, p->name, &at)) {
            kept = find(g, "%s/%s", steps ? "step" : "grad", at.name);
            norm = find(g, "norm/%s", at.name);
        }
        if (!kept || !norm)
            continue;
        known++;
        wanted = ((const float *)norm->data)[steps];
        size = fmax(wanted, floor_of_norms);
        worse(&one, compare_thin(p, &at, kept, steps) / (steps ? 1 : size), p->name);
        worse(&norms, fabs(norm_of(g, l, at.name, steps) - wanted) / size, p->name);
    }
    ok(known == l->params, "%s: %d of %d %s are known", g->name, known, l->params,
       steps ? "parameters" : "gradients");
    ok(one.difference < (steps ? step_tolerance : gradient_tolerance), "%s: %s agree (%.1e, %s)",
       g->name, steps ? "parameters after three steps" : "gradients", one.difference, one.where);
    ok(norms.difference < gradient_tolerance, "%s: so do their norms (%.1e, %s)", g->name,
       norms.difference, norms.where);
}

static void test_learning(struct golden *g)
{
    struct tape t = { 0 };
    struct learning *l = params_learn(&g->model->params, "");
    struct adamw a = { .rate = 1e-3f,
                       .beta1 = 0.9f,
                       .beta2 = 0.98f,
                       .eps = 1e-4f,
                       .weight_decay = 0.2f,
                       .decays = decays_matrices };

    adamw_begin(&a, l);
    for (int step = 0; step < 4; step++) {
        const struct stored *wanted = find(g, "loss.%d", step);
        struct tensor *loss;
        double difference;

        tape_clear(&t);
        learning_zero(l);
        loss = clip_loss(&t, g->clip, pixels_of(g, &t), g->ids, g->counts);
        difference = fabs((double)loss->data[0] - (double)((const float *)wanted->data)[0]);
        ok(difference < (step ? 2e-4 : 1e-5), "%s: loss before step %d is %.6f (%.1e)", g->name,
           step, (double)loss->data[0], difference);
        tape_backward(&t, loss);
        if (step == 0)
            compare_learning(g, l, false);
        if (step < 3)
            adamw_step(&a, l);
    }
    compare_learning(g, l, true);
    adamw_end(&a);
    tape_free(&t);
    learning_free(l);
}

int main(void)
{
    static const char *const models[][2] = {
        { "openai-vit", FOLDER "openai-vit.pt" },
        { "openai-rn", FOLDER "openai-rn.pt" },
        { "hf-vit", FOLDER "hf-vit" },
        { "open_clip-gelu", FOLDER "open_clip-gelu" },
    };

    for (int i = 0; i < COUNT(models); i++) {
        struct golden g;

        if (open_golden(&g, models[i][0], models[i][1]))
            test_learning(&g);
        close_golden(&g);
    }
    return done();
}
