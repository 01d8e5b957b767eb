/* SPDX-License-Identifier: MIT
 * judge.c - a model's losses on pairs that it does not learn from
 *
 * The folder that was just written is loaded and used as any model is, so the training that goes on
 * beside it is not touched.
 */
#include <string.h>
#include "family/registry.h"
#include "train/judge.h"

double draw_uniform(void *random)
{
    return random_uniform(random);
}

static int batches(struct training_report *out, struct model *m, struct dataset *d, int size,
                   const struct lesson *lesson)
{
    long count = dataset_batches(d, size);
    struct batch *next = batch_begin(d, 0, size);
    struct tape tape = { 0 };
    int status = 0;

    for (long i = 0; i < count && !status; i++) {
        struct batch *b = next;
        const struct pairs *pairs = batch_pairs(b);
        struct losses losses;

        next = i + 1 < count ? batch_begin(d, i + 1, size) : NULL;
        tape_clear(&tape);
        status = pairs ? model_learn(&tape, m, pairs, lesson, &losses) : -1;
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

int judge(struct training_report *out, const char *folder, const struct vlm_options *options,
          struct dataset *d, int size, const struct lesson *as, uint64_t seed)
{
    struct random random = { hash_bytes("held out", strlen("held out"), seed) };
    const struct lesson lesson = { .objectives = as->objectives,
                                   .weight = as->weight,
                                   .smoothing = as->smoothing,
                                   .easy = as->easy,
                                   .prompt = as->prompt,
                                   .draw = draw_uniform,
                                   .draw_self = &random };
    struct model *m = model_load(folder, options);
    int status = -1;

    if (m) {
        model_begin_learning(m);
        status = batches(out, m, d, size, &lesson);
    }
    out->held_out = true;
    model_free(m);
    return status;
}
