/* SPDX-License-Identifier: MIT
 * validate.c - a model's losses on pairs that it does not learn from
 *
 * The folder that was just written is loaded and used as any model is, so the training that goes on
 * beside it is not touched.
 */
#include <string.h>
#include "base/random.h"
#include "family/registry.h"
#include "train/validate.h"

double draw_uniform(void *random)
{
    return random_uniform(random);
}

static int batches(struct training_report *out, struct model *m, const struct validation *v,
                   const struct loss_options *loss)
{
    long count = dataset_batches(v->data, v->batch);
    struct batch *next = batch_begin(v->data, 0, v->batch);
    struct tape tape = { 0 };
    int status = 0;

    for (long i = 0; i < count && !status; i++) {
        struct batch *b = next;
        const struct pairs *pairs = batch_pairs(b);
        struct losses losses;

        next = i + 1 < count ? batch_begin(v->data, i + 1, v->batch) : NULL;
        tape_clear(&tape);
        status = pairs ? model_learn(&tape, m, pairs, loss, &losses) : -1;
        if (!status) {
            report_add(out, &losses);
            out->pairs += pairs->count;
        }
        batch_free(b);
    }
    batch_free(next);
    tape_free(&tape);
    report_mean(out, count);
    return status;
}

int validate(struct training_report *out, const struct validation *v)
{
    struct random random = { hash_bytes("held out", strlen("held out"), v->seed) };
    const struct loss_options loss = { .objectives = v->loss->objectives,
                                       .weight = v->loss->weight,
                                       .smoothing = v->loss->smoothing,
                                       .easy = v->loss->easy,
                                       .positives = v->loss->positives,
                                       .context = v->loss->context,
                                       .prompt = v->loss->prompt,
                                       .draw = draw_uniform,
                                       .draw_self = &random };
    struct model *m = model_load(v->folder, v->options);
    int status = -1;

    if (m) {
        model_begin_learning(m, v->options->tokenizer);
        status = batches(out, m, v, &loss);
    }
    out->held_out = true;
    model_free(m);
    return status;
}
