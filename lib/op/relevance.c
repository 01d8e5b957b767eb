/* SPDX-License-Identifier: MIT
 * relevance.c - Grad-CAM over attention: what a row looked at, and what of it mattered
 *
 *     p = softmax(scale q k^T)     dL/dp = dL/dy v^T     r = mean over heads of p max(0, dL/dp)
 *
 * Each number is made of its own row and key, whatever else is in the batch.  Source:
 * salesforce/ALBEF visualization.ipynb; arXiv 1610.02391.
 */
#include <assert.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct attention_plan *plan;
    const struct tensor *q, *k, *v, *y;
    const int *keys; /* [query rows]: where the row's keys begin */
    float *scratch;  /* [query rows, keys] */
    float *out;      /* [query rows, keys] */
    long count;      /* keys */
};

/* The probabilities are computed anew: the pass that was watched kept none. */
static void one_head(const struct pass *p, long row, long column, long wide)
{
    const float *q = p->q->data + row * p->q->stride + column;
    const float *dy = p->y->grad + row * p->y->stride + column;
    float *weight = p->scratch + row * p->count, *r = p->out + row * p->count;

    for (long j = 0; j < p->count; j++)
        weight[j] = p->plan->scale *
                    kernels.dot(q, p->k->data + (p->keys[row] + j) * p->k->stride + column, wide);
    kernels.softmax(weight, (int)p->count);
    for (long j = 0; j < p->count; j++) {
        float dp = kernels.dot(dy, p->v->data + (p->keys[row] + j) * p->v->stride + column, wide);

        if (dp > 0)
            r[j] += weight[j] * dp / (float)p->plan->heads;
    }
}

static void some_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long wide = width(p->q) / p->plan->heads;

    for (long row = first; row < last; row++)
        for (int head = 0; head < p->plan->heads; head++)
            one_head(p, row, head * wide, wide);
}

/* [query rows, keys]; all keys must be of one length, as the tokens of images are. */
float *attention_relevance(struct tape *t, const struct attention_plan *plan,
                           const struct tensor *q, const struct tensor *k, const struct tensor *v,
                           const struct tensor *y)
{
    const int *start = plan->queries->start, *key = plan->keys->start;
    int *keys = tape_alloc(t, (size_t)rows(q) * sizeof *keys);
    struct pass p = { plan, q, k, v, y, keys, NULL, NULL, key[1] - key[0] };

    assert(y->grad && !plan->causal && !plan->packed && !plan->keys->length);
    for (int i = 0; i < plan->queries->count; i++) {
        int j = plan->key_of ? plan->key_of[i] : i;

        assert(key[j + 1] - key[j] == p.count);
        for (int row = start[i]; row < start[i + 1]; row++)
            keys[row] = key[j];
    }
    p.scratch = tape_floats(t, rows(q) * p.count);
    p.out = tape_floats(t, rows(q) * p.count);
    memset(p.out, 0, (size_t)(rows(q) * p.count) * sizeof *p.out);
    over_rows(some_rows, &p, rows(q), 2 * p.count * width(q));
    return p.out;
}
