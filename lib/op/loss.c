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

/* --- targets that are distributions --- */

struct soft_pass {
    const struct tensor *logits;
    const float *targets;
    float *log_sum;  /* [rows]: log of the sum of exp(logits) */
    float *mass;     /* [rows]: sum of the targets */
    float *row_loss; /* [rows] */
    float *softmax;  /* [rows, classes]: softmax_rows alone */
    float scale;     /* backward: dloss / rows */
};

static void soft_backward_rows(const void *argument, long first, long last)
{
    const struct soft_pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i), *y = p->targets + i * classes;
        float *dz = grad_of(p->logits, i);

        for (long j = 0; j < classes; j++)
            dz[j] += p->scale * (p->mass[i] * expf(z[j] - p->log_sum[i]) - y[j]);
    }
}

static void soft_backward(const struct node *n)
{
    struct soft_pass p = *(const struct soft_pass *)n->saved;

    p.scale = n->out->grad[0] / (float)rows(p.logits);
    over_rows(soft_backward_rows, &p, rows(p.logits), width(p.logits));
}

static const struct op op_soft_cross_entropy = { .name = "soft_cross_entropy",
                                                 .backward = soft_backward };

static double log_sum_of(const float *z, long classes)
{
    float most = z[0];
    double sum = 0;

    for (long j = 1; j < classes; j++)
        most = fmaxf(most, z[j]);
    for (long j = 0; j < classes; j++)
        sum += expf(z[j] - most);
    return most + log(sum);
}

static void soft_forward_rows(const void *argument, long first, long last)
{
    const struct soft_pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i), *y = p->targets + i * classes;
        double log_sum = log_sum_of(z, classes), mass = 0, along = 0;

        for (long j = 0; j < classes; j++) {
            mass += y[j];
            along += (double)y[j] * z[j];
        }
        p->log_sum[i] = (float)log_sum;
        p->mass[i] = (float)mass;
        p->row_loss[i] = (float)(mass * log_sum - along);
    }
}

struct tensor *soft_cross_entropy(struct tape *t, struct tensor *logits, const float *targets)
{
    struct tensor *loss = tensor_new(t, 0, NULL);
    struct soft_pass *p = tape_alloc(t, sizeof *p);
    long count = rows(logits);
    double sum = 0;

    assert(count > 0);
    *p = (struct soft_pass){ .logits = logits, .targets = targets };
    p->log_sum = tape_floats(t, count);
    p->mass = tape_floats(t, count);
    p->row_loss = tape_floats(t, count);
    over_rows(soft_forward_rows, p, count, width(logits));
    for (long i = 0; i < count; i++)
        sum += p->row_loss[i];
    loss->data[0] = (float)(sum / (double)count);
    return REMEMBER(t, &op_soft_cross_entropy, loss, p, logits);
}

static void softmax_of_rows(const void *argument, long first, long last)
{
    const struct soft_pass *p = argument;
    long classes = width(p->logits);

    for (long i = first; i < last; i++) {
        const float *z = row_of(p->logits, i);
        float log_sum = (float)log_sum_of(z, classes), *y = p->softmax + i * classes;

        for (long j = 0; j < classes; j++)
            y[j] = expf(z[j] - log_sum);
    }
}

float *softmax_rows(struct tape *t, const struct tensor *logits)
{
    struct soft_pass p = { .logits = logits, .softmax = tape_floats(t, tensor_count(logits)) };

    over_rows(softmax_of_rows, &p, rows(logits), width(logits));
    return p.softmax;
}
