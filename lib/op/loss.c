/* SPDX-License-Identifier: MIT
 * loss.c - scalars to be made small
 *
 *     cross_entropy   mean over the rows that count of  (1-e) nll + e mean(-log p)
 *                     with p = softmax(logits), nll = -log p[target]
 *
 *     dlogits += dloss / counted * (p - (1-e) onehot(target) - e / classes)
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include "op/op.h"
#include "op/rows.h"

struct pass {
    const struct tensor *logits;
    const int *target;
    float *log_sum;  /* [rows]: log of the sum of exp(logits) */
    float *row_loss; /* [rows] */
    float smoothing;
    float scale; /* backward: dloss / counted */
    long counted;
};

static void backward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long classes = width(p->logits);
    float everywhere = p->smoothing / (float)classes;

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i);
        float *dz = grad_of(p->logits, i);

        if (p->target[i] < 0)
            continue;
        for (long j = 0; j < classes; j++)
            dz[j] += p->scale * (expf(z[j] - p->log_sum[i]) - everywhere);
        dz[p->target[i]] -= p->scale * (1 - p->smoothing);
    }
}

static void backward(const struct node *n)
{
    struct pass p = *(const struct pass *)n->saved;

    if (!p.counted)
        return;
    p.scale = n->out->grad[0] / (float)p.counted;
    over_rows(backward_rows, &p, rows(p.logits), width(p.logits));
}

static const struct op op_cross_entropy = { .name = "cross_entropy", .backward = backward };

static void forward_rows(const void *argument, long first, long last)
{
    const struct pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i);
        float most = z[0];
        double sum = 0, total = 0, log_sum;

        if (p->target[i] < 0) {
            p->row_loss[i] = 0;
            continue;
        }
        for (long j = 1; j < classes; j++)
            most = fmaxf(most, z[j]);
        for (long j = 0; j < classes; j++) {
            sum += expf(z[j] - most);
            total += z[j];
        }
        log_sum = most + log(sum);
        p->log_sum[i] = (float)log_sum;
        p->row_loss[i] = (float)((1 - p->smoothing) * (log_sum - z[p->target[i]]) +
                                 p->smoothing * (log_sum - total / (double)classes));
    }
}

static struct pass *pass_over(struct tape *t, struct tensor *logits, const int *target,
                              float smoothing)
{
    struct pass *p = tape_alloc(t, sizeof *p);
    long count = rows(logits);
    int *copy = tape_alloc(t, (size_t)count * sizeof *copy);

    *p = (struct pass){ .logits = logits, .target = copy, .smoothing = smoothing };
    p->log_sum = tape_floats(t, count);
    p->row_loss = tape_floats(t, count);
    for (long i = 0; i < count; i++) {
        assert(target[i] < width(logits));
        copy[i] = target[i];
        p->counted += target[i] >= 0;
    }
    return p;
}

struct tensor *cross_entropy(struct tape *t, struct tensor *logits, const int *target,
                             float smoothing)
{
    struct tensor *loss = tensor_new(t, 0, NULL);
    struct pass *p = pass_over(t, logits, target, smoothing);
    double sum = 0;

    over_rows(forward_rows, p, rows(logits), width(logits));
    for (long i = 0; i < rows(logits); i++)
        sum += p->row_loss[i];
    loss->data[0] = p->counted ? (float)(sum / (double)p->counted) : 0;
    return REMEMBER(t, &op_cross_entropy, loss, p, logits);
}

struct tensor *contrastive(struct tape *t, struct tensor *u, struct tensor *v,
                           struct tensor *logit_scale)
{
    struct tensor *by_u = scale_exp(t, matmul_transposed(t, u, v), logit_scale);
    struct tensor *by_v = scale_exp(t, matmul_transposed(t, v, u), logit_scale);
    int *same = tape_alloc(t, (size_t)rows(u) * sizeof *same);

    assert(rows(u) == rows(v));
    for (long i = 0; i < rows(u); i++)
        same[i] = (int)i;
    return scale(t, add(t, cross_entropy(t, by_u, same, 0), cross_entropy(t, by_v, same, 0)), 0.5f);
}
